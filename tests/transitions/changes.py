"""For each field of a stack file, changes of its value, and which servers the program would really replace."""

import json
from collections.abc import Mapping
from typing import Any

from components.sections import merged
from components.stack_file.settings import Settings
from components.transitions import TargetName
from tests.unit.mocks import CONFIG_MAP, CONTAINER, SECRET, Run, run_on_cluster, run_platform, unmasked
from tests.unit.stack_files import FIELDS, loaded

STATEFUL_SET = "kubernetes:apps/v1:StatefulSet"
PLATFORM = "millrace-test"

_MONITOR = {
    "enabled": True,
    "image": "registry.example.com/exporter:1",
    "prometheus": {"enabled": True},
    "grafana": {"enabled": True},
}

BASES: Mapping[TargetName, Mapping[str, Any]] = {
    "docker": {"profile": "ha", "kafka": {"replicas": 4}},
    "kubernetes": {
        "target": "kubernetes",
        "profile": "production",
        "kubernetes": {"context": "test"},
        "kafka": {"replicas": 4},
    },
}
"""A stack file for each target; those that change a monitoring server have all of these."""

INVALID = {
    ("docker", field)
    for field in ("kafka.external", "kafka.sourceRanges", "kafka.serviceAnnotations", "kubernetes.context")
}
"""Fields that a stack file for this target must not set at all."""

VALUES: Mapping[str, list[Any]] = {
    "profile": ["light", "ha", "production"],
    "images": ["local"],
    "bindAddress": ["127.0.0.2"],
    "kubernetes.context": ["other"],
    "kubernetes.kubeconfig": ["other.kubeconfig"],
    "kubernetes.namespace": ["other"],
    "kubernetes.clusterDomain": ["cluster.example"],
    "kubernetes.storageClass": ["fast"],
    "kubernetes.imagePullPolicy": ["Always"],
    "kubernetes.imagePullPatience": ["10m"],
    "kubernetes.imagePullSecrets": [["registry"]],
    "kubernetes.spread": ["preferred"],
    "kubernetes.clientNamespaces": [["billing"]],
    "zookeeper.replicas": [1, 5],
    "kafka.replicas": [3, 5],
    "kafka.external": ["nodePort"],
    "kafka.sourceRanges": [["10.0.0.0/8"]],
    "kafka.serviceAnnotations": [{"example.com/scheme": "internal"}],
    "kafka.advertisedHost": ["kafka.example.com"],
    "kafka.replicationFactor": [2],
    "kafka.minInSyncReplicas": [1],
    "kafka.internalPort": [29192],
    "kafka.compression": ["zstd"],
    "kafka.retention": ["1d", -1],
    "kafka.retentionBytes": ["64MiB", "1TiB"],
    "kafka.memory": ["6GiB"],
    "redis.config": [{"timeout": "60"}],
    "redis.evictionPolicy": ["allkeys-lru", "noeviction"],
    "redis.save": [["60 5"]],
    "redis.maxMemory": ["32MiB", "64MiB"],
    "existingTopics": ["adopt"],
    "topicsToDelete": [["left"]],
    "topicsToRelease": [["left"]],
    "access.tls.lifetime": ["30d"],
    "access.tls.sign": [2],
    "access.tls.trust": [[1, 2, 3], [2, 3]],
    "health.deadline": ["7m"],
    "monitor.interval": ["20s"],
    "monitor.lagThreshold": [50],
    "monitor.prometheus.retention": ["3d"],
    "monitor.prometheus.retentionSize": ["512MiB"],
    "monitor.prometheus.alertmanagers": [["alertmanager:9093"]],
}
"""New values of the fields for which :func:`new_values` has no general ones."""

_OUTSIDE = {"advertisedHost": "kafka-{ordinal}.example.com", "allowInsecureExternal": True}

TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "access.tls.lifetime": {"access": {"enabled": True}},
    "access.tls.sign": {"access": {"enabled": True, "tls": {"trust": [1, 2]}}},
    "access.tls.trust": {"access": {"enabled": True, "tls": {"sign": 2, "trust": [1, 2]}}},
    "kafka.external": {"kafka": _OUTSIDE},
    "kafka.sourceRanges": {"kafka": {**_OUTSIDE, "external": "loadBalancer"}},
    "kafka.serviceAnnotations": {"kafka": {**_OUTSIDE, "external": "nodePort"}},
    "monitor.jmx": {"kafka": {"image": "registry.example.com/kafka:1"}, "monitor": {"jmx": True}},
    "monitor.enabled": {"monitor": {"prometheus": {"enabled": False}, "grafana": {"enabled": False}}},
    "monitor.prometheus.enabled": {"monitor": {"grafana": {"enabled": False}}},
}
"""What else a stack file says, before and after, so that it is valid with the changed field."""


def paths() -> list[str]:
    """Every field but those of single topics and applications."""
    return [path for path, _, _ in FIELDS if not path.startswith(("topics.", "apps."))]


def new_values(path: str, old: Any) -> list[Any]:
    """Values to change a field to, of each kind of change.

    Args:
        path: The field.
        old: Its value, as a stack file writes it.
    """
    if path in VALUES:
        return [value for value in VALUES[path] if value != old]
    kind = path.rpartition(".")[2]
    if isinstance(old, bool):
        return [not old]
    general: Mapping[str, list[Any]] = {
        "image": ["registry.example.com/other:2"],
        "memory": ["3GiB"],
        "heap": ["300MiB"],
        "cpu": ["300m"],
        "cpuLimit": ["3"],
        "storage": ["2GiB", "500GiB"],
        "jvmOptions": [["-Xss1m"]],
        "stopGrace": ["45s"],
        "config": [{"example.key": "1"}],
        "segmentBytes": ["32MiB"],
    }
    if kind in general:
        return general[kind]
    if isinstance(old, int):
        return [old + 100]
    if isinstance(old, str) and old.endswith("s"):
        return ["3s"]
    raise LookupError(f"{path} has no values to change to: add them to VALUES")


def declared(target: TargetName, path: str = "", value: Any = None) -> dict[str, Any]:
    """The base stack file of a target, with one field changed."""
    monitor = {"monitor": _MONITOR} if path.startswith("monitor.") else {}
    values = merged(merged(BASES[target], monitor), TOGETHER.get(path, {}))
    keys = path.split(".")
    nested: Any = value
    for key in reversed(keys):
        nested = {key: nested}
    return merged(values, nested) if path and value is not None else values


def settings(target: TargetName, path: str = "", value: Any = None) -> Settings:
    """The settings of :func:`declared`."""
    return loaded(declared(target, path, value))


def members(target: TargetName, found: Settings) -> dict[str, dict[str, str]]:
    """What each member is made from, as text, by workload and member."""
    run = run_platform(found, PLATFORM) if target == "docker" else run_on_cluster(found, PLATFORM)
    return _containers(run) if target == "docker" else _pods(run)


def restarted(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Workloads of which a member that stays is replaced."""
    return {
        name
        for name in before.keys() & after.keys()
        if any(before[name][member] != after[name][member] for member in before[name].keys() & after[name].keys())
    }


def _containers(run: Run) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for container in run.of(CONTAINER):
        workload = container.name.rpartition("-")[0]
        found.setdefault(workload, {})[container.name] = _text(container.inputs)
    return found


def _pods(run: Run) -> dict[str, dict[str, str]]:
    """The template of each StatefulSet with the files that its pods mount."""
    found: dict[str, dict[str, str]] = {}
    for item in run.of(STATEFUL_SET):
        files = [
            other.inputs
            for kind, suffix in ((CONFIG_MAP, "config"), (SECRET, "files"))
            for other in run.of(kind)
            if other.name == f"{item.name}-{suffix}"
        ]
        text = _text([item.inputs["spec"]["template"], *files])
        found[item.name] = {f"{item.name}-{number}": text for number in range(int(item.inputs["spec"]["replicas"]))}
    return found


def _text(value: object) -> str:
    return json.dumps(unmasked(value), sort_keys=True, default=str)
