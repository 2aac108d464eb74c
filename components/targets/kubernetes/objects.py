"""What a Kubernetes API says of pods, claims and stateful sets, as far as it matters here: pure, from its JSON."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from components.errors import count

Json = Mapping[str, Any]

ZONE_LABEL = "topology.kubernetes.io/zone"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

CRASHES = 2
"""Restarts after which a container that crashes is not expected to come up by itself."""

_IMAGE_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_START_FAILURES = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_VOLUME_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")
_NOTHING: Json = {}
_POWERS = {"k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_SMALL = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")}


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod.

    Args:
        name: Its name.
        uid: What tells it from an earlier pod of that name.
        node: Name of its node; None before it has one.
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``.
        ready: Whether it counts as ready.
        deleting: Whether it was told to go.
        revision: Its stateful set's revision (label ``controller-revision-hash``); empty for other pods.
        zone: Its node's zone, where that is known.
        ip: Its address inside the cluster; empty before it has one.
        scheduled: Whether it has a node.
        reasons: Why it is not ready, in words.
        hopeless: Whether waiting cannot mend that: no image, no configuration, or crash after crash.
    """

    name: str
    uid: str
    node: str | None
    phase: str
    ready: bool
    deleting: bool
    revision: str
    zone: str | None
    ip: str
    scheduled: bool
    reasons: tuple[str, ...]
    hopeless: bool


@dataclass(frozen=True, kw_only=True)
class StatefulSetState:
    """A stateful set.

    Args:
        generation: Counts changes of what is wanted.
        observed_generation: The last change that the controller has seen.
        replicas: Pods that are wanted.
        created: Pods that exist.
        update_revision: Revision that pods are to have.
        current_revision: Revision of pods that were not updated yet.
        labels: Its labels.
        reasons: Why pods are missing, in words.
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
    """A claim for storage.

    Args:
        name: Its name.
        requested: Bytes that are wanted.
        capacity: Bytes that it has; 0 before it has a volume.
        storage_class: Its class; None before it has one.
        phase: ``Pending``, ``Bound`` or ``Lost``.
        volume: Name of its volume; empty before it has one.
        deleting: Whether it was told to go.
        resizing: What is said of a change of its size.
    """

    name: str
    requested: int
    capacity: int
    storage_class: str | None
    phase: str
    volume: str
    deleting: bool
    resizing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StorageClass:
    """A class of storage.

    Args:
        name: Its name.
        expandable: Whether its volumes can grow.
        binding_mode: ``Immediate`` or ``WaitForFirstConsumer``.
        default: Whether claims that name none get it.
        reclaim: What becomes of a volume whose claim is deleted: ``Delete`` or ``Retain``.
    """

    name: str
    expandable: bool
    binding_mode: str
    default: bool
    reclaim: str


def part(item: Json, *path: str) -> Json:
    """What an object has below these keys; empty where any of them is absent or null."""
    for key in path:
        item = item.get(key) or _NOTHING
    return item


def parts(item: Json, key: str) -> Sequence[Json]:
    """The list that an object has at a key; empty where it is absent or null."""
    return item.get(key) or ()


def quantity(text: str | float) -> Decimal:
    """Read a quantity as Kubernetes writes it: ``10Gi``, ``1.5G``, ``500m``, ``1e3``, or a number.

    Raises:
        ValueError: The text is no quantity.
    """
    match = re.fullmatch(r"([+-]?[0-9.]+)(?:([kMGTPE])(i)?|K(i)|([num])|[eE]([+-]?[0-9]+))?", str(text))
    if match is None or match[1].count(".") > 1 or not re.search("[0-9]", match[1]):
        raise ValueError(f"{text!r} is no quantity")
    number, power, binary, kibi, small, exponent = match.groups()
    amount = Decimal(number)
    if kibi:
        return amount * 1024
    if power:
        return amount * Decimal(1024 if binary else 1000) ** _POWERS[power]
    return amount * (_SMALL[small] if small else Decimal(10) ** int(exponent or 0))


def size(text: str | float | None) -> int:
    """A quantity of storage in whole bytes; 0 for None."""
    return 0 if text is None else math.ceil(quantity(text))


def format_quantity(amount: int) -> str:
    """Bytes in the largest whole binary unit: ``10Gi``, ``1536Mi``, ``1000``."""
    for unit, bytes_ in (("Ti", 1024**4), ("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if amount and amount % bytes_ == 0:
            return f"{amount // bytes_}{unit}"
    return str(amount)


def storage_class(item: Json) -> StorageClass:
    """A class of storage from the API's JSON."""
    return StorageClass(
        name=item["metadata"]["name"],
        expandable=bool(item.get("allowVolumeExpansion")),
        binding_mode=item.get("volumeBindingMode") or "Immediate",
        default=part(item, "metadata", "annotations").get(DEFAULT_CLASS) == "true",
        reclaim=item.get("reclaimPolicy") or "Delete",
    )


def claim(item: Json) -> Claim:
    """A claim from the API's JSON."""
    spec, status = part(item, "spec"), part(item, "status")
    resizing = [
        f"{condition['type']}: {condition.get('message') or condition.get('reason') or condition['status']}"
        for condition in parts(status, "conditions")
        if condition.get("status") == "True"
    ]
    return Claim(
        name=item["metadata"]["name"],
        requested=size(part(spec, "resources", "requests").get("storage")),
        capacity=size(part(status, "capacity").get("storage")),
        storage_class=spec.get("storageClassName"),
        phase=status.get("phase") or "Pending",
        volume=spec.get("volumeName") or "",
        deleting=bool(item["metadata"].get("deletionTimestamp")),
        resizing=tuple(resizing),
    )


