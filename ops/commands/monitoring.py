"""`ops rules` and `ops dashboard`: for your own Prometheus or Grafana."""

from typing import Annotated

import typer

from components.monitoring.topology import Topology
from ops.commands.options import platform
from ops.console import out
from ops.errors import RefusedError
from ops.platform import Platform

_Job = Annotated[
    str | None, typer.Option("--job", help="Job that scrapes the exporter there; default: the platform's name")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("rules", help="Print this platform's alert rules for your own Prometheus.")(_rules)
    app.command("dashboard", help="Print this platform's dashboard for your own Grafana.")(_dashboard)


def _rules(context: typer.Context, job: _Job = None) -> None:
    from components.monitoring.alerts import render_alerts

    out.file.write(render_alerts(_topology(platform(context)), job))


def _dashboard(context: typer.Context, job: _Job = None) -> None:
    from components.monitoring.dashboard import dashboard_json

    out.file.write(dashboard_json(_topology(platform(context)), job))


def _topology(found: Platform) -> Topology:
    """The running topology, from the stack's outputs: the stack file may have changed since.

    Raises:
        RefusedError: The stack runs no exporter, so there are no metrics.
    """
    topology = found.outputs["operations"].get("topology")
    if topology is None:
        raise RefusedError(
            f"stack {found.stack} runs no metrics exporter, so there is nothing to watch",
            [f"set monitor.enabled to true in Pulumi.{found.stack}.yaml and run `pulumi up -s {found.stack}`"],
        )
    return Topology.read(topology)
