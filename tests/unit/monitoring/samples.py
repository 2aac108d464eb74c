"""Stacks with all monitoring enabled."""

from typing import Any

from components.monitoring.topology import Topology
from tests.unit.mocks import Registered, settings_of, unmasked

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


def files(container: Registered) -> dict[str, Any]:
    """A server's files by path; a list with a secret in it is a secret as a whole."""
    uploads: Any = unmasked(container.inputs.get("uploads", []))
    return {upload["file"]: upload["content"] for upload in uploads}
