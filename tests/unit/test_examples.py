"""The examples' programs on mocks: what each declares, checks in preflight and exports.

Source: examples/.
Proof limit: nothing is created; tests/integration/test_examples.py runs the programs.
"""

import ast
import re
import runpy
import socket
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import set_all_config
from pulumi.runtime.mocks import MockResourceArgs

from components.targets.docker import target as docker_target
from components.targets.kubernetes import target as kubernetes_target
from tests.unit.mocks import (
    CONFIG_MAP,
    CONTAINER,
    CREDENTIALS,
    GATED_ROLL,
    GENERATED_PASSWORD,
    HEALTH_GATE,
    IMAGE,
    MEMBER_SET,
    MEMBER_STORAGE,
    NETWORK,
    REDIS_PASSWORDS,
    ROOT,
    SECRET,
    TOPIC_SET,
    VOLUME,
    RecordingMocks,
    RecordingMonitor,
    Registered,
    Run,
    declared_by,
    unmasked,
)

ENSEMBLE, CLUSTER, REDIS = (f"millrace:index:{name}" for name in ("ZooKeeperEnsemble", "KafkaCluster", "RedisServer"))
STACK_REFERENCE = "pulumi:pulumi:StackReference"
NAMESPACE_STACK = "organization/millrace-namespace/dev"
NAMESPACE = "shop"
DAY_MS = 86_400_000

ORDERS = {"partitions": 3, "replicationFactor": 1, "config": {"retention.ms": str(7 * DAY_MS)}, "protect": False}
CUSTOMERS = {"partitions": 3, "replicationFactor": 1, "config": {"cleanup.policy": "compact"}, "protect": False}


class ReferringMocks(RecordingMocks):
    """Mocks that also know the outputs of a different program's stack."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        id_, outputs = super().new_resource(args)
        if args.typ == STACK_REFERENCE:
            outputs = {**outputs, "outputs": {"namespace": NAMESPACE}, "secretOutputNames": []}
        return id_, outputs


@dataclass(frozen=True)
class Preview:
    """The result of a run of an example."""

    run: Run
    reads: list[str]
    """Stacks whose outputs were read."""
    needs: list[Any]
    """The requests to preflight, before anything was registered."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        return self.run.outputs

    def names(self) -> list[tuple[str, str]]:
        return sorted((item.type, item.name) for item in self.run.resources)

    def one(self, type_: str) -> Registered:
        (found,) = self.run.of(type_)
        return found

    def inputs(self, type_: str) -> dict[str, Any]:
        """The inputs of the only resource of that type, without its provider's code."""
        found: Any = unmasked(self.one(type_).inputs)
        return {key: value for key, value in found.items() if key != "__provider"}


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: socket.socket, address: object) -> None:
        raise AssertionError(f"the program connects to {address}")

    for method in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, method, refuse)


@pytest.fixture
def _own_config() -> Iterator[None]:
    yield
    set_all_config({})


def preview(monkeypatch: pytest.MonkeyPatch, folder: str, **config: str) -> Preview:
    """Run an example as the CLI would: with its project's defaults, overridden by these values."""
    project = yaml.safe_load((ROOT / "examples" / folder / "Pulumi.yaml").read_text())
    defaults = {key: str(entry["default"]) for key, entry in project["config"].items() if "default" in entry}
    monitor = RecordingMonitor(ReferringMocks())
    needs: list[Any] = []
    exported: dict[str, object] = {}

    def ask(*arguments: Any, **_: Any) -> None:
        assert monitor.declared() == []
        needs.append(arguments[-1])

    monkeypatch.setattr(docker_target, "preflight", ask)
    monkeypatch.setattr(kubernetes_target, "preflight", ask)
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    monkeypatch.delenv("MILLRACE_IMAGES", raising=False)

    def program() -> Mapping[str, object]:
        set_all_config({f"{project['name']}:{key}": value for key, value in (defaults | config).items()})
        runpy.run_path(str(ROOT / "examples" / folder), run_name="__main__")
        return exported

    run = declared_by(program, monitor, project["name"])
    reads = [inputs["name"] for type_, _, inputs in monitor.mocks.resources if type_ == STACK_REFERENCE]
    return Preview(run, reads, needs)


pytestmark = pytest.mark.usefixtures("_no_network", "_own_config")


