"""What a killed update left in a Kubernetes cluster.

The provider creates by server-side apply, so the next `up` takes over each object whose name is fixed. One whose name
was generated gets another name then, and the first one is left: the state has its exact name.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ops.heal.plan import Resources, Step

if TYPE_CHECKING:
    from components.targets.kubernetes.client import Cluster

_PREFIX = "kubernetes:"
_PROVIDER = "pulumi:providers:kubernetes"
_AUTONAMED = "pulumi.com/autonamed"
REQUEST_SECONDS = 3.0
"""Seconds that a request of a killed update may still take, on a busy API server."""

_KEPT = ("Namespace",)
"""Kinds that are never removed: other things may be in them."""


def connection(resources: Resources) -> "Cluster":
    """The cluster that the stack's provider names.

    Raises:
        ClusterError: It does not answer.
    """
    from components.targets.kubernetes.client import connect

    inputs = resources.inputs(_PROVIDER)[0]  # whatever is created on a cluster depends on it
    return connect(inputs.get("kubeconfig"), str(inputs["context"]))


def leftovers(resources: Resources, *, everything: bool) -> list[Mapping[str, Any]]:
    """Manifests of objects to remove.

    Args:
        resources: The stack's state.
        everything: Whether to remove those, too, that the next `up` would take over.
    """
    known = {str(item["id"]) for item in resources.known if str(item["type"]).startswith(_PREFIX) and item.get("id")}
    found: list[Mapping[str, Any]] = []
    for item in resources.unfinished:
        manifest: Mapping[str, Any] = item.get("inputs") or {}
        if not str(item["type"]).startswith(_PREFIX) or manifest.get("kind") in _KEPT:
            continue
        if id_of(manifest) not in known and (everything or is_autonamed(manifest)):
            found.append(manifest)
    return found


def is_autonamed(manifest: Mapping[str, Any]) -> bool:
    """Whether the provider generated the object's name."""
    annotations: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return annotations.get(_AUTONAMED) == "true"


def id_of(manifest: Mapping[str, Any]) -> str:
    """An object's id in the state: ``namespace/name``, or ``name``."""
    metadata: Mapping[str, str] = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


def _await_requests(cluster: "Cluster", pending: Sequence[Mapping[str, Any]]) -> None:
    """Give the API server time for the last requests of a killed update: it may still create what they ask for.

    Two requests at once to create one object fail with a conflict, also by server-side apply.
    """
    end = time.monotonic() + REQUEST_SECONDS
    while time.monotonic() < end and not all(map(cluster.labels_of, pending)):
        time.sleep(min(0.2, REQUEST_SECONDS))


def steps(resources: Resources, platform: str, *, everything: bool) -> list[Step]:
    """What to remove from the cluster.

    Args:
        resources: The stack's state.
        platform: The platform's name; only objects with its label are removed.
        everything: As for :func:`leftovers`.

    Raises:
        ClusterError: The cluster does not answer.
    """
    pending: list[Mapping[str, Any]] = [
        item["inputs"]
        for item in resources.unfinished
        if str(item["type"]).startswith(_PREFIX) and "kind" in item.get("inputs", ())
    ]
    if not pending:
        return []
    cluster = connection(resources)
    _await_requests(cluster, pending)
    manifests = leftovers(resources, everything=everything)
    return [
        Step(
            f"remove {manifest['kind']} {id_of(manifest)}",
            lambda manifest=manifest: cluster.delete_object(manifest),
        )
        for manifest in manifests
        if cluster.labels_of(manifest).get("app.kubernetes.io/instance") == platform
    ]
