"""Consumer groups: members, committed offsets and lag."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.kafka.client import cluster_state
from ops.errors import refuse_unknown
from ops.kafka_cluster import offsets

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A group's progress in one partition.

    Args:
        topic: The topic.
        partition: Its partition.
        committed: The next offset that the group reads; None if it committed none.
        end: The end offset; None if the partition has no leader or was deleted.
        consumer: Client id and host of the assigned member; None without one.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    consumer: str | None = None

    @property
    def lag(self) -> int | None:
        """Records still to be read; None if unknown."""
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
        progress: Its progress, by topic and partition.
    """

    name: str
    state: str
    members: Sequence[str]
    progress: Sequence[Progress]

    @property
    def lag(self) -> int:
        """Records still to be read, in partitions where that is known."""
        return sum(part.lag or 0 for part in self.progress)

    @property
    def topics(self) -> list[str]:
        """Topics that it has committed offsets of or is assigned."""
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
    """Ids of all consumer groups; groups of other protocols, such as Connect's workers, have no lag."""
    return sorted({group["group_id"] for group in client.list_groups() if group["protocol_type"] in ("consumer", "")})


def require_group(client: "KafkaAdminClient", name: str) -> None:
    """Refuse a group that does not exist.

    Raises:
        RefusedError: Names the nearest existing group.
    """
    refuse_unknown("group", [name], group_names(client))


def read_groups(client: "KafkaAdminClient", names: Sequence[str]) -> list[Group]:
    """Read groups that exist, sorted by name."""
    if not names:
        return []
    described = client.describe_groups(list(names))
    committed = {name: _committed(client, name) for name in names}
    assigned = {name: _assigned(described[name]) for name in names}
    partitions = {partition for found in (*committed.values(), *assigned.values()) for partition in found}
    ends = _ends(client, partitions)
    return [
        Group(
            name=name,
            state=described[name]["group_state"],
            members=sorted(map(_client, described[name]["members"])),
            progress=[
                Progress(
                    topic=partition.topic,
                    partition=partition.partition,
                    committed=committed[name].get(partition),
                    end=ends.get(partition),
                    consumer=assigned[name].get(partition),
                )
                for partition in sorted({*committed[name], *assigned[name]})
            ],
        )
        for name in sorted(names)
    ]


def _committed(client: "KafkaAdminClient", name: str) -> "dict[TopicPartition, int]":
    """Committed offsets; one group a request, since brokers before 3.0 accept no more."""
    found = client.list_group_offsets({name: None})[name]
    return {partition: value.offset for partition, value in found.items() if value.offset >= 0}


def _assigned(described: Mapping[str, Any]) -> "dict[TopicPartition, str]":
    """The member of each assigned partition; skips members whose assignment has a custom format."""
    from kafka import TopicPartition

    return {
        TopicPartition(assigned["topic"], number): _client(member)
        for member in described["members"]
        if isinstance(member["member_assignment"], dict)
        for assigned in member["member_assignment"]["assigned_partitions"]
        for number in assigned["partitions"]
    }


def _client(member: Mapping[str, Any]) -> str:
    return f"{member['client_id']} at {member['client_host'].lstrip('/')}"


def _ends(client: "KafkaAdminClient", partitions: "Collection[TopicPartition]") -> "dict[TopicPartition, int]":
    """End offsets of the partitions that exist and have a leader."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    if not partitions:
        return {}
    led = {TopicPartition(item.topic, item.number) for item in cluster_state(client).partitions if item.leader >= 0}
    return offsets(client, led & set(partitions), OffsetSpec.LATEST)
