"""Alert rules for Prometheus, made for one platform: what is worth waking someone depends on what it can spare.

How long a rule waits (``for``) follows from what a rolling restart does, since that must wake nobody:

* a member is away for as long as it may take to stop, and :data:`START` to serve again;
* a *roll* is that for each broker in turn, under-replicated all the while;
* what a roll never causes needs to outlast only :data:`BLIP`.
"""

from dataclasses import dataclass
from typing import Any

from components.monitoring.promql import TOTAL, seconds, selected
from components.monitoring.topology import Topology

START = 60
"""Seconds from a member's start to its serving: a broker of the staging stack took 10 s on a machine with two busy
cores, as its own metrics told; the rest is room for a log that is recovered after a hard stop."""

BLIP = 60
"""Seconds that an election may take, three times the longest: a broker's session with ZooKeeper ends after 18 s at
most (``zookeeper.session.timeout.ms``), an ensemble elects within initLimit times tickTime, which is 20 s."""

LAG_SHARE = 0.01
"""Share of the retention for which a group may lag: what it has not read is deleted after all of it, so that 99% are
left to act in."""

LAG_SHORTEST, LAG_LONGEST = 300, 3600
"""Bounds of that in seconds: a group rebalances within ``max.poll.interval.ms``, five minutes by default
(https://kafka.apache.org/39/documentation.html#consumerconfigs_max.poll.interval.ms); after an hour nobody wants to
hear of it for the first time, however long records are kept."""

MEMORY_SHARE = 0.9
"""Share of maxMemory that is a warning where Redis would refuse writes next."""

MEMORY_FOR = 300
"""Seconds above that share: shorter peaks end by themselves."""

CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """One alert.

    Args:
        name: The alert's name.
        expression: PromQL; each series that it returns is an alert.
        wait: Seconds that it must hold; ``for`` of Prometheus.
        severity: ``critical`` where records or writes are at stake now, else ``warning``.
        summary: What is so, in a line; Prometheus' templates are filled in.
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
        job: Under which the exporter is scraped; unset takes the platform's name.
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
    """The rules as the file that Prometheus reads; see :func:`alert_rules`."""
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
    """A platform with what follows from its numbers."""

    topology: Topology
    job: str

    def series(self, metric: str, **labels: str) -> str:
        """A metric of this platform's exporter alone: a Prometheus may watch several."""
        return selected(metric, job=self.job, **labels)

    @property
    def blip(self) -> int:
        """Seconds for what no roll causes: an election, and at least two checks, so that one late answer is none."""
        return max(BLIP, 2 * self.topology.interval)

    @property
    def broker_away(self) -> int:
        """Seconds that a broker is away in a roll."""
        return max(self.topology.broker_stop + START, self.blip)

    @property
    def member_away(self) -> int:
        """Seconds that an ensemble member is away in a roll."""
        return max(self.topology.ensemble_stop + START, self.blip)

    @property
    def redis_away(self) -> int:
        """Seconds that Redis is away in a restart; it reads its data again before it answers."""
        return max(self.topology.redis_stop + START, self.blip)

    @property
    def roll(self) -> int:
        """Seconds of a roll of all brokers."""
        return self.broker_away * self.topology.brokers


def _broker_rules(view: _View) -> list[AlertRule]:
    online, least = view.series("kafka_broker_online"), view.topology.min_in_sync
    left = f"sum({online})"
    brokers = view.topology.brokers
    harmless = AlertRule(
        name="BrokerDown",
        expression=f"{online} == 0 and on () {left} >= {least}",
        wait=view.broker_away,
        severity=WARNING,
        summary="Broker {{ $labels.broker_id }} ({{ $labels.host }}:{{ $labels.port }}) is away.",
        description=f"Records with acks=all are accepted while {least} replicas of their partition are in sync.",
        command="python -m ops doctor",
    )
    harmful = AlertRule(
        name="BrokerDown",
        expression=f"{online} == 0 and on () {left} < {least}",
        # A roll takes one broker at a time; where that leaves enough, fewer are an outage from the start.
        wait=view.blip if brokers - 1 >= least else view.broker_away,
        severity=CRITICAL,
        summary="Broker {{ $labels.broker_id }} ({{ $labels.host }}:{{ $labels.port }}) is away; too few are left.",
        description="No broker is left: nothing can be written or read."
        if least == 1
        else f"Fewer than {least} of {brokers} brokers are left, the largest min.insync.replicas: records with "
        "acks=all are refused.",
        command="python -m ops doctor",
    )
    controller = AlertRule(
        name="NoController",
        expression=f"{view.series('kafka_active_controllers')} != 1",
        wait=view.blip if brokers > 1 else view.broker_away,
        severity=CRITICAL,
        summary="The cluster has {{ $value }} active controllers; it needs one.",
        description="Without a controller no partition gets a new leader and no topic changes; with two, brokers "
        "disagree. Look at ZooKeeper first.",
    )
    return [*([harmless] if brokers > least else []), harmful, controller]


