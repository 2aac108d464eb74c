"""Promises: good figures keep all, and each is broken by its own figure.

Source: ops/drills/promises.py.
"""

from dataclasses import replace
from typing import Any

import pytest

from components.kafka.client import ClusterState, Partition
from ops.drills import promises
from ops.drills.catalogue import DRILLS
from ops.drills.cluster_view import ClusterView, Roles
from ops.drills.kafka_figures import Evidence, Figures, figures_of, formed_after, recovered_after
from ops.drills.kafka_load import Acknowledgement
from ops.drills.kafka_readers import Arrival
from ops.drills.measures import Phases
from ops.drills.promises import Limits, judge
from ops.drills.records import Stamp
from ops.drills.redis_figures import judge_redis, redis_figures
from ops.drills.redis_load import Write
from ops.drills.sampler import Sample
from ops.drills.verdict import StoredRecord, compare

GOOD = Figures(
    sent=5000,
    acknowledged=5000,
    published_meanwhile=2000,
    failed=0,
    all_in_sync_after=10.0,
    new_controller_after=18.0,
    new_ensemble_leader_after=1.0,
    left_after=2.0,
    fewest_in_sync=2,
)
PHASES = Phases(start=0.0, fault=10.0, healed=20.0, recovered=30.0, end=40.0)


@pytest.mark.parametrize("drill", [drill for drill in DRILLS.values() if not drill.redis], ids=lambda drill: drill.name)
def test_good_figures_keep_all_promises(drill: Any) -> None:
    judged = judge(drill.rules, GOOD, Limits())
    assert len(judged) >= 4
    assert all(promise.kept for promise in judged)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        (promises.none_lost, {"lost": 1}),
        (promises.none_lost, {"damaged": 1}),
        (promises.none_lost, {"misplaced": 1}),
        (promises.none_lost, {"acknowledged": 0}),
        (promises.in_order, {"disordered": 1}),
        (promises.no_errors, {"failed": 1, "errors": {"KafkaTimeoutError: too late": 1}}),
        (promises.enough_published, {"published_meanwhile": 999}),
        (promises.in_sync, {"all_in_sync_after": 60.1}),
        (promises.in_sync, {"all_in_sync_after": None}),
        (promises.new_controller, {"new_controller_after": None}),
        (promises.new_controller, {"new_controller_after": 30.1}),
        (promises.new_ensemble_leader, {"new_ensemble_leader_after": 31.0}),
        (promises.above_minimum, {"below_minimum": ["orders-0"]}),
        (promises.is_gone, {"left_after": None}),
        (promises.goes_offline, {"left_after": None}),
    ],
)
def test_a_promise_is_broken_by_its_own_figure(rule: promises.Rule, changes: dict[str, Any]) -> None:
    assert rule(GOOD, Limits()).kept
    assert not rule(replace(GOOD, **changes), Limits()).kept


def test_duplicates_are_reported_and_break_no_promise() -> None:
    promise = promises.none_lost(replace(GOOD, duplicated=3), Limits())
    assert promise.kept
    assert "3 duplicated" in promise.measured


def view(*in_sync: tuple[int, ...], leader: int = 0, controller: int = 0, brokers: tuple[int, ...] = (0, 1, 2)) -> Any:
    partitions = [Partition("drill", number, leader, (0, 1, 2), synced) for number, synced in enumerate(in_sync)]
    state = ClusterState({broker: f"host:{broker}" for broker in brokers}, controller, partitions)
    return ClusterView(state, frozenset(f"kafka-{n}" for n in range(3) if n not in brokers))


def evidence(**changes: Any) -> Evidence:
    stamps = [Stamp(0, number, int(number * 1e9)) for number in range(40)]
    acks = [Acknowledgement(stamp.sent / 1e9 + 0.01, 0, stamp) for stamp in stamps]
    found = Evidence(
        phases=PHASES,
        targets=["kafka-1"],
        brokers=3,
        controller=1,
        topic="drill",
        minimum={"drill": 2},
        sent=40,
        acknowledged=acks,
        failed=0,
        errors={},
        arrivals=[Arrival(stamp.sent / 1e9 + 0.02, stamp.sent / 1e9) for stamp in stamps],
        verdict=compare(acks, [StoredRecord(0, number, stamp) for number, stamp in enumerate(stamps)]),
        cluster=[
            Sample(5.0, view((0, 1, 2), leader=1, controller=1)),
            Sample(12.0, view((0, 1, 2), leader=1, controller=1)),
            Sample(13.0, None),
            Sample(14.0, view((0, 2), leader=-1, controller=-1, brokers=(0, 2))),
            Sample(15.0, view((0, 2), leader=0, controller=2, brokers=(0, 2))),
            Sample(30.0, view((0, 1, 2), leader=0, controller=2)),
        ],
    )
    return replace(found, **changes)


