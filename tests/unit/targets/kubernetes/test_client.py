"""The client of the Kubernetes API: its requests, and its interpretation of the JSON answers.

Source: components/targets/kubernetes/client.py, components/targets/kubernetes/kubeconfig.py.
Proof limit: the answers imitate those of Kubernetes 1.33; there is no API server.
"""

import base64
import json
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.errors import ClusterError, PlatformError
from components.targets.kubernetes import pod_state
from components.targets.kubernetes.client import Cluster, connect, contexts
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.objects import Claim, StorageClass
from components.targets.kubernetes.pod_state import Pod
from components.targets.kubernetes.quantity import format_quantity, quantity

NAMESPACE = "prod"
CORE = f"/api/v1/namespaces/{NAMESPACE}"


class Played:
    """An API server that answers by method and path, and records requests."""

    context = "production"

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []
        self.types: list[str] = []

    def request(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, bytes]:
        self.asked.append((f"{method} {path}", body))
        self.types.append(content_type)
        answer = self.answers.get(f"{method} {path}", self.answers.get(f"{method} {path.partition('?')[0]}", 404))
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, ClusterError):
            raise answer
        if isinstance(answer, int):
            return answer, b"" if answer == 204 else status(f"failed with {answer}")
        if isinstance(answer, tuple):
            return answer[0], status(answer[1])
        return 200, answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def status(message: str) -> bytes:
    return json.dumps({"kind": "Status", "message": message}).encode()


def cluster(**answers: Any) -> Cluster:
    return Cluster(Played(answers))


def asked(made: Cluster) -> list[tuple[str, Any]]:
    api = made._requests._api
    assert isinstance(api, Played)
    return api.asked


def pod_json(*containers: Mapping[str, Any], ready: bool = False, **more: Any) -> dict[str, Any]:
    metadata = {"name": "kafka-0", "uid": "u-0", "labels": {"controller-revision-hash": "kafka-7d9"}}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}, *more.pop("conditions", ())]
    return {
        "metadata": metadata | more.pop("metadata", {}),
        "spec": {"nodeName": "node-1"} | more.pop("spec", {}),
        "status": {"phase": "Running", "podIP": "10.0.0.7", "conditions": conditions, "containerStatuses": containers}
        | more,
    }


def container(state: Mapping[str, Any], *, restarts: int = 0, last: Any = None, ready: bool = False) -> dict[str, Any]:
    made = {"name": "kafka", "image": "millrace/kafka:3", "ready": ready, "restartCount": restarts, "state": state}
    return made | ({"lastState": {"terminated": last}} if last else {})


def waiting(reason: str, message: str | None = None, **more: Any) -> dict[str, Any]:
    return container({"waiting": {"reason": reason} | ({"message": message} if message else {})}, **more)


def event(reason: str, message: str, at: str = "2026-01-01T00:00:00Z", **more: Any) -> dict[str, Any]:
    return {"reason": reason, "message": message, "lastTimestamp": at, **more}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
CRASH = {"exitCode": 1, "reason": "Error", "message": "no such file\n"}
PULL = 'Failed to pull image "millrace/kafka:3": not found'


