"""An ensemble that grows and shrinks on a real cluster, under load.

Source: components/zookeeper/safety.py, components/targets/kubernetes/roll.py, components/targets/kubernetes/claims.py.
"""

import json
from collections.abc import Iterator, Mapping

import pytest

from components.routes import Route
from components.targets.routes import open_route
from components.zookeeper.client import member_states, role_findings, voters
from offline.cluster.kubectl import kubectl
from tests.cluster.clusters import CONTEXT, remove_namespaces
from tests.integration.ensembles import Ensemble, Load, kill_resize, tree
from tests.integration.stacks import eventually, standing


class ClusterEnsemble(Ensemble):
    """An ensemble in a namespace of its own."""

    def route(self) -> Route:
        """The tunnel to up to five members."""
        hosts = [f"zookeeper-{number}.zookeeper.{self.platform}.svc.cluster.local" for number in range(5)]
        return open_route({"context": CONTEXT, "namespace": self.platform, "hosts": hosts})

    def addresses(self) -> Mapping[str, str]:
        """Addresses on this machine, at the tunnel."""
        return {name: self.route().local(address) for name, address in super().addresses().items()}

    def kubectl(self, *words: str) -> str:
        """Run kubectl in its namespace."""
        return kubectl("-n", self.platform, *words)

    def pods(self) -> dict[str, str]:
        """The uid of each pod, by name."""
        items = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}

    def destroy(self) -> None:
        """Destroy the stack and remove any leftovers."""
        try:
            self.change("destroy", check=False)
        finally:
            remove_namespaces(self.platform)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterEnsemble]:
    """An ensemble of one member, up and healthy."""
    stack = ClusterEnsemble(tmp_path_factory.mktemp("ensemble") / "project", "ensemble", context=CONTEXT)
    with standing(stack):
        yield stack


def first(ensemble: ClusterEnsemble) -> list[str]:
    """The address of the first member, as the functions that read an ensemble take it."""
    return [ensemble.addresses()["zookeeper-0"]]


def test_it_grows_and_shrinks_under_load_and_keeps_every_node(ensemble: ClusterEnsemble) -> None:
    ensemble.up("--refresh")
    assert ensemble.password() not in ensemble.state()
    pod = ensemble.pods()["zookeeper-0"]
    with Load(first(ensemble)) as load:
        kill_resize(ensemble, 3)
        for members in (3, 5, 1):
            ensemble.resize(members)
            load.goes_on()
            assert sorted(voters(first(ensemble))) == list(range(1, members + 1))
            assert role_findings(ensemble.addresses(), {}) == [], "one leader, and all others its followers"
            grown = set(load.acknowledged)
            for address in ensemble.addresses().values():
                assert grown <= tree([address]).keys(), "members that were added copied what was there"
    assert load.acknowledged <= tree(first(ensemble)).keys(), "every acknowledged node is still there"
    assert ensemble.pods() == {"zookeeper-0": pod}, "the first member never restarted"


def test_a_member_that_lost_its_volume_does_not_found_an_empty_ensemble(ensemble: ClusterEnsemble) -> None:
    """A claim that is deleted by hand comes back empty; nothing may take that for the ensemble's data."""
    before = ensemble.pods()["zookeeper-0"]
    script = "rm -rf /var/lib/kafka/data/zookeeper-0/*"
    ensemble.kubectl("exec", "zookeeper-0", "--", "bash", "-c", script)
    ensemble.kubectl("delete", "pod", "zookeeper-0", "--wait=true", "--grace-period=1")
    eventually(lambda: ensemble.pods().get("zookeeper-0", before) != before, 60, "a new pod")
    phase = ("get", "pod", "zookeeper-0", "-o", "jsonpath={.status.phase}")
    eventually(lambda: ensemble.kubectl(*phase) == "Running", 60, "its container")
    log = "it waits for an ensemble that it can join"
    eventually(lambda: log in ensemble.kubectl("logs", "zookeeper-0", "--tail=-1"), 60, "the start of the member")
    assert [state.mode for state in member_states(ensemble.addresses()).values()] == [None]
