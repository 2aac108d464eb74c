"""Configuration files of Prometheus and Grafana: pure functions of the topology and addresses."""

from collections.abc import Sequence
from typing import Any

from components.monitoring.promql import seconds
from components.monitoring.topology import Topology

OWN_JOB = "prometheus"
"""The job under which Prometheus scrapes itself."""


def jmx_job(platform: str) -> str:
    """The job under which brokers' JMX metrics are scraped."""
    return f"{platform}-jmx"


def prometheus_config(
    topology: Topology,
    *,
    exporter: str,
    itself: str,
    brokers: Sequence[str],
    rules: Sequence[str],
    alertmanagers: Sequence[str],
) -> str:
    """The text of ``prometheus.yml``.

    Args:
        topology: The platform.
        exporter: ``host:port`` of the exporter, as Prometheus reaches it.
        itself: ``host:port`` of Prometheus' own metrics.
        brokers: ``host:port`` of each broker's JMX agent; empty without JMX.
        rules: Paths of rule files.
        alertmanagers: ``host:port`` of each Alertmanager that gets the alerts.
    """
    import yaml

    interval = seconds(topology.interval)
    jobs = [_job(topology.platform, [exporter]), _job(OWN_JOB, [itself])]
    jobs += [_job(jmx_job(topology.platform), brokers)] if brokers else []
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            # A broker's JVM under load, or a pod at the other end of a slow network, answers late.
            "scrape_timeout": seconds(min(topology.interval, 10)),
            "evaluation_interval": interval,
            "external_labels": {"platform": topology.platform},
        },
        "rule_files": list(rules),
        "scrape_configs": jobs,
    }
    if alertmanagers:
        config["alerting"] = {"alertmanagers": [_targets(alertmanagers)]}
    return yaml.safe_dump(config, sort_keys=False)


def _job(name: str, targets: Sequence[str]) -> dict[str, Any]:
    return {"job_name": name, **_targets(targets)}


def _targets(targets: Sequence[str]) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(targets)}]}


DATASOURCE = "prometheus"
"""The uid of Grafana's data source."""


def datasources(prometheus: str) -> str:
    """Grafana's provisioning file for its data source, a Prometheus.

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
    """Grafana's provisioning file for the dashboards in a folder.

    Args:
        folder: Path of the folder with dashboards in JSON.
    """
    provider: dict[str, Any] = {
        "name": "millrace",
        "type": "file",
        # Changes by hand would be lost at the next start: the dashboard is rendered from the stack file.
        "allowUiUpdates": False,
        "disableDeletion": True,
        "options": {"path": folder},
    }
    return _document("providers", [provider])


def _document(key: str, entries: Sequence[dict[str, Any]]) -> str:
    import yaml

    return yaml.safe_dump({"apiVersion": 1, key: list(entries)}, sort_keys=False)