@pytest.mark.parametrize(
    ("item", "events", "reasons", "unrecoverable"),
    [
        pytest.param(
            pod_json(
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient memory.",
                    }
                ],
                spec={"nodeName": None},
                phase="Pending",
            ),
            [],
            ["it cannot be scheduled: 0/3 nodes are available: 3 Insufficient memory."],
            False,
            id="unschedulable",
        ),
        pytest.param(
            pod_json(waiting("ImagePullBackOff", "Back-off pulling image")),
            [event("Failed", "Error: ErrImagePull", "2026-01-01T00:00:09Z"), event("Failed", PULL)],
            [f"image millrace/kafka:3 cannot be pulled: {PULL} (ImagePullBackOff)"],
            True,
            id="image, with its event",
        ),
        pytest.param(
            pod_json(waiting("ErrImagePull", "not found")),
            [],
            ["image millrace/kafka:3 cannot be pulled: not found (ErrImagePull)"],
            True,
            id="image, without events",
        ),
        pytest.param(
            pod_json(waiting("InvalidImageName", "couldn't parse image name")),
            [],
            ["image millrace/kafka:3 cannot be pulled: couldn't parse image name (InvalidImageName)"],
            True,
            id="image name",
        ),
        pytest.param(
            pod_json(waiting("CreateContainerConfigError", 'secret "password" not found')),
            [],
            ['container kafka cannot be started: secret "password" not found (CreateContainerConfigError)'],
            True,
            id="configuration",
        ),
        pytest.param(
            pod_json(waiting("RunContainerError", "exec: not found")),
            [],
            ["container kafka cannot be started: exec: not found (RunContainerError)"],
            False,
            id="start",
        ),
        pytest.param(
            pod_json(waiting("CrashLoopBackOff", "back-off 40s", restarts=3, last=CRASH)),
            [],
            ["container kafka keeps crashing: exit code 1, 3 restarts: no such file"],
            True,
            id="crash loop",
        ),
        pytest.param(
            pod_json(waiting("CrashLoopBackOff", restarts=1, last={"exitCode": 137, "reason": "OOMKilled"})),
            [],
            ["container kafka keeps crashing: exit code 137 (OOMKilled), 1 restart"],
            False,
            id="first crash",
        ),
        pytest.param(
            pod_json(container({"terminated": {"exitCode": 2, "reason": "Error"}})),
            [],
            ["container kafka ended: exit code 2, 0 restarts"],
            False,
            id="ended",
        ),
        pytest.param(
            pod_json(waiting("ContainerCreating"), phase="Pending"),
            [event("FailedMount", "MountVolume.SetUp failed"), event("Scheduled", "assigned")],
            ["MountVolume.SetUp failed"],
            False,
            id="mount",
        ),
        pytest.param(
            pod_json(phase="Pending"),
            [event("FailedAttachVolume", "Multi-Attach error for volume")],
            ["Multi-Attach error for volume"],
            False,
            id="attach, before there are containers",
        ),
        pytest.param(
            pod_json(container(RUNNING)),
            [
                event("Unhealthy", "Readiness probe failed: old", "2026-01-01T00:00:01Z"),
                event("Unhealthy", "Readiness probe failed: dial tcp: connection refused", "2026-01-01T00:00:08Z"),
                event("Started", "Started container", "2026-01-01T00:00:09Z"),
            ],
            ["Readiness probe failed: dial tcp: connection refused"],
            False,
            id="readiness, newest event",
        ),
        pytest.param(
            pod_json(container(RUNNING, restarts=1, last={"exitCode": 137, "reason": "OOMKilled"})),
            [event("Unhealthy", "Startup probe failed: x", series={"lastObservedTime": "2026-01-01T00:00:02Z"})],
            ["container kafka ended before: exit code 137 (OOMKilled), 1 restart", "Startup probe failed: x"],
            False,
            id="restarted",
        ),
        pytest.param(pod_json(container(RUNNING)), [], ["it is not ready yet"], False, id="starting"),
        pytest.param(pod_json(phase="Pending"), [], ["it is being started"], False, id="pending"),
        pytest.param(
            pod_json(reason="Evicted", message="The node was low on memory", phase="Failed"),
            [],
            ["The node was low on memory (Evicted)"],
            False,
            id="evicted",
        ),
        pytest.param(
            pod_json(container(RUNNING), metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            [],
            ["it is being deleted"],
            False,
            id="deleting",
        ),
        pytest.param(
            pod_json(
                waiting("PodInitializing"),
                initContainerStatuses=[
                    container({"terminated": {"exitCode": 0}}) | {"name": "first"},
                    waiting("CrashLoopBackOff", restarts=2, last=CRASH) | {"name": "second"},
                ],
            ),
            [],
            ["container second keeps crashing: exit code 1, 2 restarts: no such file"],
            True,
            id="init container",
        ),
        pytest.param(pod_json(container(RUNNING, ready=True), ready=True), [], [], False, id="ready"),
    ],
)
def test_the_reason_why_a_pod_is_not_ready_is_shown_as_text(
    item: dict[str, Any], events: list[Any], reasons: list[str], unrecoverable: bool
) -> None:
    made = pod_state.pod(item, events)
    assert list(made.reasons) == reasons
    assert made.unrecoverable is unrecoverable


