"""The Grafana server as a workload, with its data source and the platform's dashboard."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.inputs import lift
from components.monitoring import prometheus
from components.monitoring.dashboard import dashboard_json
from components.monitoring.files import dashboard_provider, datasources
from components.monitoring.settings import GrafanaSettings
from components.monitoring.topology import Topology
from components.outside import Outside
from components.server import resources_of
from components.workload import CLIENTS, File, Port, Probe, Workload

NAME = "grafana"
PORT = 3000
"""Port inside the container."""

_USER = 472
"""Numeric user of the public image."""

_PROVISIONING = "/etc/grafana/provisioning"
_DASHBOARDS = "/etc/millrace"
_PASSWORD = "/etc/millrace/grafana-password"


def grafana_workload(
    settings: GrafanaSettings,
    *,
    image: str,
    host: Callable[[str, int], pulumi.Input[str]],
    topology: Topology,
    outside: Outside | None,
) -> Workload:
    """The server as a workload, without the file that holds the password.

    Args:
        settings: The server's settings.
        image: Image reference.
        host: The name by which other members reach a member, as the target gives it.
        topology: The platform that is shown.
        outside: How clients outside reach the server, or None where they don't.
    """
    source = lift(lambda known: datasources(f"http://{known[0]}:{prometheus.PORT}"), [host(prometheus.NAME, 0)])
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
            # All that it shows is rendered, so its database may end with the container. A new database takes the
            # stack's password.
            "GF_PATHS_DATA": "/tmp/grafana",  # noqa: S108  in the container
            "GF_PATHS_PLUGINS": "/tmp/grafana/plugins",  # noqa: S108  in the container
            "GF_PATHS_PROVISIONING": _PROVISIONING,
            "GF_SECURITY_ADMIN_PASSWORD__FILE": _PASSWORD,
        },
        files=[
            File(path=f"{_PROVISIONING}/datasources/datasources.yaml", content=source),
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


def password_file(password: pulumi.Input[str]) -> File:
    """The file from which Grafana reads the password of its user ``admin``."""
    return File(path=_PASSWORD, content=pulumi.Output.secret(password), secret=True)
