"""A namespace that a different resource of the program names: unknown until that resource exists.

Source: components/targets/kubernetes/target.py.
Proof limit: no cluster is contacted.
"""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.errors import PreflightError
from components.platform import StreamingPlatform, StreamingPlatformArgs
from components.stack_file.images import choose_images
from components.targets.kubernetes import preflight as module
from components.targets.kubernetes.addresses import ClusterOptions
from components.targets.kubernetes.objects import StorageClass
from components.targets.kubernetes.preflight import ClusterNeeds, preflight
from components.targets.kubernetes.target import KubernetesTarget
from tests.unit.mocks import (
    GATED_ROLL,
    HEALTH_GATE,
    MEMBER_STORAGE,
    TOPIC_SET,
    Run,
    declared_by,
    run_on_cluster,
    settings_of,
)

NAME = "millrace-prod"
SHARED = ("kubernetes:core/v1:Namespace", "shared")
CLUSTER_WIDE = {
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
    "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
}
SETTINGS = settings_of("prod", kubernetes={"context": "production", "namespace": "streaming", "createNamespace": False})


def options(namespace: pulumi.Input[str], **changes: Any) -> ClusterOptions:
    return ClusterOptions(context="production", namespace=namespace, create_namespace=False, **changes)


@pytest.fixture(scope="module")
def shared() -> Run:
    """The prod stack in a namespace that the same program creates."""

    def program() -> Mapping[str, object]:
        namespace = k8s.core.v1.Namespace("shared", metadata={"name": "streaming"})
        target = KubernetesTarget(NAME, options(namespace.metadata.apply(lambda made: str(made.name))))
        args = StreamingPlatformArgs(settings=SETTINGS, images=choose_images(SETTINGS, {}), target=target)
        return StreamingPlatform(NAME, args).outputs.by_name()

    return declared_by(program)


@pytest.fixture(scope="module")
def named() -> Run:
    """The prod stack in a namespace that the stack file names."""
    return run_on_cluster(SETTINGS, NAME)


def test_resources_are_the_same_as_with_a_namespace_of_the_stack_file(shared: Run, named: Run) -> None:
    made = {(item.type, item.name): item.inputs for item in shared.resources}
    assert made.pop(SHARED)
    assert made == {(item.type, item.name): item.inputs for item in named.resources}
    assert shared.outputs == named.outputs
    assert shared.secret_outputs == named.secret_outputs


def test_every_object_is_in_the_namespace_and_depends_on_it(shared: Run) -> None:
    objects = [
        item
        for item in shared.resources
        if item.type.startswith("kubernetes:") and (item.type, item.name) != SHARED and item.type not in CLUSTER_WIDE
    ]
    assert len(objects) > 20
    for item in objects:
        assert item.inputs["metadata"]["namespace"] == "streaming", item.name
        assert SHARED in item.after, item.name


def test_routes_addresses_and_commands_contain_the_namespace(shared: Run) -> None:
    for type_ in (GATED_ROLL, MEMBER_STORAGE, TOPIC_SET, HEALTH_GATE):
        for item in shared.of(type_):
            route = item.inputs["route"]
            assert route["namespace"] == "streaming"
            assert route["hosts"]
            assert all(host.endswith(".streaming.svc.cluster.local") for host in route["hosts"])
    for item in shared.of(GATED_ROLL):
        assert all(".streaming.svc.cluster.local:" in address for address in item.inputs["members"].values())
        assert all(" -n streaming logs " in command for command in item.inputs["logs"].values())


def test_member_names_contain_the_namespace() -> None:
    workload = "kafka"

    def program() -> Mapping[str, object]:
        target = KubernetesTarget(NAME, options(pulumi.Output.from_input("data"), domain="example.internal"))
        return {"host": target.host(workload, 2), "logs": target.logs_command("kafka-2")}

    assert declared_by(program).outputs == {
        "host": "kafka-2.kafka.data.svc.example.internal",
        "logs": "kubectl --context production -n data logs --tail 50 kafka-2",
    }


def test_a_plain_namespace_gives_plain_names() -> None:
    """So a preview shows them."""
    target = KubernetesTarget(NAME, options("data"))
    assert target.host("kafka", 2) == "kafka-2.kafka.data.svc.cluster.local"
    assert target.logs_command("kafka-2") == "kubectl --context production -n data logs --tail 50 kafka-2"


# -------------------------------------------------------------------------------------------------------- preflight


class FakeCluster:
    """A cluster that permits what a test sets, and records the namespaces of the checks."""

    def __init__(self, denies: Mapping[str, str] | None = None) -> None:
        self.denies = denies or {}
        """Denied kinds by namespace; "" means the whole cluster."""
        self.places: set[str | None] = set()

    def server_version(self) -> str:
        return "1.33.0"

    def denied(self, namespace: str | None, needs: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        self.places.add(namespace)
        return [need for need in needs if self.denies.get(need[2]) == (namespace or "")]

    def storage_class(self, _name: str | None) -> StorageClass:
        return StorageClass(name="fast", expandable=True, binding_mode="", default=True, reclaim="Retain")


def check(patch: pytest.MonkeyPatch, cluster: FakeCluster, namespace: str | None, *, create: bool = False) -> None:
    patch.setattr(module, "contexts", lambda _: ["production"])
    patch.setattr(module, "connect", lambda _, __: cluster)
    needs = ClusterNeeds(
        context="production",
        kubeconfig=None,
        namespace=namespace,
        create_namespace=create,
        storage_class=None,
        zones=True,
    )
    preflight(needs, dry_run=False)


def test_preflight_checks_no_permissions_in_an_unknown_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeCluster()
    check(monkeypatch, cluster, None)
    assert cluster.places == {None}, "only permissions for the whole cluster"
    check(monkeypatch, cluster, "streaming")
    assert cluster.places == {None, "streaming"}


def test_preflight_still_reports_denied_permissions_for_the_whole_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PreflightError) as caught:
        check(monkeypatch, FakeCluster({"clusterroles": "", "namespaces": ""}), None, create=True)
    namespaces, zones = caught.value.problems
    assert namespaces.startswith("you may not get, list, watch, create, patch, delete namespaces in the cluster")
    assert "clusterroles.rbac.authorization.k8s.io in the cluster" in zones


@pytest.mark.parametrize("plain", [True, False])
def test_the_target_passes_a_namespace_to_preflight_only_if_it_is_known(
    plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(
        "components.targets.kubernetes.target.preflight", lambda needs, *, dry_run: asked.append(needs.namespace)
    )

    def program() -> Mapping[str, object]:
        KubernetesTarget(NAME, options("data" if plain else pulumi.Output.from_input("data"))).preflight([])
        return {}

    declared_by(program)
    assert asked == ["data" if plain else None]
