"""The specifications of a workload's pod and StatefulSet, as pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.durations import whole_seconds
from components.workload import FOUNDERS, Workload

ZONE_SCRIPT_NAME = "read-zone.sh"
ZONE_SCRIPT = """\
#!/bin/bash
# Usage: read-zone.sh NODE FILE
# Writes the zone of a node into a file; the file is empty if the node has none. Kubernetes gives pods no labels of
# their node, so this asks the API server, with tools that every Java image has.
set -euo pipefail
account=/var/run/secrets/kubernetes.io/serviceaccount
only_metadata="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
ask() {
    printf '%s\\r\\n' "GET /api/v1/nodes/$1 HTTP/1.0" "Host: kubernetes.default.svc" "Accept: $only_metadata" \\
        "Authorization: Bearer $(cat $account/token)" ""
}
answer=$(
    ask "$1" |
        openssl s_client -quiet -verify_quiet -verify_return_error -verify_hostname kubernetes.default.svc \\
            -servername kubernetes.default.svc -CAfile $account/ca.crt \\
            -connect "$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT"
)
status=${answer%%$'\\r'*}
if [[ $status != *" 200 "* ]]; then
    echo "the API server did not return the zone of node $1: $status" >&2
    exit 1
fi
zone=""
if [[ $answer =~ \\"topology\\.kubernetes\\.io/zone\\":\\ ?\\"([^\\"]*)\\" ]]; then zone=${BASH_REMATCH[1]}; fi
printf '%s' "$zone" > "$2"
echo "node $1 is in zone ${zone:-(none)}"
"""

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS = 600
"""Seconds that the token is valid: the shortest lifetime that Kubernetes grants."""

_NEVER = 2**31 - 1
"""Failed runs after which a member that catches up would be restarted: the largest value of the field, which is an
int32 (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe); 136 years at 2 s."""

_READ_ONLY = 0o440
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


@dataclass(frozen=True, kw_only=True)
class PodContext:
    """What a pod needs besides its workload.

    Args:
        host: The pod's name for the other members, with ``$(POD_NAME)`` in it.
        selector: Labels that all pods of the workload have.
        config_map: Name of the ConfigMap with the plain files, or None.
        secret: Name of the Secret with the secret files, or None.
        reads_zone: Whether an init container reads the zone of the pod's node.
        spread: Whether separate nodes and zones are ``required`` or ``preferred``.
        pull_policy: When a node pulls an image.
        pull_secrets: Secrets with the registries' credentials.
    """

    host: pulumi.Input[str]
    selector: Mapping[str, str]
    config_map: pulumi.Input[str] | None
    secret: pulumi.Output[str] | None
    reads_zone: bool
    spread: str
    pull_policy: str
    pull_secrets: Sequence[str]


def pod_spec(workload: Workload, context: PodContext) -> dict[str, Any]:
    """The pod's specification, with the keys of a manifest; it meets the restricted Pod Security Standard."""
    # Without runAsGroup, a pod gets the image's group; files on the volume belong to the user's own group.
    identity = {"runAsNonRoot": True, "runAsUser": workload.user, "runAsGroup": workload.user}
    return {
        "serviceAccountName": workload.name,
        "automountServiceAccountToken": False,
        # A Service called kafka would set KAFKA_PORT, which start scripts read as a setting.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": whole_seconds(workload.stop_grace),
        "securityContext": {
            **identity,
            "fsGroup": workload.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"imagePullSecrets": [{"name": name} for name in context.pull_secrets]} if context.pull_secrets else {}),
        **_spread(context),
        **({"initContainers": [_zone_reader(workload, context)]} if context.reads_zone else {}),
        "containers": [_server(workload, context)],
        "volumes": _volumes(workload, context),
    }


def stateful_set_spec(
    workload: Workload, context: PodContext, labels: Mapping[str, str], storage_class: str | None
) -> dict[str, Any]:
    """The specification of a workload's StatefulSet.

    Args:
        workload: The workload.
        context: What the pods need besides the workload.
        labels: Labels of pods and claims.
        storage_class: StorageClass of the volumes, or None for the cluster's default.
    """
    return {
        "serviceName": workload.name,
        "replicas": workload.replicas,
        "podManagementPolicy": "Parallel",  # a lost zone must not keep the other members from coming back
        "updateStrategy": {"type": "OnDelete"},  # GatedRoll replaces pods
        "selector": {"matchLabels": dict(context.selector)},
        "template": {"metadata": {"labels": dict(labels)}, "spec": pod_spec(workload, context)},
        **_claims(workload, labels, storage_class),
    }


def _claims(workload: Workload, labels: Mapping[str, str], storage_class: str | None) -> dict[str, Any]:
    """The part of a StatefulSet's specification for its members' volumes."""
    if workload.storage is None:
        return {}
    claim = {
        "metadata": {"name": "data", "labels": dict(labels)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": str(workload.storage.size)}},
            **({"storageClassName": storage_class} if storage_class else {}),
        },
    }
    return {
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "volumeClaimTemplates": [claim],
    }


def _server(workload: Workload, context: PodContext) -> dict[str, Any]:
    limit = workload.resources.cpu_limit
    memory = str(workload.resources.memory)
    return {
        "name": workload.name,
        "image": workload.image,
        "imagePullPolicy": context.pull_policy,
        **_start(workload),
        "env": _env(workload, context),
        "ports": [{"name": port.name, "containerPort": port.number, "protocol": "TCP"} for port in workload.ports],
        "resources": {
            # The request equals the limit, so a node never overcommits memory: a broker needs its page cache.
            "requests": {"cpu": workload.resources.cpu, "memory": memory},
            "limits": {"memory": memory, **({"cpu": limit} if limit else {})},
        },
        **_probes(workload),
        "securityContext": dict(_RESTRICTED),
        "volumeMounts": [
            *([{"name": "data", "mountPath": workload.storage.path}] if workload.storage else []),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  in the container
            *_config_mounts(workload),
            *(_zone_mounts(workload, read_only=True) if context.reads_zone else []),
        ],
    }


