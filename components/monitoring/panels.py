"""The content of a platform's dashboard: rows of panels with queries and thresholds, independent of Grafana's JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.monitoring.alerts import MEMORY_SHARE
from components.monitoring.files import jmx_job
from components.monitoring.promql import TOTAL, selected
from components.monitoring.topology import Topology

GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Args:
        title: What it shows.
        queries: PromQL by legend; a legend may hold ``{{label}}``.
        description: What it means, for the panel's tooltip.
        kind: ``stat`` for the present value, ``lines`` for a graph, ``states`` for a state timeline.
        thresholds: Values and the colour from each upwards; the first value is None, the lowest.
        unit: Grafana's name of the unit.
        width: Of 24 columns.
    """

    title: str
    queries: Mapping[str, str]
    description: str
    kind: str = "lines"
    thresholds: Sequence[tuple[float | None, str]] = ((None, GREEN),)
    unit: str = "short"
    width: int = 12


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel] = field(default_factory=tuple[Panel, ...])


_ZERO = ((None, GREEN), (1, RED))
"""Thresholds of a count that must be 0."""

_UP = ((None, RED), (1, GREEN))
"""Thresholds of what is 1 when healthy."""


def rows_of(topology: Topology, job: str | None = None) -> list[Row]:
    """The rows of a platform's dashboard.

    Args:
        topology: The platform.
        job: Prometheus' job of the exporter; None takes the platform's name.
    """
    job = job or topology.platform
    rows = [
        _cluster(topology, job),
        _topics(job),
        _groups(topology, job),
        _ensemble(topology, job),
        _redis(topology, job),
        _exporter(topology, job),
    ]
    return [*rows, *([_jmx(jmx_job(topology.platform))] if topology.jmx else [])]


def _member_thresholds(least: int, all_: int) -> Sequence[tuple[float | None, str]]:
    """Thresholds of a number of members: red below what is needed, green where all are up."""
    return ((None, RED), *([(least, YELLOW)] if least < all_ else []), (all_, GREEN))


def _cluster(topology: Topology, job: str) -> Row:
    online = selected("kafka_broker_online", job=job)
    shrinks = selected("kafka_isr_shrink_events", job=job)
    return Row(
        title="Cluster",
        panels=(
            Panel(
                title=f"Brokers online, of {topology.brokers}",
                queries={"online": f"sum({online})"},
                description=f"acks=all needs {topology.min_in_sync} of them.",
                kind="stat",
                thresholds=_member_thresholds(topology.min_in_sync, topology.brokers),
                width=4,
            ),
            Panel(
                title="Active controllers",
                queries={"controllers": selected("kafka_active_controllers", job=job)},
                description="One, always.",
                kind="stat",
                thresholds=((None, RED), (1, GREEN), (2, RED)),
                width=4,
            ),
            Panel(
                title="Offline partitions",
                queries={"partitions": selected("kafka_offline_partitions", job=job)},
                description="Nobody can read or write them.",
                kind="stat",
                thresholds=_ZERO,
                width=4,
            ),
            _partitions("Under-replicated partitions", "kafka_under_replicated_partitions", job, YELLOW),
            _partitions("Partitions under min ISR", "kafka_under_min_isr_partitions", job, RED),
            Panel(
                title="ISR shrinks in an hour",
                queries={"shrinks": f"increase({shrinks}[1h])"},
                description="How often a replica fell out of sync; a roll causes one for each broker.",
                kind="stat",
                thresholds=((None, GREEN), (2 * topology.brokers, YELLOW)),
                width=4,
            ),
            Panel(
                title="Brokers",
                queries={"broker {{broker_id}}": online},
                description="Which broker was online, over time.",
                kind="states",
                thresholds=_UP,
                width=24,
            ),
        ),
    )


def _partitions(title: str, metric: str, job: str, colour: str) -> Panel:
    return Panel(
        title=title,
        queries={"partitions": selected(metric, job=job, topic=TOTAL)},
        description="Of all topics.",
        kind="stat",
        thresholds=((None, GREEN), (1, colour)),
        width=4,
    )


def _topics(job: str) -> Row:
    def of_topics(metric: str) -> Mapping[str, str]:
        series = selected(metric, job=job)
        return {"{{topic}}": f'topk(10, {series.removesuffix("}")},topic!="{TOTAL}"}}) > 0'}

    return Row(
        title="Topics",
        panels=(
            Panel(
                title="Topics",
                queries={"topics": selected("kafka_cluster_topics", job=job)},
                description="Topics of the cluster.",
                kind="stat",
                width=4,
            ),
            Panel(
                title="Under-replicated, by topic",
                queries=of_topics("kafka_under_replicated_partitions"),
                description="Partitions that lack an in-sync replica; empty when healthy.",
                width=10,
            ),
            Panel(
                title="Under min ISR, by topic",
                queries=of_topics("kafka_under_min_isr_partitions"),
                description="Partitions that refuse records with acks=all; empty when healthy.",
                width=10,
            ),
        ),
    )