def test_all_fields_of_a_pod_are_read() -> None:
    assert pod_state.pod(pod_json(ready=True), zone="zone-1") == Pod(
        name="kafka-0",
        uid="u-0",
        node="node-1",
        phase="Running",
        ready=True,
        deleting=False,
        revision="kafka-7d9",
        zone="zone-1",
        ip="10.0.0.7",
        scheduled=True,
        reasons=(),
        unrecoverable=False,
    )


def test_a_pod_without_a_status_is_read_too() -> None:
    made = pod_state.pod({"metadata": {"name": "kafka-0", "uid": "u"}, "spec": {}, "status": {}})
    assert (made.node, made.phase, made.ready, made.scheduled, made.zone) == (None, "Pending", False, False, None)
    assert made.reasons == ("it is being started",)


def test_pods_are_found_by_labels_with_zones_and_events_of_unready_pods() -> None:
    first, second = pod_json(ready=True), pod_json(waiting("ContainerCreating"))
    second["metadata"] = {"name": "kafka-1", "uid": "u-1"}
    made = cluster(
        **{
            f"GET {CORE}/pods": {"items": [second, first]},
            f"GET {CORE}/events": {"items": [event("FailedMount", "no such volume")]},
            "GET /api/v1/nodes/node-1": {"metadata": {"labels": {"topology.kubernetes.io/zone": "zone-2"}}},
        }
    )
    pods = made.pods(NAMESPACE, {"b": "2", "a": "1"})
    assert [(pod.name, pod.zone, pod.reasons) for pod in pods] == [
        ("kafka-0", "zone-2", ()),
        ("kafka-1", "zone-2", ("no such volume",)),
    ]
    assert [path for path, _ in asked(made)] == [
        f"GET {CORE}/pods?labelSelector=a%3D1%2Cb%3D2",
        "GET /api/v1/nodes/node-1",
        f"GET {CORE}/events?fieldSelector=involvedObject.uid%3Du-1&limit=200",
    ]


def test_forbidden_nodes_and_events_only_shorten_the_text() -> None:
    made = cluster(
        **{
            f"GET {CORE}/pods": {"items": [pod_json(waiting("ImagePullBackOff", "Back-off"))]},
            f"GET {CORE}/events": 403,
            "GET /api/v1/nodes/node-1": 403,
        }
    )
    (pod,) = made.pods(NAMESPACE, {})
    assert pod.zone is None
    assert pod.reasons == ("image millrace/kafka:3 cannot be pulled: Back-off (ImagePullBackOff)",)


@pytest.mark.parametrize(
    ("version", "read"), [("v1.33.13", "1.33.13"), ("v1.33.13+k3s1", "1.33.13"), ("v1.31.5-gke.1023000", "1.31.5")]
)
def test_a_version_is_parsed_to_numbers(version: str, read: str) -> None:
    assert cluster(**{"GET /version": {"gitVersion": version}}).server_version() == read


def test_each_permission_is_checked_to_find_those_denied() -> None:
    path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answers = [{"status": {"allowed": True}}, {"status": {"allowed": False}}, {"status": {}}]
    made = cluster(**{path: answers})
    needs = [("create", "", "pods/portforward"), ("list", "storage.k8s.io", "storageclasses"), ("get", "", "pods")]
    assert made.denied(NAMESPACE, needs) == needs[1:]
    attributes = [body["spec"]["resourceAttributes"] for _, body in asked(made)]
    assert attributes == [
        {"verb": "create", "resource": "pods", "subresource": "portforward", "namespace": NAMESPACE},
        {"verb": "list", "group": "storage.k8s.io", "resource": "storageclasses"},
        {"verb": "get", "resource": "pods", "namespace": NAMESPACE},
    ]


def class_json(name: str, made: str, *, default: bool = True, **more: Any) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else None
    return {"metadata": {"name": name, "creationTimestamp": made, "annotations": annotations}, **more}


def test_a_storage_class_is_found_by_name_or_as_the_newest_default() -> None:
    path = "GET /apis/storage.k8s.io/v1/storageclasses"
    full = {"allowVolumeExpansion": True, "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain"}
    items = [class_json("b", "2026-02"), class_json("a", "2026-01"), class_json("c", "2026-03", default=False)]
    made = cluster(**{path: {"items": items}, f"{path}/fast": class_json("fast", "2026", **full)})
    assert made.storage_class("fast") == StorageClass(
        name="fast", expandable=True, binding_mode="WaitForFirstConsumer", default=True, reclaim="Retain"
    )
    assert made.storage_class(None) == StorageClass(
        name="b", expandable=False, binding_mode="Immediate", default=True, reclaim="Delete"
    )
    assert made.storage_class("absent") is None
    assert cluster(**{path: {"items": items[2:]}}).storage_class(None) is None


