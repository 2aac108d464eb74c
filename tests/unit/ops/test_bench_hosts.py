"""Where tools run: the pod on Kubernetes and its output, and the lines that Docker streams.

Source: ops/benchmark/kubernetes_host.py, ops/benchmark/docker_host.py.
Proof limit: no API server and no engine is involved; the integration tests run tools on a real engine.
"""

import io
import json
import shlex
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from components.kafka.security import Security
from components.targets.kubernetes.client import Cluster
from ops.benchmark import kubernetes_host
from ops.benchmark.docker_host import DockerHost, tar_of, whole_lines
from ops.benchmark.host import FORGETTING
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


SECURITY = Security(user="millrace", password="super-4f1c2a9e7b", authorities="PEM")
SOURCES = [{"configMap": {"name": "kafka-config-1a"}}, {"secret": {"name": "kafka-files-2b"}}]


def host(security: Security | None = None) -> KubernetesHost:
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
        security=security,
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


# ---------------------------------------------------------------------------------------------------------------- login


def test_a_pod_logs_in_with_the_brokers_files_and_no_secret_is_in_its_manifest(api: Played):
    api.answers |= {f"GET {PODS}": listed("Succeeded")}
    volumes = [{"name": "config", "projected": {"sources": SOURCES}}, {"name": "tmp", "emptyDir": {}}]
    api.answers |= {f"GET {BROKERS}": {"spec": {"template": {"spec": {"volumes": volumes}}}}}
    host(SECURITY).run(TOOL, lambda line: None)
    spec = made(api)["spec"]
    (login,) = [volume for volume in spec["volumes"] if volume["name"] == "login"]
    names = {"secret": "kafka.login.properties", "configMap": "kafka.truststore.pem"}
    assert login["projected"]["sources"] == [
        {"secret": {"name": "kafka-files-2b", "items": [{"key": names["secret"], "path": names["secret"]}]}},
        {"configMap": {"name": "kafka-config-1a", "items": [{"key": names["configMap"], "path": names["configMap"]}]}},
    ], "not the brokers' key"
    assert login["projected"]["defaultMode"] == 0o400
    assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsUser"]
    assert spec["containers"][0]["command"][-len(TOOL.command) :] == list(TOOL.command)
    assert SECURITY.password not in json.dumps(made(api))
    assert SECURITY.password not in host(SECURITY).command_line(TOOL)


def test_a_pod_s_wrapper_writes_the_file_runs_the_tool_and_removes_it(api: Played, tmp_path: Path):
    api.answers |= {f"GET {PODS}": listed("Succeeded"), f"GET {BROKERS}": {}}
    logging_in = host(SECURITY)
    logging_in.run(TOOL, lambda line: None)
    login = tmp_path / "login"
    command = made(api)["spec"]["containers"][0]["command"][: -len(TOOL.command)]
    wrapper = [str(login) if part == logging_in.login else part for part in command]
    done = subprocess.run(
        [*wrapper, "sh", "-c", f'stat -c %a "{login}"; cat "{login}"; exit 3'],
        capture_output=True,
        text=True,
        check=False,
    )
    mode, *lines = done.stdout.splitlines()
    assert (done.returncode, mode) == (3, "600")
    assert "sasl.jaas.config=${file:/etc/millrace/kafka.login.properties:login}" in lines
    assert not login.exists()


def test_a_pod_without_access_has_neither_login_nor_wrapper(api: Played):
    api.answers |= {f"GET {PODS}": listed("Succeeded")}
    host().run(TOOL, lambda line: None)
    spec = made(api)["spec"]
    assert [volume["name"] for volume in spec["volumes"]] == ["tmp"]
    assert "fsGroup" not in spec["securityContext"]
    assert spec["containers"][0]["command"] == list(TOOL.command)


@pytest.mark.parametrize("status", [0, 7])
def test_the_login_is_gone_when_the_tool_has_ended(tmp_path: Path, status: int):
    login = tmp_path / "login"
    login.write_text("secret")
    done = subprocess.run(
        ["bash", "-c", FORGETTING, str(login), "sh", "-c", f'cat "{login}"; exit {status}'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, "secret")
    assert not login.exists()


def test_only_the_images_user_can_read_the_login():
    with tarfile.open(fileobj=io.BytesIO(tar_of("login", "secret"))) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.mode, entry.uid, entry.gid) == ("login", 0o600, 1000, 1000)
        content = archive.extractfile(entry)
        assert content is not None
        assert content.read() == b"secret"


class Engine:
    """An engine that keeps what it is asked to create, and the files that it is given."""

    def __init__(self) -> None:
        self.created: list[Any] = []
        self.files: list[tuple[str, bytes]] = []
        self.started = False
        self.containers = self

    def create(self, *arguments: Any, **options: Any) -> "Engine":
        self.created.append((arguments, options))
        return self

    def put_archive(self, folder: str, data: bytes) -> None:
        assert not self.started, "the login is there before the tool starts"
        self.files.append((folder, data))

    def start(self) -> None:
        self.started = True

    def logs(self, **_options: Any) -> list[bytes]:
        return []

    def wait(self) -> dict[str, int]:
        return {"StatusCode": 0}

    def remove(self, **_options: Any) -> None:
        pass


def test_a_container_gets_its_login_as_a_file_alone(monkeypatch: pytest.MonkeyPatch):
    engine = Engine()
    monkeypatch.setattr("docker.from_env", lambda **_options: engine)
    platform = Platform(
        stack="dev",
        name="millrace-dev",
        target="docker",
        brokers={},
        zookeeper={},
        redis={},
        images={"kafka": "millrace/kafka:3.9.2"},
        outputs={"kafkaInternalBootstrapServers": "kafka-0:29092", "network": "millrace-dev"},
        security=SECURITY,
    )
    docker_host = DockerHost(platform, PLAN.identity)
    assert docker_host.run(TOOL, lambda line: None) == 0
    ((folder, data),) = engine.files
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [f"{folder}/{name}" for name in archive.getnames()] == [docker_host.login]
    assert SECURITY.password.encode() in data
    assert SECURITY.password not in str(engine.created)
    assert SECURITY.password not in docker_host.command_line(TOOL)