def stateful_set(item: Json, events: Sequence[Json] = ()) -> StatefulSetState:
    """A stateful set from the API's JSON.

    Args:
        item: The stateful set.
        events: Its events; those of its last failure to make a pod become reasons.
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
        reasons=tuple(_said(events, lambda event: event.get("reason") == "FailedCreate")),
    )


def is_ready(item: Json) -> bool:
    """Whether a pod counts as ready."""
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in _conditions(item))


def pod(item: Json, events: Sequence[Json] = (), zone: str | None = None) -> Pod:
    """A pod from the API's JSON.

    Args:
        item: The pod.
        events: Its events.
        zone: Its node's zone, where the pod itself does not say.
    """
    metadata, spec, status = item["metadata"], part(item, "spec"), part(item, "status")
    labels = part(metadata, "labels")
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName"),
        phase=status.get("phase") or "Pending",
        ready=is_ready(item),
        deleting=bool(metadata.get("deletionTimestamp")),
        revision=labels.get("controller-revision-hash") or "",
        zone=labels.get(ZONE_LABEL) or zone,
        ip=status.get("podIP") or "",
        scheduled=bool(spec.get("nodeName")),
        reasons=() if is_ready(item) else tuple(dict.fromkeys(_reasons(item, events))),
        hopeless=any(map(_is_hopeless, _containers(item))),
    )


def _conditions(item: Json) -> Sequence[Json]:
    return parts(part(item, "status"), "conditions")


def _containers(item: Json) -> list[Json]:
    status = part(item, "status")
    return [*parts(status, "initContainerStatuses"), *parts(status, "containerStatuses")]


def _is_hopeless(container: Json) -> bool:
    reason = _waiting(container).get("reason") or ""
    if reason == "CrashLoopBackOff":
        return int(container.get("restartCount") or 0) >= CRASHES
    return reason in (*_IMAGE_FAILURES, "CreateContainerConfigError")


def _waiting(container: Json) -> Json:
    return part(container, "state", "waiting")


def _reasons(item: Json, events: Sequence[Json]) -> list[str]:
    status = part(item, "status")
    found: list[str] = []
    if item["metadata"].get("deletionTimestamp"):
        found.append("it is being deleted")
    for condition in _conditions(item):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            found.append(f"no node takes it: {condition.get('message') or condition.get('reason')}")
    if status.get("reason"):
        found.append(_joined(status["reason"], status.get("message")))
    for container in _containers(item):
        found += _container_reasons(container, events)
    starting = not _containers(item) or any(
        _waiting(container).get("reason") in ("ContainerCreating", "PodInitializing") for container in _containers(item)
    )
    if starting:
        found += _said(events, lambda event: event.get("reason") in _VOLUME_EVENTS)
    return found or _not_yet(status.get("phase") or "Pending")


def _not_yet(phase: str) -> list[str]:
    return [{"Pending": "it is being started", "Running": "it is not ready yet"}.get(phase, f"its phase is {phase}")]


def _container_reasons(container: Json, events: Sequence[Json]) -> list[str]:
    name, waiting = container["name"], _waiting(container)
    reason = waiting.get("reason") or ""
    state = part(container, "state")
    if reason in _IMAGE_FAILURES:
        pulls = _said(events, lambda event: event.get("reason") == "Failed" and "to pull image" in event["message"])
        said = pulls[0] if pulls else waiting.get("message")
        return [f"image {container['image']} cannot be pulled: {_joined(reason, said)}"]
    if reason in _START_FAILURES:
        return [f"container {name} cannot be started: {_joined(reason, waiting.get('message'))}"]
    if reason == "CrashLoopBackOff":
        last = part(container, "lastState", "terminated")
        return [f"container {name} crashes again and again: {_ending(last, container)}"]
    if ended := part(state, "terminated"):
        return [f"container {name} ended: {_ending(ended, container)}"] if ended.get("exitCode") else []
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return [f"container {name} waits: {_joined(reason, waiting.get('message'))}"]
    if state.get("running") and not container.get("ready"):
        return _running_reasons(container, events)
    return []


def _running_reasons(container: Json, events: Sequence[Json]) -> list[str]:
    last = part(container, "lastState", "terminated")
    if not last and container.get("started") is False:
        return ["it does not serve yet"]
    ended = [f"container {container['name']} ended before: {_ending(last, container)}"] if last else []
    return ended + _said(events, lambda event: event.get("reason") == "Unhealthy")


def _ending(terminated: Json, container: Json) -> str:
    why = terminated.get("reason")
    detail = f" ({why})" if why and why != "Error" else ""
    restarts = count(int(container.get("restartCount") or 0), "restart")
    said = f": {terminated['message'].strip()}" if terminated.get("message") else ""
    return f"exit code {terminated.get('exitCode', 'unknown')}{detail}, {restarts}{said}"


def _joined(reason: str, message: str | None) -> str:
    return f"{message} ({reason})" if message else reason


def _said(events: Sequence[Json], wanted: Callable[[Json], bool]) -> list[str]:
    """The message of the newest event that is wanted, if there is one."""
    fitting = [event for event in events if event.get("message") and wanted(event)]
    return [max(fitting, key=_when)["message"].strip()] if fitting else []


def _when(event: Json) -> str:
    seen = part(event, "series").get("lastObservedTime")
    made = part(event, "metadata").get("creationTimestamp")
    return str(seen or event.get("lastTimestamp") or event.get("eventTime") or made or "")