def test_a_log_is_that_of_the_ended_container_or_else_of_the_running_one() -> None:
    path = f"GET {CORE}/pods/kafka-0/log"
    options = "?tailLines=10&limitBytes=65536"
    ended = cluster(**{f"{path}{options}&previous=true": b"one\ntwo\n"})
    assert ended.last_log_lines(NAMESPACE, "kafka-0") == ["one", "two"]
    running = cluster(**{f"{path}{options}&previous=true": 400, f"{path}{options}": b"now \xff\n"})
    assert running.last_log_lines(NAMESPACE, "kafka-0") == ["now \ufffd"]
    assert cluster(**{path: 400}).last_log_lines(NAMESPACE, "kafka-0") == []
    assert cluster(**{path: 204}).log_lines(NAMESPACE, "kafka-0", 10) == [], "no node has the pod yet"
    with pytest.raises(ClusterError, match="lack the verb get on pods/log"):
        cluster(**{path: 403}).last_log_lines(NAMESPACE, "kafka-0")


def test_a_stateful_set_shows_why_pods_are_missing() -> None:
    path = f"GET /apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/kafka"
    item = {
        "metadata": {"uid": "u", "generation": 3, "labels": {"a": "b"}},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 2, "replicas": 3, "updateRevision": "new", "currentRevision": "old"},
    }
    made = cluster(**{path: item})
    state = made.stateful_set(NAMESPACE, "kafka")
    assert state is not None
    assert (state.generation, state.observed_generation, state.replicas, state.created) == (3, 2, 3, 3)
    assert (state.update_revision, state.current_revision, state.labels) == ("new", "old", {"a": "b"})
    assert len(asked(made)) == 1, "events are read only if pods are missing"
    item["status"] = {"replicas": 2}
    events = {"items": [event("FailedCreate", "violates PodSecurity"), event("SuccessfulCreate", "made", "2027")]}
    state = cluster(**{path: item, f"GET {CORE}/events": events}).stateful_set(NAMESPACE, "kafka")
    assert state is not None
    assert state.reasons == ("violates PodSecurity",)
    assert cluster().stateful_set(NAMESPACE, "kafka") is None


@pytest.mark.parametrize("answer", [{}, 404, 409])
def test_a_pod_is_deleted_by_uid_and_a_missing_pod_is_ignored(answer: Any) -> None:
    made = cluster(**{f"DELETE {CORE}/pods/kafka-0": answer})
    made.delete_pod(NAMESPACE, "kafka-0", "u-0")
    made.delete_pod(NAMESPACE, "kafka-0", "u-0", 0)
    bodies = [body for _, body in asked(made)]
    assert bodies == [{"preconditions": {"uid": "u-0"}}, {"preconditions": {"uid": "u-0"}, "gracePeriodSeconds": 0}]


@pytest.mark.parametrize("answer", [{"kind": "Status", "status": "Success"}, 404, 409])
def test_a_pod_is_evicted_by_uid_and_a_missing_pod_is_ignored(answer: Any) -> None:
    made = cluster(**{f"POST {CORE}/pods/kafka-0/eviction": answer})
    made.evict_pod(NAMESPACE, "kafka-0", "u-0")
    assert [body for _, body in asked(made)] == [
        {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": "kafka-0", "namespace": NAMESPACE},
            "deleteOptions": {"preconditions": {"uid": "u-0"}},
        }
    ]


@pytest.mark.parametrize("causes", [None, [{"reason": "DisruptionBudget", "message": "kafka needs 2 and has 2"}]])
def test_a_budget_that_lets_no_pod_go_says_why(causes: Any) -> None:
    class Busy(Played):
        def request(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, bytes]:
            said = {"message": "Cannot evict pod.", "details": {"causes": causes} if causes else {}}
            return 429, json.dumps(said).encode()

    with pytest.raises(ClusterError) as caught:
        Cluster(Busy({})).evict_pod(NAMESPACE, "kafka-0", "u-0")
    more = " kafka needs 2 and has 2" if causes else ""
    assert str(caught.value) == f"cannot create pods/eviction kafka-0 in namespace prod now: Cannot evict pod.{more}"


