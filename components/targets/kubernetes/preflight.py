"""What must hold of a cluster before anything is registered."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.errors import ClusterError, PreflightError
from components.targets.kubernetes.client import Cluster, connect, contexts

OLDEST = (1, 29)
"""Oldest Kubernetes that gives a pod its ordinal as a label without a feature gate."""

_NAMESPACED = {
    "": ("configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"),
    "apps": ("statefulsets",),
    "networking.k8s.io": ("networkpolicies",),
    "policy": ("poddisruptionbudgets",),
}
_CHANGES = ("get", "create", "patch", "delete")
_OPERATIONS = (
    ("list", "", "pods"),
    ("delete", "", "pods"),
    ("create", "", "pods/portforward"),
    ("get", "", "pods/log"),
)
_NO_NAMESPACE = "; or have it made, and set kubernetes.createNamespace to false"
_NO_ZONES = "; or set kubernetes.zones to false: brokers get no rack"
_OF_ZONES = tuple(
    (verb, "rbac.authorization.k8s.io", kind)
    for kind in ("clusterroles", "clusterrolebindings")
    for verb in ("get", "create", "patch", "delete")
)


@dataclass(frozen=True, kw_only=True)
class ClusterNeeds:
    """What a platform asks of a cluster; see :class:`~components.targets.kubernetes.addresses.ClusterOptions`."""

    context: str
    kubeconfig: str | None
    namespace: str | None
    create_namespace: bool
    storage_class: str | None
    zones: bool


def preflight(needs: ClusterNeeds, *, dry_run: bool) -> None:
    """Check context, version, rights and storage class; a preview without a cluster goes on without.

    Raises:
        PreflightError: With every reason why the platform cannot run there.
    """
    try:
        cluster = _connected(needs)
    except ClusterError as error:
        if not dry_run:
            raise PreflightError(f"context {needs.context} cannot be used", [str(error)]) from None
        pulumi.log.warn(f"{error}\nThis preview is made without a cluster: nothing was validated against one.")
        return
    problems = [*_version_problems(cluster), *_right_problems(cluster, needs), *_storage_problems(cluster, needs)]
    if problems:
        raise PreflightError(f"the platform cannot run in context {needs.context}; nothing was changed", problems)


def _connected(needs: ClusterNeeds) -> Cluster:
    known = contexts(needs.kubeconfig)
    if needs.context not in known:
        there = f"it has {', '.join(known)}" if known else "there is none"
        raise ClusterError(
            f'the kubeconfig has no context "{needs.context}", which kubernetes.context names; {there}. '
            "No other context is ever used"
        )
    return connect(needs.kubeconfig, needs.context)


def _version_problems(cluster: Cluster) -> list[str]:
    version = cluster.server_version()
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) >= OLDEST:
        return []
    return [f"the cluster runs Kubernetes {version}; {OLDEST[0]}.{OLDEST[1]} or newer is needed"]


def _right_problems(cluster: Cluster, needs: ClusterNeeds) -> list[str]:
    problems: list[str] = []
    rights = [(verb, group, kind) for group, kinds in _NAMESPACED.items() for kind in kinds for verb in _CHANGES]
    if needs.namespace is not None:
        problems += _denied(cluster, needs.namespace, [*rights, *_OPERATIONS])
    if needs.create_namespace:
        problems += _denied(cluster, None, [(verb, "", "namespaces") for verb in _CHANGES], hint=_NO_NAMESPACE)
    if needs.zones:
        problems += _denied(cluster, None, _OF_ZONES, hint=_NO_ZONES)
    return problems


def _denied(
    cluster: Cluster, namespace: str | None, rights: Sequence[tuple[str, str, str]], hint: str = ""
) -> list[str]:
    """A line for each kind, with the verbs that are missing."""
    missing: dict[str, list[str]] = {}
    for verb, group, kind in cluster.denied(namespace, rights):
        missing.setdefault(f"{kind}.{group}" if group else kind, []).append(verb)
    place = f'in namespace "{namespace}"' if namespace else "in the cluster"
    return [f"you may not {', '.join(verbs)} {kind} {place}{hint}" for kind, verbs in missing.items()]


def _storage_problems(cluster: Cluster, needs: ClusterNeeds) -> list[str]:
    if cluster.denied(None, [("list", "storage.k8s.io", "storageclasses")]):
        return []  # who may not see them may still use them
    if cluster.storage_class(needs.storage_class) is not None:
        return []
    names = ", ".join(cluster.storage_classes()) or "none"
    if needs.storage_class is None:
        return [f"the cluster has no default StorageClass; set kubernetes.storageClass to one of: {names}"]
    return [f'the cluster has no StorageClass "{needs.storage_class}"; it has: {names}']
