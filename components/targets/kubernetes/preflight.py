"""Checks of a cluster before anything is registered."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.errors import ClusterError, PreflightError
from components.targets.kubernetes.access_review import Need
from components.targets.kubernetes.claims import claim_name, rigid_classes
from components.targets.kubernetes.client import Cluster, StorageClass, connect, contexts
from components.targets.kubernetes.rights import IN_NAMESPACE, OF_APPLICATIONS, OF_NAMESPACES, OF_ZONES, READING, needed
from components.workload import Workload

OLDEST = (1, 29)
"""Oldest Kubernetes that gives a pod its ordinal as a label without a feature gate."""


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
    application_namespaces: Sequence[str] = ()
    workloads: Sequence[Workload] = ()

    @property
    def stored(self) -> list[Workload]:
        """Workloads whose members have volumes."""
        return [workload for workload in self.workloads if workload.storage is not None]


def preflight(needs: ClusterNeeds, *, dry_run: bool) -> None:
    """Check context, version, rights, StorageClass and volumes that grow; advise where the class may harm.

    A preview without a cluster, or with rights to read, only warns.

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
    missing = _missing_rights(cluster, needs)
    if dry_run and (changing := [item for item in missing if item.need[0] not in READING]):
        pulumi.log.warn("\n".join(["`up` would be refused with these credentials:", *_lines(changing)]))
        missing = [item for item in missing if item not in changing]
    problems = [*_version_problems(cluster), *_lines(missing), *_storage_problems(cluster, needs, missing)]
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


@dataclass(frozen=True, kw_only=True)
class _Missing:
    """A right that the credentials lack, where, and what to do without it."""

    need: Need
    place: str
    hint: str = ""


def _missing_rights(cluster: Cluster, needs: ClusterNeeds) -> list[_Missing]:
    found: list[_Missing] = []
    if needs.namespace is not None:
        place = f'in namespace "{needs.namespace}"'
        found += [_Missing(need=need, place=place) for need in cluster.denied(needs.namespace, needed(IN_NAMESPACE))]
    for namespace in needs.application_namespaces:
        place, hint = f'in namespace "{namespace}"', "; `namespace` of an application names it for its Secret"
        denied = cluster.denied(namespace, needed(OF_APPLICATIONS))
        found += [_Missing(need=need, place=place, hint=hint) for need in denied]
    for wanted, rules, hint in (
        (needs.create_namespace, OF_NAMESPACES, _NO_NAMESPACE),
        (needs.zones, OF_ZONES, _NO_ZONES),
    ):
        denied = cluster.denied(None, needed(rules)) if wanted else []
        found += [_Missing(need=need, place="in the cluster", hint=hint) for need in denied]
    return found


def _lines(missing: Sequence[_Missing]) -> list[str]:
    """A line for each kind, with the verbs that are missing."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for item in missing:
        verb, group, kind = item.need
        grouped.setdefault((f"{kind}.{group}" if group else kind, item.place, item.hint), []).append(verb)
    return [f"you may not {', '.join(verbs)} {kind} {place}{hint}" for (kind, place, hint), verbs in grouped.items()]


def _storage_problems(cluster: Cluster, needs: ClusterNeeds, missing: Sequence[_Missing]) -> list[str]:
    """A missing StorageClass, and volumes that cannot grow; what is only unwise becomes a warning."""
    if cluster.denied(None, [(verb, "storage.k8s.io", "storageclasses") for verb in ("get", "list")]):
        return []  # who may not see them may still use them
    found = cluster.storage_class(needs.storage_class)
    if found is None:
        names = ", ".join(cluster.storage_classes()) or "none"
        if needs.storage_class is None:
            return [f"the cluster has no default StorageClass; set kubernetes.storageClass to one of: {names}"]
        return [f'the cluster has no StorageClass "{needs.storage_class}"; it has: {names}']
    for line in _advice(found, needs.stored):
        pulumi.log.warn(line)
    if needs.namespace is None or ("list", "", "persistentvolumeclaims") in [item.need for item in missing]:
        return []
    return _growth_problems(cluster, needs.namespace, needs.stored) if needs.stored else []


def _advice(found: StorageClass, stored: Sequence[Workload]) -> list[str]:
    """What is unwise about the class of new volumes."""
    lines: list[str] = []
    kept = [workload.name for workload in stored if workload.storage and workload.storage.protect]
    if kept and found.reclaim == "Delete":
        lines.append(
            f'StorageClass "{found.name}" deletes a volume as soon as its claim or namespace is deleted (reclaimPolicy '
            f"Delete), though the data of {', '.join(kept)} is protected; a class with Retain keeps it"
        )
    spread = [workload.name for workload in stored if workload.replicas > 1]
    if spread and found.binding_mode == "Immediate":
        lines.append(
            f'StorageClass "{found.name}" creates a volume before its pod has a node (volumeBindingMode Immediate), '
            f"perhaps in a zone where the pod may not run: members of {', '.join(spread)} are spread over zones; "
            "a class with WaitForFirstConsumer creates it where the pod runs"
        )
    return lines


def _growth_problems(cluster: Cluster, namespace: str, stored: Sequence[Workload]) -> list[str]:
    """Existing volumes that are too small, of a class that does not let them grow."""
    existing = cluster.claims(namespace, {})
    problems: list[str] = []
    for workload in stored:
        size = workload.storage.size if workload.storage else 0
        claims = [existing[name] for name in map(claim_name, workload.members) if name in existing]
        problems += [
            f'StorageClass "{name}" cannot expand volumes (allowVolumeExpansion is not true): set the storage of '
            f"{workload.name} back; or allow it for the class, if its driver can; or back up, `up` a new stack with "
            "larger volumes and restore into it"
            for name in rigid_classes(cluster, [claim for claim in claims if claim.requested < size])
        ]
    return problems