def test_docker_topics_declares_these_resources_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(monkeypatch, "docker-topics")
    assert found.names() == sorted(
        [
            (NETWORK, "network"),
            (IMAGE, "image-apache/kafka:3.9.2"),
            (VOLUME, "streaming-data"),
            (ENSEMBLE, "zookeeper"),
            (CREDENTIALS, "zookeeper-super"),
            (CONTAINER, "zookeeper-0"),
            (MEMBER_SET, "zookeeper-members"),
            (CLUSTER, "kafka"),
            (CONTAINER, "kafka-0"),
            (MEMBER_SET, "kafka-members"),
            (TOPIC_SET, "topics"),
            (HEALTH_GATE, "health"),
        ]
    )
    assert found.outputs["bootstrapServers"] == "127.0.0.1:9192"
    assert found.outputs["topics"] == {"orders": ORDERS, "customers": CUSTOMERS}
    assert found.outputs["health"] == "all parts are healthy"


def test_the_topics_of_docker_topics_have_exactly_these_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(monkeypatch, "docker-topics")
    assert found.inputs(TOPIC_SET) == {
        "setName": "topics",
        "bootstrap": "127.0.0.1:9192",
        "brokers": {"kafka-0": "127.0.0.1:9192"},
        "topics": {"orders": ORDERS, "customers": CUSTOMERS},
        "factorsByDefault": ["customers", "orders"],
        "existing": "refuse",
        "ownCluster": True,
        "toDelete": [],
        "toRelease": [],
        "protect": False,
        "deleteWithSet": False,
        "deadline": 180,
        "logs": {"kafka-0": "docker logs --tail 50 millrace-docker-topics-unit-kafka-0"},
        "trigger": {"kafka-0": "kafka-0-id"},
    }
    assert found.one(TOPIC_SET).retain_on_delete
    assert "kafka-0" in found.one(TOPIC_SET).dependencies
    assert found.one(HEALTH_GATE).dependencies >= {"topics"}


def test_the_ports_of_docker_topics_are_those_of_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(monkeypatch, "docker-topics", kafkaPort="23092", zookeeperPort="23181")
    (needs,) = found.needs
    assert needs.ports == {
        "millrace-docker-topics-unit-zookeeper-0": [23181],
        "millrace-docker-topics-unit-kafka-0": [23092],
    }
    assert needs.images == ["apache/kafka:3.9.2"]
    assert found.outputs["bootstrapServers"] == "127.0.0.1:23092"


def test_an_invalid_setting_of_an_example_is_reported_and_nothing_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pulumi.RunError, match="KafkaSettings: 1 mistake\n  - port"):
        preview(monkeypatch, "docker-topics", kafkaPort="70000")


def test_topics_only_declares_a_topic_set_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    found = preview(monkeypatch, "topics-only", bootstrapServers="kafka.example.com:9092")
    assert found.names() == [(TOPIC_SET, "topics")]
    invoices = {"partitions": 2, "replicationFactor": 1, "config": {"retention.ms": str(30 * DAY_MS)}, "protect": False}
    assert found.inputs(TOPIC_SET) == {
        "setName": "topics",
        "bootstrap": "kafka.example.com:9092",
        "brokers": {},
        "topics": {"invoices": invoices},
        "factorsByDefault": [],
        "existing": "refuse",
        "ownCluster": False,
        "toDelete": [],
        "toRelease": [],
        "protect": False,
        "deleteWithSet": False,
        "deadline": 180,
        "logs": {},
        "trigger": {},
    }
    assert found.outputs == {"topics": {"invoices": invoices}}
    assert found.needs == []


@pytest.fixture
def kubernetes(monkeypatch: pytest.MonkeyPatch) -> Preview:
    return preview(monkeypatch, "kubernetes", context="shop-cluster", namespaceStack=NAMESPACE_STACK)


def test_kubernetes_declares_these_resources_and_no_others(kubernetes: Preview) -> None:
    servers = {
        (kind, name)
        for workload in ("zookeeper", "kafka", "redis")
        for kind, name in (
            ("kubernetes:apps/v1:StatefulSet", workload),
            ("kubernetes:core/v1:Service", workload),
            ("kubernetes:core/v1:Service", f"{workload}-client"),
            ("kubernetes:core/v1:ServiceAccount", workload),
            ("kubernetes:networking.k8s.io/v1:NetworkPolicy", workload),
            ("kubernetes:policy/v1:PodDisruptionBudget", workload),
            (CONFIG_MAP, f"{workload}-config"),
            (MEMBER_STORAGE, f"{workload}-storage"),
            (GATED_ROLL, f"{workload}-roll"),
        )
    }
    others = {
        ("pulumi:providers:kubernetes", "cluster"),
        ("kubernetes:networking.k8s.io/v1:NetworkPolicy", "default-deny"),
        (ENSEMBLE, "zookeeper"),
        (CLUSTER, "kafka"),
        (REDIS, "redis"),
        (CREDENTIALS, "zookeeper-super"),
        (SECRET, "zookeeper-files"),
        (CREDENTIALS, "redis-password"),
        (REDIS_PASSWORDS, "redis-passwords"),
        (SECRET, "redis-files"),
        (TOPIC_SET, "topics"),
        (HEALTH_GATE, "health"),
    }
    assert kubernetes.names() == sorted(servers | others), "no namespace, and no object outside one"


