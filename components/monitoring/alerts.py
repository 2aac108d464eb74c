"""Alert rules for Prometheus, derived from one platform: an alert depends on how many members it can lose.

How long a rule waits (``for``) follows from a rolling restart, which must fire no alert:

* a member is away for its stop grace, and :data:`START` until it serves again;
* a *roll* takes that long for each broker in turn, with under-replicated partitions all the while;
* what a roll never causes only has to outlast :data:`ELECTION`.
"""

from dataclasses import dataclass
from typing import Any

from components.monitoring.promql import TOTAL, seconds, selected
from components.monitoring.topology import Topology

START = 60
"""Seconds from a member's start until it serves. By its own metrics, a broker of the staging stack took 10 s on a
machine with two busy cores; the rest is for log recovery after a hard stop."""

ELECTION = 60
"""Seconds allowed for an election, three times the longest: a broker's session with ZooKeeper expires after at most
18 s (``zookeeper.session.timeout.ms``), and an ensemble elects within initLimit times tickTime, which is 20 s."""

LAG_SHARE = 0.01
"""Share of the retention for which a group may lag. Unread records are deleted when the retention ends, so 99% of it
is left to act."""

LAG_SHORTEST, LAG_LONGEST = 300, 3600
"""Bounds of that time in seconds: a group rebalances within ``max.poll.interval.ms``, five minutes by default
(https://kafka.apache.org/39/documentation.html#consumerconfigs_max.poll.interval.ms); a lag of an hour is always
reported, however long records are kept."""

MEMORY_SHARE = 0.9
"""Share of maxMemory above which a Redis that evicts nothing fires a warning."""

MEMORY_FOR = 300
"""Seconds above that share; shorter peaks pass by themselves."""

CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """One alert.

    Args:
        name: The alert's name.
        expression: PromQL; each series that it returns is one alert.
        wait: Seconds that the expression must hold; Prometheus' ``for``.
        severity: ``critical`` where records or writes are at stake now, else ``warning``.
        summary: What is wrong, in one line; may hold templates of Prometheus.
        description: What it means.
        command: What to run next.
    """

    name: str
    expression: str
    wait: int
    severity: str
    summary: str
    description: str
    command: str = "python -m ops status"


def alert_rules(topology: Topology, job: str | None = None) -> list[AlertRule]:
    """All alerts of a platform.

    Args:
        topology: The platform.
        job: Prometheus' job of the exporter; None takes the platform's name.
    """
    view = _View(topology, job or topology.platform)
    return [
        *_broker_rules(view),
        *_partition_rules(view),
        *_group_rules(view),
        *_ensemble_rules(view),
        *_redis_rules(view),
        *_exporter_rules(view),
    ]


def render_alerts(topology: Topology, job: str | None = None) -> str:
    """The text of a Prometheus rule file; see :func:`alert_rules`."""
    import yaml

    entries = [_entry(rule, topology) for rule in alert_rules(topology, job)]
    groups = {"groups": [{"name": topology.platform, "rules": entries}]}
    return yaml.safe_dump(groups, sort_keys=False, width=110, allow_unicode=True)


def _entry(rule: AlertRule, topology: Topology) -> dict[str, Any]:
    return {
        "alert": rule.name,
        "expr": rule.expression,
        "for": seconds(rule.wait),
        "labels": {"severity": rule.severity, "platform": topology.platform},
        "annotations": {"summary": rule.summary, "description": rule.description, "command": rule.command},
    }


@dataclass(frozen=True)
class _View:
    """A platform, and the waits in seconds that follow from its settings."""

    topology: Topology
    job: str

    def series(self, metric: str, **labels: str) -> str:
        """A metric of this platform's exporter only: one Prometheus may watch several platforms."""
        return selected(metric, job=self.job, **labels)

    @property
    def shortest_wait(self) -> int:
        """The wait for what no roll causes: an election, at least two checks, so that one late check fires nothing."""
        return max(ELECTION, 2 * self.topology.interval)

    @property
    def broker_away(self) -> int:
        """Time that a broker is away in a roll."""
        return max(self.topology.broker_stop + START, self.shortest_wait)

    @property
    def member_away(self) -> int:
        """Time that an ensemble member is away in a roll."""
        return max(self.topology.ensemble_stop + START, self.shortest_wait)

    @property
    def redis_away(self) -> int:
        """Time that Redis is away in a restart; it loads its data before it answers."""
        return max(self.topology.redis_stop + START, self.shortest_wait)

    @property
    def roll(self) -> int:
        """Time of a roll of all brokers."""
        return self.broker_away * self.topology.brokers


