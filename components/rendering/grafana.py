"""What a Grafana is given at its start: where its samples are, and the platform's dashboard."""

from collections.abc import Sequence
from typing import Any

DATASOURCE = "prometheus"
"""Id of the data source that dashboards name."""


def datasources(prometheus: str) -> str:
    """The file that makes a Prometheus the data source.

    Args:
        prometheus: ``http://host:port``.
    """
    source: dict[str, Any] = {
        "name": "Prometheus",
        "uid": DATASOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus,
        "isDefault": True,
        "editable": False,
    }
    return _document("datasources", [source])


def dashboard_provider(folder: str) -> str:
    """The file that makes Grafana read dashboards from a folder.

    Args:
        folder: Path of the folder with dashboards in JSON.
    """
    provider: dict[str, Any] = {
        "name": "millrace",
        "type": "file",
        # What is changed by hand would be gone at the next start: the stack file's platform is what is shown.
        "allowUiUpdates": False,
        "disableDeletion": True,
        "options": {"path": folder},
    }
    return _document("providers", [provider])


def _document(key: str, entries: Sequence[dict[str, Any]]) -> str:
    import yaml

    return yaml.safe_dump({"apiVersion": 1, key: list(entries)}, sort_keys=False)
