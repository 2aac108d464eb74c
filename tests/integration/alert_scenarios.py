"""Unit tests of the alert rules for promtool: samples over time, and the alerts that must fire at each step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from components.monitoring.alerts import START, AlertRule, alert_rules
from components.monitoring.promql import TOTAL, selected
from components.monitoring.topology import Topology

BREAK_STEP = 10
"""The step at which something breaks; the platform is healthy before it."""

HEAL_STEPS = 4
"""For how many steps the fault lasts after its alert began to fire."""

AFTER_STEPS = 8
"""Steps after the fault has ended."""

Series = dict[str, list[str]]
Alerts = frozenset[tuple[str, str]]
NONE: Alerts = frozenset()


@dataclass
class Scenario:
    """Samples at each step, and the exact set of alerts that must fire at certain steps.

    Args:
        name: What happens.
        series: Values by series; all series have the same length.
        firing: Names and severities of the firing alerts, by step.
    """

    name: str
    series: Series
    firing: dict[int, Alerts] = field(default_factory=dict)

    def as_test(self, interval: int) -> dict[str, Any]:
        """The scenario in promtool's format."""
        return {
            "name": self.name,
            "interval": f"{interval}s",
            "input_series": [{"series": name, "values": " ".join(values)} for name, values in self.series.items()],
            "promql_expr_test": [
                {
                    "expr": 'group by (alertname, severity) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{step * interval}s",
                    "exp_samples": [
                        {"labels": f'{{alertname="{name}", severity="{severity}"}}', "value": 1}
                        for name, severity in sorted(alerts)
                    ],
                }
                for step, alerts in self.firing.items()
            ],
        }


def test_file(topology: Topology, rules: str) -> str:
    """All scenarios of a platform as a file for `promtool test rules`.

    Args:
        topology: The platform.
        rules: Name of the file with the alert rules.
    """
    tests = [scenario.as_test(topology.interval) for scenario in scenarios(topology)]
    content = {"rule_files": [rules], "evaluation_interval": f"{topology.interval}s", "tests": tests}
    return yaml.safe_dump(content, sort_keys=False)


def scenarios(topology: Topology) -> list[Scenario]:
    """A healthy platform, a roll of every member without any alert, and each alert's own fault alone."""
    platform = _Platform(topology)
    alone = [platform.breaking(rule) for rule in alert_rules(topology)]
    return [platform.healthy(), platform.rolling(), platform.gone(), platform.hanging_check(), *alone]


