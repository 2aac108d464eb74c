"""Takes brokers out of service: moves all their replicas to others, a few at a time.

A removal by ``up`` and ``ops brokers drain`` share it. Calling it again goes on where an interrupted call stopped: what
is under way is awaited, not started again.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.errors import count
from components.kafka.client import ClusterState, Partition, batches, cluster_state
from components.kafka.health import HEALTH_TOPIC, first_few
from components.kafka.placement import without
from components.kafka.reassignment import (
    Moves,
    Place,
    Reassignments,
    by_place,
    in_progress,
    move,
    place_of,
    wait,
    when_ended,
)

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

MOVES_AT_ONCE = 20
"""Partitions that move at the same time: what Cruise Control allows two brokers by default (10 for each,
num.concurrent.partition.movements.per.broker). It bounds what replication takes from clients without a throttle, whose
keys may be another tool's."""

SETTLE_SECONDS = 1.0
"""Seconds between two reads that must agree: a broker learns a little later than the controller that a move has ended,
and shows old and new replicas together until then."""

SETTLE_READS = 15
"""Reads after which replicas count as changing all the time."""

TOO_FEW_STAY = (
    "nothing was moved. Keep the brokers, or lower these factors first: replicationFactor of a topic that the stack "
    "file declares, `python -m ops brokers factor TOPIC NUMBER` for any other, such as Kafka's own"
)
"""What to do when too few brokers stay for a topic's replication factor."""


def settled_cluster(
    client: "KafkaAdminClient", *, sleep: Callable[[float], None] = time.sleep
) -> tuple[ClusterState, Reassignments]:
    """The cluster's metadata and its reassignments in progress, which agree.

    Raises:
        kafka.errors.StaleMetadata: Replicas are just changing.
        kafka.errors.KafkaError: They cannot be read.
    """
    from kafka.errors import StaleMetadata

    moving, state = in_progress(client), cluster_state(client)
    for _ in range(SETTLE_READS):
        sleep(SETTLE_SECONDS)
        before, seen = moving, _replicas(state)
        moving, state = in_progress(client), cluster_state(client)
        if moving == before and _replicas(state) == seen:
            return state, moving
    raise StaleMetadata("replicas are just changing")


def _replicas(state: ClusterState) -> dict[Place, tuple[int, ...]]:
    return by_place({partition: partition.replicas for partition in state.partitions})


def under_way(moving: Reassignments, leaving: Collection[int]) -> list[Place]:
    """Partitions whose reassignment in progress takes them off the brokers."""
    return sorted(
        place for place, one in moving.items() if not set(one.after) & set(leaving) and set(one.before) & set(leaving)
    )


def plan_moves(
    client: "KafkaAdminClient", leaving: Collection[int], stay: Collection[int]
) -> tuple[ClusterState, dict[Place, tuple[int, ...]]]:
    """The cluster, and the new replicas of each partition that has one on a broker that leaves.

    Args:
        client: An admin client.
        leaving: Ids of the brokers that leave; one that does not run loses its replicas too.
        stay: Ids of the brokers that may get replicas.

    Raises:
        TopicError: Too few brokers stay for a topic's replication factor.
        kafka.errors.StaleMetadata: The metadata may be incomplete, a broker that stays is not registered, or a
            partition has no leader to copy from.
        kafka.errors.KafkaError: The metadata cannot be read.
    """
    state, moving = settled_cluster(client)
    _require_movable(client, state, leaving, stay)
    ended = when_ended(state, moving)
    probe, others = _split(ended, len(stay))
    fewer = {
        partition: tuple(broker for broker in partition.replicas if broker in stay) or (min(stay),)
        for partition in probe
        if set(partition.replicas) & set(leaving)
    }
    return state, by_place({**without(others, leaving, stay), **fewer})