@pytest.mark.parametrize(
    ("reasons", "lacks"),
    [
        (["ErrImagePull"], True),
        (["ImagePullBackOff"], True),
        (["ErrImageNeverPull"], True),
        (["InvalidImageName"], False),
        (["CreateContainerConfigError"], False),
        (["ImagePullBackOff", "CreateContainerConfigError"], False),
        (["ContainerCreating"], False),
    ],
)
def test_a_missing_image_may_appear_later_but_a_wrong_name_or_secret_never(reasons: list[str], lacks: bool) -> None:
    assert pod_state.pod(pod_json(*map(waiting, reasons))).lacks_image is lacks


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Startup probe failed: not yet: 1 of its 9 replicas lags: a-0\n", "1 of its 9 replicas lags: a-0"),
        ("Startup probe failed: bash: connect: Connection refused", "it does not serve yet"),
    ],
)  # fmt: skip
def test_a_server_that_catches_up_says_what_is_missing(message: str, reason: str) -> None:
    starting = {**container(RUNNING), "started": False}
    assert pod_state.pod(pod_json(starting), [event("Unhealthy", message)]).reasons == (reason,)


def test_claims_are_read_with_bytes_and_conditions_of_a_resize() -> None:
    item = {
        "metadata": {"name": "data-kafka-0", "uid": "u-1"},
        "spec": {
            "resources": {"requests": {"storage": "20Gi"}},
            "storageClassName": "fast",
            "volumeName": "pv-1",
        },
        "status": {
            "phase": "Bound",
            "capacity": {"storage": "10Gi"},
            "conditions": [
                {
                    "type": "FileSystemResizePending",
                    "status": "True",
                    "message": "Waiting for user to (re-)start a pod",
                },
                {"type": "Resizing", "status": "False"},
            ],
        },
    }
    fresh = {"metadata": {"name": "fresh", "deletionTimestamp": "now"}, "spec": {}, "status": {}}
    path = f"GET {CORE}/persistentvolumeclaims"
    made = cluster(**{path: {"items": [item, fresh]}, f"GET {CORE}/events": {"items": []}})
    claims = made.claims(NAMESPACE, {"app": "kafka"})
    assert claims["data-kafka-0"] == Claim(
        name="data-kafka-0",
        requested=20 * 1024**3,
        capacity=10 * 1024**3,
        storage_class="fast",
        phase="Bound",
        volume="pv-1",
        deleting=False,
        resizing=("FileSystemResizePending: Waiting for user to (re-)start a pod",),
        waits_for_pod=True,
    )
    assert (claims["fresh"].requested, claims["fresh"].phase, claims["fresh"].deleting) == (0, "Pending", True)


@pytest.mark.parametrize(
    ("state", "infeasible"),
    [
        ("ControllerResizeInProgress", False),
        ("NodeResizePending", False),
        ("ControllerResizeInfeasible", True),
        ("NodeResizeInfeasible", True),
        ("ControllerResizeFailed", True),
        (None, False),
    ],
)
def test_a_claim_that_does_not_grow_says_why(state: str | None, infeasible: bool) -> None:
    status = {
        "phase": "Bound",
        "capacity": {"storage": "10Gi"},
        "allocatedResources": {"storage": "20Gi"},
        **({"allocatedResourceStatuses": {"storage": state}} if state else {}),
    }
    item = {
        "metadata": {"name": "data", "uid": "u-1"},
        "spec": {"resources": {"requests": {"storage": "20Gi"}}},
        "status": status,
    }
    said = 'resize volume "pv-1" by resizer "ebs.csi.aws.com" failed: rpc error: code = InvalidArgument'
    events = [event("Resizing", "External resizer is resizing"), event("VolumeResizeFailed", said)]
    paths = {f"GET {CORE}/persistentvolumeclaims": {"items": [item]}, f"GET {CORE}/events": {"items": events}}
    made = cluster(**paths)
    claim = made.claims(NAMESPACE, {})["data"]
    assert (claim.growing, claim.infeasible, claim.resizing) == (True, infeasible, (said,))
    assert "involvedObject.uid%3Du-1" in asked(made)[-1][0]


