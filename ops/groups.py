"""Consumer groups: who is in them, and how far they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.kafka.client import cluster_state
from ops.cluster import offsets, refuse_unknown

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a group is in one partition.

    Args:
        topic: The topic.
        partition: Its partition.
        committed: The next offset that the group reads; None where it committed none.
        end: The offset that the next record will get; None while the partition has no leader, or is gone.
        consumer: Client id and host of the member that reads it; None where nobody does.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    consumer: str | None = None

    @property
    def lag(self) -> int | None:
        """Records that are still to be read; None where that is not known."""
        if self.committed is None or self.end is None:
            return None
        return max(self.end - self.committed, 0)


@dataclass(frozen=True, kw_only=True)
class Group:
    """One consumer group.

    Args:
        name: Its id.
        state: ``Stable``, ``Empty``, ``PreparingRebalance``, ``CompletingRebalance`` or ``Dead``.
        members: Client id and host of each member.
        progress: How far it is, by topic and partition.
    """

    name: str
    state: str
    members: Sequence[str]
    progress: Sequence[Progress]

    @property
    def lag(self) -> int:
        """Records that are still to be read, of the partitions where that is known."""
        return sum(part.lag or 0 for part in self.progress)

    @property
    def topics(self) -> list[str]:
        """Topics that it committed offsets of, or reads."""
        return sorted({part.topic for part in self.progress})

    def to_json(self) -> dict[str, Any]:
        """Stable keys for programs; unknown values are null."""
        return {
            "group": self.name,
            "state": self.state,
            "members": list(self.members),
            "lag": self.lag,
            "partitions": [
                {
                    "topic": part.topic,
                    "partition": part.partition,
                    "committed": part.committed,
                    "end": part.end,
                    "lag": part.lag,
                    "consumer": part.consumer,
                }
                for part in self.progress
            ],
        }


def group_names(client: "KafkaAdminClient") -> list[str]:
    """Ids of all groups that read as consumers; those of other protocols, such as Connect's workers, have no lag."""
    return sorted({group["group_id"] for group in client.list_groups() if group["protocol_type"] in ("consumer", "")})


def require_group(client: "KafkaAdminClient", name: str) -> None:
    """Refuse a group that does not exist.

    Raises:
        RefusedError: With the one that was most likely meant.
    """
    refuse_unknown("group", [name], group_names(client))


def read_groups(client: "KafkaAdminClient", names: Sequence[str]) -> list[Group]:
    """Read groups that exist, sorted by name."""
    if not names:
        return []
    described: Mapping[str, Any] = client.describe_groups(list(names))
    committed = {name: _committed(client, name) for name in names}
    readers = {name: _readers(described[name]) for name in names}
    read = {partition for found in (*committed.values(), *readers.values()) for partition in found}
    ends = _ends(client, read)
    return [
        Group(
            name=name,
            state=described[name]["group_state"],
            members=sorted(map(_who, described[name]["members"])),
            progress=[
                Progress(
                    topic=partition.topic,
                    partition=partition.partition,
                    committed=committed[name].get(partition),
                    end=ends.get(partition),
                    consumer=readers[name].get(partition),
                )
                for partition in sorted({*committed[name], *readers[name]})
            ],
        )
        for name in sorted(names)
    ]


def _committed(client: "KafkaAdminClient", name: str) -> "dict[TopicPartition, int]":
    """Committed offsets; one group a request, since brokers before 3.0 take no more."""
    found: Mapping[TopicPartition, Any] = client.list_group_offsets({name: None})[name]
    return {partition: value.offset for partition, value in found.items() if value.offset >= 0}


def _readers(described: Mapping[str, Any]) -> "dict[TopicPartition, str]":
    """Who reads each partition; nothing of members whose assignment is in a form that only they know."""
    from kafka import TopicPartition

    return {
        TopicPartition(assigned["topic"], number): _who(member)
        for member in described["members"]
        if isinstance(member["member_assignment"], dict)
        for assigned in member["member_assignment"]["assigned_partitions"]
        for number in assigned["partitions"]
    }


def _who(member: Mapping[str, Any]) -> str:
    return f"{member['client_id']} at {member['client_host'].lstrip('/')}"


def _ends(client: "KafkaAdminClient", partitions: "Collection[TopicPartition]") -> "dict[TopicPartition, int]":
    """Ends of those partitions that exist and have a leader."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    if not partitions:
        return {}
    led = {TopicPartition(item.topic, item.number) for item in cluster_state(client).partitions if item.leader >= 0}
    return offsets(client, led & set(partitions), OffsetSpec.LATEST)
