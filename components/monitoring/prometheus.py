"""The Prometheus server as a workload, with its scrape jobs and the platform's alert rules."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.durations import whole_seconds
from components.inputs import lift
from components.kafka.files import JMX_PORT
from components.monitoring import exporter
from components.monitoring.alerts import render_alerts
from components.monitoring.files import prometheus_config
from components.monitoring.promql import seconds
from components.monitoring.settings import PrometheusSettings
from components.monitoring.topology import Topology
from components.outside import Outside
from components.server import resources_of
from components.workload import CLIENTS, File, Port, Probe, Storage, Workload

NAME = "prometheus"
PORT = 9090
"""Port inside the container."""

_DATA_PATH = "/prometheus"
_CONFIG = "/etc/millrace/prometheus.yml"
_RULES = "/etc/millrace/alerts.yml"
_NOBODY = 65534
"""Numeric user of the public image."""


def prometheus_workload(
    settings: PrometheusSettings,
    *,
    image: str,
    host: Callable[[str, int], pulumi.Input[str]],
    topology: Topology,
    outside: Outside | None,
    protect: bool,
) -> Workload:
    """The server as a workload.

    Args:
        settings: The server's settings.
        image: Image reference.
        host: The name by which other members reach a member, as the target gives it.
        topology: The platform that is watched.
        outside: How clients outside reach the server, or None where they don't.
        protect: Whether destroying the samples is refused.
    """
    brokers = [host("kafka", ordinal) for ordinal in range(topology.brokers if topology.jmx else 0)]

    def config(hosts: list[str]) -> str:
        return prometheus_config(
            topology,
            exporter=f"{hosts[0]}:{exporter.PORT}",
            itself=f"localhost:{PORT}",
            brokers=[f"{broker}:{JMX_PORT}" for broker in hosts[1:]],
            rules=[_RULES],
            alertmanagers=settings.alertmanagers,
        )

    return Workload(
        name=NAME,
        image=image,
        replicas=1,
        command=_arguments(settings),
        entry_point=True,
        files=[
            File(path=_CONFIG, content=lift(config, [host(exporter.NAME, 0), *brokers])),
            File(path=_RULES, content=render_alerts(topology)),
        ],
        ports=[Port(name="http", number=PORT, reached_by=["grafana", CLIENTS], outside=outside)],
        outgoing=sorted({int(server.rpartition(":")[2]) for server in settings.alertmanagers}),
        storage=Storage(path=_DATA_PATH, size=int(settings.storage), lifetime=NAME, protect=protect),
        resources=resources_of(settings),
        user=_NOBODY,
        stop_grace=timedelta(seconds=30),  # to close its database
        readiness=Probe(
            # It answers queries once it is ready. promtool is the only client in both the local and the public image.
            command=["promtool", "query", "instant", f"http://127.0.0.1:{PORT}", "1"],
            # A run takes 36 MB of memory and some hundredths of a second.
            interval=timedelta(seconds=10),
            # Replaying the write-ahead log after a hard stop takes time.
            start_period=timedelta(minutes=10),
        ),
    )


def _arguments(settings: PrometheusSettings) -> list[str]:
    size = settings.retention_size
    return [
        f"--config.file={_CONFIG}",
        f"--storage.tsdb.path={_DATA_PATH}",
        f"--storage.tsdb.retention.time={seconds(whole_seconds(settings.retention))}",
        *([] if size is None else [f"--storage.tsdb.retention.size={int(size)}B"]),
        f"--web.listen-address=0.0.0.0:{PORT}",
    ]
