"""Moves replicas between brokers: starts reassignments in batches, and waits for each batch."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from components.errors import TopicError, UnhealthyError, count
from components.kafka.client import BATCH, ClusterState, Partition, batches
from components.waiting import wait_until

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


@dataclass(frozen=True, kw_only=True)
class Reassignment:
    """A reassignment of one partition that is in progress.

    Args:
        before: Broker ids of the replicas that it started from.
        after: Broker ids of the replicas that it leads to, the preferred leader first.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]


Place = tuple[str, int]
"""A partition: its topic and number."""

Reassignments = Mapping[Place, Reassignment]
"""The cluster's reassignments in progress."""

Moves = Mapping[Place, tuple[int, ...]]
"""New replicas by partition, the preferred leader first."""


def place_of(partition: Partition) -> Place:
    """A partition's topic and number."""
    return partition.topic, partition.number


def by_place(moves: Mapping[Partition, tuple[int, ...]]) -> dict[Place, tuple[int, ...]]:
    """New replicas by topic and number instead of by partition."""
    return {place_of(partition): replicas for partition, replicas in moves.items()}


def in_progress(client: "KafkaAdminClient") -> Reassignments:
    """Read the reassignments in progress. Until one ends, metadata shows old and new replicas together."""
    return {
        (partition.topic, partition.partition): Reassignment(
            before=tuple(broker for broker in found["replicas"] if broker not in found["adding_replicas"]),
            after=tuple(broker for broker in found["replicas"] if broker not in found["removing_replicas"]),
        )
        for partition, found in client.list_partition_reassignments().items()
    }


def when_ended(state: ClusterState, moving: Reassignments) -> ClusterState:
    """The cluster with the replicas that partitions have when the reassignments in progress have ended."""
    partitions = [
        replace(partition, replicas=moving[place_of(partition)].after) if place_of(partition) in moving else partition
        for partition in state.partitions
    ]
    return replace(state, partitions=partitions)


def move(
    client: "KafkaAdminClient",
    moves: Moves,
    *,
    deadline: float,
    report: Callable[[str], None],
    size: int = BATCH,
    done: Callable[[int], None] = lambda _number: None,
) -> None:
    """Start reassignments in batches, and wait until the replicas of each batch are in sync.

    Args:
        client: An admin client.
        moves: New replicas, by partition.
        deadline: Seconds without progress.
        report: Called with a line of progress.
        size: Partitions of a batch.
        done: Called after each batch with the number of its partitions.

    Raises:
        TopicError: The cluster refused a move.
        UnhealthyError: Nothing moved for the deadline; the moves go on, and the next run waits for them.
        kafka.errors.KafkaError: The cluster did not take a request.
    """
    total = 0
    for batch in batches(moves.items(), size):
        _alter(client, dict(batch))
        wait(client, [place for place, _ in batch], deadline=deadline, report=report)
        total += len(batch)
        if len(moves) > size:
            report(f"changed the replicas of {total} of {count(len(moves), 'partition')}")
        done(len(batch))


def cancel(client: "KafkaAdminClient", places: Collection[Place]) -> None:
    """Cancel those of the partitions' reassignments that are in progress: their replicas are as before.

    Raises:
        TopicError: The cluster refused it.
    """
    from kafka.errors import NoReassignmentInProgressError

    for batch in batches(sorted(places)):
        _alter(client, dict.fromkeys(batch), ignored=(NoReassignmentInProgressError,))


def _alter(
    client: "KafkaAdminClient",
    moves: Mapping[Place, Sequence[int] | None],
    ignored: tuple[type[Exception], ...] = (),
) -> None:
    from kafka import TopicPartition

    answer = client.alter_partition_reassignments(
        {TopicPartition(*place): None if replicas is None else list(replicas) for place, replicas in moves.items()}
    )
    refused = [
        f"{place.topic}-{place.partition}: {error.__name__}"
        for place, error in answer.items()
        if error and error not in ignored
    ]
    if refused:
        raise TopicError(f"the cluster refused to move {count(len(refused), 'partition')}", refused)


def wait(
    client: "KafkaAdminClient", places: Sequence[Place], *, deadline: float, report: Callable[[str], None]
) -> None:
    """Wait until no reassignment of these partitions is in progress.

    Args:
        client: An admin client.
        places: The partitions.
        deadline: Seconds without progress: no move ended, and no replica grew.
        report: Called with a line whenever the number of moves in progress changes.

    Raises:
        UnhealthyError: The deadline passed without progress.
    """
    from kafka import TopicPartition
    from kafka.errors import KafkaError

    partitions = [TopicPartition(*place) for place in places]
    left = len(partitions)

    def moving() -> list[str]:
        nonlocal left
        try:
            found = client.list_partition_reassignments(partitions)
        except (KafkaError, RuntimeError) as error:  # a broker restarts, or the controller changes
            return [f"the moves in progress cannot be read ({error})"]
        left = len(found)
        if not found:
            return []
        first = min(found)
        return [f"{left} of {count(len(places), 'partition')} still moving, such as {first.topic}-{first.partition}"]

    seen = (left, _stored(client, places))
    while True:
        try:
            wait_until(moving, what="the change of replicas", state="complete", deadline=deadline, report=report)
        except UnhealthyError:
            now = (left, _stored(client, places))
            if now == seen:
                raise
            seen = now
        else:
            return


def _stored(client: "KafkaAdminClient", places: Sequence[Place]) -> int:
    """Bytes that all replicas of the partitions have on disk; 0 if the brokers do not tell."""
    from kafka.errors import KafkaError

    topics: dict[str, list[int]] = {}
    for topic, number in places:
        topics.setdefault(topic, []).append(number)
    try:
        answers: list[dict[str, Any]] = client.describe_log_dirs(topics)
    except (KafkaError, RuntimeError):
        return 0
    return sum(
        partition["partition_size"]
        for answer in answers
        for folder in answer["log_dirs"]
        for topic in folder["topics"]
        for partition in topic["partitions"]
    )
