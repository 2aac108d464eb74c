"""Gives topics their new replication factors, and waits until their replicas are in sync."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from components.kafka.client import ClusterState, Partition, batches, cluster_state, complete_replicas
from components.kafka.placement import new_replicas
from components.kafka.reassignment import Place, Reassignments, by_place, move, wait, when_ended
from components.topics.rules import TopicSpec
from components.topics.safety import ObservedTopic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


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
        deadline: Seconds without progress.
        report: Called with a line of progress.

    Raises:
        TopicError: There are too few brokers, or the cluster refused a move.
        UnhealthyError: The deadline passed; the moves go on, and the next run waits for them.
        kafka.errors.KafkaError: The metadata cannot be read, or lacks replicas or partitions, as those just added.
    """
    for batch in batches(started_before(declared, moving)):
        wait(client, batch, deadline=deadline, report=report)
    if not factors:
        return
    state = cluster_state(client)
    _require_complete(state, {name: declared[name].partitions for name in factors})
    move(client, by_place(new_replicas(when_ended(state, moving), factors)), deadline=deadline, report=report)


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
