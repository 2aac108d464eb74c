"""Local volumes: what stands in for a cloud's disks, and for the controllers that would tend them.

A StorageClass with no provisioner binds claims to volumes that were made beforehand. Nothing empties such a volume
when its claim goes, and nothing grows it; tests call `recycle_volumes` and `grant_expansions` instead. Growing is
pretended: the capacities say so, and the folder has no limit anyway.
"""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from components.clients.cluster_objects import quantity
from offline.cluster.kubectl import Kubectl, kubectl
from offline.cluster.layout import NODES, Node
from offline.steps import SetupError

CLASSES = {"standard": 12, "rigid": 3}
"""Volumes a node, by class. The claims of `rigid` cannot grow."""

CAPACITY = "10Gi"
_PARENT = "/var/volumes"

Manifest = dict[str, Any]


def folders() -> list[str]:
    """The names of one node's volume folders."""
    return [f"{name}-{number}" for name, count in CLASSES.items() for number in range(count)]


def manifests() -> list[Manifest]:
    """The classes and their volumes."""
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
    """Make the classes and volumes."""
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests()}
    kubectl("create", "-f", "-", stdin=json.dumps(listed))


def recycle_volumes(kubectl: Kubectl = kubectl, namespace: str | None = None) -> list[str]:
    """Empty the volumes whose claims are gone, and make them available again.

    Args:
        kubectl: Talks to the cluster.
        namespace: Where the claims were; everywhere if it is not said.

    Returns:
        The names of the volumes.

    Raises:
        SetupError: A node does not run, or the API server refuses.
    """
    gone = _volumes_without_claim(kubectl, namespace)
    for item in gone:
        _empty(_node_of(item), item["spec"]["local"]["path"])
        # A volume that was grown is back at its size: the next claim must get what it would have got before.
        fresh = {"spec": {"claimRef": None, "capacity": {"storage": CAPACITY}}}
        kubectl("patch", "pv", item["metadata"]["name"], "--type=merge", "-p", json.dumps(fresh))
    return [item["metadata"]["name"] for item in gone]


def _volumes_without_claim(kubectl: Kubectl, namespace: str | None) -> list[Manifest]:
    """The volumes whose claims are gone. Their phase says so only a moment later, so the claims themselves are asked.

    Volumes first: a claim that is made in between must not be missed.
    """
    volumes = json.loads(kubectl("get", "pv", "-o", "json"))["items"]
    claims = json.loads(kubectl("get", "pvc", "--all-namespaces", "-o", "json"))["items"]
    alive = {claim["metadata"]["uid"] for claim in claims}
    gone = []
    for volume in volumes:
        claim = volume["spec"].get("claimRef", {})
        if claim.get("uid") and claim["uid"] not in alive and namespace in (None, claim["namespace"]):
            gone.append(volume)
    return gone


def _node_of(volume: Manifest) -> str:
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return terms[0]["matchExpressions"][0]["values"][0]


def _empty(node: str, folder: str) -> None:
    """Empty a folder of a node, and undo what fsGroup did to it."""
    script = 'find "$1" -mindepth 1 -maxdepth 1 -exec rm -rf {} + && chown 0:0 "$1" && chmod 00755 "$1"'
    command = ["docker", "exec", node, "sh", "-c", script, "sh", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{folder} of {node} cannot be emptied: {done.stderr.strip()}")


def grant_expansions(namespace: str, kubectl: Kubectl = kubectl) -> list[str]:
    """Do what a resizer would: give claims that ask for more than they have what they ask for.

    Returns:
        The names of the claims.

    Raises:
        SetupError: The API server refuses.
    """
    claims = json.loads(kubectl("get", "pvc", "-n", namespace, "-o", "json"))["items"]
    growing = [claim for claim in claims if _asks_for_more(claim)]
    for claim in growing:
        capacity = {"capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]}}
        volume = ["patch", "pv", claim["spec"]["volumeName"], "--type=merge", "-p", json.dumps({"spec": capacity})]
        kubectl(*volume)
        status = ["--subresource=status", "--type=merge", "-p", json.dumps({"status": capacity})]
        kubectl("patch", "pvc", claim["metadata"]["name"], "-n", namespace, *status)
    return [claim["metadata"]["name"] for claim in growing]


def _asks_for_more(claim: Manifest) -> bool:
    """Whether a bound claim asks for more than it has."""
    if claim["status"].get("phase") != "Bound":
        return False
    wanted = claim["spec"]["resources"]["requests"]["storage"]
    return quantity(wanted) > quantity(claim["status"]["capacity"]["storage"])
