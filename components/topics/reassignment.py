"""Gives topics their new replication factors: starts reassignments in batches, and waits for each batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from components.errors import TopicError, count
from components.kafka.client import BATCH, ClusterState, Partition, batches, cluster_state, complete_replicas
from components.topics.placement import new_replicas
from components.topics.rules import TopicSpec
from components.topics.safety import ObservedTopic
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


def in_progress(client: "KafkaAdminClient") -> Reassignments:
    """Read the reassignments in progress. Until one ends, metadata shows old and new replicas together."""
    return {
        (partition.topic, partition.partition): Reassignment(
            before=tuple(broker for broker in found["replicas"] if broker not in found["adding_replicas"]),
            after=tuple(broker for broker in found["replicas"] if broker not in found["removing_replicas"]),
        )
        for partition, found in client.list_partition_reassignments().items()
    }


def when_done(observed: Mapping[str, ObservedTopic], moving: Reassignments) -> dict[str, ObservedTopic]:
    """The topics with the replicas that they have when the reassignments in progress have ended."""
    if not moving:
        return dict(observed)
    return {
        name: replace(
            topic,
            replicas=tuple(
                moving[name, number].after if (name, number) in moving else replicas
                for number, replicas in enumerate(topic.replicas)
            ),
        )
        for name, topic in observed.items()
    }


def started_before(declared: Mapping[str, TopicSpec], moving: Reassignments) -> list[Place]:
    """Partitions that are on their way to the declared replication factor, as after an interrupted run.

    Moves that keep the number of replicas are another tool's: nothing waits for them.
    """
    return sorted(
        (name, number)
        for (name, number), reassignment in moving.items()
        if name in declared and len(reassignment.after) == declared[name].replication_factor != len(reassignment.before)
    )


def change_factors(
    client: "KafkaAdminClient",
    declared: Mapping[str, TopicSpec],
    factors: Mapping[str, int],
    moving: Reassignments,
    *,
    deadline: float,
    report: Callable[[str], None],
) -> None:
    """Give topics new replication factors, and wait until their replicas are in sync.

    Reassignments that an earlier run started are waited for first and not started again.

    Args:
        client: An admin client.
        declared: The set's topics, by name.
        factors: New replication factor of each topic that changes.
        moving: The reassignments in progress.
        deadline: Seconds for the replicas of one batch to move.
        report: Called with a line of progress.

    Raises:
        TopicError: There are too few brokers, or the cluster refused a move.
        UnhealthyError: The deadline passed; the moves go on, and the next run waits for them.
        kafka.errors.KafkaError: The metadata cannot be read, or lacks replicas or partitions, as those just added.
    """
    for batch in batches(started_before(declared, moving)):
        _wait(client, batch, deadline, report)
    if not factors:
        return
    moves = _moves(client, declared, factors, moving)
    done = 0
    for batch in batches(moves.items()):
        _start(client, dict(batch))
        _wait(client, [place for place, _ in batch], deadline, report)
        done += len(batch)
        if len(moves) > BATCH:
            report(f"changed the replicas of {done} of {count(len(moves), 'partition')}")


def _moves(
    client: "KafkaAdminClient",
    declared: Mapping[str, TopicSpec],
    factors: Mapping[str, int],
    moving: Reassignments,
) -> dict[Place, tuple[int, ...]]:
    """New replicas by topic and partition, from one read of the cluster's metadata."""
    state = cluster_state(client)
    _require_complete(state, {name: declared[name].partitions for name in factors})
    partitions = [
        replace(partition, replicas=moving[place].after)
        if (place := (partition.topic, partition.number)) in moving
        else partition
        for partition in state.partitions
    ]
    wanted = new_replicas(replace(state, partitions=partitions), factors)
    return {(partition.topic, partition.number): replicas for partition, replicas in wanted.items()}


def _require_complete(state: ClusterState, expected: Mapping[str, int]) -> None:
    """Raise unless the metadata has all replicas of each topic, and at least the expected number of its partitions."""
    from kafka.errors import StaleMetadata

    shown: dict[str, list[Partition]] = {name: [] for name in expected}
    for partition in state.partitions:
        if partition.topic in shown:
            shown[partition.topic].append(partition)
    for name, partitions in shown.items():
        if len(partitions) < expected[name]:
            raise StaleMetadata(f"a broker's answer lacks topic {name} or new partitions of it")
        complete_replicas(name, partitions)


def _start(client: "KafkaAdminClient", moves: Mapping[Place, Sequence[int]]) -> None:
    from kafka import TopicPartition

    answer = client.alter_partition_reassignments(
        {TopicPartition(*place): list(replicas) for place, replicas in moves.items()}
    )
    refused = [f"{place.topic}-{place.partition}: {error.__name__}" for place, error in answer.items() if error]
    if refused:
        raise TopicError(f"the cluster refused to move {count(len(refused), 'partition')}", refused)


def _wait(client: "KafkaAdminClient", places: Sequence[Place], deadline: float, report: Callable[[str], None]) -> None:
    """Wait until no reassignment of these partitions is in progress."""
    from kafka import TopicPartition

    partitions = [TopicPartition(*place) for place in places]

    def moving() -> list[str]:
        left = client.list_partition_reassignments(partitions)
        if not left:
            return []
        first = min(left)
        return [
            f"{len(left)} of {count(len(places), 'partition')} still moving, such as {first.topic}-{first.partition}"
        ]

    wait_until(moving, what="the change of replicas", state="complete", deadline=deadline, report=report)
