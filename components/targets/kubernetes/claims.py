"""The volume claims of a StatefulSet's members: created before its pods, expanded in place, deleted after them."""

from collections.abc import Iterable, Mapping, Sequence

from components.dynamic import Props, in_order, progress
from components.errors import ClusterError, UnhealthyError
from components.quantities import format_size
from components.safety import Members, release, safety_of
from components.targets.kubernetes.client import Claim, Cluster, connect
from components.targets.kubernetes.pods import founding_map
from components.targets.routes import open_route
from components.waiting import wait_until

_CLAIM = "data"
"""Name of the StatefulSet's claim template; a pod's claim is named after it and the pod."""


def claim_name(member: str) -> str:
    """The claim of a member."""
    return f"{_CLAIM}-{member}"


def claim_names(props: Props) -> list[str]:
    """The claims of all members, sorted."""
    return [claim_name(member) for member in sorted(props["members"])]


def rigid_classes(cluster: Cluster, claims: Iterable[Claim]) -> list[str]:
    """StorageClasses of these claims that cannot expand volumes, sorted; one that is gone is left to the cluster.

    Raises:
        ClusterError: The API refused a request.
    """
    names = sorted({claim.storage_class for claim in claims if claim.storage_class})
    classes = [cluster.storage_class(name) for name in names]
    return [found.name for found in classes if found is not None and not found.expandable]


def _growth(claim: Claim) -> str:
    """How far a volume has grown, with what the cluster reports."""
    why = f" ({'; '.join(claim.resizing)})" if claim.resizing else ""
    return f"{claim.name}: its volume has {format_size(claim.capacity)}; expected {format_size(claim.requested)}{why}"


class Claims:
    """The claims of one workload.

    Args:
        props: Properties of the resource :class:`~components.targets.kubernetes.component.MemberStorage`.
    """

    def __init__(self, props: Props) -> None:
        self._props = props
        self._namespace: str = props["route"]["namespace"]
        self._cluster: Cluster = connect(props["route"].get("kubeconfig"), props["route"]["context"])

    def found(self) -> Mapping[str, Claim]:
        """The claims that exist, by name, including those of removed members."""
        return self._cluster.claims(self._namespace, self._props["labels"])

    def reclaim_policy(self) -> str:
        """What becomes of the volumes when their claims are deleted: ``Delete`` if that holds for any of them.

        Empty if it is not known, as for credentials that may not see StorageClasses.
        """
        names = {claim.storage_class for claim in self.found().values()}
        policies: set[str] = set()
        for name in names:
            try:
                found = self._cluster.storage_class(name) if name else None
            except ClusterError:
                found = None
            policies.add("" if found is None else found.reclaim)
        return next((policy for policy in ("Delete", "", "Retain") if policy in policies), "")

    def ensure(self) -> None:
        """Create missing claims and expand small ones, and wait until the volumes have grown.

        Raises:
            ClusterError: A StorageClass cannot expand volumes, or the API refused a request.
            UnhealthyError: At the deadline, a claim was still being deleted or had not grown; or it cannot grow.
        """
        wait_until(
            lambda: [f"{name}: it is being deleted" for name, claim in self.found().items() if claim.deleting],
            what=f"the volume claims of {self._props['workload']}",
            deadline=float(self._props["deadline"]),
            report=progress,
            state="free again",
        )
        size, existing = int(self._props["size"]), self.found()
        small = {
            name: existing[name]
            for name in claim_names(self._props)
            if name in existing and existing[name].requested < size
        }
        self._check_expandable(small)
        for name in claim_names(self._props):
            if name not in existing:
                storage_class = self._props.get("storageClass")
                self._cluster.create_claim(self._namespace, name, self._props["labels"], size, storage_class)
            elif name in small:
                self._cluster.resize_claim(self._namespace, name, size)
        self._wait_for_growth()

    def _wait_for_growth(self) -> None:
        """Wait until all volumes have their size: that the request for more was accepted says nothing."""
        workload = self._props["workload"]
        try:
            wait_until(
                self._growth_findings,
                what=f"the storage of {workload}",
                deadline=float(self._props["deadline"]),
                report=progress,
                state="expanded",
            )
        except UnhealthyError as error:
            where = f"--context {self._props['route']['context']} -n {self._namespace}"
            ways = [
                f"what the storage driver says: kubectl {where} describe pvc; once that is resolved, "
                "`pulumi up` goes on",
                f"to give up, set the storage of {workload} back: its volumes keep their size",
            ]
            raise UnhealthyError(error.headline, [*error.problems, *ways]) from None

    def _growth_findings(self) -> list[str]:
        """Volumes that are smaller than requested, except those that grow when their pod starts.

        Raises:
            UnhealthyError: The driver says that one can never grow to its size.
        """
        found, names = self.found(), claim_names(self._props)
        growing = [found[name] for name in names if name in found and found[name].growing]
        if any(claim.waits_for_pod for claim in growing):
            pods = self._cluster.pods(self._namespace, self._props["labels"])
            running = {claim_name(pod.name) for pod in pods if pod.scheduled}
            growing = [claim for claim in growing if not claim.waits_for_pod or claim.name in running]
        if given_up := [_growth(claim) for claim in growing if claim.infeasible]:
            raise UnhealthyError(f"the storage driver cannot expand volumes of {self._props['workload']}", given_up)
        return [_growth(claim) for claim in growing]

    def allow_founding(self) -> None:
        """Let the first members found their group, if there are no volumes of earlier ones.

        It comes before the first claim, so that a killed ``up`` does not take its own new claims for old ones.
        """
        if self._props.get("founded") and not self.found():
            name, members = founding_map(self._props["workload"]), str(len(self._props["members"]))
            self._cluster.create_config_map(self._namespace, name, self._props["labels"], {"members": members})

    def _check_expandable(self, small: Mapping[str, Claim]) -> None:
        """Raise an error if a StorageClass cannot expand volumes, before the first claim changes."""
        for name in rigid_classes(self._cluster, small.values()):
            raise ClusterError(
                f'StorageClass "{name}" cannot expand volumes (allowVolumeExpansion is not true)',
                [f"set {self._props['workload']}.storage back, or allow it for the class; nothing was changed"],
            )

    def remove(self) -> None:
        """Delete the claims and wait until they are gone; one in use is deleted after its pod."""
        if self._props.get("founded"):
            self._cluster.delete_config_map(self._namespace, founding_map(self._props["workload"]))
        for name in self.found():
            self._cluster.delete_claim(self._namespace, name)
        what = f"the volume claims of {self._props['workload']}"

        def left() -> list[str]:
            return [f"{what}: {', '.join(names)} still there"] if (names := sorted(self.found())) else []

        wait_until(left, what=what, deadline=float(self._props["deadline"]), report=progress, state="gone")


def release_members(gone: Sequence[str], old: Props, new: Props) -> None:
    """Take members out of their group, so that they can be removed, or refuse it.

    Args:
        gone: Members that will be removed.
        old: Properties of the storage before.
        new: Its properties now.

    Raises:
        SafetyError: With the reasons.
    """
    route = old["route"]
    members = Members(
        addresses=in_order(old["members"]),
        route=open_route(route),
        deadline=float(old["deadline"]),
        login=new.get("login") or {},
    )
    shell = f"kubectl --context {route['context']} -n {route['namespace']} exec -it POD -- bash"
    release(safety_of(old["safety"], members), gone, shell, progress)