def _broker_rules(view: _View) -> list[AlertRule]:
    online, least = view.series("kafka_broker_online"), view.topology.min_in_sync
    all_online = f"sum({online})"
    brokers = view.topology.brokers
    enough_left = AlertRule(
        name="BrokerDown",
        expression=f"{online} == 0 and on () {all_online} >= {least}",
        wait=view.broker_away,
        severity=WARNING,
        summary="Broker {{ $labels.broker_id }} ({{ $labels.host }}:{{ $labels.port }}) is away.",
        description=f"Records with acks=all are accepted while {least} replicas of their partition are in sync.",
        command="python -m ops doctor",
    )
    too_few_left = AlertRule(
        name="BrokerDown",
        expression=f"{online} == 0 and on () {all_online} < {least}",
        # A roll stops one broker at a time. Where that leaves enough, too few are an outage at once.
        wait=view.shortest_wait if brokers - 1 >= least else view.broker_away,
        severity=CRITICAL,
        summary="Broker {{ $labels.broker_id }} ({{ $labels.host }}:{{ $labels.port }}) is away; too few are left.",
        description="No broker is left: nothing can be written or read."
        if least == 1
        else f"Fewer than {least} of {brokers} brokers are left ({least} is the largest min.insync.replicas): records "
        "with acks=all are refused.",
        command="python -m ops doctor",
    )
    controller = AlertRule(
        name="NoController",
        expression=f"{view.series('kafka_active_controllers')} != 1",
        wait=view.shortest_wait if brokers > 1 else view.broker_away,
        severity=CRITICAL,
        summary="The cluster has {{ $value }} active controllers; it needs one.",
        description="Without a controller no partition gets a new leader and no topic changes; with two, brokers "
        "disagree. Look at ZooKeeper first.",
    )
    return [*([enough_left] if brokers > least else []), too_few_left, controller]


def _partition_rules(view: _View) -> list[AlertRule]:
    topology = view.topology
    under_replicated = AlertRule(
        name="UnderReplicated",
        expression=f"{view.series('kafka_under_replicated_partitions', topic=TOTAL)} > 0",
        wait=view.roll,
        severity=WARNING,
        summary="{{ $value }} partitions lack a replica in sync.",
        description="A broker is down or cannot keep up. A roll of all brokers causes this too, but ends sooner.",
        command="python -m ops topics list",
    )
    offline = AlertRule(
        name="Offline",
        expression=f"{view.series('kafka_offline_partitions')} > 0",
        # A stopping broker hands over its leadership, if another replica can take it.
        wait=view.shortest_wait if topology.fewest_replicas > 1 else view.broker_away,
        severity=CRITICAL,
        summary="{{ $value }} partitions have no leader: nobody can read or write them.",
        description="All replicas of a partition are away, or none in sync is left. Bring the brokers back; do not "
        "allow unclean leader election, which loses records.",
        command="python -m ops doctor",
    )
    under_minimum = AlertRule(
        name="UnderMinIsr",
        expression=f"{view.series('kafka_under_min_isr_partitions', topic=TOTAL)} > 0",
        # The gates of a roll prevent this, except for partitions with no replica to spare.
        wait=view.shortest_wait if topology.spares else view.broker_away,
        severity=CRITICAL,
        summary="{{ $value }} partitions have fewer replicas in sync than min.insync.replicas.",
        description="Records with acks=all are refused there; what was acknowledged is safe.",
        command="python -m ops doctor",
    )
    # With one replica each, a partition below its minimum has no leader, which Offline reports.
    return [under_replicated, offline, *([under_minimum] if topology.replicas > 1 else [])]


