"""The Prometheus server, with alert rules made for this platform."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.monitoring import exporter
from components.monitoring.served import served_at
from components.outside import Outside
from components.rendering import jmx
from components.rendering.alerts import render_alerts
from components.rendering.prometheus import prometheus_config
from components.rendering.promql import seconds
from components.rendering.topology import Topology
from components.server import ServerArgs, resources_of
from components.settings_monitor import PrometheusSettings
from components.targets.base import Deployment
from components.workload import CLIENTS, File, Port, Probe, Storage, Workload

NAME = "prometheus"
PORT = 9090
"""Port inside the container."""

_DATA_PATH = "/prometheus"
_CONFIG = "/etc/millrace/prometheus.yml"
_RULES = "/etc/millrace/alerts.yml"
_NOBODY = 65534
"""User of the public image."""


def prometheus_workload(
    settings: PrometheusSettings,
    *,
    image: str,
    host: Callable[[str, int], str],
    topology: Topology,
    outside: Outside | None,
    protect: bool,
) -> Workload:
    """The server as a workload.

    Args:
        settings: The server's settings.
        image: Image reference.
        host: The target's name of a member, for the other members.
        topology: The platform that is watched.
        outside: How clients outside reach the server, or None where they don't.
        protect: Whether destroying the samples is refused.
    """
    brokers = [f"{host('kafka', ordinal)}:{jmx.PORT}" for ordinal in range(topology.brokers)]
    config = prometheus_config(
        topology,
        exporter=f"{host(exporter.NAME, 0)}:{exporter.PORT}",
        itself=f"localhost:{PORT}",
        brokers=brokers if topology.jmx else [],
        rules=[_RULES],
        alertmanagers=settings.alertmanagers,
    )
    size = settings.retention_size
    return Workload(
        name=NAME,
        image=image,
        replicas=1,
        command=[
            f"--config.file={_CONFIG}",
            f"--storage.tsdb.path={_DATA_PATH}",
            f"--storage.tsdb.retention.time={seconds(int(settings.retention.total_seconds()))}",
            *([] if size is None else [f"--storage.tsdb.retention.size={int(size)}B"]),
            f"--web.listen-address=0.0.0.0:{PORT}",
        ],
        entry_point=True,
        files=[File(path=_CONFIG, content=config), File(path=_RULES, content=render_alerts(topology))],
        ports=[Port(name="http", number=PORT, reached_by=["grafana", CLIENTS], outside=outside)],
        outgoing=sorted({int(server.rpartition(":")[2]) for server in settings.alertmanagers}),
        storage=Storage(path=_DATA_PATH, size=int(settings.storage), lifetime=NAME, protect=protect),
        resources=resources_of(settings),
        user=_NOBODY,
        stop_grace=timedelta(seconds=30),  # it closes its database
        readiness=Probe(
            # It answers queries once it is ready. The image has no other client that the public one has, too.
            command=["promtool", "query", "instant", f"http://127.0.0.1:{PORT}", "1"],
            # A run takes 36 MB and some hundredths of a second.
            interval=timedelta(seconds=10),
            # A log of samples that is read again after a hard stop takes its time.
            start_period=timedelta(minutes=10),
        ),
    )


class PrometheusServer(pulumi.ComponentResource):
    """A Prometheus that scrapes the exporter and, where asked for, the brokers' JMX metrics."""

    deployment: Deployment
    """What the target made."""
    url: str
    """``http://…`` by which this program reaches it."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:PrometheusServer", name, None, opts)
        self.address, self.deployment = served_at(args.workload, args, self)
        """``host:port`` by which this program reaches it."""
        self.url = f"http://{self.address}"
        self.register_outputs({"url": self.url})
