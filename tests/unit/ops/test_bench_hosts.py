"""Where tools run: the pod on Kubernetes and its output, and the lines that Docker streams.

Source: ops/benchmark/kubernetes_host.py, ops/benchmark/docker_host.py.
Proof limit: no API server and no engine is involved; the integration tests run tools on a real engine.
"""

import json
import shlex
from typing import Any

import pytest

from components.targets.kubernetes.client import Cluster
from ops.benchmark import kubernetes_host
from ops.benchmark.docker_host import whole_lines
from ops.benchmark.kubernetes_host import KubernetesHost
from ops.benchmark.output import Line, ToolError
from ops.benchmark.plan import Plan
from ops.benchmark.tools import producer_tools
from ops.platform import Platform
from tests.unit.targets.kubernetes.test_client import Played, pod_json

PODS = "/api/v1/namespaces/streams/pods"
BROKERS = "/apis/apps/v1/namespaces/streams/statefulsets/kafka"
PLAN = Plan(identity="0a1b2c3d")
(TOOL,) = producer_tools(PLAN, "kafka-0.kafka:29092")
POD = "bench-0a1b2c3d-producer-0"
LOG = b"2026-11-21T10:42:37.1Z first\n2026-11-21T10:42:42.1Z second\n"


def listed(phase: str, **more: Any) -> dict[str, Any]:
    return {"items": [pod_json(phase=phase, metadata={"name": POD, "uid": "u-7"}, **more)]}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Played:
    answers: dict[str, Any] = {
        f"GET {BROKERS}": {"spec": {"template": {"spec": {"imagePullSecrets": [{"name": "registry"}]}}}},
        f"POST {PODS}": {},
        f"GET {PODS}/{POD}/log": LOG,
        f"DELETE {PODS}/{POD}": {},
    }
    played = Played(answers)
    monkeypatch.setattr(kubernetes_host, "cluster_of", lambda platform: Cluster(played))
    monkeypatch.setattr(kubernetes_host, "_POLL_SECONDS", 0)
    return played


def host() -> KubernetesHost:
    platform = Platform(
        stack="prod",
        name="millrace-prod",
        target="kubernetes",
        brokers={},
        zookeeper={},
        redis={},
        images={"kafka": "apache/kafka:3.9.2"},
        via={"context": "production", "namespace": "streams"},
        outputs={"kafkaInternalBootstrapServers": "kafka-0.kafka:29092"},
    )
    return KubernetesHost(platform, PLAN.identity)


def made(api: Played) -> dict[str, Any]:
    return next(body for request, body in api.asked if request == f"POST {PODS}")


def test_a_tool_s_lines_are_passed_on_once_and_its_pod_is_removed(api: Played):
    api.answers |= {f"GET {PODS}": [listed("Running"), listed("Running"), listed("Succeeded"), listed("Succeeded")]}
    lines: list[Line] = []
    assert host().run(TOOL, lines.append) == 0
    assert [line.text for line in lines] == ["first", "second"], "read three times, passed on once"
    assert f"DELETE {PODS}/{POD}" in [request for request, _ in api.asked]


def test_a_failed_tool_returns_its_status(api: Played):
    api.answers |= {f"GET {PODS}": listed("Failed")}
    assert host().run(TOOL, lambda line: None) == 1


def test_a_pod_that_cannot_start_is_reported_with_the_reason_and_deleted(api: Played):
    state = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    status = {"name": "tool", "image": "apache/kafka:3.9.2", "ready": False, "restartCount": 0, "state": state}
    pods = listed("Pending")
    pods["items"][0]["status"]["containerStatuses"] = [status]
    api.answers |= {f"GET {PODS}": pods, f"GET {PODS}/{POD}/log": 400, f"GET {PODS[:-5]}/events": {"items": []}}
    with pytest.raises(ToolError, match="no such image"):
        host().run(TOOL, lambda line: None)
    assert f"DELETE {PODS}/{POD}" in [request for request, _ in api.asked]


def test_a_pod_that_is_deleted_from_outside_ends_the_run(api: Played):
    api.answers |= {f"GET {PODS}": {"items": []}}
    with pytest.raises(ToolError, match="was deleted before it had terminated"):
        host().run(TOOL, lambda line: None)


def test_the_pod_keeps_the_restricted_profile_and_its_memory(api: Played):
    api.answers |= {f"GET {PODS}": listed("Succeeded")}
    host().run(TOOL, lambda line: None)
    spec = made(api)["spec"]
    (tool,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0, "Kubernetes cannot check that a user name is not root"
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert tool["securityContext"]["allowPrivilegeEscalation"] is False
    assert tool["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert tool["resources"]["requests"].keys() == {"cpu", "memory"}
    assert tool["resources"]["limits"]["memory"] == f"{PLAN.memory // 1024**2}Mi"
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Never", "a failed tool must not be restarted"
    assert spec["imagePullSecrets"] == [{"name": "registry"}], "the same as the brokers', whose image it uses"


def test_the_pod_is_a_client_by_its_label_and_no_member_by_any(api: Played):
    api.answers |= {f"GET {PODS}": listed("Succeeded")}
    host().run(TOOL, lambda line: None)
    labels = made(api)["metadata"]["labels"]
    assert labels["millrace.client"] == "true"
    assert labels["millrace.benchmark"] == PLAN.identity
    assert "app.kubernetes.io/instance" not in labels, "network policies deny pods with this label"


def test_a_user_can_run_the_same_pod_manually(api: Played):
    command = host().command_line(TOOL)
    arguments = shlex.split(command)
    assert json.loads(arguments[1])["spec"]["containers"][0]["command"] == list(TOOL.command)
    assert arguments[2:6] == ["|", "kubectl", "--namespace", "streams"]


def test_no_tool_starts_after_all_were_removed(api: Played):
    api.answers |= {f"GET {PODS}": {"items": []}}
    ended = host()
    ended.remove_all()
    with pytest.raises(ToolError, match="not started"):
        ended.run(TOOL, lambda line: None)
    assert not any(request.startswith("POST") for request, _ in api.asked)


def test_pods_of_killed_runs_are_reported_with_the_command_that_deletes_them(api: Played):
    api.answers |= {f"GET {PODS}": {"items": [pod_json(phase="Succeeded", metadata={"name": "bench-ffff-consumer"})]}}
    assert host().cleanup_commands() == ["kubectl --namespace streams delete pod bench-ffff-consumer"]


def test_lines_are_whole_whatever_the_chunks():
    assert list(whole_lines([b"one\ntw", b"o\n", b"thr", b"ee"])) == ["one", "two", "three"]


def test_a_character_across_two_chunks_is_decoded():
    assert list(whole_lines(["ü\n".encode()[:1], "ü\n".encode()[1:]])) == ["ü"]