def test_claims_are_created_expanded_and_deleted() -> None:
    path = f"{CORE}/persistentvolumeclaims"
    made = cluster(**{f"POST {path}": {}, f"PATCH {path}/data": {}, f"DELETE {path}/data": {}})
    made.create_claim(NAMESPACE, "data", {"app": "kafka"}, 1024**3, "fast")
    made.create_claim(NAMESPACE, "data", {}, 1000, None)
    made.resize_claim(NAMESPACE, "data", 1536 * 1024**2)
    made.delete_claim(NAMESPACE, "data")
    made.delete_claim(NAMESPACE, "gone")
    (_, first), (_, second), (_, patch), *_ = asked(made)
    assert first["metadata"] == {"name": "data", "labels": {"app": "kafka"}}
    assert first["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "fast",
    }
    assert second["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1000"}}}
    assert patch == {"spec": {"resources": {"requests": {"storage": "1536Mi"}}}}
    api = made._requests._api
    assert isinstance(api, Played)
    assert api.types[2] == "application/merge-patch+json"


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (
            (403, 'pods is forbidden: User "me" cannot list resource "pods"'),
            [
                "cannot list pods in namespace prod: the credentials of context production lack the verb list on pods",
                '  - pods is forbidden: User "me" cannot list resource "pods"',
                "  - ask for a role that allows it, or choose another context",
            ],
        ),
        (
            (401, "Unauthorized"),
            [
                "cannot list pods in namespace prod: the API server rejects the credentials of context production",
                "  - Unauthorized",
                "  - log in to the cluster again, or choose another context",
            ],
        ),
        ((500, "etcdserver: timeout\nstack"), ["cannot list pods in namespace prod: etcdserver: timeout (HTTP 500)"]),
        (b"<html>", ["cannot list pods in namespace prod: the answer is not JSON (HTTP 200)"]),
        (ClusterError("no answer"), ["cannot list pods in namespace prod: no answer"]),
    ],
    ids=["forbidden", "unauthorized", "failed", "no json", "silent"],
)
def test_an_error_names_verb_resource_namespace_and_the_servers_message(answer: Any, lines: list[str]) -> None:
    with pytest.raises(ClusterError) as refused:
        cluster(**{f"GET {CORE}/pods": answer}).pods(NAMESPACE, {})
    assert str(refused.value).splitlines() == lines
    assert isinstance(refused.value, PlatformError), "the error is shown without a traceback"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10Gi", 10 * 1024**3),
        ("1.5Ki", 1536),
        ("1k", 1000),
        ("2E", 2 * 10**18),
        ("500m", Decimal("0.5")),
        ("250u", Decimal("0.00025")),
        ("1e3", 1000),
        ("12E2", 1200),
        ("123", 123),
        (1024, 1024),
        ("0", 0),
        ("-1Mi", -(1024**2)),
    ],
)
def test_quantities_are_parsed_as_kubernetes_writes_them(text: Any, amount: Any) -> None:
    assert quantity(text) == amount


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1KiB", "1K", "ten", "1..2", ".", "1Gib", "1mi"])
def test_an_invalid_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(text)


@pytest.mark.parametrize("amount", [0, 1, 1000, 1024, 1536 * 1024, 1024**3, 5 * 1024**4, 1024**3 + 1])
def test_a_written_size_parses_to_the_same_size(amount: int) -> None:
    assert quantity(format_quantity(amount)) == amount


