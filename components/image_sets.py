"""The images of each set. Data alone: set-up reads it before any package is installed."""

from collections.abc import Mapping

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

A set lacks what it cannot have: nobody publishes our exporter, and no package registry has Grafana.
"""
