"""The roll of a StatefulSet's pods, step by step, on a fake cluster with its own clock.

Source: components/targets/kubernetes/roll.py.
Proof limit: the cluster and the servers are models that follow their documentation; the tests on a real cluster
roll real pods.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from components.errors import ClusterError, PlatformError, UnhealthyError
from components.kafka import health as kafka_health
from components.routes import DIRECT
from components.targets.kubernetes import roll as rolls
from components.targets.kubernetes.provider import GatedRollProvider
from components.zookeeper import client as zookeeper
from components.zookeeper import safety as ensemble_safety
from components.zookeeper.client import MemberState
from tests.unit.dynamic import from_engine, shown, unknown
from tests.unit.targets.kubernetes.clusters import (
    NEW,
    OLD,
    Clock,
    FakeCluster,
    FakePod,
    FakeServers,
    address,
    connected,
    inputs,
)

Props = dict[str, Any]


def props(workload: str, replicas: int = 3, **changes: Any) -> Props:
    """Inputs of a roll as the engine passes them."""
    own = {"template": {"pod": {"a": 1}, "files": {}}, "identities": None}
    logs = {f"{workload}-{ordinal}": f"kubectl logs {workload}-{ordinal}" for ordinal in range(replicas)}
    return from_engine({**inputs(workload, replicas, logs=logs, **own), **changes})


class Scene:
    """A cluster with servers in its pods, and the provider that rolls them."""

    def __init__(self, patch: pytest.MonkeyPatch, workload: str, replicas: int, **pods: Any) -> None:
        self.clock = Clock()
        self.clock.runs(patch, rolls)
        self.cluster = FakeCluster(self.clock, workload, replicas, **pods)
        self.servers = FakeServers(self.cluster, patch)
        self.asked = connected(patch, rolls, self.cluster)
        self.replicas = replicas
        self.props = props(workload, replicas)
        self.cluster.before_delete = self._guard
        self.steps: list[str] = []

    def _guard(self, name: str) -> None:
        """Asserted whenever a serving member is deleted."""
        cluster, servers = self.cluster, self.servers
        self.steps.append(name)
        if not cluster.by_name[name].ready:
            return
        away = [pod.name for pod in cluster.by_name.values() if not pod.ready]
        assert not away, f"{name} was deleted while {away} were away"
        if cluster.workload == "kafka":
            for partition in servers.state().partitions:
                minimum, replicas = servers.topics[partition.topic]
                left = set(partition.in_sync) - {int(name[-1])}
                assert len(left) >= minimum or len(replicas) <= minimum, f"{partition} fell below its minimum"

    def create(self) -> Props:
        result = GatedRollProvider.create.__wrapped__(GatedRollProvider(), self.props)  # type: ignore[attr-defined]
        assert result.id == f"streaming/{self.cluster.workload}"
        return result.outs

    def update(self, **changes: Any) -> Props:
        news = {**self.props, **changes}
        update: Any = GatedRollProvider.update
        return update.__wrapped__(GatedRollProvider(), "id", self.props, news).outs

    def fails(self) -> UnhealthyError:
        with pytest.raises(UnhealthyError) as caught:
            self.update()
        return caught.value


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    def make(workload: str, replicas: int = 3, **pods: Any) -> Scene:
        return Scene(monkeypatch, workload, replicas, **pods)

    return make


# ------------------------------------------------------------------------------------------------ the first time


@pytest.mark.parametrize(("workload", "replicas"), [("zookeeper", 3), ("kafka", 3), ("redis", 1), ("kafka", 1)])
def test_pods_that_are_up_to_date_are_not_restarted(workload: str, replicas: int, scene: Callable[..., Scene]) -> None:
    made = scene(workload, replicas, revision=NEW)
    outs = made.create()
    assert made.cluster.deleted == []
    assert made.cluster.scaled == []
    assert outs == {
        **made.props,
        "identities": {f"{workload}-{ordinal}": f"uid-{ordinal + 1}" for ordinal in range(replicas)},
    }
    assert made.asked == [(None, "test")], "no other context is ever used"


def test_the_kubeconfig_of_the_route_is_used(scene: Callable[..., Scene]) -> None:
    made = scene("redis", 1, revision=NEW)
    made.props["route"]["kubeconfig"] = "/etc/kube"
    made.create()
    assert made.asked == [("/etc/kube", "test")]


def test_a_first_start_waits_until_every_member_serves(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene("kafka", revision=NEW)
    for pod in made.cluster.by_name.values():
        pod.ready, pod.reasons = False, ("image is pulled",)
    outs = made.create()
    assert all(pod.ready for pod in made.cluster.by_name.values())
    assert made.cluster.deleted == []
    assert set(outs["identities"]) == {"kafka-0", "kafka-1", "kafka-2"}
    assert capsys.readouterr().err.startswith("waiting for kafka: kafka-0: image is pulled (and 2 more)\n")


def test_a_stateful_set_that_never_appears_is_reported(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.there = False
    error = made.fails()
    assert error.problems == ("StatefulSet kafka does not exist; expected it in namespace streaming",)


# ---------------------------------------------------------------------------------------------- members of a group


def test_new_members_get_their_votes_one_at_a_time_and_nobody_restarts(scene: Callable[..., Scene]) -> None:
    made = scene("zookeeper", revision=NEW)
    made.servers.voting = {1}
    made.update()
    assert made.servers.changes == ["+2", "+3"]
    assert made.cluster.deleted == []


def test_new_members_join_before_the_others_restart(scene: Callable[..., Scene]) -> None:
    """With them, the ensemble can do without one of the others."""
    made = scene("zookeeper")
    made.servers.voting = {1, 2}
    made.cluster.by_name["zookeeper-2"].revision = NEW
    seen: list[str] = []
    guard = made.cluster.before_delete
    made.cluster.before_delete = lambda name: (seen.extend(made.servers.changes), guard(name))[1]
    made.update()
    assert seen[:1] == ["+3"]
    assert made.cluster.deleted == ["zookeeper-1", "zookeeper-0"]


def test_a_growth_that_was_killed_goes_on_where_it_stopped(scene: Callable[..., Scene]) -> None:
    made = scene("zookeeper", 5, revision=NEW)
    made.servers.voting = {1, 2, 3, 4}
    made.update()
    made.update()
    assert made.servers.changes == ["+5"]


def test_members_may_found_their_group_until_it_exists(scene: Callable[..., Scene]) -> None:
    """From then on, one that lost its volume must find the others again."""
    made = scene("zookeeper", revision=NEW)
    made.cluster.config_maps["zookeeper-founding"] = {"members": "3"}
    made.cluster.by_name["zookeeper-2"].ready = False
    made.cluster.comes_back = lambda _: False
    made.fails()
    assert made.cluster.config_maps, "the next `up` may have to found it"
    made.cluster.comes_back = lambda _: True
    made.update()
    assert made.cluster.config_maps == {}


def test_a_member_that_does_not_get_its_vote_fails_the_roll_with_its_log(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene("zookeeper", revision=NEW)
    made.servers.voting = {1}
    made.cluster.config_maps["zookeeper-founding"] = {"members": "1"}

    def refuse(*_arguments: object, **_options: object) -> None:
        raise zookeeper.MembershipError("NewConfigNoQuorum")

    monkeypatch.setattr(ensemble_safety, "change_voters", refuse)
    error = made.fails()
    assert error.headline.startswith("zookeeper-1 is not a member with a vote after 60 s")
    assert error.problems[0].startswith("zookeeper-1: it cannot join yet (NewConfigNoQuorum)")
    assert made.cluster.config_maps, "an ensemble that is not complete is not known to exist"


# ------------------------------------------------------------------------------------------------------- the order


def test_brokers_restart_one_at_a_time_and_the_controller_last(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene("kafka")
    made.servers.leader = "kafka-1"
    outs = made.update()
    assert made.cluster.deleted == ["kafka-0", "kafka-2", "kafka-1"]
    assert {pod.revision for pod in made.cluster.by_name.values()} == {NEW}
    assert outs["identities"] == {name: pod.uid for name, pod in sorted(made.cluster.by_name.items())}
    assert all(int(uid[4:]) > 3 for uid in outs["identities"].values()), "dependents see the change of a member"
    reported = [line for line in capsys.readouterr().err.splitlines() if "restarting" in line]
    assert reported == [
        "kafka: restarting kafka-0 (1 of 3)",
        "kafka: restarting kafka-2 (2 of 3)",
        "kafka: restarting kafka-1 (3 of 3)",
    ]


@pytest.mark.parametrize("leader", [0, 1, 2])
def test_the_ensembles_leader_restarts_last(leader: int, scene: Callable[..., Scene]) -> None:
    made = scene("zookeeper")
    made.servers.leader = f"zookeeper-{leader}"
    made.update()
    followers = [f"zookeeper-{ordinal}" for ordinal in range(3) if ordinal != leader]
    assert made.cluster.deleted == [*followers, f"zookeeper-{leader}"], "the leader changes once"


def test_a_single_server_restarts_at_once(scene: Callable[..., Scene]) -> None:
    made = scene("redis", 1)
    made.update()
    assert made.cluster.deleted == ["redis-0"]
    assert made.servers.routes == [], "no safety check is made"


def test_a_member_that_does_not_serve_restarts_before_all_others(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.by_name["kafka-2"].ready = False
    made.update()
    assert made.cluster.deleted == ["kafka-2", "kafka-1", "kafka-0"], "the controller is last: it is kafka-0"


def test_a_member_that_does_not_serve_is_replaced_despite_lacking_replicas(scene: Callable[..., Scene]) -> None:
    """A broker that crashes because of the old template must be replaced although partitions lack replicas."""
    made = scene("kafka")
    made.servers.topics = {"orders": (2, (0, 1, 2))}
    made.cluster.by_name["kafka-0"].ready = False
    made.cluster.by_name["kafka-0"].unrecoverable = True
    made.update()
    assert made.cluster.deleted[0] == "kafka-0"
    assert sorted(made.cluster.deleted) == ["kafka-0", "kafka-1", "kafka-2"]


def test_only_pods_that_are_out_of_date_restart(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.by_name["kafka-0"].revision = NEW
    made.update()
    assert made.cluster.deleted == ["kafka-1", "kafka-2"]


def test_a_pod_of_a_removed_member_is_left_to_its_stateful_set(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.by_name["kafka-3"] = FakePod("kafka-3", "uid-9", OLD)
    outs = made.update()
    assert "kafka-3" not in made.cluster.deleted
    assert set(outs["identities"]) == {"kafka-0", "kafka-1", "kafka-2"}


def test_the_next_broker_waits_until_every_replica_is_in_sync_again(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.servers.sync_seconds = 20.0
    times: list[float] = []
    guard = made.cluster.before_delete

    def note(name: str) -> None:
        guard(name)
        times.append(made.clock.now)

    made.cluster.before_delete = note
    made.update()
    assert all(later - earlier >= 20 for earlier, later in pairwise(times))


def test_the_last_broker_is_awaited_too(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.update()
    state = made.servers.state()
    assert state.under_replicated == []
    assert len(state.brokers) == 3


def test_nothing_restarts_before_the_stateful_set_controller_has_seen_the_change(
    scene: Callable[..., Scene],
) -> None:
    """Until then the revision is the old one, and every pod would count as up to date."""
    made = scene("kafka")
    made.cluster.observed, made.cluster.update_revision = False, OLD

    def sees() -> None:
        if made.clock.now > 5:
            made.cluster.observed, made.cluster.update_revision = True, NEW

    made.clock.then.append(sees)
    made.update()
    assert len(made.cluster.deleted) == 3


def test_a_change_that_is_never_seen_ends_at_the_deadline(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.observed = False
    assert made.fails().problems == ("StatefulSet kafka: its controller has not seen the change yet",)
    assert made.cluster.deleted == []


def test_a_terminating_pod_is_awaited_and_not_deleted_again(scene: Callable[..., Scene]) -> None:
    """A drain evicts a member: its successor already has the new template."""
    made = scene("kafka")
    drained = made.cluster.by_name["kafka-2"]
    drained.deleting, drained.ready = True, False
    made.update()
    assert sorted(made.cluster.deleted) == ["kafka-0", "kafka-1"]
    assert made.cluster.by_name["kafka-2"].revision == NEW


# --------------------------------------------------------------------------------------------------------- blocked


def test_a_broker_that_a_partition_needs_is_never_restarted(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.servers.stuck = {2}
    error = made.fails()
    assert made.cluster.deleted == [], "a blocked roll changes nothing"
    assert "kafka-1" in error.headline, "the next member: kafka-0 is the controller"
    assert error.problems[0] == ("orders-0: 2 of 3 replicas in sync; without broker 1 fewer than min.insync.replicas 2")
    assert any("under-replicated" in line for line in error.problems)


def test_a_partition_that_lacks_a_replica_blocks_even_above_its_minimum(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.servers.topics = {"orders": (1, (0, 1, 2))}
    made.servers.stuck = {2}
    error = made.fails()
    assert made.cluster.deleted == []
    assert error.problems == ("Kafka: under-replicated partitions: orders-0; expected none",)


def test_the_roll_continues_when_a_block_ends(scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]) -> None:
    made = scene("kafka")
    made.servers.stuck = {2}

    def heals() -> None:
        if made.clock.now > 30:
            made.servers.stuck = set()

    made.clock.then.append(heals)
    made.update()
    assert sorted(made.cluster.deleted) == ["kafka-0", "kafka-1", "kafka-2"]
    assert "orders-0: 2 of 3 replicas in sync" in capsys.readouterr().err, (
        "the reason for the wait is reported meanwhile"
    )


def test_partitions_without_redundancy_are_reported_and_block_nothing(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene("kafka")
    made.servers.topics = {"single": (1, (1,)), "both": (2, (0, 1)), "orders": (2, (0, 1, 2))}
    made.update()
    assert sorted(made.cluster.deleted) == ["kafka-0", "kafka-1", "kafka-2"]
    reported = [line for line in capsys.readouterr().err.splitlines() if line.startswith("while ")]
    lost = {
        "kafka-0": ("1 partition", "both-0"),
        "kafka-1": ("2 partitions", "single-0, both-0"),
    }
    assert reported == [
        f"while {name} restarts, {amount} cannot be written with acks=all, because the replication "
        f"factor is not above min.insync.replicas: {partitions}"
        for name, (amount, partitions) in sorted(lost.items(), reverse=True)
    ], "kafka-2 holds none of them"


def test_many_such_partitions_are_reported_by_number(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene("kafka", 1)
    made.servers.topics = {f"t{number}": (1, (0,)) for number in range(7)}
    made.update()
    assert "7 partitions cannot be written" in (reported := capsys.readouterr().err)
    assert "t0-0, t1-0, t2-0, t3-0, t4-0 and 2 more\n" in reported


def test_a_member_that_the_quorum_needs_is_not_restarted(scene: Callable[..., Scene]) -> None:
    made = scene("zookeeper")
    broken = made.cluster.by_name["zookeeper-2"]
    broken.revision, broken.ready = NEW, False
    made.cluster.comes_back = lambda pod: False
    error = made.fails()
    assert made.cluster.deleted == [], "with two of three members the quorum needs both"
    assert any(line.startswith("zookeeper-2: ") for line in error.problems)


def test_a_broker_that_comes_back_out_of_sync_stops_the_roll(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.servers.leader = "kafka-2"
    made.cluster.before_delete = lambda name: made.servers.stuck.add(int(name[-1]))
    error = made.fails()
    assert made.cluster.deleted == ["kafka-0"]
    assert error.problems == ("Kafka: under-replicated partitions: orders-0; expected none",)


@pytest.mark.parametrize("away", ["listens", "answers"])
def test_brokers_that_do_not_answer_are_reported_and_not_restarted(
    away: str, scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their pods are ready, but unreachable: the state is unknown, so nothing is restarted."""
    made = scene("kafka")
    made.servers.listens = False
    if away == "answers":
        monkeypatch.setattr(kafka_health, "any_listens", lambda bootstrap, *, route: True)
    error = made.fails()
    assert made.cluster.deleted == []
    bootstrap = ",".join(address(f"kafka-{ordinal}") for ordinal in range(3))
    assert error.problems == (
        f"kafka-0: no broker answers at {bootstrap}; expected an answer\nlook at: kubectl logs kafka-0",
    )


