"""The platform's dashboard for Grafana, built by Grafana's own library from :mod:`components.monitoring.panels`."""

import json
from typing import Any

from components.monitoring.panels import Panel, rows_of
from components.monitoring.topology import Topology

_HEIGHTS = {"stat": 4, "lines": 8, "states": 5}
_MAX_UID = 40
"""Longest id that Grafana accepts."""


def dashboard_json(topology: Topology, job: str | None = None) -> str:
    """The dashboard as JSON; equal platforms give equal text.

    Args:
        topology: The platform.
        job: Prometheus' job of the exporter; None takes the platform's name.
    """
    from grafana_foundation_sdk.builders import dashboard
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    # Prometheus has nothing new between two scrapes.
    built = (
        dashboard.Dashboard(f"Millrace: {topology.platform}")
        .uid(topology.platform[:_MAX_UID])
        .tags(["millrace", "kafka"])
        .refresh(f"{topology.interval}s")
        .time("now-1h", "now")
        .readonly()
        # An import by hand asks for a data source; the stack's own Grafana has only one.
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    for row in rows_of(topology, job):
        built = built.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_panel(panel))
    encoded = json.loads(JSONEncoder(sort_keys=True).encode(built.build()))
    return json.dumps(_numbered(encoded), indent=2, sort_keys=True) + "\n"


def _numbered(dashboard: dict[str, Any]) -> dict[str, Any]:
    """The dashboard with numbered panels. Links name a panel by its id, so Grafana must not assign the ids."""
    for number, panel in enumerate(dashboard["panels"], start=1):
        panel["id"] = number
    return dashboard


def _panel(panel: Panel) -> Any:
    from grafana_foundation_sdk.builders import dashboard, prometheus, stat, statetimeline, timeseries
    from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

    classes: dict[str, Any] = {"stat": stat.Panel, "lines": timeseries.Panel, "states": statetimeline.Panel}
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    made = (
        classes[panel.kind]()
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .span(panel.width)
        .height(_HEIGHTS[panel.kind])
        .datasource(DataSourceRef(type_val="prometheus", uid="${source}"))
        .thresholds(thresholds.steps([Threshold(value=value, color=colour) for value, colour in panel.thresholds]))
    )
    for number, (legend, expression) in enumerate(panel.queries.items()):
        query = prometheus.Dataquery().ref_id(chr(ord("A") + number)).expr(expression).legend_format(legend)
        made = made.with_target(query.instant() if panel.kind == "stat" else query.range())
    return _styled(made, panel)


def _styled(made: Any, panel: Panel) -> Any:
    """The panel with visible thresholds: as its colour, or as a line."""
    from grafana_foundation_sdk.builders import common, dashboard
    from grafana_foundation_sdk.models.common import BigValueColorMode, GraphThresholdsStyleMode
    from grafana_foundation_sdk.models.dashboard import FieldColorModeId

    if panel.kind == "stat":
        return made.color_mode(BigValueColorMode.BACKGROUND)
    if panel.kind == "states":
        colour = dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS)
        return made.color_scheme(colour).fill_opacity(80)
    made = made.min(0).fill_opacity(10)
    if len(panel.thresholds) > 1:
        return made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    return made
