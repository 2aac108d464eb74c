"""Profiles: the defaults that fit a laptop, a replicated platform, or production. A stack file overrides any of them.

A profile is data in the words of the stack file; ``settings.py`` checks it as it checks the stack file.
"""

from collections.abc import Mapping
from typing import Any

# C1-only compilation halves a short-lived JVM's start; G1 needs more memory than these heaps give it.
_QUICK_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
_THROUGHPUT = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]

LIGHT: Mapping[str, Any] = {
    "zookeeper": {
        "replicas": 1,
        "heap": "256MiB",
        "memory": "512MiB",
        "port": 2181,
        "jvmOptions": _QUICK_START,
        "stopGrace": "10s",
    },
    "kafka": {
        "replicas": 1,
        "heap": "512MiB",
        "memory": "1GiB",
        "port": 9092,
        "retention": "24h",
        "retentionBytes": "100MiB",
        "segmentBytes": "50MiB",
        "replicationFactor": 1,
        "minInSyncReplicas": 1,
        "autoCreateTopics": True,
        "jvmOptions": _QUICK_START,
        "stopGrace": "30s",
        # One consumer needs no time for others to join; a hard-killed broker may come back after 6 s.
        "config": {"group.initial.rebalance.delay.ms": "0", "zookeeper.session.timeout.ms": "6000"},
    },
    "redis": {
        "port": 6379,
        "memory": "256MiB",
        "maxMemory": "128MiB",
        "evictionPolicy": "noeviction",
        "appendOnly": False,
        "save": ["60 1000"],
        "authentication": False,
    },
}

HA: Mapping[str, Any] = {
    "zookeeper": {
        "replicas": 3,
        "heap": "256MiB",
        "memory": "512MiB",
        "port": 12181,
        "jvmOptions": _QUICK_START,
        "stopGrace": "20s",
    },
    "kafka": {
        "replicas": 3,
        "heap": "512MiB",
        "memory": "1GiB",
        "port": 19092,
        "retention": "7d",
        "retentionBytes": -1,
        "segmentBytes": "1GiB",
        "replicationFactor": 3,
        "minInSyncReplicas": 2,
        "autoCreateTopics": False,
        "jvmOptions": _THROUGHPUT,
        "stopGrace": "120s",
        # Until its session ends, a broker that died without a word keeps its partitions, and acks=all waits for it.
        # Kafka's 18 s are for long pauses of large heaps and busy networks; three brokers on one machine have neither.
        "config": {"zookeeper.session.timeout.ms": "6000"},
    },
    "redis": {
        "port": 16379,
        "memory": "512MiB",
        "maxMemory": "256MiB",
        "evictionPolicy": "allkeys-lru",
        "appendOnly": True,
        "save": [],
        "authentication": True,
    },
    "monitor": {"port": 19090, "prometheus": {"port": 19091}, "grafana": {"port": 13000}},
}

PRODUCTION: Mapping[str, Any] = {
    "zookeeper": {
        "replicas": 3,
        "memory": "1GiB",
        "cpu": "250m",
        "cpuLimit": "1",
        "storage": "10GiB",
        "port": 2181,
        "jvmOptions": _THROUGHPUT,
        "stopGrace": "30s",
    },
    "kafka": {
        "replicas": 3,
        "memory": "4GiB",
        "cpu": "500m",
        "cpuLimit": "2",
        "storage": "100GiB",
        "port": 30092,
        "retention": "168h",
        "retentionBytes": -1,
        "segmentBytes": "1GiB",
        "replicationFactor": 3,
        "minInSyncReplicas": 2,
        "autoCreateTopics": False,
        "compression": "lz4",
        "jvmOptions": _THROUGHPUT,
        # Controlled shutdown hands every partition over first: three tries, then the log is flushed.
        "stopGrace": "120s",
        "config": {"zookeeper.session.timeout.ms": "18000"},
    },
    "redis": {
        "port": 6379,
        "memory": "512MiB",
        "cpu": "100m",
        "cpuLimit": "500m",
        "storage": "10GiB",
        "maxMemory": "256MiB",
        "evictionPolicy": "allkeys-lru",
        "appendOnly": True,
        "save": [],
        "authentication": True,
        "stopGrace": "30s",
    },
    "health": {"deadline": "10m"},
}

PROFILES: Mapping[str, Mapping[str, Any]] = {"light": LIGHT, "ha": HA, "production": PRODUCTION}


def with_profile(declared: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """The declared values over the profile's: mappings are merged key by key, everything else is replaced."""
    return _merge(PROFILES[profile], declared)


def _merge(defaults: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in declared.items():
        default = merged.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(default, value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            merged[key] = value
    return merged
