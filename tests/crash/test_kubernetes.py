"""Updates on Kubernetes that are killed anywhere: what `make up` and `make down` do then."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from offline.cluster.kubectl import kubectl
from tests.cluster.clusters import ClusterStack
from tests.cluster.conftest import _clean_cluster  # noqa: F401  a fixture for all tests here
from tests.crash.kills import CYCLE, Platform, points

pytestmark = pytest.mark.cluster

POINTS = int(os.environ.get("MILLRACE_CRASH_POINTS", "6"))
_KINDS = "configmaps,secrets,services,serviceaccounts,statefulsets,poddisruptionbudgets,networkpolicies"
_CLUSTER_KINDS = "namespaces,clusterroles,clusterrolebindings"


class ClusterPlatform(Platform):
    """A platform in a namespace of the cluster."""

    stack: ClusterStack

    def clients(self) -> tuple[Sequence[str], str | None]:
        return self.stack.servers(), self.stack.route().proxy_url

    def leftovers(self) -> list[str]:
        latest = json.loads(self.stack.state())["checkpoint"]["latest"]
        known = {item["id"] for item in latest.get("resources", []) if item["type"].startswith("kubernetes:")}
        return sorted(self.objects() - known)

    def objects(self) -> set[str]:
        """Ids of the objects with the stack's label."""
        selector = f"app.kubernetes.io/instance={self.stack.platform}"
        found: set[str] = set()
        for words in (("-n", self.stack.namespace, "get", _KINDS), ("get", _CLUSTER_KINDS)):
            for item in json.loads(kubectl(*words, "-l", selector, "-o", "json"))["items"]:
                metadata = item["metadata"]
                space = metadata.get("namespace")
                found.add(f"{space}/{metadata['name']}" if space else metadata["name"])
        return found


@pytest.fixture
def light(tmp_path: Path) -> Iterator[ClusterStack]:
    cluster = {"context": "millrace-test", "namespace": "millrace-test-crash"}
    place = {"images": "local", "target": "kubernetes", "kubernetes": cluster}
    stack = ClusterStack(tmp_path / "project", "test-crash", "Pulumi.dev.yaml", place)
    stack.set("health.deadline", "3m")
    try:
        yield stack
    finally:
        stack.destroy()


def test_a_killed_update_heals(light: ClusterStack) -> None:
    platform = ClusterPlatform(light)
    platform.measure()
    for point in points(POINTS):
        platform.run(CYCLE[point.number % len(CYCLE)], point)
    light.change("destroy")
    assert platform.objects() == set()