def _partition_rules(view: _View) -> list[AlertRule]:
    topology = view.topology
    under_replicated = AlertRule(
        name="UnderReplicated",
        expression=f"{view.series('kafka_under_replicated_partitions', topic=TOTAL)} > 0",
        wait=view.roll,
        severity=WARNING,
        summary="{{ $value }} partitions lack a replica in sync.",
        description="For longer than a roll of all brokers takes, which causes this too: a broker is away, or cannot "
        "keep up.",
        command="python -m ops topics list",
    )
    offline = AlertRule(
        name="Offline",
        expression=f"{view.series('kafka_offline_partitions')} > 0",
        # A broker that stops hands its partitions over, if another replica is there to take them.
        wait=view.blip if topology.fewest_replicas > 1 else view.broker_away,
        severity=CRITICAL,
        summary="{{ $value }} partitions have no leader: nobody can read or write them.",
        description="All replicas of a partition are away, or none in sync is left. Bring the brokers back; do not "
        "allow unclean leader election, which loses records.",
        command="python -m ops doctor",
    )
    under_minimum = AlertRule(
        name="UnderMinIsr",
        expression=f"{view.series('kafka_under_min_isr_partitions', topic=TOTAL)} > 0",
        # No gate of a roll lets a partition fall that far, unless it has no replica to spare.
        wait=view.blip if topology.spares else view.broker_away,
        severity=CRITICAL,
        summary="{{ $value }} partitions have fewer replicas in sync than min.insync.replicas.",
        description="Records with acks=all are refused there; what was acknowledged is safe.",
        command="python -m ops doctor",
    )
    # With one replica each, a partition without its minimum is one without a leader.
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
            description=f"More than {limit} for too long. What a group has not read is deleted with the retention: "
            + _retention_text(view.topology),
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
        return "here none for its age."
    return f"here after {topology.retention // 3600} h at the shortest."


def _ensemble_rules(view: _View) -> list[AlertRule]:
    several = view.topology.ensemble > 1
    quorum = AlertRule(
        name="ZooKeeperQuorumLost",
        expression=f"{view.series('zookeeper_quorum')} == 0",
        wait=view.blip if several else view.member_away,
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
    # One that evicts is meant to be full.
    return [down, *([] if view.topology.redis_evicts else [full])]


def _exporter_rules(view: _View) -> list[AlertRule]:
    up = selected("up", job=view.job)
    success, last = view.series("platform_check_success"), view.series("platform_check_timestamp_seconds")
    longest = max(view.broker_away, view.member_away, view.redis_away)
    down = AlertRule(
        name="ExporterDown",
        expression=f"{up} == 0 or absent({up})",
        wait=view.blip,
        severity=CRITICAL,
        summary="The metrics exporter does not answer: nobody watches the platform.",
        description="All other alerts are silent while this one lasts.",
        command="python -m ops logs exporter-0",
    )
    failing = AlertRule(
        name="CheckFailing",
        # The last success tells a check that hangs, which neither fails nor succeeds.
        expression=f"{success} == 0 or time() - {last} > {longest + 3 * view.topology.interval}",
        wait=longest,
        severity=WARNING,
        summary="The exporter's check of {{ $labels.check }} does not succeed.",
        description="What it last saw of that part may be out of date.",
        command="python -m ops logs exporter-0",
    )
    return [down, failing]
