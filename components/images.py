"""The images of each set. The standard library alone: set-up reads it before any package is installed."""

import os
from collections.abc import Mapping

VARIABLE = "MILLRACE_IMAGES"
"""Environment variable that names the set of images; set-up sets it where only package registries are reachable."""

KAFKA_VERSION = "3.9.2"
"""The last Kafka line that runs with ZooKeeper is 3.9; its image holds ZooKeeper 3.8.4 as well."""

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
"""References by set and server. Local images carry our own names, never a public project's.

Nobody publishes our exporter, and no package registry has Grafana, so each set lacks one.
"""

JMX_AGENT = "/opt/millrace/jmx_prometheus_javaagent.jar"
"""Where the local Kafka image has the agent that gives JMX metrics; the public one has none."""


def default_image(server: str) -> str:
    """The image of a server in the set that :data:`VARIABLE` names; the public one where it is unset.

    Args:
        server: ``zookeeper``, ``kafka``, ``redis``, ``exporter``, ``prometheus`` or ``grafana``.

    Raises:
        KeyError: The set has no such image.
    """
    return SETS[os.environ.get(VARIABLE) or "public"][server]
