"""The prod stack file previewed by the real CLI without a cluster: it shows every resource and creates none.

Not covered: whether an API server accepts the objects; tests/cluster checks that.
"""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.stacks import PROJECT, Result, Stack

PASSWORD = "hunter2-of-production"
CREATED = {
    "pulumi:pulumi:Stack": 1,
    "pulumi:index:Stash": 2,
    "millrace:index:StreamingPlatform": 1,
    "millrace:index:ZooKeeperEnsemble": 1,
    "millrace:index:KafkaCluster": 1,
    "millrace:index:RedisServer": 1,
    "pulumi:providers:kubernetes": 1,
    "kubernetes:core/v1:Namespace": 1,
    "kubernetes:core/v1:ServiceAccount": 3,
    "kubernetes:core/v1:ConfigMap": 4,
    "kubernetes:core/v1:Secret": 3,
    "kubernetes:core/v1:Service": 6,
    "kubernetes:apps/v1:StatefulSet": 3,
    "kubernetes:policy/v1:PodDisruptionBudget": 3,
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": 4,
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole": 1,
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding": 1,
    "pulumi-python:dynamic/millrace:MemberStorage": 3,
    "pulumi-python:dynamic/millrace:NamespaceRemoval": 1,
    "pulumi-python:dynamic/millrace:GatedRoll": 3,
    "pulumi-python:dynamic/millrace:Credentials": 2,
    "pulumi-python:dynamic/millrace:RedisPasswords": 1,
    "pulumi-python:dynamic/millrace:TopicSet": 1,
    "pulumi-python:dynamic/millrace:HealthGate": 1,
}
TOPICS = {"messages": 100, "file_merge_requests": 50, "message_status_updates": 50, "dlq": 3, "stock_ticks": 6}


def preview(stack: Stack, *flags: str) -> Result:
    """Preview without a kubeconfig, whatever this machine has."""
    nowhere = {"KUBECONFIG": str(stack.folder / "no-kubeconfig"), "MILLRACE_IMAGES": "public"}
    return stack.run("preview", "--stack", stack.name, *flags, environment=nowhere)


