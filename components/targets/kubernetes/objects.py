"""Claims, StorageClasses and StatefulSets from the API's JSON, as far as the platform needs them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.targets.kubernetes.quantity import size

Json = Mapping[str, Any]

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

_INFEASIBLE = (
    "ControllerResizeInfeasible",
    "NodeResizeInfeasible",
    "ControllerResizeFailed",
    "NodeResizeFailed",
)
"""States of a growth that its driver has given up; the last two are those up to Kubernetes 1.30:
https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/persistent-volume-claim-v1/"""

_RESIZE_FAILURES = ("VolumeResizeFailed", "FileSystemResizeFailed")
"""Reasons of events of a growth that failed; it may be tried again."""

_NOTHING: Json = {}


@dataclass(frozen=True, kw_only=True)
class StatefulSetState:
    """A StatefulSet.

    Args:
        generation: Counts changes of its spec.
        observed_generation: The last change that its controller has seen.
        replicas: Pods that it should have.
        created: Pods that exist.
        update_revision: Revision that pods should have.
        current_revision: Revision of pods that are not updated yet.
        labels: Its labels.
        reasons: Why pods are missing, as text.
    """

    generation: int
    observed_generation: int
    replicas: int
    created: int
    update_revision: str
    current_revision: str
    labels: Mapping[str, str]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A volume claim.

    Args:
        name: Its name.
        requested: Bytes requested.
        capacity: Bytes that it has; 0 before it has a volume.
        storage_class: Its StorageClass; None before it has one.
        phase: ``Pending``, ``Bound`` or ``Lost``.
        volume: Name of its volume; empty before it has one.
        deleting: Whether it is being deleted.
        resizing: What the cluster reports of its growth: conditions, and the newest failure.
        infeasible: Whether the storage driver says that it can never grow to the requested size.
        waits_for_pod: Whether its file system grows when its pod starts.
    """

    name: str
    requested: int
    capacity: int
    storage_class: str | None
    phase: str
    volume: str
    deleting: bool
    resizing: tuple[str, ...] = ()
    infeasible: bool = False
    waits_for_pod: bool = False

    @property
    def growing(self) -> bool:
        """Whether its volume is smaller than requested."""
        return self.phase == "Bound" and self.capacity < self.requested


@dataclass(frozen=True, kw_only=True)
class StorageClass:
    """A StorageClass.

    Args:
        name: Its name.
        expandable: Whether its volumes can grow.
        binding_mode: ``Immediate`` or ``WaitForFirstConsumer``.
        default: Whether claims without a StorageClass get it.
        reclaim: What happens to a volume whose claim is deleted: ``Delete`` or ``Retain``.
    """

    name: str
    expandable: bool
    binding_mode: str
    default: bool
    reclaim: str


def part(item: Json, *path: str) -> Json:
    """The value below these keys; empty if any of them is absent or null."""
    for key in path:
        item = item.get(key) or _NOTHING
    return item


def parts(item: Json, key: str) -> Sequence[Json]:
    """The list at a key; empty if it is absent or null."""
    return item.get(key) or ()


def storage_class(item: Json) -> StorageClass:
    """A StorageClass from the API's JSON."""
    return StorageClass(
        name=item["metadata"]["name"],
        expandable=bool(item.get("allowVolumeExpansion")),
        binding_mode=item.get("volumeBindingMode") or "Immediate",
        default=part(item, "metadata", "annotations").get(DEFAULT_CLASS) == "true",
        reclaim=item.get("reclaimPolicy") or "Delete",
    )


def claim(item: Json, events: Sequence[Json] = ()) -> Claim:
    """A volume claim from the API's JSON.

    Args:
        item: The claim.
        events: Its events; the last failure to grow becomes a reason.
    """
    spec, status = part(item, "spec"), part(item, "status")
    true = [condition for condition in parts(status, "conditions") if condition.get("status") == "True"]
    conditions = [f"{one['type']}: {one.get('message') or one.get('reason') or one['status']}" for one in true]
    failure = newest_message(events, lambda event: event.get("reason") in _RESIZE_FAILURES)
    return Claim(
        name=item["metadata"]["name"],
        requested=size(part(spec, "resources", "requests").get("storage")),
        capacity=size(part(status, "capacity").get("storage")),
        storage_class=spec.get("storageClassName"),
        phase=status.get("phase") or "Pending",
        volume=spec.get("volumeName") or "",
        deleting=bool(item["metadata"].get("deletionTimestamp")),
        resizing=(*conditions, *failure),
        infeasible=part(status, "allocatedResourceStatuses").get("storage") in _INFEASIBLE,
        waits_for_pod=any(condition["type"] == "FileSystemResizePending" for condition in true),
    )


def stateful_set(item: Json, events: Sequence[Json] = ()) -> StatefulSetState:
    """A StatefulSet from the API's JSON.

    Args:
        item: The StatefulSet.
        events: Its events; the last failure to create a pod becomes the reason.
    """
    spec, status = part(item, "spec"), part(item, "status")
    return StatefulSetState(
        generation=int(item["metadata"].get("generation") or 0),
        observed_generation=int(status.get("observedGeneration") or 0),
        replicas=int(spec.get("replicas", 1)),
        created=int(status.get("replicas") or 0),
        update_revision=status.get("updateRevision") or "",
        current_revision=status.get("currentRevision") or "",
        labels=dict(part(item, "metadata", "labels")),
        reasons=tuple(newest_message(events, lambda event: event.get("reason") == "FailedCreate")),
    )


def newest_message(events: Sequence[Json], fits: Callable[[Json], bool]) -> list[str]:
    """The message of the newest event that fits, if there is one."""
    fitting = [event for event in events if event.get("message") and fits(event)]
    return [max(fitting, key=_time)["message"].strip()] if fitting else []


def _time(event: Json) -> str:
    seen = part(event, "series").get("lastObservedTime")
    made = part(event, "metadata").get("creationTimestamp")
    return str(seen or event.get("lastTimestamp") or event.get("eventTime") or made or "")
