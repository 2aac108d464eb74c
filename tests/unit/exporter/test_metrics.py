"""The checks' results, as a scraper reads them.

Source: exporter/metrics.py.
Proof limit: results are simulated here; the tests on a real engine check those of real servers.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from components.redis.client import ServerState
from exporter.kafka_check import ClusterHealth, KafkaHealth
from exporter.metrics import Checks, PlatformCollector
from exporter.periodic import Outcome, PeriodicCheck, State
from exporter.zookeeper_check import ZooKeeperHealth

BROKERS = {"kafka-0": "kafka-0:29092", "kafka-1": "10.0.0.7:29092"}
CLUSTER = ClusterHealth(
    brokers=2, controllers=1, offline=3, under_replicated={"orders": 4, "dlq": 1}, under_minimum={"orders": 2}
)
REDIS = {"redis-0": ServerState("master", 1000, 0), "redis-1": None}
ENSEMBLE = ZooKeeperHealth({"zookeeper-0": "leader", "zookeeper-1": None})

Labels = tuple[tuple[str, str], ...]


class Known(PeriodicCheck[Any]):
    """A check with a fixed state, which never runs."""

    def __init__(self, name: str, state: State[Any]) -> None:
        super().__init__(name, lambda: Outcome(None), 30)
        self._fixed = state

    @property
    def state(self) -> State[Any]:
        return self._fixed


def known(what: Any) -> State[Any]:
    return State(what, success=True, seconds=0.5, succeeded_at=1_700_000_000.0)


def exposition(kafka: State[Any], groups: State[Any], zookeeper: State[Any], redis: State[Any]) -> CollectorRegistry:
    checks = Checks(
        kafka=Known("kafka", kafka),
        groups=Known("groups", groups),
        zookeeper=Known("zookeeper", zookeeper),
        redis=Known("redis", redis),
    )
    registry = CollectorRegistry()
    registry.register(PlatformCollector(checks, BROKERS))
    return registry


def samples(registry: CollectorRegistry) -> dict[tuple[str, Labels], float]:
    """All samples by name and sorted labels."""
    families: Iterable[Any] = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def names(found: dict[tuple[str, Labels], float]) -> set[str]:
    return {name for name, _ in found}


@pytest.fixture
def healthy() -> CollectorRegistry:
    kafka = KafkaHealth(online=frozenset({"kafka-0"}), shrinks=7, cluster=CLUSTER)
    return exposition(known(kafka), known({("readers", "orders", 0): 12}), known(ENSEMBLE), known(REDIS))


def test_a_platform_in_full(healthy: CollectorRegistry) -> None:
    assert samples(healthy) == {
        **{("platform_check_success", (("check", name),)): 1 for name in ("kafka", "groups", "zookeeper", "redis")},
        **{
            (metric, (("check", name),)): value
            for name in ("kafka", "groups", "zookeeper", "redis")
            for metric, value in {
                "platform_check_duration_seconds": 0.5,
                "platform_check_timestamp_seconds": 1_700_000_000,
            }.items()
        },
        ("kafka_broker_online", (("broker_id", "0"), ("host", "kafka-0"), ("port", "29092"))): 1,
        ("kafka_broker_online", (("broker_id", "1"), ("host", "10.0.0.7"), ("port", "29092"))): 0,
        ("kafka_isr_shrink_events", ()): 7,
        ("kafka_cluster_brokers", ()): 2,
        ("kafka_cluster_topics", ()): 2,
        ("kafka_active_controllers", ()): 1,
        ("kafka_offline_partitions", ()): 3,
        ("kafka_under_replicated_partitions", (("topic", "__total__"),)): 5,
        ("kafka_under_replicated_partitions", (("topic", "orders"),)): 4,
        ("kafka_under_replicated_partitions", (("topic", "dlq"),)): 1,
        ("kafka_under_min_isr_partitions", (("topic", "__total__"),)): 2,
        ("kafka_under_min_isr_partitions", (("topic", "orders"),)): 2,
        ("kafka_consumer_group_lag", (("group", "readers"), ("partition", "0"), ("topic", "orders"))): 12,
        ("zookeeper_up", (("member", "zookeeper-0"),)): 1,
        ("zookeeper_up", (("member", "zookeeper-1"),)): 0,
        ("zookeeper_role", (("member", "zookeeper-0"), ("role", "leader"))): 1,
        ("zookeeper_quorum", ()): 1,
        ("redis_up", (("member", "redis-0"),)): 1,
        ("redis_up", (("member", "redis-1"),)): 0,
        ("redis_role", (("member", "redis-0"), ("role", "master"))): 1,
        ("redis_used_memory_bytes", (("member", "redis-0"),)): 1000,
        ("redis_max_memory_bytes", (("member", "redis-0"),)): 0,
    }


def test_shrinks_have_their_name_in_both_formats(healthy: CollectorRegistry) -> None:
    assert "\nkafka_isr_shrink_events 7.0\n" in generate_latest(healthy).decode()
    assert "\nkafka_isr_shrink_events 7.0\n" in generate_openmetrics(healthy).decode()


def test_every_metric_has_a_help_text(healthy: CollectorRegistry) -> None:
    for family in healthy.collect():
        assert family.documentation.endswith("."), f"{family.name} has no help text that is a sentence"


def test_without_an_answering_broker_all_are_offline_and_partitions_have_no_samples() -> None:
    failed = State(KafkaHealth(online=frozenset(), shrinks=7), success=False, seconds=2.0)
    found = samples(exposition(failed, State({}, success=False), known(ENSEMBLE), known(REDIS)))
    assert found["platform_check_success", (("check", "kafka"),)] == 0
    assert {value for (name, _), value in found.items() if name == "kafka_broker_online"} == {0}
    assert found["kafka_isr_shrink_events", ()] == 7, "what was counted stays counted"
    gone = {"kafka_cluster_brokers", "kafka_cluster_topics", "kafka_active_controllers", "kafka_offline_partitions"}
    gone |= {"kafka_under_replicated_partitions", "kafka_under_min_isr_partitions", "kafka_consumer_group_lag"}
    assert not gone & names(found)


def test_an_ensemble_without_a_quorum_has_no_roles() -> None:
    lost = State(ZooKeeperHealth({"zookeeper-0": None, "zookeeper-1": None}))
    found = samples(exposition(State(), State(), lost, State()))
    assert {value for (name, _), value in found.items() if name == "zookeeper_up"} == {0}
    assert found["zookeeper_quorum", ()] == 0
    assert "zookeeper_role" not in names(found)


def test_before_the_first_run_only_the_checks_themselves_are_reported() -> None:
    found = samples(exposition(State(), State(), State(), State()))
    assert names(found) == {"platform_check_success"}
    assert set(found.values()) == {0}
