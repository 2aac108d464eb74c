"""Moves replicas as planned: written to the journal first, then a few at a time; a killed command goes on."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from components.errors import count
from components.kafka.leaving import MOVES_AT_ONCE
from components.kafka.reassignment import Place, Reassignments, cancel, in_progress, move, wait
from ops import console
from ops.brokers import journal, throttle
from ops.brokers.journal import Journal, Move, Throttle
from ops.errors import RefusedError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

STALLED_SECONDS = 600.0
"""Seconds without any progress after which a move is given up; it goes on, and the same command waits for it again."""


def refuse_unfinished(stack: str, what: str) -> None:
    """Refuse to start while a different command is unfinished.

    Args:
        stack: The stack.
        what: What is asked for: ``drain 3``; the same as before continues it.

    Raises:
        RefusedError: Names the unfinished command.
    """
    found = journal.load(stack)
    if found is None or found.done or found.running == what:
        return
    raise RefusedError(
        f"`ops brokers {found.running}` on stack {stack} is unfinished; nothing was done",
        ["run it again to go on, or `ops brokers cancel` to stop it; `ops brokers undo` moves everything back"],
    )


def await_started(client: "KafkaAdminClient", stack: str, rate: int | None) -> None:
    """Wait for the moves that an interrupted command has started; they are not started again.

    Args:
        client: An admin client.
        stack: The stack.
        rate: Bytes per second and broker from now on; None for no limit.
    """
    found = journal.load(stack)
    places = [] if found is None or found.done else sorted(_under_way(found, in_progress(client)))
    if found is None or not places:
        return
    console.say(f"waiting for {count(len(places), 'partition')} that an interrupted command has started to move")
    clear_throttle(client, stack)
    if rate is not None:
        moves = [one for one in found.moves if one.place in places]
        _limit(client, found, throttle.throttle_of(moves, rate), stack)
    wait(client, places, deadline=STALLED_SECONDS, report=console.say)


def _limit(client: "KafkaAdminClient", written: Journal, limit: Throttle, stack: str) -> None:
    """Set a throttle, named in the journal before."""
    throttle.refuse_foreign(client, limit)
    journal.save(written.model_copy(update={"throttle": limit}), stack)
    throttle.put(client, limit)


def _under_way(found: Journal, moving: Reassignments) -> set[Place]:
    """Partitions that move as the journal says; other moves of them are another tool's."""
    targets = {one.place: one.before if found.undoing else one.after for one in found.moves}
    return {place for place, target in targets.items() if place in moving and moving[place].after == target}


def carry_out(
    client: "KafkaAdminClient", stack: str, what: str, moves: list[Move], rate: int | None, *, undoing: bool = False
) -> None:
    """Write the journal, set the throttle, move, and remove the throttle.

    A change that was interrupted keeps in its journal what was before its first step.

    Args:
        client: An admin client.
        stack: The stack.
        what: What is asked for: ``drain 3``.
        moves: What is to be moved.
        rate: Bytes per second and broker; None for no limit.
        undoing: Whether the moves undo those of the journal.

    Raises:
        RefusedError: Another tool's throttle is set; nothing was moved.
        UnhealthyError: The moves made no progress.
    """
    clear_throttle(client, stack)
    written = _journal(journal.load(stack), what, moves, undoing=undoing)
    if rate is None:
        journal.save(written.model_copy(update={"throttle": None}), stack)
    else:
        _limit(client, written, throttle.throttle_of(moves, rate), stack)
    targets = {one.place: one.after for one in moves}
    with console.progress("moving partitions", len(moves)) as advance:
        move(
            client,
            targets,
            deadline=STALLED_SECONDS,
            report=lambda _line: None,
            size=MOVES_AT_ONCE,
            done=advance,
        )
    _prefer_leaders(client, targets)
    finish(client, stack)


def _journal(earlier: Journal | None, what: str, moves: list[Move], *, undoing: bool) -> Journal:
    """The journal of a change; an undo keeps that of what it undoes, a continued change that of its first step."""
    if undoing and earlier is not None:
        return earlier.model_copy(update={"undoing": True, "done": False})
    if earlier is None or earlier.done or earlier.what != what:
        return Journal(what=what, moves=moves)
    first = {one.place: one for one in earlier.moves}
    again = [one.model_copy(update={"before": first[one.place].before}) if one.place in first else one for one in moves]
    rest = first.keys() - {one.place for one in moves}
    return Journal(what=what, moves=[*again, *(first[place] for place in sorted(rest))])


def finish(client: "KafkaAdminClient", stack: str) -> None:
    """Remove the throttle; note that all has moved, or forget what was undone."""
    clear_throttle(client, stack)
    found = journal.load(stack)
    if found is not None and found.undoing:
        journal.remove(stack)
    elif found is not None:
        journal.save(found.model_copy(update={"done": True}), stack)


def clear_throttle(client: "KafkaAdminClient", stack: str) -> None:
    """Remove the throttle that the journal names, such as one that a killed command has left behind."""
    found = journal.load(stack)
    if found is not None and found.throttle is not None:
        throttle.remove(client, found.throttle)
        journal.save(found.model_copy(update={"throttle": None}), stack)


def stop(client: "KafkaAdminClient", stack: str) -> int:
    """Cancel the moves in progress of an interrupted command, and remove its throttle; returns their number.

    What has moved already stays; the journal stays too, for an undo.
    """
    found = journal.load(stack)
    if found is None or found.done:
        return 0
    places = _under_way(found, in_progress(client))
    cancel(client, places)
    clear_throttle(client, stack)
    journal.save(found.model_copy(update={"done": True, "undoing": False, "throttle": None}), stack)
    return len(places)


def _prefer_leaders(client: "KafkaAdminClient", places: Collection[Place]) -> None:
    """Let the preferred leaders lead, which Kafka would do by itself some minutes later."""
    from kafka.errors import KafkaError

    topics: dict[str, list[int]] = {}
    for topic, number in places:
        topics.setdefault(topic, []).append(number)
    try:
        if topics:
            client.elect_leaders(0, topics, raise_errors=False)
    except (KafkaError, RuntimeError):
        console.say("preferred leaders were not elected; Kafka does it by itself within some minutes")
