"""`ops brokers`: what brokers hold, and moving replicas between them."""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import count
from ops import console
from ops.commands.options import AsJson, platform
from ops.errors import RefusedError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from ops.brokers.journal import Move
    from ops.platform import Platform

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Move without asking")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would move")]
Limit = Annotated[
    str | None,
    typer.Option("--throttle", metavar="RATE", help="Bytes per second and broker that moves may take: 50MiB/s"),
]

SHOWN = 20
"""Moves that a plan lists on a terminal; the others are counted."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    brokers = typer.Typer(no_args_is_help=True, help="List brokers, and move replicas between them.")
    brokers.command("list")(list_brokers)
    brokers.command("rebalance")(rebalance)
    brokers.command("drain")(drain)
    brokers.command("factor")(factor)
    brokers.command("cancel")(cancel)
    brokers.command("undo")(undo)
    app.add_typer(brokers, name="brokers")


def list_brokers(context: typer.Context, as_json: AsJson = False) -> None:
    """List brokers: rack, replicas, leaders and bytes on disk."""
    from ops.brokers.views import read_brokers

    with platform(context).admin() as client:
        views = read_brokers(client)
    if as_json:
        console.json_document([view.to_json() for view in views])
        return
    rows = [
        [
            str(view.id),
            view.address or "not registered",
            view.rack or "none",
            str(view.replicas),
            str(view.leaders),
            str(view.preferred),
            console.size(view.disk),
            "controller" if view.controller else "",
        ]
        for view in views
    ]
    headings = ("BROKER", "ADDRESS", "RACK", "REPLICAS", "LEADERS", "PREFERRED", "DISK", "ROLE")
    console.table(headings, rows, numbers=("BROKER", "REPLICAS", "LEADERS", "PREFERRED", "DISK"))


def rebalance(
    context: typer.Context, yes: Yes = False, dry_run: DryRun = False, throttle: Limit = None, as_json: AsJson = False
) -> None:
    """Even out replicas and leaders over brokers and racks, as after a broker was added.

    The plan is shown first. After a kill, the same command goes on.
    """
    from ops.brokers import plans

    _change(context, "rebalance", plans.rebalance, yes=yes, dry_run=dry_run, throttle=throttle, as_json=as_json)


def drain(
    context: typer.Context,
    brokers: Annotated[list[int], typer.Argument(metavar="ID", help="Brokers to take all replicas off")],
    yes: Yes = False,
    dry_run: DryRun = False,
    throttle: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Move all replicas off brokers, as before they are removed; replication factors are kept.

    The plan is shown first. After a kill, the same command goes on.
    """
    from ops.brokers import plans

    def plan(client: "KafkaAdminClient") -> "list[Move]":
        return plans.drain(client, brokers)

    what = f"drain {' '.join(map(str, sorted(set(brokers))))}"
    _change(context, what, plan, yes=yes, dry_run=dry_run, throttle=throttle, as_json=as_json)