def _group_rules(view: _View) -> list[AlertRule]:
    limit = view.topology.lag_threshold
    lag = view.series("kafka_consumer_group_lag")
    return [
        AlertRule(
            name="ConsumerLagHigh",
            expression=f"max by (group, topic) ({lag}) > {limit}",
            wait=lag_wait(view.topology),
            severity=WARNING,
            summary="Group {{ $labels.group }} is {{ $value }} records behind in a partition of {{ $labels.topic }}.",
            description=f"The lag stays above {limit} records. {_retention_text(view.topology)}",
            command="python -m ops groups describe {{ $labels.group }}",
        )
    ]


def lag_wait(topology: Topology) -> int:
    """Seconds for which a group may lag: a share of the retention, within bounds; see :data:`LAG_SHARE`."""
    if topology.retention is None:
        return LAG_LONGEST
    return int(min(max(topology.retention * LAG_SHARE, LAG_SHORTEST), LAG_LONGEST))


def _retention_text(topology: Topology) -> str:
    if topology.retention is None:
        return "No topic deletes records by age."
    return f"Unread records are deleted after the retention, here {topology.retention // 3600} h at the shortest."


def _ensemble_rules(view: _View) -> list[AlertRule]:
    several = view.topology.ensemble > 1
    quorum = AlertRule(
        name="ZooKeeperQuorumLost",
        expression=f"{view.series('zookeeper_quorum')} == 0",
        wait=view.shortest_wait if several else view.member_away,
        severity=CRITICAL,
        summary="ZooKeeper has no quorum.",
        description="Brokers go on with the leaders that they have, but nothing can change: no new leader, no topic, "
        "no broker comes back.",
    )
    member = AlertRule(
        name="ZooKeeperMemberDown",
        expression=f"{view.series('zookeeper_up')} == 0",
        wait=view.member_away,
        severity=WARNING,
        summary="{{ $labels.member }} does not serve.",
        description=f"The ensemble of {view.topology.ensemble} keeps its quorum with "
        f"{view.topology.ensemble // 2 + 1} members.",
    )
    return [quorum, *([member] if several else [])]


def _redis_rules(view: _View) -> list[AlertRule]:
    down = AlertRule(
        name="RedisDown",
        expression=f"{view.series('redis_up')} == 0",
        wait=view.redis_away,
        severity=CRITICAL,
        summary="{{ $labels.member }} does not answer.",
        description="Applications have no cache. Its data is on its volume and comes back with it.",
    )
    limit = view.series("redis_max_memory_bytes")
    full = AlertRule(
        name="RedisMemoryHigh",
        expression=f"{view.series('redis_used_memory_bytes')} / ({limit} > 0) > {MEMORY_SHARE}",
        wait=MEMORY_FOR,
        severity=WARNING,
        summary="{{ $labels.member }} uses {{ $value | humanizePercentage }} of its memory.",
        description="It evicts nothing (redis.evictionPolicy noeviction), so it refuses writes when it is full. "
        "Raise redis.maxMemory, or give keys a time to live.",
    )
    # A Redis that evicts is expected to be full.
    return [down, *([] if view.topology.redis_evicts else [full])]


def _exporter_rules(view: _View) -> list[AlertRule]:
    up = selected("up", job=view.job)
    success, last = view.series("platform_check_success"), view.series("platform_check_timestamp_seconds")
    longest = max(view.broker_away, view.member_away, view.redis_away)
    down = AlertRule(
        name="ExporterDown",
        expression=f"{up} == 0 or absent({up})",
        wait=view.shortest_wait,
        severity=CRITICAL,
        summary="The metrics exporter does not answer: nobody watches the platform.",
        description="All other alerts are silent while this one lasts.",
        command="python -m ops logs exporter-0",
    )
    failing = AlertRule(
        name="CheckFailing",
        # A check that hangs neither fails nor succeeds; the time of its last success reveals it.
        expression=f"{success} == 0 or time() - {last} > {longest + 3 * view.topology.interval}",
        wait=longest,
        severity=WARNING,
        summary="The exporter's check of {{ $labels.check }} does not succeed.",
        description="What it last saw of that part may be out of date.",
        command="python -m ops logs exporter-0",
    )
    return [down, failing]
