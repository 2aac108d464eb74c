"""Waiting until an object is ready or deleted, with progress and a deadline."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes_provider.api import Api, ApiError
from kubernetes_provider.kinds import Kind
from plugin_protocol.values import Props

_FIRST_PERIOD, _PERIOD = 0.02, 0.5
"""Seconds between polls: short at first, as most objects are deleted at once."""

_PODS_PERIOD = 10


class NotReady(Exception):
    """An object was not ready, or not deleted, before its deadline."""

    def __init__(self, message: str, live: Props, reasons: list[str]) -> None:
        super().__init__(message)
        self.live = live
        self.reasons = reasons


@dataclass
class Readiness:
    """The state of an object that is awaited."""

    ready: bool
    status: str = ""
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Waiting:
    """The API server, a function that reports progress, and an event that is set on cancellation."""

    api: Api
    report: Callable[[str], None]
    cancelled: threading.Event


def until_ready(waiting: Waiting, kind: Kind, live: Props, seconds: float) -> None:
    """Wait until an object is ready; kinds without a readiness check are ready at once.

    Raises:
        NotReady: The deadline passed, or the operation was cancelled.
    """
    look = CHECKS.get(kind.token)
    if look is None:
        return
    name, path = live["metadata"]["name"], path_of(kind, live)
    end, reported = time.monotonic() + seconds, time.monotonic()
    while True:
        found = look(waiting.api, live)
        if found.ready:
            return
        if waiting.cancelled.is_set():
            raise NotReady(f'Resource operation was cancelled for "{name}"', live, found.reasons)
        if time.monotonic() >= end:
            raise NotReady(f"'{name}' timed out waiting to be Ready", live, reasons(waiting.api, kind, live, found))
        waiting.report(found.status)
        if time.monotonic() - reported > _PODS_PERIOD:
            reported = time.monotonic()
            for problem in problems_of_pods(waiting.api, kind, live):
                waiting.report(problem)
        waiting.cancelled.wait(min(_PERIOD, max(end - time.monotonic(), 0.01)))
        live = waiting.api.get(path)


def check(api: Api, kind: Kind, live: Props) -> None:
    """Raise NotReady if an object is not ready now."""
    look = CHECKS.get(kind.token)
    if look is None or (found := look(api, live)).ready:
        return
    message = f"Resource '{live['metadata']['name']}' was created but failed to initialize"
    raise NotReady(message, live, reasons(api, kind, live, found))


def until_gone(waiting: Waiting, kind: Kind, path: str, seconds: float) -> None:
    """Wait until an object is deleted.

    Raises:
        NotReady: The deadline passed, or the operation was cancelled.
    """
    end, period = time.monotonic() + seconds, _FIRST_PERIOD
    while True:
        try:
            live = waiting.api.get(path)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        name = live["metadata"]["name"]
        if waiting.cancelled.is_set():
            raise NotReady(f'Resource operation was cancelled for "{name}"', live, [])
        if time.monotonic() >= end:
            reason = f'Timed out waiting for deletion of {kind.api_version}/{kind.name} "{name}"'
            raise NotReady(f"'{name}' timed out waiting to be Ready", live, [reason])
        waiting.cancelled.wait(period)
        period = min(period * 2, _PERIOD)


def path_of(kind: Kind, live: Props) -> str:
    """The path of an object."""
    return kind.path(live["metadata"].get("namespace", ""), live["metadata"]["name"])


def stateful_set(_: Api, live: Props) -> Readiness:
    """Whether a StatefulSet's rollout is complete."""
    status, generation = live.get("status", {}), live["metadata"].get("generation", 0)
    wanted = live["spec"].get("replicas", 1)
    ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    current, update = status.get("currentRevision", ""), status.get("updateRevision", "")
    seen = status.get("observedGeneration", 0) >= generation
    all_ready = seen and wanted == status.get("replicas", 0) == ready
    if generation > 1 and live["spec"].get("updateStrategy", {}).get("type") == "OnDelete":
        revised = True
    else:
        revised = bool(current) and current == update
        all_ready = all_ready and wanted == status.get("currentReplicas", 0)
    done = ready if revised else min(ready, updated)
    if generation <= 1:
        status_text = f"[1/2] Waiting for StatefulSet to create Pods ({done}/{wanted} Pods ready)"
    elif not all_ready:
        status_text = f"[1/3] Waiting for StatefulSet update to roll out ({done}/{wanted} Pods ready)"
    else:
        status_text = "[2/3] Waiting for StatefulSet to update .status.currentRevision"
    why = [] if all_ready else [f"{done} out of {wanted} replicas succeeded readiness checks"]
    if not revised:
        why.append(f'StatefulSet controller failed to advance from revision "{current}" to revision "{update}"')
    return Readiness(all_ready and revised, status_text, why)


def service(api: Api, live: Props) -> Readiness:
    """Whether a Service has endpoints; one that is headless or without a selector needs none."""
    spec = live.get("spec", {})
    if spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName" or not spec.get("selector"):
        return Readiness(True)
    metadata = live["metadata"]
    try:
        endpoints = api.get(f"/api/v1/namespaces/{metadata['namespace']}/endpoints/{metadata['name']}")
    except ApiError as error:
        if error.code != 404:
            raise
        endpoints = {}
    if not endpoints.get("subsets"):
        reason = (
            "Service does not target any Pods. Selected Pods may not be ready, or "
            "field '.spec.selector' may not match labels on any Pods"
        )
        return Readiness(False, "[1/3] Finding Pods to direct traffic to", [reason])
    if spec.get("type") == "LoadBalancer" and not live.get("status", {}).get("loadBalancer", {}).get("ingress"):
        reason = "Service was not allocated an IP address; does your cloud provider support this?"
        return Readiness(False, "[2/3] Attempting to allocate IP address to Service", [reason])
    return Readiness(True)


CHECKS: Mapping[str, Callable[[Api, Props], Readiness]] = {
    "kubernetes:apps/v1:StatefulSet": stateful_set,
    "kubernetes:core/v1:Service": service,
}


def reasons(api: Api, kind: Kind, live: Props, found: Readiness) -> list[str]:
    """Why an object is not ready, including its pods' problems."""
    return [*found.reasons, *problems_of_pods(api, kind, live)]


def problems_of_pods(api: Api, kind: Kind, live: Props) -> list[str]:
    """What the containers of a StatefulSet's pods wait for; unscheduled pods are left out."""
    if kind.name != "StatefulSet":
        return []
    metadata = live["metadata"]
    try:
        pods = api.get(f"/api/v1/namespaces/{metadata['namespace']}/pods").get("items", [])
    except ApiError:
        return []
    owned = [pod for pod in pods if _is_owned(pod, metadata["uid"])]
    return [text for pod in owned if (text := _problem(pod))]


def _is_owned(pod: Props, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in pod["metadata"].get("ownerReferences", []))


def _problem(pod: Props) -> str:
    status = pod.get("status", {})
    conditions: dict[str, Any] = {item["type"]: item for item in status.get("conditions", [])}
    ready = conditions.get("ContainersReady") or conditions.get("Ready") or {}
    if ready.get("status") != "False":
        return ""
    states = [item.get("state", {}) for item in status.get("containerStatuses", [])]
    waits = [state["waiting"] for state in states if state.get("waiting")]
    ends = [state["terminated"] for state in states if state.get("terminated")]
    causes = [f"[{item.get('reason', '')}] {item.get('message', '')}".rstrip() for item in waits + ends]
    if not causes and not ready.get("message"):
        return ""
    return f"[Pod {pod['metadata']['name']}]: {ready.get('message', '')}{' '.join(causes)}"