def test_every_object_is_in_the_namespace_of_the_referenced_stack(kubernetes: Preview) -> None:
    assert kubernetes.reads == [NAMESPACE_STACK]
    objects = [item for item in kubernetes.run.resources if item.type.startswith("kubernetes:")]
    assert len(objects) == 24
    assert {item.inputs["metadata"]["namespace"] for item in objects} == {NAMESPACE}
    assert {item.provider for item in objects} == {"cluster"}
    assert kubernetes.one("pulumi:providers:kubernetes").inputs["context"] == "shop-cluster"


def test_preflight_checks_no_permission_outside_the_namespace(kubernetes: Preview) -> None:
    (needs,) = kubernetes.needs
    assert (needs.context, needs.namespace, needs.create_namespace) == ("shop-cluster", None, False)
    assert (needs.storage_class, needs.zones) == (None, False)


def test_topics_and_health_gate_reach_every_server_through_the_kubernetes_api(kubernetes: Preview) -> None:
    broker = f"kafka-0.kafka.{NAMESPACE}.svc.cluster.local"
    hosts = [f"{name}-0.{name}.{NAMESPACE}.svc.cluster.local" for name in ("zookeeper", "kafka", "redis")]
    route = {"context": "shop-cluster", "namespace": NAMESPACE, "hosts": hosts}
    logs = f"kubectl --context shop-cluster -n {NAMESPACE} logs --tail 50 "
    assert kubernetes.inputs(TOPIC_SET) == {
        "setName": "topics",
        "bootstrap": f"{broker}:29092",
        "brokers": {"kafka-0": f"{broker}:29092"},
        "topics": {"orders": ORDERS, "customers": CUSTOMERS},
        "factorsByDefault": ["customers", "orders"],
        "existing": "refuse",
        "ownCluster": True,
        "toDelete": [],
        "toRelease": [],
        "protect": False,
        "deleteWithSet": False,
        "deadline": 180,
        "logs": {"kafka-0": f"{logs}kafka-0"},
        "trigger": {"kafka-0": "kafka-0-uid"},
        "route": {**route, "hosts": [hosts[1]]},
    }
    gate = kubernetes.inputs(HEALTH_GATE)
    assert gate["route"] == route
    assert gate["zookeeper"] == {"zookeeper-0": f"{hosts[0]}:2181"}
    assert gate["kafka"] == {"bootstrap": f"{broker}:29092", "brokers": {"kafka-0": f"{broker}:29092"}}
    assert gate["redis"]["password"] == GENERATED_PASSWORD
    assert gate["trigger"].keys() == gate["logs"].keys() == {"zookeeper-0", "kafka-0", "redis-0"}


def test_outputs_of_kubernetes_are_addresses_inside_the_cluster(kubernetes: Preview) -> None:
    assert kubernetes.outputs["bootstrapServers"] == f"kafka-0.kafka.{NAMESPACE}.svc.cluster.local:29092"
    assert kubernetes.outputs["redisUrl"].endswith(f"@redis-0.redis.{NAMESPACE}.svc.cluster.local:6379/0")
    assert sorted(kubernetes.outputs["topics"]) == ["customers", "orders"]


def test_the_platform_team_s_program_creates_the_namespace_and_exports_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = preview(monkeypatch, "kubernetes/namespace", context="shop-cluster")
    assert found.names() == [
        ("kubernetes:core/v1:Namespace", "namespace"),
        ("pulumi:providers:kubernetes", "cluster"),
    ]
    assert found.outputs == {"namespace": "streaming-example"}


def test_the_package_depends_on_what_components_import_with_pinned_versions() -> None:
    modules = {
        name
        for file in (ROOT / "components").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in imported(node)
    }
    owners = metadata.packages_distributions()
    imports = {owner.lower().replace("_", "-") for name in modules - {"components"} for owner in owners.get(name, ())}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert sorted(imports) == declared
    pins = re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert set(declared) <= {pin.lower().replace("_", "-") for pin in pins}


def imported(node: ast.AST) -> list[str]:
    """The top-level modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if isinstance(node, ast.ImportFrom) and node.module else []
