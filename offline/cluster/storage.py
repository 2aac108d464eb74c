"""Local volumes in place of cloud disks, and of the controllers that manage them.

A StorageClass without a provisioner binds claims to existing volumes. Nothing recycles or expands such a volume, so
tests call `recycle_volumes`, `grant_expansions` and `refuse_expansions`. An expansion only changes the recorded
capacity: a folder has no limit.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from components.targets.kubernetes.quantity import quantity
from offline.cluster.kubectl import Kubectl, kubectl
from offline.cluster.layout import NODES, Node
from offline.steps import SetupError

CLASSES = {"standard": 12, "rigid": 3}
"""Volumes per node, by class. Claims of `rigid` cannot grow."""

CAPACITY = "10Gi"
_PARENT = "/var/volumes"

Manifest = dict[str, Any]


def folders() -> list[str]:
    """Names of the volume folders on each node."""
    return [f"{name}-{number}" for name, count in CLASSES.items() for number in range(count)]


def manifests() -> list[Manifest]:
    """Manifests of the classes and their volumes."""
    classes = [_class(name) for name in CLASSES]
    return classes + [_volume(node, name, number) for node, name, number in _volumes()]


def _volumes() -> Iterator[tuple[Node, str, int]]:
    for node in NODES:
        for name, count in CLASSES.items():
            for number in range(count):
                yield node, name, number


def _class(name: str) -> Manifest:
    default = {"storageclass.kubernetes.io/is-default-class": "true"} if name == "standard" else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": default},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",
        "allowVolumeExpansion": name != "rigid",
    }


def _volume(node: Node, name: str, number: int) -> Manifest:
    host = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{name}-{node.number}-{number}"},
        "spec": {
            "capacity": {"storage": CAPACITY},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": name,
            "persistentVolumeReclaimPolicy": "Retain",
            # Local volumes honour fsGroup; the controller manager's host-path provisioner does not.
            "local": {"path": f"{_PARENT}/{name}-{number}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
        },
    }


def make_volumes() -> None:
    """Create the classes and volumes."""
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests()}
    kubectl("create", "-f", "-", stdin=json.dumps(listed))


def recycle_volumes(kubectl: Kubectl = kubectl, namespace: str | None = None) -> list[str]:
    """Empty volumes whose claims are deleted, and make them available again.

    Args:
        kubectl: Runs kubectl.
        namespace: The claims' namespace; None for all.

    Returns:
        Names of the volumes.

    Raises:
        SetupError: A node does not run, or the API server rejects a request.
    """
    released = _released_volumes(kubectl, namespace)
    for item in released:
        _empty(_node_of(item), item["spec"]["local"]["path"])
        # Reset the capacity of an expanded volume: the next claim must find the original size.
        fresh = {"spec": {"claimRef": None, "capacity": {"storage": CAPACITY}}}
        kubectl("patch", "pv", item["metadata"]["name"], "--type=merge", "-p", json.dumps(fresh))
    return [item["metadata"]["name"] for item in released]


def _released_volumes(kubectl: Kubectl, namespace: str | None) -> list[Manifest]:
    """Volumes whose claims are deleted, found by comparison with all claims: a volume's phase changes a moment later.

    Volumes are listed first: a claim created in between must not be missed.
    """
    volumes = json.loads(kubectl("get", "pv", "-o", "json"))["items"]
    claims = json.loads(kubectl("get", "pvc", "--all-namespaces", "-o", "json"))["items"]
    existing = {claim["metadata"]["uid"] for claim in claims}
    released = []
    for volume in volumes:
        claim = volume["spec"].get("claimRef", {})
        if claim.get("uid") and claim["uid"] not in existing and namespace in (None, claim["namespace"]):
            released.append(volume)
    return released


def _node_of(volume: Manifest) -> str:
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return terms[0]["matchExpressions"][0]["values"][0]


def _empty(node: str, folder: str) -> None:
    """Empty a folder on a node, and reset the owner and mode that fsGroup changed."""
    script = 'find "$1" -mindepth 1 -maxdepth 1 -exec rm -rf {} + && chown 0:0 "$1" && chmod 00755 "$1"'
    command = ["docker", "exec", node, "sh", "-c", script, "sh", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"cannot empty {folder} on {node}: {done.stderr.strip()}")


def grant_expansions(namespace: str, kubectl: Kubectl = kubectl) -> list[str]:
    """Act as the volume resizer: set the capacity of bound claims to the larger request.

    Returns:
        Names of the claims.

    Raises:
        SetupError: The API server rejects a request.
    """
    growing = _growing(namespace, kubectl)
    for claim in growing:
        capacity = {"capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]}}
        volume = ["patch", "pv", claim["spec"]["volumeName"], "--type=merge", "-p", json.dumps({"spec": capacity})]
        kubectl(*volume)
        done = {**capacity, "allocatedResources": None, "allocatedResourceStatuses": None}
        _set_status(claim["metadata"]["name"], namespace, done, kubectl)
    return [claim["metadata"]["name"] for claim in growing]


def _growing(namespace: str, kubectl: Kubectl) -> list[Manifest]:
    """Bound claims that request more than their volumes have."""
    claims = json.loads(kubectl("get", "pvc", "-n", namespace, "-o", "json"))["items"]
    return [claim for claim in claims if _is_growing(claim)]


def refuse_expansions(namespace: str, kubectl: Kubectl = kubectl) -> list[str]:
    """Act as a volume resizer whose driver cannot expand that far: mark the growth of bound claims as infeasible.

    Returns:
        Names of the claims.

    Raises:
        SetupError: The API server rejects a request.
    """
    growing = _growing(namespace, kubectl)
    for claim in growing:
        size = claim["spec"]["resources"]["requests"]["storage"]
        states = {"storage": "ControllerResizeInfeasible"}
        status = {"allocatedResources": {"storage": size}, "allocatedResourceStatuses": states}
        _set_status(claim["metadata"]["name"], namespace, status, kubectl)
    return [claim["metadata"]["name"] for claim in growing]


def _set_status(claim: str, namespace: str, status: Manifest, kubectl: Kubectl) -> None:
    changed = ["--subresource=status", "--type=merge", "-p", json.dumps({"status": status})]
    kubectl("patch", "pvc", claim, "-n", namespace, *changed)


def _is_growing(claim: Manifest) -> bool:
    """Whether a bound claim requests more than its capacity."""
    if claim["status"].get("phase") != "Bound":
        return False
    requested = claim["spec"]["resources"]["requests"]["storage"]
    return quantity(requested) > quantity(claim["status"]["capacity"]["storage"])
