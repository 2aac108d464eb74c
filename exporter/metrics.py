"""What the checks saw, as metrics. Names and labels are an interface: dashboards and alerts are made of them."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from exporter.groups_check import Lag
from exporter.kafka_check import ClusterHealth, KafkaHealth, broker_id
from exporter.redis_check import RedisHealth
from exporter.watch import State, Watch
from exporter.zookeeper_check import ZooKeeperHealth

TOTAL = "__total__"
"""Value of ``topic`` in the sum over all topics."""


@dataclass(frozen=True)
class Watches:
    """The four checks."""

    kafka: Watch[KafkaHealth]
    groups: Watch[Lag]
    zookeeper: Watch[ZooKeeperHealth]
    redis: Watch[RedisHealth]

    def all(self) -> list[Watch[Any]]:
        """All of them."""
        return [self.kafka, self.groups, self.zookeeper, self.redis]


class PlatformCollector(Collector):
    """Tells what was seen last; asks nobody, so a scrape never waits.

    Args:
        watches: The checks.
        brokers: ``host:port`` of each declared broker, by name.
    """

    def __init__(self, watches: Watches, brokers: Mapping[str, str]) -> None:
        self._watches = watches
        self._brokers = brokers

    def collect(self) -> Generator[Metric]:
        """The metrics of this moment. What is not known has no sample."""
        yield from check_metrics({watch.name: watch.state for watch in self._watches.all()})
        if (kafka := self._watches.kafka.state.seen) is not None:
            yield from kafka_metrics(kafka, self._brokers)
        if (lag := self._watches.groups.state.seen) is not None:
            yield from group_metrics(lag)
        if (zookeeper := self._watches.zookeeper.state.seen) is not None:
            yield from zookeeper_metrics(zookeeper)
        if (redis := self._watches.redis.state.seen) is not None:
            yield from redis_metrics(redis)


def check_metrics(states: Mapping[str, State[Any]]) -> Generator[Metric]:
    """How the checks themselves fare."""
    yield _gauge(
        "platform_check_success",
        "1 if the last look of a check succeeded, 0 if it failed or is overdue.",
        ["check"],
        {(check,): state.success for check, state in states.items()},
    )
    yield _gauge(
        "platform_check_duration_seconds",
        "Time that the last look of a check took.",
        ["check"],
        {(check,): state.seconds for check, state in states.items()},
    )
    yield _gauge(
        "platform_check_timestamp_seconds",
        "Unix time at which a check succeeded last.",
        ["check"],
        {(check,): state.succeeded_at for check, state in states.items()},
    )


def kafka_metrics(health: KafkaHealth, brokers: Mapping[str, str]) -> Generator[Metric]:
    """Brokers and partitions."""
    yield _gauge(
        "kafka_broker_online",
        "1 if a declared broker is registered in the cluster and accepts connections, else 0.",
        ["broker_id", "host", "port"],
        {(str(broker_id(name)), *address.rsplit(":", 1)): name in health.online for name, address in brokers.items()},
    )
    # Not a counter: the exposition formats give every counter's sample the suffix _total, and dashboards know this
    # name without. An untyped metric claims nothing, so `promtool check metrics` has nothing to say, and rate() and
    # increase() take it for the growing number that it is.
    yield UnknownMetricFamily(
        "kafka_isr_shrink_events",
        "How often a partition was seen with fewer replicas in sync than in the look before, since the exporter began.",
        health.shrinks,
    )
    if health.cluster is not None:
        yield from _cluster_metrics(health.cluster)


def _cluster_metrics(cluster: ClusterHealth) -> Generator[Metric]:
    yield _gauge("kafka_cluster_brokers", "Brokers that are registered in the cluster.", [], {(): cluster.brokers})
    yield _gauge(
        "kafka_cluster_topics",
        "Topics of the cluster, internal ones too.",
        [],
        {(): len(cluster.under_replicated)},
    )
    yield _gauge(
        "kafka_active_controllers",
        "1 if a registered broker is the controller, else 0.",
        [],
        {(): cluster.controllers},
    )
    yield _gauge("kafka_offline_partitions", "Partitions without a leader.", [], {(): cluster.offline})
    yield _by_topic(
        "kafka_under_replicated_partitions",
        "Partitions with fewer replicas in sync than they have, by topic, and of all topics as __total__.",
        cluster.under_replicated,
    )
    yield _by_topic(
        "kafka_under_min_isr_partitions",
        "Partitions with fewer replicas in sync than min.insync.replicas, by topic, and of all topics as __total__.",
        cluster.under_minimum,
    )


def group_metrics(lag: Lag) -> Generator[Metric]:
    """Consumer groups."""
    yield _gauge(
        "kafka_consumer_group_lag",
        "Records of a partition that a consumer group has not read yet.",
        ["group", "topic", "partition"],
        {(group, topic, str(partition)): behind for (group, topic, partition), behind in lag.items()},
    )


def zookeeper_metrics(health: ZooKeeperHealth) -> Generator[Metric]:
    """The ensemble."""
    roles = health.roles.items()
    yield _gauge(
        "zookeeper_up",
        "1 if a member serves requests, which it does only as a part of a quorum, else 0.",
        ["member"],
        {(member,): role is not None for member, role in roles},
    )
    yield _gauge(
        "zookeeper_role",
        "1 for the role that a member has: leader, follower or standalone.",
        ["member", "role"],
        {(member, role): True for member, role in roles if role is not None},
    )
    yield _gauge("zookeeper_quorum", "1 if the ensemble has a quorum, else 0.", [], {(): health.quorum})


def redis_metrics(health: RedisHealth) -> Generator[Metric]:
    """Redis servers."""
    known = {member: state for member, state in health.items() if state is not None}
    yield _gauge(
        "redis_up",
        "1 if a server answers and takes the password, else 0.",
        ["member"],
        {(member,): member in known for member in health},
    )
    yield _gauge(
        "redis_role",
        "1 for the role that a server has: master or slave.",
        ["member", "role"],
        {(member, state.role): True for member, state in known.items()},
    )
    yield _gauge(
        "redis_used_memory_bytes",
        "Memory that a server has allocated.",
        ["member"],
        {(member,): state.used_memory for member, state in known.items()},
    )
    yield _gauge(
        "redis_max_memory_bytes",
        "Memory that a server may use for data; 0 is no limit.",
        ["member"],
        {(member,): state.max_memory for member, state in known.items()},
    )


def _by_topic(name: str, text: str, numbers: Mapping[str, int]) -> Metric:
    return _gauge(
        name, text, ["topic"], {(TOTAL,): sum(numbers.values()), **{(topic,): n for topic, n in numbers.items()}}
    )


def _gauge(
    name: str, text: str, labels: Iterable[str], samples: Mapping[tuple[str, ...], float | None]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, value in samples.items():
        if value is not None:
            family.add_metric(values, float(value))
    return family