def _split(state: ClusterState, brokers: int) -> tuple[list[Partition], ClusterState]:
    """The health check's partitions if they have more replicas than brokers stay, and the cluster without these.

    Their topic is this program's own, holds nothing that anyone needs, and is made with as many replicas as there are
    brokers, up to three: so it may have fewer. The factor of any other topic is kept.
    """

    def is_probe(partition: Partition) -> bool:
        return partition.topic == HEALTH_TOPIC and len(partition.replicas) > brokers

    others = [partition for partition in state.partitions if not is_probe(partition)]
    return [*filter(is_probe, state.partitions)], replace(state, partitions=others)


def _require_movable(
    client: "KafkaAdminClient", state: ClusterState, leaving: Collection[int], stay: Collection[int]
) -> None:
    from kafka.errors import StaleMetadata

    if missing := sorted(set(stay) - state.brokers.keys()):
        raise StaleMetadata(f"broker {missing[0]} stays but is not registered")
    if state.controller < 0:
        raise StaleMetadata("there is no controller")
    if offline := [one for one in state.offline if set(one.replicas) & set(leaving)]:
        raise StaleMetadata(f"partitions without a leader cannot move: {first_few(offline)}")
    known = {place_of(partition) for partition in state.partitions}
    for broker in sorted(set(leaving) & state.brokers.keys()):
        if unknown := sorted(on_disk(client, broker) - known):
            topic, number = unknown[0]
            raise StaleMetadata(f"broker {broker} holds {topic}-{number}, which the metadata lacks")


def held(client: "KafkaAdminClient", state: ClusterState, broker: int) -> set[Place]:
    """Partitions that have a replica on a broker by the cluster's metadata, or whose only sign is on its disk.

    A broker's own disk also shows what metadata lacks, as that of a broker that has just started does. Files of a
    replica that has moved away are no replica: the broker is about to delete them.

    Raises:
        kafka.errors.KafkaError: The broker is registered but does not answer.
    """
    known = {place_of(partition) for partition in state.partitions}
    found = {place_of(partition) for partition in state.partitions if broker in partition.replicas}
    return found | (on_disk(client, broker) - known if broker in state.brokers else set())


def on_disk(client: "KafkaAdminClient", broker: int) -> set[Place]:
    """The partitions that a broker itself holds, whatever the metadata says.

    Raises:
        kafka.errors.KafkaError: It does not answer.
    """
    # The public method asks for the topics of the metadata; None asks for all that the broker has.
    ask, run = client._async_describe_log_dirs, client._manager.run  # pyright: ignore[reportPrivateUsage]
    answers: list[Mapping[str, Any]] = run(ask, None, [broker])
    return {
        (topic["name"], partition["partition_index"])
        for answer in answers
        for folder in answer["log_dirs"]
        for topic in folder["topics"]
        for partition in topic["partitions"]
    }


def move_off(
    client: "KafkaAdminClient",
    leaving: Collection[int],
    stay: Collection[int],
    *,
    deadline: float,
    report: Callable[[str], None],
) -> None:
    """Move every replica off the brokers that leave, and leadership with it; each topic keeps its replication factor.

    Args:
        client: An admin client.
        leaving: Ids of the brokers that leave.
        stay: Ids of the brokers that may get replicas.
        deadline: Seconds without progress.
        report: Called with a line of progress.

    Raises:
        TopicError: Too few brokers stay for a topic's replication factor, or the cluster refused a move.
        UnhealthyError: Nothing moved for the deadline; the moves go on, and the next call waits for them.
        kafka.errors.KafkaError: The metadata cannot be read, or may be incomplete.
    """
    brokers = f"broker{'' if len(leaving) == 1 else 's'} {', '.join(map(str, sorted(leaving)))}"
    while True:
        for batch in batches(under_way(in_progress(client), leaving)):
            wait(client, batch, deadline=deadline, report=report)
        moves: Moves = plan_moves(client, leaving, stay)[1]
        if not moves:
            return
        report(f"moving {count(len(moves), 'partition')} off {brokers}, {MOVES_AT_ONCE} at a time")
        move(client, moves, deadline=deadline, report=report, size=MOVES_AT_ONCE)
