"""The state of topics: partitions, replicas, offsets, configuration and bytes on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.kafka.client import BATCH
from components.topics.client import observe
from components.topics.rules import INTERNAL_PREFIX
from ops.kafka_cluster import bounds, replica_sizes, require_topics

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

LISTED_KEYS = ("cleanup.policy", "min.insync.replicas", "retention.bytes", "retention.ms")
"""Configuration shown in a list of topics, broker defaults included."""


@dataclass(frozen=True, kw_only=True)
class PartitionView:
    """One partition.

    Args:
        number: Its number.
        leader: The leader's broker id; negative without one.
        replicas: Broker ids of its replicas, the preferred leader first.
        in_sync: Broker ids of its in-sync replicas.
        begin: The first available offset; None without a leader.
        end: The end offset; None without a leader.
        size: Bytes on disk of its largest replica; None if no broker reported it.
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
        effective: Effective values of :data:`LISTED_KEYS`, broker defaults included.
        own: Configuration set on this topic, without broker defaults.
        disk: Bytes on disk of all replicas; None if no broker reported them.
    """

    name: str
    partitions: Sequence[PartitionView]
    effective: Mapping[str, str]
    own: Mapping[str, str]
    disk: int | None

    @property
    def replication_factor(self) -> int:
        """Replicas of the partition that has the most."""
        return max((len(partition.replicas) for partition in self.partitions), default=0)

    @property
    def records(self) -> int | None:
        """End offsets minus first offsets: an upper bound, since compaction and transactions leave gaps.

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
    """Whether the topic is internal to Kafka or to this platform."""
    return name.startswith(INTERNAL_PREFIX)


def read_topics(client: "KafkaAdminClient", names: Sequence[str]) -> list[TopicView]:
    """Read topics by name.

    Raises:
        RefusedError: A topic does not exist.
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
    """Effective configuration of topics, broker defaults included.

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
    """Bytes of each partition's replicas; empty if a broker does not report them, so that a list still works."""
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