def factor(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic, such as __consumer_offsets")],
    replicas: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Its replication factor")],
    yes: Yes = False,
    dry_run: DryRun = False,
    throttle: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Change the replication factor of a topic that the stack file does not declare, such as Kafka's own."""
    from ops.brokers import plans

    def plan(client: "KafkaAdminClient") -> "list[Move]":
        return plans.factor(client, topic, replicas)

    what = f"factor {topic} {replicas}"
    _change(context, what, plan, yes=yes, dry_run=dry_run, throttle=throttle, as_json=as_json)


def cancel(context: typer.Context) -> None:
    """Stop the moves in progress of an interrupted command; those partitions keep the replicas they had."""
    from ops.brokers import moving

    found = platform(context)
    with _replicas(found) as client:
        stopped = moving.stop(client, found.stack)
    console.say(f"cancelled: {count(stopped, 'partition')}; `ops brokers undo` also moves back what has moved already")


def undo(context: typer.Context, yes: Yes = False, dry_run: DryRun = False, throttle: Limit = None) -> None:
    """Move the partitions of the last change back to where they were before it."""
    from ops.brokers import journal, moving, plans

    rate, found = _rate(throttle), platform(context)
    last = journal.load(found.stack)
    if last is None:
        raise RefusedError("there is nothing to undo: no command has moved replicas on this stack")
    with _replicas(found) as client:
        if not dry_run and not last.undoing:
            moving.stop(client, found.stack)
        if not dry_run and last.undoing:
            moving.await_started(client, found.stack, rate)
        moves = plans.undo(client, last)
        _show(client, moves, as_json=False)
        if dry_run or (moves and not _confirmed(moves, yes)):
            return
        moving.carry_out(client, found.stack, last.what, moves, rate, undoing=True)
    console.say(f"undone: {last.what}")


def _change(
    context: typer.Context,
    what: str,
    plan: "Callable[[KafkaAdminClient], list[Move]]",
    *,
    yes: bool,
    dry_run: bool,
    throttle: str | None,
    as_json: bool,
) -> None:
    """Plan, show, ask and move."""
    from ops.brokers import moving

    rate, found = _rate(throttle), platform(context)
    with _replicas(found) as client:
        if not dry_run:
            moving.refuse_unfinished(found.stack, what)
            moving.await_started(client, found.stack, rate)
        moves = plan(client)
        _show(client, moves, as_json=as_json)
        if dry_run:
            return
        if not moves:
            moving.finish(client, found.stack)
            return
        if not _confirmed(moves, yes):
            return
        moving.carry_out(client, found.stack, what, moves, rate)
    console.say(f"done: {count(len(moves), 'partition')} changed; `ops brokers undo` moves them back")


@contextmanager
def _replicas(found: "Platform") -> "Generator[KafkaAdminClient]":
    """An admin client for reading and moving replicas."""
    from components.kafka.client import controller_errors

    with found.admin() as client, controller_errors():
        yield client


def _rate(text: str | None) -> int | None:
    """Bytes per second of ``--throttle``.

    Raises:
        typer.BadParameter: It is no rate.
    """
    from pydantic import ByteSize, TypeAdapter, ValidationError

    if text is None:
        return None
    try:
        rate = int(TypeAdapter(ByteSize).validate_python(text.removesuffix("/s")))
    except ValidationError:
        rate = 0
    if rate < 1:
        raise typer.BadParameter(f'"{text}" is no rate; expected one such as 50MiB/s', param_hint="--throttle")
    return rate


def _show(client: "KafkaAdminClient", moves: "Sequence[Move]", *, as_json: bool) -> None:
    """Show what would move, and what each broker holds before and after."""
    from components.kafka.client import cluster_state
    from ops.brokers.plans import loads

    if as_json:
        console.json_document([one.model_dump(mode="json") for one in moves])
        return
    if not moves:
        console.say("nothing to move")
        return
    state = cluster_state(client)
    shown = moves[:SHOWN] if console.out.is_terminal else moves
    rows = [[one.topic, str(one.partition), _ids(one.before), _ids(one.after)] for one in shown]
    console.table(("TOPIC", "PARTITION", "REPLICAS", "THEN"), rows, numbers=("PARTITION",))
    if len(shown) < len(moves):
        console.line(f"… and {len(moves) - len(shown)} more (--json lists all)")
    copies = sum(len(set(one.after) - set(one.before)) for one in moves)
    effect = "; ".join(
        f"broker {broker} ({state.racks.get(broker, 'no rack')}): {now} -> {then} replicas"
        for broker, now, then in loads(state, moves)
    )
    console.say(f"plan: {count(len(moves), 'partition')} change, {count(copies, 'replica')} to copy; {effect}")


def _ids(brokers: "Sequence[int]") -> str:
    return ",".join(map(str, brokers))


def _confirmed(moves: "Sequence[Move]", yes: bool) -> bool:
    """Whether to go on.

    Raises:
        RefusedError: Nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise RefusedError("nothing was moved: give --yes to go on, since nobody can be asked here")
    return typer.confirm(f"Move {count(len(moves), 'partition')}?", err=True)
