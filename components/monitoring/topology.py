"""What alert rules and dashboards need to know of a platform: a few numbers, from its settings or a stack's outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from components.durations import whole_seconds
from components.kafka.settings import KafkaSettings
from components.monitoring.settings import MonitorSettings
from components.redis.settings import RedisSettings
from components.topics.rules import TopicSpec
from components.zookeeper.settings import ZooKeeperSettings

_RETENTION = "retention.ms"
_CLEANUP = "cleanup.policy"
_MINIMUM = "min.insync.replicas"


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A platform as its alerts and dashboards see it. All times are whole seconds.

    Args:
        platform: The platform's name; also the job under which Prometheus scrapes its exporter.
        interval: Time between two checks of the exporter, and between two scrapes.
        brokers: Number of brokers; ``ensemble`` is the number of ZooKeeper members.
        replicas: Largest replication factor of a topic, declared or default; ``fewest_replicas`` is the smallest.
        min_in_sync: Largest ``min.insync.replicas`` of a topic.
        spares: Whether every topic has more replicas than its minimum in sync, so that one can be away.
        retention: Shortest retention of a topic, or None where no topic deletes records by age.
        lag_threshold: Records of a partition that a consumer group may lag behind.
        broker_stop: Time that a broker may take to stop; ``ensemble_stop`` and ``redis_stop`` likewise.
        redis_evicts: Whether Redis evicts keys when its memory is full; else it refuses writes.
        jmx: Whether brokers expose JMX metrics.
    """

    platform: str
    interval: int
    brokers: int
    ensemble: int
    replicas: int
    fewest_replicas: int
    min_in_sync: int
    spares: bool
    retention: int | None
    lag_threshold: int
    broker_stop: int
    ensemble_stop: int
    redis_stop: int
    redis_evicts: bool
    jmx: bool

    @classmethod
    def read(cls, outputs: Mapping[str, Any]) -> Self:
        """A topology as :meth:`as_output` wrote it; stack outputs keep whole numbers."""
        return cls(**outputs)

    def as_output(self) -> dict[str, Any]:
        """The topology as plain values for a stack's outputs."""
        return asdict(self)


def topology_of(
    platform: str,
    *,
    zookeeper: ZooKeeperSettings,
    kafka: KafkaSettings,
    redis: RedisSettings,
    topics: Sequence[TopicSpec],
    monitor: MonitorSettings,
) -> Topology:
    """The topology of a platform.

    Args:
        platform: The platform's name.
        zookeeper: The ensemble's settings; ``kafka`` and ``redis`` likewise.
        kafka: The brokers' settings.
        redis: The Redis server's settings.
        topics: The declared topics.
        monitor: How it is watched.
    """
    # Topics that the stack file does not declare have the brokers' defaults.
    replicas = [(kafka.replication_factor, kafka.min_in_sync_replicas)]
    replicas += [(spec.replication_factor, _minimum(spec, kafka)) for spec in topics]
    return Topology(
        platform=platform,
        interval=whole_seconds(monitor.interval),
        brokers=kafka.replicas,
        ensemble=zookeeper.replicas,
        replicas=max(factor for factor, _ in replicas),
        fewest_replicas=min(factor for factor, _ in replicas),
        min_in_sync=max(minimum for _, minimum in replicas),
        spares=all(factor > minimum for factor, minimum in replicas),
        retention=_shortest_retention(kafka, topics),
        lag_threshold=monitor.lag_threshold,
        broker_stop=whole_seconds(kafka.stop_grace),
        ensemble_stop=whole_seconds(zookeeper.stop_grace),
        redis_stop=whole_seconds(redis.stop_grace),
        redis_evicts=redis.eviction_policy != "noeviction",
        jmx=monitor.jmx,
    )


def _minimum(spec: TopicSpec, kafka: KafkaSettings) -> int:
    return int(spec.config.get(_MINIMUM, kafka.min_in_sync_replicas))


def _shortest_retention(kafka: KafkaSettings, topics: Sequence[TopicSpec]) -> int | None:
    """The shortest retention of topics that delete by age; a compacted one keeps the last record of each key."""
    default = kafka.retention
    times = [] if isinstance(default, int) else [whole_seconds(default)]
    for spec in topics:
        text = spec.config.get(_RETENTION)
        if text is not None and int(text) >= 0 and "delete" in spec.config.get(_CLEANUP, "delete"):
            times.append(int(text) // 1000)
    return min(times, default=None)