def _groups(topology: Topology, job: str) -> Row:
    lag = selected("kafka_consumer_group_lag", job=job)
    return Row(
        title="Consumer groups",
        panels=(
            Panel(
                title="Lag by group and topic",
                queries={"{{group}} {{topic}}": f"sum by (group, topic) ({lag})"},
                description="Records that a group has not read yet.",
            ),
            Panel(
                title="Largest lag in a partition",
                queries={"{{group}} {{topic}}": f"max by (group, topic) ({lag})"},
                description=f"ConsumerLagHigh watches this: above {topology.lag_threshold} records.",
                thresholds=((None, GREEN), (topology.lag_threshold, RED)),
            ),
        ),
    )


def _ensemble(topology: Topology, job: str) -> Row:
    up = selected("zookeeper_up", job=job)
    quorum = topology.ensemble // 2 + 1
    return Row(
        title="ZooKeeper",
        panels=(
            Panel(
                title="Quorum",
                queries={"quorum": selected("zookeeper_quorum", job=job)},
                description="Without one nothing in the cluster can change.",
                kind="stat",
                thresholds=_UP,
                width=4,
            ),
            Panel(
                title=f"Members up, of {topology.ensemble}",
                queries={"up": f"sum({up})"},
                description=f"A quorum is {quorum}.",
                kind="stat",
                thresholds=_member_thresholds(quorum, topology.ensemble),
                width=4,
            ),
            Panel(
                title="Members",
                queries={"{{member}} {{role}}": selected("zookeeper_role", job=job)},
                description="The role of each member, over time.",
                kind="states",
                thresholds=_UP,
                width=16,
            ),
        ),
    )


def _redis(topology: Topology, job: str) -> Row:
    used, limit = selected("redis_used_memory_bytes", job=job), selected("redis_max_memory_bytes", job=job)
    # A Redis that evicts is expected to be full.
    full = ((None, GREEN),) if topology.redis_evicts else ((None, GREEN), (MEMORY_SHARE, RED))
    return Row(
        title="Redis",
        panels=(
            Panel(
                title="Up",
                queries={"{{member}}": selected("redis_up", job=job)},
                description="Whether it answers.",
                kind="stat",
                thresholds=_UP,
                width=4,
            ),
            Panel(
                title="Memory, of maxMemory",
                queries={"{{member}}": f"{used} / {limit}"},
                description="Evicts when full." if topology.redis_evicts else "Refuses writes when full.",
                kind="stat",
                thresholds=full,
                unit="percentunit",
                width=4,
            ),
            Panel(
                title="Memory",
                queries={"used by {{member}}": used, "maxMemory of {{member}}": limit},
                description="Memory for data, and its limit.",
                unit="bytes",
                width=16,
            ),
        ),
    )


def _exporter(topology: Topology, job: str) -> Row:
    since = f"time() - {selected('platform_check_timestamp_seconds', job=job)}"
    return Row(
        title="Exporter",
        panels=(
            Panel(
                title="Checks",
                queries={"{{check}}": selected("platform_check_success", job=job)},
                description="Whether the exporter could check each part.",
                kind="states",
                thresholds=_UP,
                width=8,
            ),
            Panel(
                title="Duration of checks",
                queries={"{{check}}": selected("platform_check_duration_seconds", job=job)},
                description=f"A check must end within the interval of {topology.interval} s.",
                thresholds=((None, GREEN), (topology.interval, RED)),
                unit="s",
                width=8,
            ),
            Panel(
                title="Since the last success",
                queries={"{{check}}": since},
                description="Age of the data shown here.",
                thresholds=((None, GREEN), (3 * topology.interval, RED)),
                unit="s",
                width=8,
            ),
        ),
    )


def _jmx(job: str) -> Row:
    def rate(metric: str) -> str:
        return f"sum(rate({selected(metric, job=job)}[5m]))"

    p99 = selected("kafka_network_request_p99_milliseconds", job=job)
    flush = selected("kafka_log_flush_p99_milliseconds", job=job)
    return Row(
        title="Broker internals (JMX)",
        panels=(
            Panel(
                title="Bytes in and out",
                queries={"in": rate("kafka_server_bytes_in_total"), "out": rate("kafka_server_bytes_out_total")},
                description="From producers, and to consumers and followers.",
                unit="Bps",
                width=8,
            ),
            Panel(
                title="Requests, 99th percentile",
                queries={"{{request}}": f"max by (request) ({p99})"},
                description="From a request's arrival to its response; consumers' fetches wait for records on purpose.",
                unit="ms",
                width=8,
            ),
            Panel(
                title="Flushes of the log, 99th percentile",
                queries={"{{instance}}": flush},
                description="Time that the disk takes to write the log.",
                unit="ms",
                width=8,
            ),
        ),
    )
