"""Stacks that are watched with everything there is."""

from typing import Any

from components.monitoring.topology import Topology
from tests.unit.mocks import (
    settings_of,
)

ALERTMANAGERS = ["alertmanager-0.monitoring:9093", "alertmanager-1.monitoring:9093", "10.0.0.1:443"]
WHOLE: dict[str, Any] = {
    "enabled": True,
    "image": "own/exporter:1.0",
    "jmx": True,
    "prometheus": {"enabled": True, "retentionSize": "1GiB", "alertmanagers": ALERTMANAGERS},
    "grafana": {"enabled": True, "image": "own/grafana:1.0"},
}
JMX_IMAGE = {"kafka": {"image": "own/kafka:1.0"}}


def topology(stack: str = "staging", **changes: Any) -> Topology:
    return settings_of(stack, **changes).topology(f"millrace-{stack}")
