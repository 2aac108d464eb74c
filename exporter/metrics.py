"""The checks' results as metrics. Names and labels are an interface that dashboards and alerts depend on."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from components.monitoring.promql import TOTAL
from components.naming import ordinal_of
from exporter.groups_check import Lag
from exporter.kafka_check import ClusterHealth, KafkaHealth
from exporter.periodic import PeriodicCheck, State
from exporter.redis_check import RedisHealth
from exporter.zookeeper_check import ZooKeeperHealth


@dataclass(frozen=True)
class Checks:
    """The four checks."""

    kafka: PeriodicCheck[KafkaHealth]
    groups: PeriodicCheck[Lag]
    zookeeper: PeriodicCheck[ZooKeeperHealth]
    redis: PeriodicCheck[RedisHealth]

    def all(self) -> list[PeriodicCheck[Any]]:
        """All of them."""
        return [self.kafka, self.groups, self.zookeeper, self.redis]


class PlatformCollector(Collector):
    """Reports the last results. It connects to no server, so a scrape never waits.

    Args:
        checks: The checks.
        brokers: ``host:port`` of each declared broker, by name.
    """

    def __init__(self, checks: Checks, brokers: Mapping[str, str]) -> None:
        self._checks = checks
        self._brokers = brokers

    def collect(self) -> Generator[Metric]:
        """The current metrics. Unknown values have no sample."""
        yield from check_metrics({check.name: check.state for check in self._checks.all()})
        if (kafka := self._checks.kafka.state.result) is not None:
            yield from kafka_metrics(kafka, self._brokers)
        if (lag := self._checks.groups.state.result) is not None:
            yield from group_metrics(lag)
        if (zookeeper := self._checks.zookeeper.state.result) is not None:
            yield from zookeeper_metrics(zookeeper)
        if (redis := self._checks.redis.state.result) is not None:
            yield from redis_metrics(redis)


def check_metrics(states: Mapping[str, State[Any]]) -> Generator[Metric]:
    """The checks themselves."""
    yield _gauge(
        "platform_check_success",
        "1 if the last run of a check succeeded, 0 if it failed or is overdue.",
        ["check"],
        {(check,): state.success for check, state in states.items()},
    )
    yield _gauge(
        "platform_check_duration_seconds",
        "Duration of the last run of a check.",
        ["check"],
        {(check,): state.seconds for check, state in states.items()},
    )
    yield _gauge(
        "platform_check_timestamp_seconds",
        "Unix time of the last successful run of a check.",
        ["check"],
        {(check,): state.succeeded_at for check, state in states.items()},
    )


def kafka_metrics(health: KafkaHealth, brokers: Mapping[str, str]) -> Generator[Metric]:
    """Brokers and partitions."""
    yield _gauge(
        "kafka_broker_online",
        "1 if a declared broker is registered in the cluster and accepts connections, otherwise 0.",
        ["broker_id", "host", "port"],
        {(str(ordinal_of(name)), *address.rsplit(":", 1)): name in health.online for name, address in brokers.items()},
    )
    # Untyped, not a counter: the exposition formats add _total to every counter's name, and dashboards use this name
    # without it. `promtool check metrics` accepts an untyped metric, and rate() and increase() work on it.
    yield UnknownMetricFamily(
        "kafka_isr_shrink_events",
        "How often a partition had fewer in-sync replicas than in the run before, since the exporter started.",
        health.shrinks,
    )
    if health.cluster is not None:
        yield from _cluster_metrics(health.cluster)


def _cluster_metrics(cluster: ClusterHealth) -> Generator[Metric]:
    yield _gauge("kafka_cluster_brokers", "Brokers registered in the cluster.", [], {(): cluster.brokers})
    yield _gauge(
        "kafka_cluster_topics",
        "Topics of the cluster, including internal ones.",
        [],
        {(): len(cluster.under_replicated)},
    )
    yield _gauge(
        "kafka_active_controllers",
        "1 if a registered broker is the controller, otherwise 0.",
        [],
        {(): cluster.controllers},
    )
    yield _gauge("kafka_offline_partitions", "Partitions without a leader.", [], {(): cluster.offline})
    yield _by_topic(
        "kafka_under_replicated_partitions",
        "Partitions with out-of-sync replicas, by topic; __total__ is their sum.",
        cluster.under_replicated,
    )
    yield _by_topic(
        "kafka_under_min_isr_partitions",
        "Partitions with fewer in-sync replicas than min.insync.replicas, by topic; __total__ is their sum.",
        cluster.under_minimum,
    )


def group_metrics(lag: Lag) -> Generator[Metric]:
    """Consumer groups."""
    yield _gauge(
        "kafka_consumer_group_lag",
        "Records of a partition that a consumer group has not consumed.",
        ["group", "topic", "partition"],
        {(group, topic, str(partition)): behind for (group, topic, partition), behind in lag.items()},
    )


def zookeeper_metrics(health: ZooKeeperHealth) -> Generator[Metric]:
    """The ensemble."""
    roles = health.roles.items()
    yield _gauge(
        "zookeeper_up",
        "1 if a member serves requests, which takes a quorum, otherwise 0.",
        ["member"],
        {(member,): role is not None for member, role in roles},
    )
    yield _gauge(
        "zookeeper_role",
        "1 for the role of a member: leader, follower or observer.",
        ["member", "role"],
        {(member, role): True for member, role in roles if role is not None},
    )
    yield _gauge("zookeeper_quorum", "1 if the ensemble has a quorum, otherwise 0.", [], {(): health.quorum})


def redis_metrics(health: RedisHealth) -> Generator[Metric]:
    """Redis servers."""
    known = {member: state for member, state in health.items() if state is not None}
    yield _gauge(
        "redis_up",
        "1 if a server answers and accepts the password, otherwise 0.",
        ["member"],
        {(member,): member in known for member in health},
    )
    yield _gauge(
        "redis_role",
        "1 for the role of a server: master or slave.",
        ["member", "role"],
        {(member, state.role): True for member, state in known.items()},
    )
    yield _gauge(
        "redis_used_memory_bytes",
        "Memory allocated by a server.",
        ["member"],
        {(member,): state.used_memory for member, state in known.items()},
    )
    yield _gauge(
        "redis_max_memory_bytes",
        "Maximum memory of a server for data; 0 means no limit.",
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
