"""Faults on a fake Kubernetes cluster, which drills apply where, and the members they target.

Source: ops/drills/faults/, ops/drills/catalogue.py.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from components.kafka.client import ClusterState, Partition
from components.targets.kubernetes.client import Pod
from ops.drills import faults, health
from ops.drills.catalogue import DRILLS, InitialState
from ops.drills.faults import pods
from ops.errors import RefusedError, UnreachableError
from ops.platform import Platform
from tests.unit.targets.kubernetes.clusters import LABELS, NAMESPACE, Clock, FakeCluster, address


def platform(target: str = "kubernetes") -> Platform:
    return Platform(
        stack="test",
        name="millrace-test",
        target=target,
        brokers={f"kafka-{n}": address(f"kafka-{n}") for n in range(3)},
        zookeeper={f"zookeeper-{n}": address(f"zookeeper-{n}") for n in range(3)},
        redis={"redis-0": address("redis-0")},
        via={"context": "test", "namespace": NAMESPACE, "hosts": []},
    )


class Pods(FakeCluster):
    """A cluster that records grace periods, and lists pods by this platform's labels."""

    is_broken_on_purpose = True

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        assert selector == {"app.kubernetes.io/instance": "millrace-test", "app.kubernetes.io/name": self.workload}
        return super().pods(namespace, LABELS)

    def delete_pod(self, namespace: str, name: str, uid: str, grace_seconds: int | None = None) -> None:
        self.graces = [*getattr(self, "graces", []), grace_seconds]
        super().delete_pod(namespace, name, uid)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Pods:
    clock = Clock()
    clock.runs(monkeypatch, pods)
    cluster = Pods(clock, "kafka", 3)
    monkeypatch.setattr(pods, "connect", lambda kubeconfig, context: cluster)
    return cluster


def test_a_pod_is_lost_without_a_grace_period_and_its_stateful_set_recreates_it(cluster: Pods) -> None:
    fault = faults.member_loss(platform(), "kafka-1")
    fault.inject()
    assert (cluster.deleted, cluster.graces) == (["kafka-1"], [0])
    fault.heal()
    fault.heal()
    assert cluster.deleted == ["kafka-1"], "healing breaks nothing"


def test_a_pod_restarts_with_its_own_grace_period_and_is_gone_before_replicas_are_checked(cluster: Pods) -> None:
    before = cluster.by_name["kafka-2"].uid
    faults.member_restart(platform(), "kafka-2").inject()
    assert (cluster.deleted, cluster.graces) == (["kafka-2"], [None])
    now = cluster.by_name.get("kafka-2")
    assert now is None or now.uid != before


def test_a_missing_pod_is_reported_by_name(cluster: Pods) -> None:
    del cluster.by_name["kafka-1"]
    with pytest.raises(UnreachableError, match="no pod kafka-1"):
        faults.member_loss(platform(), "kafka-1").inject()


@pytest.mark.parametrize("kind", ["network-partition", "full-disk"])
def test_what_needs_a_container_is_refused_on_kubernetes(kind: str) -> None:
    with pytest.raises(RefusedError, match="Docker only"):
        faults.make(kind, platform(), "kafka-1")


@pytest.mark.parametrize("name", list(DRILLS))
def test_each_drill_says_whether_it_applies(name: str) -> None:
    assert DRILLS[name].refusal(platform("docker")) is None
    applies = DRILLS[name].refusal(platform()) is None
    assert applies == (name not in ("network-partition", "disk-full"))


@pytest.mark.parametrize("name", list(DRILLS))
def test_each_drill_names_an_existing_kind_of_fault(name: str) -> None:
    assert DRILLS[name].fault in faults.KINDS


def initial(controller: int = 1) -> InitialState:
    state = ClusterState({n: address(f"kafka-{n}") for n in range(3)}, controller)
    roles: Any = {"zookeeper-0": "follower", "zookeeper-1": "follower", "zookeeper-2": "leader"}
    return InitialState(platform(), state, roles)


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("broker-loss", "kafka-0"),
        ("controller-loss", "kafka-1"),
        ("zookeeper-leader-loss", "zookeeper-2"),
        ("redis-restart", "redis-0"),
    ],
)
def test_a_drill_chooses_its_target(name: str, member: str) -> None:
    assert DRILLS[name].targets(initial(), None) == [member]


def test_the_controller_is_a_target_only_if_requested() -> None:
    assert DRILLS["broker-loss"].targets(initial(controller=0), None) == ["kafka-1"]
    assert DRILLS["broker-loss"].targets(initial(controller=0), "kafka-0") == ["kafka-0"]


@pytest.mark.parametrize(("name", "asked"), [("broker-loss", "kafka-7"), ("controller-loss", "kafka-0")])
def test_a_member_that_a_drill_cannot_target_is_refused_with_those_it_can(name: str, asked: str) -> None:
    with pytest.raises(RefusedError, match="can target kafka-"):
        DRILLS[name].targets(initial(), asked)


def test_a_rolling_restart_ends_with_the_controller() -> None:
    assert DRILLS["rolling-restart"].targets(initial(controller=0), None) == ["kafka-1", "kafka-2", "kafka-0"]


def test_topics_that_cannot_lose_a_broker_are_named_once() -> None:
    partitions = [
        Partition("single", 0, 0, (0,), (0,)),
        Partition("single", 1, 0, (0,), (0,)),
        Partition("elsewhere", 0, 1, (1,), (1,)),
        Partition("tight", 0, 0, (0, 1), (0, 1)),
        Partition("fine", 0, 0, (0, 1, 2), (0, 1, 2)),
    ]
    state = ClusterState({}, 0, partitions)
    lines = health.topics_at_risk(state, [0], {"single": 1, "tight": 2, "fine": 2})
    assert [line.partition(":")[0] for line in lines] == ["topic single", "topic tight"]
    assert "replication factor 2 and min.insync.replicas 2" in lines[1]


def test_many_such_topics_are_counted() -> None:
    partitions = [Partition(f"t{number}", 0, 0, (0,), (0,)) for number in range(9)]
    lines = health.topics_at_risk(ClusterState({}, 0, partitions), [0], {})
    assert lines[-1] == "and 4 more topics"
    assert len(lines) == 6


@pytest.mark.parametrize(("members", "reasons"), [({"kafka-0": ""}, 1), ({"a": "", "b": "", "c": ""}, 0)])
def test_a_cluster_of_less_than_three_cannot_lose_a_member(members: dict[str, str], reasons: int) -> None:
    assert len(health.too_few(members, "broker")) == reasons
