"""Resets of a group's offsets: planned first, executed on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.errors import count
from ops.errors import OpsError, RefusedError
from ops.groups.progress import Group, read_groups, require_group
from ops.kafka_cluster import bounds, leaders, offsets, require_topics
from ops.records.positions import Position, Shift, Timestamp, clamped, wanted_offset

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition


@dataclass(frozen=True, kw_only=True)
class Move:
    """The change of one partition's committed offset.

    Args:
        topic: The topic.
        partition: Its partition.
        committed: The current offset; None if the group committed none.
        target: The offset after the reset.
        note: Why the target differs from the requested one; "" if it does not.
    """

    topic: str
    partition: int
    committed: int | None
    target: int
    note: str = ""

    @property
    def skipped(self) -> int:
        """Records that the group will skip; 0 if nothing was committed."""
        return max(self.target - self.committed, 0) if self.committed is not None else 0

    @property
    def replayed(self) -> int:
        """Records that the group will read again."""
        return max(self.committed - self.target, 0) if self.committed is not None else 0


def parse_selection(text: str) -> tuple[str, int | None]:
    """Read ``orders`` or ``orders:3`` as a topic and one of its partitions.

    Raises:
        ValueError: There is no topic, or no number after the colon.
    """
    topic, colon, partition = text.partition(":")
    if not topic or (colon and not partition.isdigit()):
        raise ValueError(f'"{text}" is not a topic; expected a name such as orders, or orders:3 for its partition 3')
    return topic, int(partition) if colon else None


def plan_reset(
    client: "KafkaAdminClient", name: str, selections: Sequence[tuple[str, int | None]], position: Position
) -> list[Move]:
    """Plan a reset.

    Args:
        client: An admin client.
        name: The group.
        selections: Topics, each with a partition, or None for all partitions.
        position: The new position; a shift counts from the committed offset.

    Raises:
        RefusedError: The group or a topic does not exist, the group has members, a partition has no leader, or a shift
            has no committed offset to count from.
    """
    from kafka import TopicPartition

    require_group(client, name)
    group = read_groups(client, [name])[0]
    refuse_active(group)
    partitions = _partitions(client, selections)
    committed = {
        TopicPartition(part.topic, part.partition): part.committed
        for part in group.progress
        if part.committed is not None
    }
    if isinstance(position, Shift) and (missing := [item for item in partitions if item not in committed]):
        names = ", ".join(f"{item.topic}:{item.partition}" for item in missing)
        raise RefusedError(
            f"group {name} has no committed offset of {names}, which {position.records:+} counts from; nothing was done"
        )
    limits = bounds(client, partitions)
    at_time = offsets(client, partitions, position.milliseconds) if isinstance(position, Timestamp) else {}
    return moves(partitions, position, committed, limits, at_time)


def moves(
    partitions: "Sequence[TopicPartition]",
    position: Position,
    committed: "Mapping[TopicPartition, int]",
    limits: "Mapping[TopicPartition, tuple[int, int]]",
    at_time: "Mapping[TopicPartition, int]",
) -> list[Move]:
    """The changes; every target lies within its partition.

    Args:
        partitions: Partitions to reset.
        position: The new position.
        committed: Current offsets; partitions without one are missing.
        limits: First and end offset of each partition.
        at_time: For a timestamp, the first offset at or after it in each partition; -1 if there is none.
    """
    changes: list[Move] = []
    for item in partitions:
        begin, end = limits[item]
        wanted = wanted_offset(position, begin=begin, end=end, at_time=at_time.get(item), origin=committed.get(item))
        target = clamped(wanted, begin, end)
        note = "" if target == wanted else f"{wanted} is outside {begin} to {end}"
        if isinstance(position, Timestamp) and at_time.get(item, -1) < 0:
            note = "no record at or after this time: end offset"
        changes.append(
            Move(topic=item.topic, partition=item.partition, committed=committed.get(item), target=target, note=note)
        )
    return changes


def execute(client: "KafkaAdminClient", name: str, plan: Sequence[Move]) -> None:
    """Commit the offsets of a plan.

    Raises:
        OpsError: The cluster refused; lists the partitions that were not changed.
    """
    from kafka import OffsetAndMetadata, TopicPartition

    changes = {TopicPartition(move.topic, move.partition): OffsetAndMetadata(move.target, "", -1) for move in plan}
    answer = client.alter_group_offsets(name, changes)
    refused = [
        f"{item.topic}:{item.partition}: {error.__name__}"
        for item, error in sorted(answer.items())
        if getattr(error, "errno", 0)
    ]
    if refused:
        raise OpsError(f"the cluster refused the offsets of {count(len(refused), 'partition')}", refused)


def refuse_active(group: Group) -> None:
    """Refuse a group with members: they would keep their positions and overwrite the reset.

    Raises:
        RefusedError: Lists the members.
    """
    if group.members:
        raise RefusedError(
            f"group {group.name} has {count(len(group.members), 'active member')}; stop them first, nothing was done",
            group.members,
        )


def _partitions(client: "KafkaAdminClient", selections: Sequence[tuple[str, int | None]]) -> "list[TopicPartition]":
    """The selected partitions.

    Raises:
        RefusedError: A topic or partition does not exist or has no leader.
    """
    names = sorted({topic for topic, _ in selections})
    require_topics(client, names)
    known = leaders(client, names)
    chosen: set[TopicPartition] = set()
    problems: list[str] = []
    for topic, number in selections:
        found = {item for item in known if item.topic == topic and number in (None, item.partition)}
        if not found:
            total = sum(item.topic == topic for item in known)
            problems.append(f"topic {topic} has no partition {number}; it has 0 to {total - 1}")
        chosen |= found
    problems += [f"{item.topic}:{item.partition} has no leader" for item in sorted(chosen) if known[item] < 0]
    if problems:
        raise RefusedError("these offsets cannot be reset; nothing was done", problems)
    return sorted(chosen)
