"""Topics as they are: partitions, replicas, offsets, configuration and bytes on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.kafka.client import BATCH
from components.topics.client import observe
from components.topics.settings import INTERNAL_PREFIX
from ops.cluster import bounds, replica_sizes, require_topics

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

LISTED_KEYS = ("cleanup.policy", "min.insync.replicas", "retention.bytes", "retention.ms")
"""Configuration that a list of topics shows, a broker's defaults too."""


@dataclass(frozen=True, kw_only=True)
class PartitionView:
    """One partition.

    Args:
        number: Its number.
        leader: The leader's broker id; negative while there is none.
        replicas: Broker ids of its replicas, the preferred leader first.
        in_sync: Those that are in sync.
        begin: The first offset that it still has; None while it has no leader.
        end: The offset that its next record will get; None while it has no leader.
        size: Bytes on disk of its largest replica; None where no broker told.
    """

    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]
    begin: int | None
    end: int | None
    size: int | None


@dataclass(frozen=True, kw_only=True)
class TopicView:
    """One topic.

    Args:
        name: Its name.
        partitions: Its partitions, by number.
        effective: Values of :data:`LISTED_KEYS` that hold, a broker's defaults too.
        own: Configuration that was set for this topic; a broker's defaults are no part of it.
        disk: Bytes on disk of all replicas; None where no broker told.
    """

    name: str
    partitions: Sequence[PartitionView]
    effective: Mapping[str, str]
    own: Mapping[str, str]
    disk: int | None

    @property
    def replication_factor(self) -> int:
        """Replicas of the partition that has most."""
        return max((len(partition.replicas) for partition in self.partitions), default=0)

    @property
    def records(self) -> int | None:
        """End less beginning of all partitions: an upper bound, since compaction and transactions leave gaps.

        None while a partition has no leader.
        """
        total = 0
        for partition in self.partitions:
            if partition.begin is None or partition.end is None:
                return None
            total += partition.end - partition.begin
        return total

    def to_json(self) -> dict[str, Any]:
        """Stable keys for programs; sizes in bytes, unknown values null."""
        return {
            "name": self.name,
            "partitions": [
                {
                    "partition": partition.number,
                    "leader": partition.leader if partition.leader >= 0 else None,
                    "replicas": list(partition.replicas),
                    "inSync": list(partition.in_sync),
                    "begin": partition.begin,
                    "end": partition.end,
                    "sizeBytes": partition.size,
                }
                for partition in self.partitions
            ],
            "replicationFactor": self.replication_factor,
            "records": self.records,
            "diskBytes": self.disk,
            "effectiveConfig": dict(self.effective),
            "config": dict(self.own),
        }


def is_internal(name: str) -> bool:
    """Whether Kafka or this platform keeps the topic for itself."""
    return name.startswith(INTERNAL_PREFIX)


def read_topics(client: "KafkaAdminClient", names: Sequence[str]) -> list[TopicView]:
    """Read topics by name.

    Raises:
        RefusedError: There is no topic of a name.
    """
    from kafka import TopicPartition

    require_topics(client, names)
    wanted = sorted(set(names))
    if not wanted:
        return []
    described = {topic["name"]: topic for topic in client.describe_topics(wanted)}
    led = [
        TopicPartition(name, partition["partition_index"])
        for name in wanted
        for partition in described[name]["partitions"]
        if partition["leader_id"] >= 0
    ]
    limits = bounds(client, led)
    sizes = _sizes(client)
    effective = effective_config(client, wanted, LISTED_KEYS)
    observed = observe(client, wanted)

    def partition_view(name: str, found: Mapping[str, Any]) -> PartitionView:
        key = (name, found["partition_index"])
        begin, end = limits.get(TopicPartition(*key), (None, None))
        return PartitionView(
            number=found["partition_index"],
            leader=found["leader_id"],
            replicas=tuple(found["replica_nodes"]),
            in_sync=tuple(found["isr_nodes"]),
            begin=begin,
            end=end,
            size=max(sizes.get(key, ()), default=None),
        )

    views: list[TopicView] = []
    for name in wanted:
        partitions = [partition_view(name, found) for found in described[name]["partitions"]]
        partitions.sort(key=lambda partition: partition.number)
        replicas = [size for partition in partitions for size in sizes.get((name, partition.number), ())]
        views.append(
            TopicView(
                name=name,
                partitions=partitions,
                effective=effective[name],
                own=observed[name].config if name in observed else {},
                disk=sum(replicas) if replicas else None,
            )
        )
    return views


def effective_config(
    client: "KafkaAdminClient", names: Sequence[str], keys: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Values that hold for topics, a broker's defaults too.

    Args:
        client: An admin client.
        names: Topics that exist.
        keys: Configuration keys to read.
    """
    from kafka.admin import ConfigResource, ConfigResourceType

    found: dict[str, dict[str, str]] = {}
    for start in range(0, len(names), BATCH):
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, keys) for name in names[start : start + BATCH]]
        answer: dict[str, Any] = client.describe_configs(resources, config_filter="all")["topic"]
        for name, entries in answer.items():
            found[name] = {key: entry["value"] for key, entry in entries.items()}
    return found


def _sizes(client: "KafkaAdminClient") -> dict[tuple[str, int], list[int]]:
    """Bytes of each partition's replicas; nothing where a broker does not tell, which must not end a list."""
    from kafka.errors import KafkaError

    try:
        by_broker = replica_sizes(client)
    except KafkaError:
        return {}
    sizes: dict[tuple[str, int], list[int]] = {}
    for replicas in by_broker.values():
        for partition, size in replicas.items():
            sizes.setdefault((partition.topic, partition.partition), []).append(size)
    return sizes