def kubeconfig(folder: Path, *, server: str = "https://127.0.0.1:1", **user: Any) -> str:
    content = {
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": name, "context": {"cluster": "here", "user": "me"}} for name in ("staging", "prod")],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(content))
    return str(file)


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(ClusterError) as refused:
        ask()
    return str(refused.value)


def test_contexts_are_listed_in_the_order_of_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kubeconfig(tmp_path)
    (tmp_path / "more").write_text("contexts: [{name: dev}, {name: prod}]")
    (tmp_path / "none").write_text("contexts:")
    assert contexts(first) == ["staging", "prod"]
    assert contexts(str(tmp_path / "none")) == []
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{tmp_path / 'more'}:{first}:")
    assert contexts(None) == ["dev", "prod", "staging"]


def test_a_missing_kubeconfig_is_reported_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"there is no kubeconfig at {tmp_path}/absent" in refusal(lambda: connect(f"{tmp_path}/absent", "prod"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "there is no kubeconfig at ~/.kube/config" in refusal(lambda: contexts(None))


@pytest.mark.parametrize("content", ["[1, 2]", "", "a: [", "contexts: [1]", "contexts: [{context: x}]", "\x00"])
def test_an_invalid_kubeconfig_is_reported_as_such(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    assert f"{file} is not a kubeconfig" in refusal(lambda: contexts(str(file)))


def test_an_unknown_context_is_reported_with_the_existing_ones(tmp_path: Path) -> None:
    message = refusal(lambda: connect(kubeconfig(tmp_path), "production"))
    assert message.splitlines()[0].endswith('has no context "production"')
    assert message.splitlines()[1] == "  - it has prod, staging"


def test_a_context_without_its_cluster_is_reported(tmp_path: Path) -> None:
    file = Path(kubeconfig(tmp_path))
    file.write_text(file.read_text().replace('"cluster": "here"', '"cluster": "gone"'))
    message = refusal(lambda: connect(str(file), "prod"))
    assert 'context "prod" of the kubeconfig' in message
    assert "gone" in message


def test_a_failing_plugin_is_reported_and_nothing_is_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", "echo log in first >&2; exit 3"],
    }
    message = refusal(lambda: connect(kubeconfig(tmp_path, exec=plugin), "prod"))
    assert message.splitlines()[0] == 'the credentials of context "prod" are unavailable'
    assert "log in first" in message
    assert capfd.readouterr() == ("", "")


def test_a_missing_api_server_is_reported_at_once_without_log_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        server = f"https://127.0.0.1:{gone.getsockname()[1]}"
    message = refusal(lambda: connect(kubeconfig(tmp_path, server=server), "prod"))
    assert message == f"cannot get version: the Kubernetes API at {server} does not answer (Connection refused)"
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, bytes]:
    """A self-signed certificate of this machine, and its key."""
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return {"key": key.read_bytes(), "certificate": certificate.read_bytes()}


@pytest.fixture
def tls_api(tmp_path: Path, certificates: dict[str, bytes]) -> Iterator[str]:
    """An API server that accepts only clients with that certificate; returns the path of its kubeconfig."""

    class Version(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"major": "1", "minor": "33", "gitVersion": "v1.33.0"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    own.load_verify_locations(tmp_path / "certificate")
    own.verify_mode = ssl.CERT_REQUIRED
    server = HTTPServer(("127.0.0.1", 0), Version)
    server.socket = own.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    inside = {name: base64.b64encode(content).decode() for name, content in certificates.items()}
    user = {"client-certificate-data": inside["certificate"], "client-key-data": inside["key"]}
    file = Path(kubeconfig(tmp_path, server=f"https://127.0.0.1:{server.server_port}", **user))
    content = json.loads(file.read_text())
    content["clusters"][0]["cluster"]["certificate-authority-data"] = inside["certificate"]
    file.write_text(json.dumps(content))
    yield str(file)
    server.shutdown()
    thread.join()
    server.server_close()


def test_client_keys_are_used_and_never_left_in_files(
    tls_api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin is often killed, so files that the loader removes at the end of the process would stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for _ in range(2):  # the loader caches the files that it has created
        access = Access(tls_api, "prod")
        assert list(folder.iterdir()) == []
        answer = access.rest().request("GET", f"{access.configuration.host}/version", headers=access.headers())
        assert json.loads(answer.read())["minor"] == "33"
        assert list(folder.iterdir()) == []


def test_a_token_that_was_given_changes_no_later_connection(tls_api: str) -> None:
    file = Path(tls_api)
    content = json.loads(file.read_text())
    content["users"][0]["user"]["token"] = "a-token"
    file.write_text(json.dumps(content))
    access = Access(tls_api, "prod")
    for _ in range(2):  # the loader names its removed files again whenever it gives a token
        headers = access.headers()
        assert headers == {"Authorization": "Bearer a-token"}
        answer = access.rest().request("GET", f"{access.configuration.host}/version", headers=headers)
        assert json.loads(answer.read())["minor"] == "33"
