"""The Grafana server, with the platform's dashboard."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pulumi

from components.monitoring import prometheus
from components.monitoring.served import served_at
from components.outside import Outside
from components.rendering.dashboard import dashboard_json
from components.rendering.grafana import dashboard_provider, datasources
from components.rendering.topology import Topology
from components.server import ServerArgs, resources_of
from components.settings_monitor import GrafanaSettings
from components.targets.base import Deployment
from components.workload import CLIENTS, File, Port, Probe, Workload

NAME = "grafana"
PORT = 3000
_USER = 472
"""User of the public image."""

_PROVISIONING = "/etc/grafana/provisioning"
_DASHBOARDS = "/etc/millrace"
_PASSWORD = "/etc/millrace/grafana-password"


def grafana_workload(
    settings: GrafanaSettings,
    *,
    image: str,
    host: Callable[[str, int], str],
    topology: Topology,
    outside: Outside | None,
) -> Workload:
    """The server as a workload, all but the password's file.

    Args:
        settings: The server's settings.
        image: Image reference.
        host: The target's name of a member, for the other members.
        topology: The platform that is shown.
        outside: How clients outside reach the server, or None where they don't.
    """
    source = f"http://{host(prometheus.NAME, 0)}:{prometheus.PORT}"
    return Workload(
        name=NAME,
        image=image,
        replicas=1,
        command=[],
        entry_point=True,
        env={
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_LOG_MODE": "console",
            # All that it shows is rendered, so its database lives as long as the container: the password of the
            # stack is always the one that holds.
            "GF_PATHS_DATA": "/tmp/grafana",  # noqa: S108  in the container
            "GF_PATHS_PLUGINS": "/tmp/grafana/plugins",  # noqa: S108  in the container
            "GF_PATHS_PROVISIONING": _PROVISIONING,
            "GF_SECURITY_ADMIN_PASSWORD__FILE": _PASSWORD,
        },
        files=[
            File(path=f"{_PROVISIONING}/datasources/datasources.yaml", content=datasources(source)),
            File(path=f"{_PROVISIONING}/dashboards/dashboards.yaml", content=dashboard_provider(_DASHBOARDS)),
            File(path=f"{_DASHBOARDS}/dashboard.json", content=dashboard_json(topology)),
        ],
        ports=[Port(name="http", number=PORT, reached_by=[CLIENTS], outside=outside)],
        resources=resources_of(settings),
        user=_USER,
        stop_grace=timedelta(seconds=10),
        readiness=Probe(
            command=["sh", "-c", f"wget -q -O - http://127.0.0.1:{PORT}/api/health | grep -q ok"],
            interval=timedelta(seconds=10),
            start_period=timedelta(minutes=5),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class GrafanaServerArgs(ServerArgs):
    """Arguments of a :class:`GrafanaServer`.

    Args:
        password: The admin's password.
    """

    password: pulumi.Input[str]


class GrafanaServer(pulumi.ComponentResource):
    """A Grafana with the platform's Prometheus as its source, and the platform's dashboard."""

    deployment: Deployment
    """What the target made."""
    url: str
    """``http://…`` by which this program reaches it."""

    def __init__(self, name: str, args: GrafanaServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:GrafanaServer", name, None, opts)
        password = File(path=_PASSWORD, content=pulumi.Output.secret(args.password), secret=True)
        workload = replace(args.workload, files=[*args.workload.files, password])
        self.address, self.deployment = served_at(workload, args, self)
        """``host:port`` by which this program reaches it."""
        self.url = f"http://{self.address}"
        self.register_outputs({"url": self.url})