@dataclass
class Shown:
    """The preview's JSON document."""

    document: dict[str, Any]

    def types(self) -> Counter[str]:
        return Counter(step["newState"]["type"] for step in self.document["steps"])

    def inputs(self, type_: str) -> dict[str, dict[str, Any]]:
        """The inputs of a type's resources, by name."""
        steps = (step for step in self.document["steps"] if step["newState"]["type"] == type_)
        return {step["urn"].rpartition("::")[2]: step["newState"]["inputs"] for step in steps}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The prod stack file as it is, never brought up."""
    return Stack(tmp_path_factory.mktemp("preview") / "project", "test-preview", "Pulumi.prod.yaml")


@pytest.fixture(scope="module")
def shown(stack: Stack) -> Shown:
    result = preview(stack, "--json")
    assert result.code == 0, result.output
    return Shown(json.loads(result.output))


def test_the_preview_succeeds_and_warns_that_no_cluster_was_used(stack: Stack) -> None:
    result = preview(stack)
    assert result.code == 0, result.output
    assert f"+ {sum(CREATED.values())} to create" in result.output
    assert "there is no kubeconfig at" in result.output
    assert "This preview is made without a cluster: nothing was validated against one." in result.output
    assert "Traceback" not in result.output


def test_the_preview_shows_exactly_these_resources(shown: Shown) -> None:
    assert shown.types() == CREATED
    assert shown.document["changeSummary"] == {"create": sum(CREATED.values())}


def test_the_json_also_warns_that_no_cluster_was_used(shown: Shown) -> None:
    (warning,) = (item["message"] for item in shown.document["diagnostics"] if item["severity"] == "warning")
    assert "nothing was validated against one" in warning


def test_servers_have_replicas_images_security_contexts_and_disruption_budgets(shown: Shown) -> None:
    sets = shown.inputs("kubernetes:apps/v1:StatefulSet")
    assert {name: item["spec"]["replicas"] for name, item in sets.items()} == {"zookeeper": 3, "kafka": 3, "redis": 1}
    for item in sets.values():
        assert item["metadata"]["namespace"] == "streaming"
        assert item["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    images = {name: item["spec"]["template"]["spec"]["containers"][0]["image"] for name, item in sets.items()}
    assert images["kafka"] == images["zookeeper"]
    assert images["kafka"].startswith("apache/kafka:")
    assert images["redis"].startswith("redis:")
    budgets = shown.inputs("kubernetes:policy/v1:PodDisruptionBudget")
    assert {item["spec"]["maxUnavailable"] for item in budgets.values()} == {1}


def test_the_rendered_files_hold_the_production_settings(shown: Shown) -> None:
    files = shown.inputs("kubernetes:core/v1:ConfigMap")
    broker = files["kafka-config"]["data"]["server.properties"].splitlines()
    assert f"log.retention.ms={168 * 60 * 60 * 1000}" in broker
    assert "default.replication.factor=3" in broker
    assert "min.insync.replicas=2" in broker
    assert "auto.create.topics.enable=false" in broker
    assert "unclean.leader.election.enable=false" in broker
    assert "appendonly yes" in files["redis-config"]["data"]["redis.conf"].splitlines()


def test_the_topics_are_the_declared_ones(shown: Shown) -> None:
    (topics,) = shown.inputs("pulumi-python:dynamic/millrace:TopicSet").values()
    assert {name: topic["partitions"] for name, topic in topics["topics"].items()} == TOPICS
    for topic in topics["topics"].values():
        assert topic["replicationFactor"] == 3
        assert topic["config"]["min.insync.replicas"] == "2"


@pytest.mark.parametrize("flags", [(), ("--diff",), ("--json",)], ids=["plain", "diff", "json"])
def test_a_password_of_the_stack_file_is_never_shown(stack: Stack, flags: tuple[str, ...]) -> None:
    stack.run("config", "set", "--stack", stack.name, "--secret", "--path", "millrace:redis.password", PASSWORD)
    stack.config = yaml.safe_load((stack.folder / f"Pulumi.{stack.name}.yaml").read_text())["config"]
    try:
        assert "secure" in stack.config["millrace:redis"]["password"], "the stack file holds an encrypted password"
        result = preview(stack, *flags)
        assert result.code == 0, result.output
        assert PASSWORD not in result.output
    finally:
        del stack.config["millrace:redis"]


def test_a_generated_password_is_not_in_the_preview(shown: Shown) -> None:
    assert set(shown.inputs("pulumi-python:dynamic/millrace:Credentials")) == {"redis-password", "zookeeper-super"}
    for item in shown.inputs("kubernetes:core/v1:Secret").values():
        assert [item[key] for key in ("data", "stringData") if key in item] == ["[secret]"]


def test_nothing_was_created(stack: Stack, shown: Shown) -> None:
    assert "resources" not in json.loads(stack.state())["checkpoint"]["latest"]


def no_context(stack: Stack) -> None:
    del stack.config["millrace:kubernetes"]["context"]


def node_ports_out_of_range(stack: Stack) -> None:
    stack.config["millrace:kafka"] = {
        "external": "nodePort",
        "advertisedHost": "nodes.example",
        "port": 9092,
        "allowInsecureExternal": True,
    }


def too_many_replicas(stack: Stack) -> None:
    stack.topic("dlq")["replicationFactor"] = 5


MISTAKES: dict[Callable[[Stack], None], str] = {
    no_context: "kubernetes.context is required with target kubernetes",
    node_ports_out_of_range: "kafka.port is 9092: node ports are 30000 to 32767",
    too_many_replicas: "replication factor 5 is more than the 3 brokers there are",
}


def test_all_mistakes_are_shown_at_once_and_fail_the_preview(tmp_path: Path) -> None:
    wrong = Stack(tmp_path / "project", "test-wrong", "Pulumi.prod.yaml")
    for mistake in MISTAKES:
        mistake(wrong)
    result = preview(wrong)
    assert result.code != 0
    for message in MISTAKES.values():
        assert message in result.output
    assert f"{len(MISTAKES)} mistakes; nothing was changed" in result.output
    assert "Traceback" not in result.output


def test_make_prints_only_the_json() -> None:
    environment = {**os.environ, "KUBECONFIG": "/nowhere", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    done = subprocess.run(
        ["make", "-s", "preview-prod-json"], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"]