def test_a_broker_that_is_ready_but_not_registered_stops_the_roll(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.servers.unregistered = {2}
    error = made.fails()
    assert made.cluster.deleted == []
    assert error.problems[0].startswith("kafka-2: broker 2 serves but is not registered in the cluster")


@pytest.mark.parametrize("workload", ["kafka", "zookeeper"])
def test_a_member_that_is_down_waits_while_the_others_serve_but_do_not_answer(
    workload: str, scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unknown whether the others need it."""
    made = scene(workload)
    made.cluster.by_name[f"{workload}-1"].ready = False
    made.servers.listens = False
    monkeypatch.setattr(zookeeper, "member_state", lambda at, *, route: MemberState(listens=False))
    made.fails()
    assert made.cluster.deleted == []


@pytest.mark.parametrize("workload", ["kafka", "zookeeper"])
def test_members_that_are_all_down_are_restarted_although_they_do_not_answer(
    workload: str, scene: Callable[..., Scene]
) -> None:
    made = scene(workload)
    for pod in made.cluster.by_name.values():
        pod.ready = False
    made.cluster.comes_back = quorum(made)
    made.update()
    assert sorted(made.cluster.deleted) == [f"{workload}-{ordinal}" for ordinal in range(3)]


# ------------------------------------------------------------------------------------------------------ the budget


def test_members_that_serve_are_evicted_and_the_others_deleted(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.by_name["kafka-2"].ready = False
    made.update()
    assert made.cluster.deleted == ["kafka-2", "kafka-1", "kafka-0"]
    assert made.cluster.evicted == ["kafka-1", "kafka-0"], "the budget has counted kafka-2 as away already"


def test_the_roll_waits_while_the_budget_refuses_and_says_so(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene("kafka")
    made.cluster.budget_refuses = lambda: made.clock.now < 30
    made.update()
    assert sorted(made.cluster.evicted) == ["kafka-0", "kafka-1", "kafka-2"]
    assert made.clock.now > 30
    assert "waiting for kafka-1: cannot create pods/eviction kafka-1 in namespace streaming now: the budget" in (
        capsys.readouterr().err
    )


def test_a_budget_that_refuses_until_the_deadline_ends_the_roll(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.budget_refuses = lambda: True
    error = made.fails()
    assert made.cluster.deleted == []
    assert "kafka-1 is not safe to restart after 60 s" in error.headline


def test_what_happens_while_the_budget_refuses_is_seen(scene: Callable[..., Scene]) -> None:
    """A drain takes kafka-2, so the budget refuses; when it does no longer, kafka-2 is not in sync yet."""
    made = scene("kafka")
    made.cluster.budget_refuses = lambda: made.clock.now < 20
    made.clock.then.append(lambda: made.servers.stuck.update({2} if made.clock.now > 5 else set()))
    error = made.fails()
    assert made.cluster.deleted == []
    assert any("without broker 1 fewer than min.insync.replicas 2" in line for line in error.problems)


def test_a_member_that_was_drained_meanwhile_is_not_evicted(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.budget_refuses = lambda: made.clock.now < 20

    def drained() -> None:
        pod = made.cluster.by_name.get("kafka-1")
        if pod is not None and pod.revision == OLD and 5 < made.clock.now < 6:
            pod.deleting, pod.ready, pod.since = True, False, made.clock.now

    made.clock.then.append(drained)
    made.update()
    assert made.cluster.evicted == ["kafka-2", "kafka-0"]
    assert {pod.revision for pod in made.cluster.by_name.values()} == {NEW}


# ---------------------------------------------------------------------------------- an API server that is away


class Flaky:
    """A cluster whose API server does not answer some requests in a row.

    Args:
        cluster: The cluster.
        fails: Number of the first request that fails.
        times: How many fail.
    """

    def __init__(self, cluster: FakeCluster, fails: int, times: int) -> None:
        self._cluster = cluster
        self._failing = range(fails, fails + times)
        self.requests = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def request(*args: Any, **options: Any) -> Any:
            self.requests += 1
            if self.requests in self._failing:
                raise ClusterError("the Kubernetes API at https://test does not answer")
            return getattr(self._cluster, name)(*args, **options)

        return request


def test_no_failing_request_ends_a_roll_or_restarts_a_member_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    number = 1
    while True:
        made = Scene(monkeypatch, "kafka", 3, update_revision=NEW)
        made.cluster.replicas = 3
        flaky = Flaky(made.cluster, number, 2)
        connected(monkeypatch, rolls, flaky)
        outs = made.update()
        assert sorted(made.cluster.deleted) == ["kafka-0", "kafka-1", "kafka-2"], f"request {number} failed"
        assert set(outs["identities"]) == {"kafka-0", "kafka-1", "kafka-2"}
        if number > flaky.requests:
            break
        number += 1
    assert number > 30, "every request of a roll failed once"


def test_an_api_server_that_is_away_at_first_is_awaited(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene("kafka")
    again = rolls.connect

    def connect(kubeconfig: str | None, context: str) -> Any:
        if made.clock.now < 20:
            raise ClusterError("the Kubernetes API at https://test does not answer")
        return again(kubeconfig, context)

    monkeypatch.setattr(rolls, "connect", connect)
    made.update()
    assert len(made.cluster.deleted) == 3


def test_an_api_server_that_stays_away_ends_the_roll_at_the_deadline(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scene("kafka")

    def connect(kubeconfig: str | None, context: str) -> Any:
        raise ClusterError("the Kubernetes API at https://test does not answer")

    monkeypatch.setattr(rolls, "connect", connect)
    error = made.fails()
    assert error.problems == ("the Kubernetes API at https://test does not answer",)
    assert made.cluster.deleted == []


# ------------------------------------------------------------------------------------------ no member serves at first


def quorum(made: Scene) -> Callable[[FakePod], bool]:
    """Members of an ensemble become ready as soon as a majority has a working template."""

    def comes_back(pod: FakePod) -> bool:
        running = [
            other
            for other in made.cluster.by_name.values()
            if other.revision == NEW
            and not other.deleting
            and made.clock.now - other.since >= made.cluster.start_seconds
        ]
        return len(running) > made.replicas // 2

    return comes_back


@pytest.mark.parametrize("broken", [2, 3])
def test_an_ensemble_broken_by_a_template_is_healed_by_a_different_one(
    broken: int, scene: Callable[..., Scene]
) -> None:
    """No member is ready before a majority is: waiting for the first before replacing the second would never end."""
    made = scene("zookeeper")
    made.servers.leader = "zookeeper-2"
    for ordinal in range(broken):
        pod = made.cluster.by_name[f"zookeeper-{ordinal}"]
        pod.ready, pod.unrecoverable, pod.reasons = False, True, ("no such image",)
    made.cluster.by_name["zookeeper-2"].ready = False  # without a quorum no member serves
    made.cluster.comes_back = quorum(made)
    made.update()
    assert sorted(made.cluster.deleted) == ["zookeeper-0", "zookeeper-1", "zookeeper-2"]
    assert all(pod.ready and pod.revision == NEW for pod in made.cluster.by_name.values())


def test_the_only_broken_member_is_awaited_before_the_next_restarts(scene: Callable[..., Scene]) -> None:
    made = scene("zookeeper")
    made.cluster.by_name["zookeeper-1"].ready = False
    made.cluster.comes_back = lambda pod: pod.name != "zookeeper-1"
    made.fails()
    assert made.cluster.deleted == ["zookeeper-1"], "the others form the quorum"


def test_all_brokers_broken_by_a_template_are_replaced(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    for pod in made.cluster.by_name.values():
        pod.ready, pod.unrecoverable = False, True
    made.update()
    assert sorted(made.cluster.deleted) == ["kafka-0", "kafka-1", "kafka-2"]
    assert all(pod.ready and pod.revision == NEW for pod in made.cluster.by_name.values())


# -------------------------------------------------------------------------------------------------- interruptions


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("workload", ["zookeeper", "kafka"])
@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_roll_continues_where_it_stopped(workload: str, at: int, scene: Callable[..., Scene]) -> None:
    made = scene(workload)
    guard = made.cluster.before_delete

    def interrupt(name: str) -> None:
        if len(made.cluster.deleted) == at:
            raise Interrupted
        guard(name)

    made.cluster.before_delete = interrupt
    with pytest.raises(Interrupted):
        made.update()
    done = list(made.cluster.deleted)
    assert len(done) == at
    made.cluster.before_delete = guard
    made.update()
    assert sorted(made.cluster.deleted) == [f"{workload}-{ordinal}" for ordinal in range(3)], "no member restarts twice"
    assert made.cluster.deleted[:at] == done


def test_a_roll_interrupted_while_a_member_was_away_first_waits_for_it(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.by_name["kafka-0"].revision = NEW
    made.cluster.by_name["kafka-0"].ready = False
    made.cluster.by_name["kafka-0"].since = made.clock.now
    made.update()  # the scene's guard fails if a second one is deleted meanwhile
    assert made.cluster.deleted == ["kafka-1", "kafka-2"] or made.cluster.deleted == ["kafka-2", "kafka-1"]


def test_a_retried_roll_with_a_different_template_replaces_the_broken_member_first(
    scene: Callable[..., Scene],
) -> None:
    made = scene("kafka")
    made.cluster.comes_back = lambda pod: False
    made.fails()
    assert made.cluster.deleted == ["kafka-1"], "kafka-0 is the controller"
    made.cluster.by_name["kafka-1"].revision = "revision-broken"
    made.cluster.comes_back = lambda pod: True
    made.update()
    assert made.cluster.deleted[1:] == ["kafka-1", "kafka-2", "kafka-0"]


def test_members_stopped_by_an_interrupted_destroy_are_started_again(scene: Callable[..., Scene]) -> None:
    made = scene("zookeeper", revision=NEW)
    made.cluster.scale("streaming", "zookeeper", 0)
    made.clock.sleep(1)
    made.update()
    assert made.cluster.scaled == [0, 3]
    assert sorted(made.cluster.by_name) == ["zookeeper-0", "zookeeper-1", "zookeeper-2"]


# -------------------------------------------------------------------------------------------------- unrecoverable


def breaks(made: Scene, *reasons: str) -> None:
    """Pods that are created from now on never become ready."""

    def comes_back(pod: FakePod) -> bool:
        pod.unrecoverable, pod.reasons = True, reasons
        return False

    made.cluster.comes_back = comes_back


def test_an_unrecoverable_member_fails_early_with_its_last_log_lines(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.props["deadline"] = 600.0
    made.cluster.log_lines = ["Exception in thread main", "no such option -Xfoo"]
    breaks(made, "container kafka keeps crashing: exit code 1, 4 restarts")
    error = made.fails()
    assert made.cluster.deleted == ["kafka-1"], "the others still serve"
    assert 15 < made.clock.now < 60, "long before the deadline of ten minutes"
    assert str(error) == (
        "kafka-1 will not become ready by waiting; what was created is still there\n"
        "  - kafka-1: container kafka keeps crashing: exit code 1, 4 restarts\n"
        "  - last log lines of kafka-1:\n"
        "    Exception in thread main\n"
        "    no such option -Xfoo"
    )


def test_a_member_without_a_log_is_reported_only_with_its_reasons(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    breaks(made, "image own/kafka:9 cannot be pulled: not found (ErrImagePull)", "another reason")
    assert made.fails().problems == (
        "kafka-1: image own/kafka:9 cannot be pulled: not found (ErrImagePull)",
        "kafka-1: another reason",
    )


def test_an_unrecoverable_first_start_fails_early_too(scene: Callable[..., Scene]) -> None:
    made = scene("kafka", revision=NEW)
    made.props["deadline"] = 600.0
    for pod in made.cluster.by_name.values():
        pod.ready, pod.unrecoverable, pod.reasons = False, True, ("no image",)
    made.cluster.comes_back = lambda pod: False
    with pytest.raises(UnhealthyError, match="kafka-0 will not become ready by waiting"):
        made.create()
    assert made.clock.now < 60


def test_a_temporary_failure_does_not_end_the_wait(scene: Callable[..., Scene]) -> None:
    made = scene("redis", 1)

    def comes_back(pod: FakePod) -> bool:
        pod.unrecoverable = made.clock.now - pod.since < 12
        pod.reasons = ("container redis keeps crashing",)
        return not pod.unrecoverable

    made.cluster.comes_back = comes_back
    made.update()
    assert made.cluster.by_name["redis-0"].ready


@pytest.mark.parametrize(("patience", "missing", "ends"), [(180.0, 120, False), (60.0, 55, False), (60.0, 120, True)])
def test_an_image_may_be_missing_for_as_long_as_the_stack_file_says(
    patience: float, missing: float, ends: bool, scene: Callable[..., Scene]
) -> None:
    """The node pulls again and again, and a registry may be away for a moment."""
    made = scene("redis", 1)
    made.props |= {"deadline": 600.0, "imagePullPatience": patience}

    def comes_back(pod: FakePod) -> bool:
        pod.unrecoverable = pod.lacks_image = made.clock.now - pod.since < missing
        pod.reasons = ("image redis:7 cannot be pulled: no route to host",)
        return not pod.unrecoverable

    made.cluster.comes_back = comes_back
    if not ends:
        made.update()
        assert made.cluster.by_name["redis-0"].ready
        return
    assert made.fails().problems == ("redis-0: image redis:7 cannot be pulled: no route to host",)
    assert patience < made.clock.now < patience + 15


def test_the_time_limit_of_a_failure_restarts_with_each_member_and_each_state(scene: Callable[..., Scene]) -> None:
    """Each of three images is pulled at the second attempt, so no failure persists."""
    made = scene("kafka")

    def comes_back(pod: FakePod) -> bool:
        age = made.clock.now - pod.since
        pod.unrecoverable = age < 13 or 16 < age < 29
        pod.reasons = ("image cannot be pulled",)
        return age >= 30

    made.cluster.comes_back = comes_back
    made.update()
    assert len(made.cluster.deleted) == 3


def test_a_slow_member_is_awaited_until_the_deadline(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.start_seconds = 45.0
    made.update()
    assert len(made.cluster.deleted) == 3
    slower = scene("kafka")
    slower.cluster.start_seconds = 90.0
    error = slower.fails()
    assert slower.cluster.deleted == ["kafka-1"]
    assert error.problems == ("kafka-1: it is not ready yet",)
    assert "kafka-1 is not healthy after 60 s" in error.headline


# ----------------------------------------------------------------------------------------------- refresh and removal


def read(made: Scene) -> Any:
    return GatedRollProvider().read(
        "streaming/kafka", {**made.props, "identities": {"kafka-0": "old"}, "__provider": "x"}
    )


def test_a_refresh_of_healthy_members_returns_their_pods(scene: Callable[..., Scene]) -> None:
    made = scene("kafka", revision=NEW)
    result = read(made)
    given = {key: value for key, value in made.props.items() if key != "identities"}
    assert result.id == "streaming/kafka"
    assert result.outs == {**given, "identities": {f"kafka-{n}": f"uid-{n + 1}" for n in range(3)}}
    assert result.inputs == given


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        ({"revision": OLD}, "kafka: kafka-1 is out of date"),
        ({"ready": False, "reasons": ("it cannot be scheduled",)}, "kafka: kafka-1: it cannot be scheduled"),
        ({"deleting": True}, "kafka: kafka-1: it is being removed"),
    ],
)
def test_a_refresh_removes_a_roll_whose_members_changed_from_the_state(
    harm: dict[str, Any], line: str, scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    made = scene("kafka", revision=NEW)
    for key, value in harm.items():
        setattr(made.cluster.by_name["kafka-1"], key, value)
    result = read(made)
    assert (result.id, result.outs) == (None, {}), "so that the next update rolls"
    assert capsys.readouterr().err == f"{line}\n"
    assert made.cluster.deleted == [], "a refresh changes nothing"


def test_members_that_a_removal_left_outside_join_again(
    scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    """It was interrupted, and the number of members set back: nothing else has changed."""
    made = scene("zookeeper", revision=NEW)
    made.servers.voting = {1, 2}
    assert read(made).id is None
    assert capsys.readouterr().err == "zookeeper: zookeeper-2 is not part of its group\n"
    assert made.servers.changes == [], "a refresh changes nothing"
    made.create()
    assert made.servers.changes == ["+3"]


def test_a_refresh_removes_a_roll_without_a_stateful_set_from_the_state(scene: Callable[..., Scene]) -> None:
    made = scene("kafka", revision=NEW)
    made.cluster.there = False
    assert read(made).id is None


def test_delete_stops_all_members_and_waits_until_they_are_gone(scene: Callable[..., Scene]) -> None:
    made = scene("kafka", revision=NEW)
    made.cluster.stop_seconds = 20.0
    GatedRollProvider().delete("id", made.props)
    assert made.cluster.scaled == [0]
    assert made.cluster.by_name == {}
    assert made.clock.now >= 20
    assert made.cluster.deleted == [], "each member has its own grace period"


def test_members_that_do_not_stop_are_reported(scene: Callable[..., Scene]) -> None:
    made = scene("kafka", revision=NEW)
    made.cluster.stop_seconds = 1000.0
    text = shown(lambda: GatedRollProvider().delete("id", made.props))
    assert all(f"  - kafka-{ordinal}: it is stopping\n" in text for ordinal in range(3))


def test_delete_without_a_stateful_set_is_no_error(scene: Callable[..., Scene]) -> None:
    made = scene("kafka")
    made.cluster.there = False
    GatedRollProvider().delete("id", made.props)
    assert made.clock.now == 0


# ------------------------------------------------------------------------------------------------ reported in a preview


def reported(olds: Props, news: Props, capsys: pytest.CaptureFixture[str]) -> list[str]:
    result = GatedRollProvider().check(olds, news)
    assert (result.inputs, result.failures) == (news, [])
    return capsys.readouterr().err.splitlines()


def template(**files: str) -> Props:
    return {"template": {"pod": {"containers": [{"name": "kafka", "image": "a:1"}]}, "files": files}}


def test_a_restart_is_reported_with_its_members_and_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    olds = props("kafka", **template(server="a=1\nb=2\n"))
    news = props("kafka", **template(server="a=1\nb=3\n"))
    news["template"]["pod"]["containers"][0]["image"] = "a:2"
    assert reported(olds, news, capsys) == [
        "kafka: restarts kafka-0, kafka-1, kafka-2, one at a time, because of",
        "  files.server: b 2 -> 3",
        "  pod.containers.kafka.image: a:1 -> a:2",
    ]


def test_added_and_removed_members_restart_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    three, five = props("kafka", 3), props("kafka", 5)
    assert reported(three, five, capsys) == ["kafka: adds kafka-3, kafka-4; the others are not restarted"]
    assert reported(five, three, capsys) == ["kafka: removes kafka-3, kafka-4; the others are not restarted"]


def test_added_members_with_a_different_template_restart_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration of an ensemble lists all members."""
    olds, news = props("zookeeper", 1, **template(a="1")), props("zookeeper", 3, **template(a="2"))
    assert reported(olds, news, capsys) == [
        "zookeeper: restarts zookeeper-0, one at a time, because of",
        "  files.a: 1 -> 2",
        "zookeeper: adds zookeeper-1, zookeeper-2",
    ]


def test_a_change_that_restarts_no_member_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert reported({}, props("kafka"), capsys) == [], "the first start"
    assert reported(props("kafka"), props("kafka"), capsys) == []
    assert reported(props("kafka"), props("kafka", deadline=9, logs={}), capsys) == []


def test_a_value_unknown_in_a_preview_counts_as_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    """For example the name of a new Secret: pods with the old one restart."""
    olds, news = props("redis", 1, **template(a="x")), props("redis", 1, **template(a="x"))
    news["template"]["files"]["a"] = unknown()
    assert reported(olds, news, capsys) == [
        "redis: restarts redis-0, one at a time, because of",
        "  files.a: x -> (known after `up`)",
    ]
    assert reported(olds, {**news, "members": unknown()}, capsys) == []


def test_any_changed_file_is_a_reason_even_if_only_a_line_end_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """A new ConfigMap changes the template: pods do restart, so it must be reported."""
    olds, news = props("kafka", **template(a="x\n")), props("kafka", **template(a="x"))
    assert reported(olds, news, capsys)[0] == "kafka: restarts kafka-0, kafka-1, kafka-2, one at a time, because of"


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize("method", ["create", "update", "read", "delete"])
def test_an_unreachable_cluster_is_reported_without_a_traceback(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(kubeconfig: str | None, context: str) -> None:
        raise PlatformError(f"context {context} cannot be used")

    monkeypatch.setattr(rolls, "connect", connect)
    monkeypatch.setattr(rolls, "open_route", lambda via: DIRECT)
    given = props("kafka")
    arguments = {"create": [given], "update": ["id", given, given], "read": ["id", given], "delete": ["id", given]}
    text = shown(lambda: getattr(GatedRollProvider(), method)(*arguments[method]))
    assert text == "Error: context test cannot be used\n"


def test_addresses_of_the_model_equal_those_of_the_inputs() -> None:
    assert props("kafka", 1)["members"] == {"kafka-0": address("kafka-0")}
