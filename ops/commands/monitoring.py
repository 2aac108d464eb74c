"""`ops rules` and `ops dashboard`: for a Prometheus or a Grafana of one's own."""

from typing import Annotated

import typer

from components.monitoring.topology import Topology
from ops.console import out
from ops.context import platform
from ops.errors import RefusedError
from ops.platform import Platform

_Job = Annotated[
    str | None, typer.Option("--job", help="Job that scrapes the exporter there; unset: the platform's name")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rules", help="Print alert rules for a Prometheus of your own, made for this platform.")(_rules)
    app.command("dashboard", help="Print a dashboard for a Grafana of your own, made for this platform.")(_dashboard)


def _rules(context: typer.Context, job: _Job = None) -> None:
    from components.monitoring.alerts import render_alerts

    out.file.write(render_alerts(_topology(platform(context)), job))


def _dashboard(context: typer.Context, job: _Job = None) -> None:
    from components.monitoring.dashboard import dashboard_json

    out.file.write(dashboard_json(_topology(platform(context)), job))


def _topology(found: Platform) -> Topology:
    """What is up, as the stack's outputs tell it; the stack file may have changed since.

    Raises:
        RefusedError: The stack runs no exporter, so that nothing would give the metrics.
    """
    topology = found.outputs["operations"].get("topology")
    if topology is None:
        raise RefusedError(
            f"stack {found.stack} runs no metrics exporter, so there is nothing to watch",
            [f"set monitor.enabled to true in Pulumi.{found.stack}.yaml and run `pulumi up -s {found.stack}`"],
        )
    return Topology.read(topology)
