"""Dynamic provider of a StatefulSet's volume claims: made before its pods, grown in place, removed after them."""

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, ResourceProvider, UpdateResult

from components.clients import kafka
from components.clients.cluster import Claim, Cluster, connect
from components.clients.rolling import held_by
from components.clients.routes import route
from components.clients.waiting import wait_until
from components.errors import ClusterError, TopicError, count
from components.providers.base import Props, failures, in_order, is_known, plain_errors, progress
from components.quantities import format_size

_CLAIM = "data"
"""Name of the StatefulSet's claim template; a pod's claim is called after it and the pod."""


class MemberStorageProvider(ResourceProvider):
    """Manages the claims of one workload's members."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse a smaller volume, already in preview; say that a bigger one restarts nothing."""
        if not (_olds and is_known(news.get("size")) and is_known(_olds.get("size"))):
            return CheckResult(news, [])
        old, new, name = int(_olds["size"]), int(news["size"]), news["workload"]
        if new < old:
            smaller = (
                f"the volumes of {name} have {format_size(old)} and cannot become {format_size(new)}: Kubernetes "
                f"shrinks no volume. Keep {name}.storage, or move to another platform with smaller ones"
            )
            return CheckResult(news, failures("size", [smaller]))
        if new > old:
            progress(f"{name}: volumes grow from {format_size(old)} to {format_size(new)} in place; nothing restarts")
        if _olds.get("storageClass") != news.get("storageClass"):
            moved = f"the StorageClass of {name} cannot change: its volumes are there already"
            return CheckResult(news, failures("storageClass", [moved]))
        return CheckResult(news, [])

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Make the claims that are not there; those of an earlier platform of this name are used again."""
        _Claims(props).ensure()
        return CreateResult(f"{props['route']['namespace']}/{props['workload']}", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Make or grow claims; refuse to go on where members would be removed that still hold partitions."""
        gone = sorted(set(_olds["members"]) - set(_news["members"]))
        if gone and _news["kind"] == "kafka":
            _refuse_needed_brokers(gone, _olds, _news)
        _Claims(_news).ensure()
        return UpdateResult(_news)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Forget the claims where one is gone, so that the next ``up`` makes it again."""
        claims = _Claims(props).found()
        inputs = {key: value for key, value in props.items() if key != "__provider"}
        missing = [name for name in _names(props) if name not in claims]
        if missing:
            progress(f"{props['workload']}: there is no claim {', '.join(missing)}")
            return ReadResult(None, {})
        # A volume may have grown by hand; a smaller request than ours cannot be.
        return ReadResult(id_, inputs, inputs)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Remove all claims of the workload, those of members that were removed too, and wait until they are gone."""
        _Claims(_props).remove()


def _names(props: Props) -> list[str]:
    return [f"{_CLAIM}-{member}" for member in sorted(props["members"])]


class _Claims:
    """The claims of one workload."""

    def __init__(self, props: Props) -> None:
        self._props = props
        self._namespace: str = props["route"]["namespace"]
        self._cluster: Cluster = connect(props["route"].get("kubeconfig"), props["route"]["context"])

    def found(self) -> Mapping[str, Claim]:
        """The claims that are there, by name; those of members that were removed too."""
        return self._cluster.claims(self._namespace, self._props["labels"])

    def ensure(self) -> None:
        """Make what is missing, grow what is too small."""
        wait_until(
            lambda: [f"{name}: it is being deleted" for name, claim in self.found().items() if claim.deleting],
            what=f"the volume claims of {self._props['workload']}",
            deadline=float(self._props["deadline"]),
            report=progress,
            state="free again",
        )
        size, there = int(self._props["size"]), self.found()
        small = {name: there[name] for name in _names(self._props) if name in there and there[name].requested < size}
        self._refuse_rigid(small)
        for name in _names(self._props):
            if name not in there:
                storage_class = self._props.get("storageClass")
                self._cluster.create_claim(self._namespace, name, self._props["labels"], size, storage_class)
            elif name in small:
                self._cluster.resize_claim(self._namespace, name, size)

    def _refuse_rigid(self, small: Mapping[str, Claim]) -> None:
        """Raise an error where a StorageClass cannot expand volumes, before the first is touched."""
        for name in sorted({claim.storage_class for claim in small.values() if claim.storage_class}):
            found = self._cluster.storage_class(name)
            if found is not None and not found.expandable:
                raise ClusterError(
                    f'StorageClass "{name}" does not let volumes grow (allowVolumeExpansion is not true)',
                    [f"set {self._props['workload']}.storage back, or allow it for the class; nothing was changed"],
                )

    def remove(self) -> None:
        """Delete the claims and wait: one that a pod uses goes with the pod."""
        for name in self.found():
            self._cluster.delete_claim(self._namespace, name)
        what = f"the volume claims of {self._props['workload']}"

        def left() -> list[str]:
            return [f"{what}: {', '.join(names)} still there"] if (names := sorted(self.found())) else []

        wait_until(left, what=what, deadline=float(self._props["deadline"]), report=progress, state="gone")


def _refuse_needed_brokers(gone: list[str], old: Props, new: Props) -> None:
    """Raise an error where brokers that would be removed still hold partitions, or that cannot be found out."""
    from kafka.errors import KafkaError

    tunnel: dict[str, Any] = old["route"]
    way, members, names = route(tunnel), in_order(old["members"]), " and ".join(gone)
    bootstrap = ",".join(members.values())
    try:
        with kafka.admin_client(bootstrap, route=way) as client:
            state = kafka.cluster_state(client)
    except KafkaError:
        problems = kafka.unreachable(bootstrap, members, {}, route=way)
        raise TopicError(f"{names} cannot be removed: whether they hold partitions is not known", problems) from None
    held = held_by(state, [int(name.rpartition("-")[2]) for name in gone])
    if not held:
        return
    rest = ",".join(sorted(name.rpartition("-")[2] for name in new["members"]))
    some = ", ".join(map(str, held[:5])) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
    raise TopicError(
        f"{names} cannot be removed: {count(len(held), 'partition')} would lose a replica ({some})",
        [
            f"move them first: kubectl --context {tunnel['context']} -n {tunnel['namespace']} exec -it "
            f"{min(new['members'])} -- /opt/kafka/bin/kafka-reassign-partitions.sh --bootstrap-server "
            f"localhost:{next(iter(members.values())).rpartition(':')[2]} --broker-list {rest} "
            "--topics-to-move-json-file … --generate, then --execute",
            "then run `pulumi up` again; nothing was changed",
        ],
    )