def _start(workload: Workload) -> dict[str, Any]:
    """What the container runs; ``command`` replaces the image's entry point. The API server drops an empty list."""
    if workload.entry_point:
        return {"args": list(workload.command)} if workload.command else {}
    return {"command": list(workload.command)}


def _env(workload: Workload, context: PodContext) -> list[dict[str, Any]]:
    """Placeholders come first: Kubernetes expands ``$(NAME)`` only from earlier variables in the list."""
    return [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        {
            "name": "ORDINAL",
            "valueFrom": {
                "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}
            },
        },
        {"name": "HOST", "value": context.host},
        *([_founders(workload)] if workload.founded else []),
        # The API server drops empty values, as it drops defaults; a refresh would show them as a difference.
        *({"name": name} | ({"value": value} if value else {}) for name, value in sorted(workload.env.items())),
    ]


def founding_map(workload: str) -> str:
    """Name of the ConfigMap that exists while the first members of a workload may found their group."""
    return f"{workload}-founding"


def _founders(workload: Workload) -> dict[str, Any]:
    """The variable is not set where the ConfigMap does not exist."""
    reference = {"name": founding_map(workload.name), "key": "members", "optional": True}
    return {"name": FOUNDERS, "valueFrom": {"configMapKeyRef": reference}}


def _probes(workload: Workload) -> dict[str, Any]:
    """Startup: the server has caught up, or answers where it need not. Readiness: it answers. Liveness: its port is
    open, whatever state the cluster is in.
    """
    probe = workload.readiness
    action = {"exec": {"command": list(probe.command)}}
    times = {"periodSeconds": whole_seconds(probe.interval), "timeoutSeconds": whole_seconds(probe.timeout)}
    return {
        "startupProbe": _startup(workload),
        "readinessProbe": {**action, **times, "failureThreshold": probe.failures},
        "livenessProbe": {
            "tcpSocket": {"port": workload.client_port.number},
            "periodSeconds": 10,
            "timeoutSeconds": whole_seconds(probe.timeout),
            "failureThreshold": 6,
        },
    }


def _startup(workload: Workload) -> dict[str, Any]:
    """The probe that runs until it succeeds once; the others start after it."""
    probe, catch_up = workload.readiness, workload.catch_up
    if catch_up is not None:
        return {
            "exec": {"command": list(catch_up.command)},
            "periodSeconds": whole_seconds(catch_up.interval),
            "timeoutSeconds": whole_seconds(catch_up.timeout),
            "failureThreshold": _NEVER,
        }
    interval = 2
    return {
        "exec": {"command": list(probe.command)},
        "periodSeconds": interval,
        "timeoutSeconds": whole_seconds(probe.timeout),
        "failureThreshold": whole_seconds(probe.start_period) // interval,
    }


def _spread(context: PodContext) -> dict[str, Any]:
    """No two members on one node, and members spread evenly over zones, so a lost node or zone costs one member."""
    must = context.spread == "required"
    term = {"labelSelector": {"matchLabels": dict(context.selector)}, "topologyKey": "kubernetes.io/hostname"}
    rule = (
        "requiredDuringSchedulingIgnoredDuringExecution" if must else "preferredDuringSchedulingIgnoredDuringExecution"
    )
    return {
        "affinity": {"podAntiAffinity": {rule: [term if must else {"weight": 100, "podAffinityTerm": term}]}},
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule" if must else "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(context.selector)},
            }
        ],
    }


def _zone_reader(workload: Workload, context: PodContext) -> dict[str, Any]:
    script = f"{_folders(workload)[0]}/{ZONE_SCRIPT_NAME}"
    small = {"cpu": "50m", "memory": "64Mi"}
    return {
        "name": "zone",
        "image": workload.image,
        "imagePullPolicy": context.pull_policy,
        "command": ["bash", script, "$(NODE_NAME)", str(workload.zone_file)],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}],
        "resources": {"requests": small, "limits": small},
        "securityContext": dict(_RESTRICTED),
        "volumeMounts": [
            *_config_mounts(workload),
            *_zone_mounts(workload, read_only=False),
            {"name": "token", "mountPath": _TOKEN_PATH, "readOnly": True},
        ],
    }


def _volumes(workload: Workload, context: PodContext) -> list[dict[str, Any]]:
    files = {"configMap": context.config_map, "secret": context.secret}
    sources = [{kind: {"name": name}} for kind, name in files.items() if name is not None]
    volumes: list[dict[str, Any]] = [
        *([{"name": "config", "projected": {"sources": sources, "defaultMode": _READ_ONLY}}] if sources else []),
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
    ]
    if context.reads_zone:
        account = [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ]
        volumes += [
            {"name": "zone", "emptyDir": {"sizeLimit": "1Mi"}},
            {"name": "token", "projected": {"sources": account, "defaultMode": _READ_ONLY}},
        ]
    return volumes


def _config_mounts(workload: Workload) -> list[dict[str, Any]]:
    return [{"name": "config", "mountPath": folder, "readOnly": True} for folder in _folders(workload)]


def _zone_mounts(workload: Workload, *, read_only: bool) -> list[dict[str, Any]]:
    folder = str(workload.zone_file).rpartition("/")[0]
    return [{"name": "zone", "mountPath": folder, **({"readOnly": True} if read_only else {})}]


def _folders(workload: Workload) -> list[str]:
    return sorted({file.path.rpartition("/")[0] for file in workload.files})
