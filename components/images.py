"""The image sets. Standard library only: setup reads this file before any package is installed."""

import os
from collections.abc import Mapping

VARIABLE = "MILLRACE_IMAGES"
"""Environment variable that names the image set; setup sets it where only package registries are reachable."""

KAFKA_VERSION = "3.9.2"
"""3.9 is the last Kafka release line that runs with ZooKeeper; its image also contains ZooKeeper 3.8.4."""

SETS: Mapping[str, Mapping[str, str]] = {
    "public": {
        "zookeeper": f"apache/kafka:{KAFKA_VERSION}",
        "kafka": f"apache/kafka:{KAFKA_VERSION}",
        "redis": "redis:7.2.16",
        "prometheus": "prom/prometheus:v3.5.0",
        "grafana": "grafana/grafana:11.6.4",
    },
    "local": {
        "zookeeper": f"millrace/kafka:{KAFKA_VERSION}",
        "kafka": f"millrace/kafka:{KAFKA_VERSION}",
        "redis": "millrace/redis:7.0",
        "exporter": "millrace/exporter:0.1",
        "prometheus": "millrace/prometheus:2.42",
    },
}
"""Image references by set and server. Local images have names of this project, never a public project's.

The exporter is not published, and no package registry has Grafana, so each set lacks one image.
"""

JMX_AGENT = "/opt/millrace/jmx_prometheus_javaagent.jar"
"""Path of the JMX metrics agent in the local Kafka image; the public image has none."""


def default_image(server: str) -> str:
    """The image of a server in the set that :data:`VARIABLE` names; the public one if it is unset.

    Args:
        server: ``zookeeper``, ``kafka``, ``redis``, ``exporter``, ``prometheus`` or ``grafana``.

    Raises:
        KeyError: The set has no such image.
    """
    return SETS[os.environ.get(VARIABLE) or "public"][server]
