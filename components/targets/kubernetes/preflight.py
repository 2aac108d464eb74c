"""Checks of a cluster before anything is registered."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.errors import ClusterError, PreflightError
from components.targets.kubernetes.access_review import Need
from components.targets.kubernetes.client import Cluster, connect, contexts

OLDEST = (1, 29)
"""Oldest Kubernetes that gives a pod its ordinal as a label without a feature gate."""


def _rights(group: str, kinds: str, verbs: str) -> list[Need]:
    return [(verb, group, kind) for kind in kinds.split() for verb in verbs.split()]


# The Kubernetes plugin waits for deletions by `list` and `watch`, and hangs without them:
# https://github.com/pulumi/pulumi-kubernetes/issues/4580
_DECLARED = "get list watch create patch delete"
_IN_NAMESPACE = (
    *_rights("", "configmaps secrets serviceaccounts services", _DECLARED),
    *_rights("networking.k8s.io", "networkpolicies", _DECLARED),
    *_rights("policy", "poddisruptionbudgets", _DECLARED),
    *_rights("apps", "statefulsets", "get create patch delete"),  # the roll waits for them
    *_rights("apps", "statefulsets/scale", "patch"),
    *_rights("", "persistentvolumeclaims", "list create patch delete"),
    *_rights("", "pods", "list delete"),
    *_rights("", "pods/log", "get"),
    # A WebSocket is a GET, which needs `get`; from Kubernetes 1.35 on it needs `create` too:
    # https://github.com/kubernetes/kubernetes/pull/134577
    *_rights("", "pods/portforward", "get create"),
)
_OF_NAMESPACES = _rights("", "namespaces", _DECLARED)
_OF_ZONES = (
    *_rights("rbac.authorization.k8s.io", "clusterroles clusterrolebindings", _DECLARED),
    *_rights("", "nodes", "get"),  # nobody may grant a right that they lack
)
_NO_NAMESPACE = "; or have it created, and set kubernetes.createNamespace to false"
_NO_ZONES = "; or set kubernetes.zones to false: brokers get no rack"


@dataclass(frozen=True, kw_only=True)
class ClusterNeeds:
    """What a platform needs from a cluster; see :class:`~components.targets.kubernetes.addresses.ClusterOptions`."""

    context: str
    kubeconfig: str | None
    namespace: str | None
    create_namespace: bool
    storage_class: str | None
    zones: bool


def preflight(needs: ClusterNeeds, *, dry_run: bool) -> None:
    """Check context, version, rights and StorageClass; a preview without a cluster only warns.

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
    if needs.namespace is not None:
        problems += _denied(cluster, needs.namespace, _IN_NAMESPACE)
    if needs.create_namespace:
        problems += _denied(cluster, None, _OF_NAMESPACES, hint=_NO_NAMESPACE)
    if needs.zones:
        problems += _denied(cluster, None, _OF_ZONES, hint=_NO_ZONES)
    return problems


def _denied(cluster: Cluster, namespace: str | None, rights: Sequence[Need], hint: str = "") -> list[str]:
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