class _Platform:
    """The series of one platform, and the scenarios made from them."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.online = [
            self._series("kafka_broker_online", broker_id=str(i), host=f"kafka-{i}", port="29092")
            for i in range(topology.brokers)
        ]
        self.members = [self._series("zookeeper_up", member=f"zookeeper-{i}") for i in range(topology.ensemble)]
        self.rules = {(rule.name, rule.severity): rule for rule in alert_rules(topology)}

    def healthy(self) -> Scenario:
        """Nothing happens for two hours."""
        steps = 7200 // self.topology.interval
        return Scenario("a healthy platform", self._healthy(steps), dict.fromkeys(range(steps), NONE))

    def rolling(self) -> Scenario:
        """Every ensemble member, every broker and Redis restart in turn; each takes the longest time allowed."""
        topology = self.topology
        stops = [(member, topology.ensemble_stop) for member in self.members]
        stops += [(broker, topology.broker_stop) for broker in self.online]
        stops += [(self._series("redis_up", member="redis-0"), topology.redis_stop)]
        lengths = [self._steps(stop + START) for _, stop in stops]
        series = self._healthy(BREAK_STEP + sum(lengths) + len(stops) + AFTER_STEPS)
        at = BREAK_STEP
        for (name, _), length in zip(stops, lengths, strict=True):
            series[name][at : at + length] = ["0"] * length
            for more, value in self._side_effects(name).items():
                series[more][at : at + length] = [value] * length
            at += length + 1  # the gate waits for its return before the next one stops
        return Scenario("a roll of everything", series, dict.fromkeys(range(len(series[name])), NONE))

    def gone(self) -> Scenario:
        """The exporter is removed; all its series end, even `up`."""
        rule = self.rules["ExporterDown", "critical"]
        wait = self._steps(rule.wait)
        late = self._steps(300)  # Prometheus' lookback: a series without a staleness marker stays visible for 5 minutes
        steps = BREAK_STEP + wait + late + AFTER_STEPS
        series = {name: [*values[:BREAK_STEP], "stale"] for name, values in self._healthy(steps).items()}
        return Scenario("the exporter is removed", series, {BREAK_STEP: NONE, steps: frozenset({_key(rule)})})

    def hanging_check(self) -> Scenario:
        """A check hangs: it neither fails nor succeeds."""
        rule = self.rules["CheckFailing", "warning"]
        steps = BREAK_STEP + 2 * self._steps(rule.wait) + 6 + AFTER_STEPS
        series = self._healthy(steps)
        stamps = series[self._series("platform_check_timestamp_seconds", check="redis")]
        stamps[BREAK_STEP:] = [stamps[BREAK_STEP]] * (steps - BREAK_STEP)
        return Scenario("a check hangs", series, {BREAK_STEP: NONE, steps - 1: frozenset({_key(rule)})})

    def breaking(self, rule: AlertRule) -> Scenario:
        """The fault that one alert watches for begins, lasts until the alert fires, and ends."""
        wait = self._steps(rule.wait)
        broken = wait + HEAL_STEPS
        series = self._healthy(BREAK_STEP + broken + AFTER_STEPS)
        for name, value in self._breakage(rule).items():
            series[name][BREAK_STEP : BREAK_STEP + broken] = [value] * broken
        fires = frozenset({_key(rule)})
        return Scenario(
            f"{rule.name} ({rule.severity})",
            series,
            {
                BREAK_STEP - 1: NONE,
                BREAK_STEP + wait - 1: NONE,
                BREAK_STEP + wait: fires,
                BREAK_STEP + broken - 1: fires,
                BREAK_STEP + broken + 1: NONE,
            },
        )

    def _breakage(self, rule: AlertRule) -> Mapping[str, str]:
        """The series that an alert watches, with the values of a fault."""
        topology = self.topology
        if rule.name == "BrokerDown":
            away = 1 if rule.severity == "warning" else topology.brokers - topology.min_in_sync + 1
            return dict.fromkeys(self.online[:away], "0")
        limit = 128 * 2**20
        return {
            "NoController": {self._series("kafka_active_controllers"): "0"},
            "UnderReplicated": {self._series("kafka_under_replicated_partitions", topic=TOTAL): "3"},
            "Offline": {self._series("kafka_offline_partitions"): "1"},
            "UnderMinIsr": {self._series("kafka_under_min_isr_partitions", topic=TOTAL): "1"},
            "ConsumerLagHigh": {self._lag("1"): str(topology.lag_threshold + 1)},
            "ZooKeeperQuorumLost": {self._series("zookeeper_quorum"): "0"},
            "ZooKeeperMemberDown": {self.members[-1]: "0"},
            "RedisDown": {self._series("redis_up", member="redis-0"): "0"},
            "RedisMemoryHigh": {self._series("redis_used_memory_bytes", member="redis-0"): str(limit * 0.95)},
            "ExporterDown": {self._series("up"): "0"},
            "CheckFailing": {self._series("platform_check_success", check="groups"): "0"},
        }[rule.name]

    def _side_effects(self, name: str) -> Mapping[str, str]:
        """Other series that change while a member is down in a roll, with their values."""
        topology = self.topology
        effects: dict[str, str] = {}
        if name in self.online:
            effects[self._series("kafka_under_replicated_partitions", topic=TOTAL)] = "100"
            if topology.fewest_replicas == 1:
                effects[self._series("kafka_offline_partitions")] = "5"
            if topology.brokers == 1:
                effects[self._series("kafka_active_controllers")] = "0"
                effects[self._series("platform_check_success", check="kafka")] = "0"
                effects[self._series("platform_check_success", check="groups")] = "0"
        if name in self.members and topology.ensemble == 1:
            effects[self._series("zookeeper_quorum")] = "0"
            effects[self._series("platform_check_success", check="zookeeper")] = "0"
        if "redis" in name:
            effects[self._series("platform_check_success", check="redis")] = "0"
        return effects

    def _healthy(self, steps: int) -> Series:
        def always(names: Iterable[str], value: str) -> Series:
            return {name: [value] * steps for name in names}

        checks = ("kafka", "zookeeper", "redis", "groups")
        now = [str(step * self.topology.interval) for step in range(steps)]
        return {
            **always(self.online, "1"),
            **always(self.members, "1"),
            **always([self._series("kafka_active_controllers"), self._series("zookeeper_quorum")], "1"),
            **always([self._series("kafka_offline_partitions")], "0"),
            **always([self._series("kafka_under_replicated_partitions", topic=TOTAL)], "0"),
            **always([self._series("kafka_under_min_isr_partitions", topic=TOTAL)], "0"),
            # Lag at its threshold and memory just below its own: neither may fire an alert.
            **always([self._lag("0"), self._lag("1")], str(self.topology.lag_threshold)),
            **always([self._series("redis_up", member="redis-0"), self._series("up")], "1"),
            **always([self._series("redis_used_memory_bytes", member="redis-0")], str(128 * 2**20 * 0.89)),
            **always([self._series("redis_max_memory_bytes", member="redis-0")], str(128 * 2**20)),
            **always([self._series("platform_check_success", check=check) for check in checks], "1"),
            **{self._series("platform_check_timestamp_seconds", check=check): list(now) for check in checks},
        }

    def _lag(self, partition: str) -> str:
        return self._series("kafka_consumer_group_lag", group="readers", topic="messages", partition=partition)

    def _series(self, metric: str, **labels: str) -> str:
        return selected(metric, job=self.topology.platform, **labels)

    def _steps(self, seconds: int) -> int:
        """Number of steps that a duration takes, rounded up to the next evaluation."""
        return -(-seconds // self.topology.interval)


def _key(rule: AlertRule) -> tuple[str, str]:
    return rule.name, rule.severity


def names(rules: Sequence[AlertRule]) -> set[str]:
    """Names of rules."""
    return {rule.name for rule in rules}
