"""Which member may be restarted next, and what keeps it from being: pure, so that every case can be tested.

The rules are those of this field's rolling operators: members that serve nothing first, the controller or leader last,
one at a time, and none whose absence would leave a partition with fewer replicas in sync than its minimum.
"""

from collections.abc import Mapping, Sequence

from components.clients.kafka import ClusterState, Partition


def next_member(outdated: Mapping[str, bool], last: str | None) -> str:
    """The member to restart next.

    Args:
        outdated: Members that are out of date, by name, and whether each serves.
        last: The member that keeps the others together, the controller or the leader; it goes last.
    """
    return min(outdated, key=lambda name: (outdated[name], name == last, name))


def restart_blockers(state: ClusterState, broker: int, minimum: Mapping[str, int]) -> list[str]:
    """Partitions that would fall below their minimum of replicas in sync while a broker is away.

    A partition that has no more replicas than its minimum can never spare one; it blocks nothing, since it would for
    ever, and is told by :func:`unsparing`.

    Args:
        state: The cluster's metadata.
        broker: Id of the broker that would be restarted.
        minimum: ``min.insync.replicas`` of each topic.
    """
    blocked = [
        partition
        for partition in state.partitions
        if broker in partition.in_sync
        and len(partition.replicas) > minimum.get(partition.topic, 1)
        and len(partition.in_sync) - 1 < minimum.get(partition.topic, 1)
    ]
    return [
        f"{partition}: {len(partition.in_sync)} of {len(partition.replicas)} replicas in sync; without broker {broker} "
        f"fewer than min.insync.replicas {minimum.get(partition.topic, 1)}"
        for partition in blocked
    ]


def unsparing(state: ClusterState, broker: int, minimum: Mapping[str, int]) -> list[Partition]:
    """Partitions on a broker that accept no acks=all record while it is away, whatever is done."""
    return [
        partition
        for partition in state.partitions
        if broker in partition.replicas and len(partition.replicas) <= minimum.get(partition.topic, 1)
    ]


def held_by(state: ClusterState, brokers: Sequence[int]) -> list[Partition]:
    """Partitions that have a replica on any of the brokers."""
    return [partition for partition in state.partitions if set(partition.replicas) & set(brokers)]
