"""A pod from the API's JSON, and why it is not ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.errors import count
from components.targets.kubernetes.objects import Json, newest_message, part, parts

ZONE_LABEL = "topology.kubernetes.io/zone"

CRASHES = 2
"""Restarts after which a crashing container is not expected to recover."""

_MISSING_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable")
_IMAGE_FAILURES = (*_MISSING_IMAGE, "InvalidImageName")
_START_FAILURES = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NOT_YET = "not yet: "
"""What a :class:`~components.workload.CatchUp` prints before its reason; the kubelet puts that into an event."""

_VOLUME_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod.

    Args:
        name: Its name.
        uid: Differs from that of an earlier pod of the same name.
        node: Name of its node; None before it is scheduled.
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``.
        ready: Whether its condition ``Ready`` is true.
        deleting: Whether it is being deleted.
        revision: Its StatefulSet's revision (label ``controller-revision-hash``); empty for other pods.
        zone: Its node's zone, if known.
        ip: Its address inside the cluster; empty before it has one.
        scheduled: Whether it has a node.
        reasons: Why it is not ready, as text.
        unrecoverable: Whether waiting cannot make it ready: no image, no configuration, or repeated crashes.
        lacks_image: Whether a missing image is all that makes it unrecoverable; the node pulls again and again.
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
    unrecoverable: bool
    lacks_image: bool = False


def is_ready(item: Json) -> bool:
    """Whether a pod's condition ``Ready`` is true."""
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in _conditions(item))


def pod(item: Json, events: Sequence[Json] = (), zone: str | None = None) -> Pod:
    """A pod from the API's JSON.

    Args:
        item: The pod.
        events: Its events.
        zone: Its node's zone, if the pod has no label for it.
    """
    metadata, spec, status = item["metadata"], part(item, "spec"), part(item, "status")
    labels = part(metadata, "labels")
    broken = [container for container in _containers(item) if _is_unrecoverable(container)]
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
        unrecoverable=bool(broken),
        lacks_image=bool(broken) and all(_waiting(container).get("reason") in _MISSING_IMAGE for container in broken),
    )


def _conditions(item: Json) -> Sequence[Json]:
    return parts(part(item, "status"), "conditions")


def _containers(item: Json) -> list[Json]:
    status = part(item, "status")
    return [*parts(status, "initContainerStatuses"), *parts(status, "containerStatuses")]


def _is_unrecoverable(container: Json) -> bool:
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
            found.append(f"it cannot be scheduled: {condition.get('message') or condition.get('reason')}")
    if status.get("reason"):
        found.append(_joined(status["reason"], status.get("message")))
    for container in _containers(item):
        found += _container_reasons(container, events)
    starting = not _containers(item) or any(
        _waiting(container).get("reason") in ("ContainerCreating", "PodInitializing") for container in _containers(item)
    )
    if starting:
        found += newest_message(events, lambda event: event.get("reason") in _VOLUME_EVENTS)
    return found or _not_yet(status.get("phase") or "Pending")


def _not_yet(phase: str) -> list[str]:
    return [{"Pending": "it is being started", "Running": "it is not ready yet"}.get(phase, f"its phase is {phase}")]


def _container_reasons(container: Json, events: Sequence[Json]) -> list[str]:
    name, waiting = container["name"], _waiting(container)
    reason = waiting.get("reason") or ""
    state = part(container, "state")
    if reason in _IMAGE_FAILURES:
        pulls = newest_message(
            events, lambda event: event.get("reason") == "Failed" and "to pull image" in event["message"]
        )
        said = pulls[0] if pulls else waiting.get("message")
        return [f"image {container['image']} cannot be pulled: {_joined(reason, said)}"]
    if reason in _START_FAILURES:
        return [f"container {name} cannot be started: {_joined(reason, waiting.get('message'))}"]
    if reason == "CrashLoopBackOff":
        last = part(container, "lastState", "terminated")
        return [f"container {name} keeps crashing: {_ending(last, container)}"]
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
        said = newest_message(events, lambda event: event.get("reason") == "Unhealthy" and _NOT_YET in event["message"])
        return [message.partition(_NOT_YET)[2] for message in said] or ["it does not serve yet"]
    ended = [f"container {container['name']} ended before: {_ending(last, container)}"] if last else []
    return ended + newest_message(events, lambda event: event.get("reason") == "Unhealthy")


def _ending(terminated: Json, container: Json) -> str:
    why = terminated.get("reason")
    detail = f" ({why})" if why and why != "Error" else ""
    restarts = count(int(container.get("restartCount") or 0), "restart")
    said = f": {terminated['message'].strip()}" if terminated.get("message") else ""
    return f"exit code {terminated.get('exitCode', 'unknown')}{detail}, {restarts}{said}"


def _joined(reason: str, message: str | None) -> str:
    return f"{message} ({reason})" if message else reason


def pod_findings(expected: Sequence[str], pods: Mapping[str, Pod]) -> list[str]:
    """Pods that are absent or not ready, with the reasons that Kubernetes gives; those that merely start come last.

    Args:
        expected: Names of the pods that must exist.
        pods: The pods that exist, by name.
    """
    lines: list[str] = []

    def merely_starts(name: str) -> bool:
        return name in pods and pods[name].scheduled and not pods[name].unrecoverable

    for name in sorted(expected, key=merely_starts):
        pod = pods.get(name)
        if pod is None:
            lines.append(f"{name}: there is no pod; expected one that is ready")
        elif pod.deleting or not pod.ready:
            lines.append(f"{name}: {'; '.join(pod.reasons) or 'it is being removed'}")
    return lines