def test_figures_show_when_a_broker_left_and_when_others_took_over() -> None:
    figures = figures_of(evidence())
    assert figures.left_after == 4.0
    assert (figures.new_leaders_after, figures.new_controller_after) == (5.0, 5.0)
    assert figures.all_in_sync_after == 10.0
    assert (figures.fewest_in_sync, list(figures.below_minimum)) == (2, [])
    assert (figures.published_meanwhile, figures.lost) == (20, 0)
    assert figures.new_ensemble_leader_after is None, "no member of the ensemble was a target"


def test_a_pause_in_acknowledgements_is_the_longest_gap() -> None:
    acks = [entry for entry in evidence().acknowledged if not 12 < entry.at < 19]
    figures = figures_of(evidence(acknowledged=acks))
    assert figures.longest_gap == pytest.approx(8.0)
    assert figures.longest_gap_by_partition == {0: pytest.approx(8.0)}


def test_a_partition_below_its_minimum_in_a_single_sample_is_named() -> None:
    samples = [Sample(12.0, view((0, 1, 2), (0,))), Sample(13.0, view((0, 1, 2), (0, 1, 2)))]
    assert figures_of(evidence(cluster=samples)).below_minimum == ["drill-1"]


def test_a_new_ensemble_leader_is_one_that_was_not_a_target() -> None:
    target = "zookeeper-2"
    roles: list[Sample[Roles]] = [
        Sample(11.0, {"zookeeper-0": "follower", "zookeeper-1": "follower", target: "leader"}),
        Sample(12.0, {"zookeeper-0": None, "zookeeper-1": None, target: None}),
        Sample(13.5, {"zookeeper-0": "leader", "zookeeper-1": "follower", target: None}),
    ]
    assert figures_of(evidence(targets=[target], roles=roles)).new_ensemble_leader_after == 3.5


def redis(*lost_at: float, back: bool = True) -> Any:
    times = [float(second) for second in range(10)] + [9.5, 9.9] + ([22.0] if back else [])
    writes = [Write(number, time - 0.01, time) for number, time in enumerate(times)]
    lost = [write for write in writes if write.at in lost_at]
    return redis_figures(phases=PHASES, sent=20, failed=0, writes=writes, lost=lost, allowed=1.0)


def test_redis_may_lose_writes_of_the_last_second_only() -> None:
    assert all(promise.kept for promise in judge_redis(redis(), Limits()))
    assert all(promise.kept for promise in judge_redis(redis(9.5, 9.9), Limits())), "at most a second old"
    broken = [promise.text for promise in judge_redis(redis(8.0), Limits()) if not promise.kept]
    assert len(broken) == 1
    assert "appendfsync" in broken[0]


def test_redis_has_to_come_back() -> None:
    assert not all(promise.kept for promise in judge_redis(redis(back=False), Limits()))
    assert not all(promise.kept for promise in judge_redis(redis(), Limits().within(1.0)))


def test_a_cluster_has_recovered_once_it_stays_healthy() -> None:
    healthy, degraded = view((0, 1, 2)), view((0, 2), brokers=(0, 2))
    samples = [
        Sample(20.0, healthy),
        Sample(21.0, degraded),
        Sample(25.0, healthy),
        Sample(26.0, None),
        Sample(27.0, healthy),
    ]
    assert recovered_after(samples, 3, 19.0) == 6.0, "a sample without an answer is ignored"
    assert recovered_after([*samples, Sample(28.0, degraded)], 3, 19.0) is None
    assert recovered_after([Sample(20.0, None)], 3, 19.0) is None


def test_a_broker_that_does_not_answer_is_unhealthy_even_if_registered() -> None:
    state = view((0, 1, 2)).state
    assert ClusterView(state, frozenset()).healthy(3)
    assert not ClusterView(state, frozenset({"kafka-1"})).healthy(3)


def test_an_ensemble_is_formed_with_one_leader_and_all_members() -> None:
    halves: list[Sample[Roles]] = [
        Sample(20.0, {"zookeeper-0": "leader", "zookeeper-1": None}),
        Sample(22.0, {"zookeeper-0": "leader", "zookeeper-1": "follower"}),
    ]
    assert formed_after(halves, 19.0) == 3.0
    assert formed_after(halves[:1], 19.0) is None
