"""Stacks on the test cluster. Leftovers are removed before the first test and after the last."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline.cluster.kubectl import kubectl
from offline.cluster.layout import KUBECONFIG
from tests.cluster.clusters import ClusterStack, deployer, overlay, remove_namespaces
from tests.integration.stacks import standing
from tests.runs import only_run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the test cluster."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session", autouse=True)
def _clean_cluster() -> Iterator[None]:
    with only_run("cluster"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(KUBECONFIG))
        remove_namespaces()
        yield
        remove_namespaces()


@pytest.fixture(autouse=True, scope="module")
def _every_node_is_schedulable() -> Iterator[None]:
    """Uncordon the nodes that a failed test left cordoned."""
    yield
    for node in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]:
        if node["spec"].get("unschedulable"):
            kubectl("uncordon", node["metadata"]["name"])


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStack]:
    """The prod stack file with the overlay, up and healthy, with the rights of docs/rbac.yaml and no others."""
    stack = ClusterStack(tmp_path_factory.mktemp("prod") / "project", "test-prod", "Pulumi.prod.yaml", overlay())
    stack.kubeconfig = deployer(stack.folder)
    with standing(stack):
        yield stack


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStack]:
    """The dev stack file on the cluster: one member of each kind, up and healthy."""
    place = {
        "images": "local",
        "target": "kubernetes",
        "kubernetes": {"context": "millrace-test", "namespace": "millrace-test-small"},
    }
    stack = ClusterStack(tmp_path_factory.mktemp("small") / "project", "test-small", "Pulumi.dev.yaml", place)
    stack.set("health.deadline", "3m")
    with standing(stack):
        yield stack
