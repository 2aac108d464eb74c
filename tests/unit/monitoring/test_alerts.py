"""Alert rules: which ones a platform gets, and how long they wait.

Source: components/monitoring/alerts.py.
Proof limit: no Prometheus evaluates the rules; tests/integration/test_monitoring.py fires them.
"""

from typing import Any

import pytest

from components.monitoring.alerts import LAG_LONGEST, LAG_SHORTEST, AlertRule, alert_rules, lag_wait
from tests.unit.monitoring.samples import topology


def rules(stack: str, **changes: Any) -> dict[tuple[str, str], AlertRule]:
    return {(rule.name, rule.severity): rule for rule in alert_rules(topology(stack, **changes))}


NAMES = {
    *("BrokerDown", "CheckFailing", "ConsumerLagHigh", "ExporterDown", "NoController", "Offline", "RedisDown"),
    *("UnderReplicated", "ZooKeeperQuorumLost"),
}


def test_a_platform_has_only_alerts_that_can_fire_there() -> None:
    assert {name for name, _ in rules("dev")} == {*NAMES, "RedisMemoryHigh"}, "its Redis evicts nothing"
    replicated = {*NAMES, "UnderMinIsr", "ZooKeeperMemberDown"}
    assert {name for name, _ in rules("staging")} == replicated
    assert {name for name, _ in rules("prod")} == replicated


def test_a_lost_broker_is_more_severe_if_too_few_remain() -> None:
    assert ("BrokerDown", "warning") not in rules("dev"), "losing its only broker is critical"
    staging = rules("staging")
    assert staging["BrokerDown", "warning"].wait == 120 + 60, "it may be a restart"
    assert staging["BrokerDown", "critical"].wait == 60, "no roll takes two brokers away"
    kafka = {"replicationFactor": 2, "minInSyncReplicas": 2}
    strict = rules("staging", kafka=kafka, topics=[])
    assert strict["UnderMinIsr", "critical"].wait == 180, (
        "no partition has a redundant replica, so a restart looks the same"
    )


@pytest.mark.parametrize(
    ("retention", "seconds"), [("1h", LAG_SHORTEST), ("24h", 864), ("7d", LAG_LONGEST), (-1, LAG_LONGEST)]
)
def test_a_group_may_lag_for_a_fraction_of_the_retention(retention: object, seconds: int) -> None:
    found = topology("dev", kafka={"retention": retention}, topics=[])
    assert lag_wait(found) == seconds


def test_the_shortest_retention_of_topics_with_cleanup_by_deletion_counts() -> None:
    topics = [
        {"name": "quick", "retention": "6h"},
        {"name": "kept", "retention": "1h", "cleanup": "compact"},
        {"name": "endless", "retention": -1},
    ]
    assert topology("dev", topics=topics).retention == 6 * 3600


def test_with_a_longer_interval_one_late_answer_fires_no_alert() -> None:
    for rule in rules("dev", monitor={"enabled": True, "interval": "2m"}).values():
        assert rule.wait >= 240, rule.name


def test_every_alert_has_a_description_and_a_command_to_run() -> None:
    for stack in ("dev", "staging", "prod"):
        for rule in rules(stack).values():
            assert rule.summary.endswith((".", ":")) or "{{" in rule.summary
            assert len(rule.description) > 40
            assert rule.command.startswith("python -m ops ")
