"""Which member may be restarted next, and what keeps it from being.

Proof limit: states are made up here; that a cluster's metadata says what is true is Kafka's affair.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.kafka.client import ClusterState, Partition
from components.kafka.safety import held_by, restart_blockers, unsparing
from components.targets.kubernetes.roll import next_member


def partition(
    in_sync: tuple[int, ...], replicas: tuple[int, ...] = (0, 1, 2), *, topic: str = "t", number: int = 0
) -> Partition:
    return Partition(topic, number, in_sync[0] if in_sync else -1, replicas, in_sync)


def state(*partitions: Partition) -> ClusterState:
    return ClusterState({number: f"kafka-{number}:9092" for number in range(3)}, 0, partitions)


# Who is next


@pytest.mark.parametrize(
    ("outdated", "last", "expected"),
    [
        pytest.param({"k-0": True}, None, "k-0", id="the-only-one"),
        pytest.param({"k-0": True}, "k-0", "k-0", id="the-only-one-is-the-controller"),
        pytest.param({"k-0": True, "k-1": True, "k-2": True}, None, "k-0", id="by-name"),
        pytest.param({"k-2": True, "k-1": True}, None, "k-1", id="by-name-whatever-the-order"),
        pytest.param({"k-0": True, "k-1": True, "k-2": True}, "k-0", "k-1", id="the-controller-waits"),
        pytest.param({"k-0": True, "k-1": True, "k-2": True}, "k-2", "k-0", id="the-controller-is-last-anyway"),
        pytest.param({"k-0": True, "k-1": True, "k-2": False}, None, "k-2", id="who-serves-nothing-is-first"),
        pytest.param(
            {"k-0": True, "k-1": False, "k-2": False}, None, "k-1", id="the-first-of-those-that-serve-nothing"
        ),
        pytest.param({"k-0": False, "k-1": False}, "k-0", "k-1", id="the-controller-waits-among-those-too"),
        pytest.param({"k-0": False, "k-1": True}, "k-0", "k-0", id="a-controller-that-serves-nothing-is-first"),
        pytest.param({"k-1": True}, "k-0", "k-1", id="the-controller-is-up-to-date"),
        pytest.param({"k-1": True, "k-0": True}, "elsewhere", "k-0", id="a-controller-that-is-no-member"),
    ],
)
def test_the_next_member_is_one_that_is_missed_least(
    outdated: dict[str, bool], last: str | None, expected: str
) -> None:
    assert next_member(outdated, last) == expected


@given(
    st.dictionaries(st.sampled_from([f"k-{number}" for number in range(5)]), st.booleans(), min_size=1),
    st.none() | st.sampled_from([f"k-{number}" for number in range(5)]),
)
def test_every_member_gets_its_turn_once_and_the_controller_the_last_of_its_kind(
    outdated: dict[str, bool], last: str | None
) -> None:
    left, order = dict(outdated), []
    while left:
        order.append(next_member(left, last))
        del left[order[-1]]
    assert sorted(order) == sorted(outdated)
    assert [outdated[name] for name in order] == sorted(outdated[name] for name in order), "unready ones first"
    if last in order:
        assert not [name for name in order[order.index(last) + 1 :] if outdated[name] == outdated[last]]


# What keeps a broker from being restarted


@pytest.mark.parametrize(
    ("partitions", "broker", "minimum", "blocked"),
    [
        pytest.param([partition((0, 1, 2))], 0, {"t": 2}, [], id="all-in-sync"),
        pytest.param([partition((0, 1))], 0, {"t": 2}, ["t-0"], id="one-replica-is-behind"),
        pytest.param([partition((0, 1))], 2, {"t": 2}, [], id="the-broker-is-the-one-behind"),
        pytest.param([partition((1, 2), (1, 2, 3))], 0, {"t": 2}, [], id="the-broker-has-no-replica"),
        pytest.param([partition((0, 1))], 0, {"t": 1}, [], id="one-that-stays-is-enough"),
        pytest.param([partition((0,))], 0, {"t": 1}, ["t-0"], id="the-last-in-sync"),
        pytest.param([partition((0,))], 0, {"t": 2}, ["t-0"], id="below-the-minimum-already"),
        pytest.param([partition((1,))], 0, {"t": 2}, [], id="below-it-already-but-not-by-this-broker"),
        pytest.param([partition(())], 0, {"t": 2}, [], id="nobody-is-in-sync"),
        pytest.param([partition((0,), (0,))], 0, {"t": 1}, [], id="a-single-replica-can-never-be-spared"),
        pytest.param([partition((0, 1), (0, 1))], 0, {"t": 2}, [], id="as-many-replicas-as-the-minimum"),
        pytest.param([partition((0,), (0, 1))], 0, {"t": 2}, [], id="as-many-replicas-as-the-minimum-one-behind"),
        pytest.param([partition((0, 1), (0, 1))], 0, {"t": 3}, [], id="fewer-replicas-than-the-minimum"),
        pytest.param([partition((0, 1), (0, 1))], 0, {"t": 1}, [], id="two-replicas-one-is-enough"),
        pytest.param([partition((0,), (0, 1))], 0, {"t": 1}, ["t-0"], id="two-replicas-the-other-is-behind"),
        pytest.param([partition((0, 1, 2))], 0, {}, [], id="a-topic-made-meanwhile-has-a-minimum-of-one"),
        pytest.param([partition((0,))], 0, {}, ["t-0"], id="a-topic-made-meanwhile-counts-too"),
        pytest.param(
            [partition((0, 1), topic="a"), partition((0, 1), topic="b"), partition((0, 1, 2), topic="c")],
            0,
            {"a": 2, "b": 1, "c": 2},
            ["a-0"],
            id="each-topic-has-its-own-minimum",
        ),
        pytest.param(
            [partition((0, 1), number=3), partition((0, 2), number=1), partition((1, 2), number=2)],
            0,
            {"t": 2},
            ["t-3", "t-1"],
            id="each-partition-by-itself",
        ),
        pytest.param([], 0, {}, [], id="no-partitions"),
    ],
)
def test_a_broker_blocks_where_a_partition_would_fall_below_its_minimum(
    partitions: list[Partition], broker: int, minimum: dict[str, int], blocked: list[str]
) -> None:
    lines = restart_blockers(state(*partitions), broker, minimum)
    assert [line.partition(":")[0] for line in lines] == blocked


def test_a_blocker_names_partition_broker_and_both_counts() -> None:
    assert restart_blockers(state(partition((0, 2), topic="orders", number=7)), 2, {"orders": 2}) == [
        "orders-7: 2 of 3 replicas in sync; without broker 2 fewer than min.insync.replicas 2"
    ]


BROKERS = range(4)
PARTITIONS = st.lists(
    st.builds(
        lambda replicas, flags, topic, number: partition(
            tuple(replica for replica, flag in zip(replicas, flags, strict=False) if flag),
            tuple(replicas),
            topic=topic,
            number=number,
        ),
        st.lists(st.sampled_from(BROKERS), min_size=1, unique=True),
        st.lists(st.booleans(), min_size=4, max_size=4),
        st.sampled_from(["a", "b"]),
        st.integers(0, 3),
    ),
    max_size=6,
)
MINIMUM = st.fixed_dictionaries({}, optional={"a": st.integers(1, 4), "b": st.integers(1, 4)})


@given(PARTITIONS, st.sampled_from(BROKERS), MINIMUM)
@example([partition((0, 1))], 0, {"t": 2})
def test_an_unblocked_restart_takes_no_partition_below_its_minimum_that_could_keep_it(
    partitions: list[Partition], broker: int, minimum: dict[str, int]
) -> None:
    blocked = bool(restart_blockers(state(*partitions), broker, minimum))
    told = unsparing(state(*partitions), broker, minimum)
    falls = [
        item
        for item in partitions
        if broker in item.in_sync and len(set(item.in_sync) - {broker}) < minimum.get(item.topic, 1)
    ]
    assert blocked == any(item not in told for item in falls), "blocked, or told as lost: never neither"


@given(PARTITIONS, st.sampled_from(BROKERS), MINIMUM)
def test_a_restart_is_not_blocked_for_ever(partitions: list[Partition], broker: int, minimum: dict[str, int]) -> None:
    """Once all replicas are in sync again, every broker can be restarted; else a roll could never end."""
    well = [Partition(item.topic, item.number, item.replicas[0], item.replicas, item.replicas) for item in partitions]
    assert restart_blockers(state(*well), broker, minimum) == []


# What is lost whatever is done


@pytest.mark.parametrize(
    ("item", "broker", "minimum", "lost"),
    [
        pytest.param(partition((0, 1, 2)), 0, {"t": 2}, False, id="one-to-spare"),
        pytest.param(partition((0, 1)), 0, {"t": 2}, False, id="one-to-spare-though-it-is-behind"),
        pytest.param(partition((0,), (0,)), 0, {"t": 1}, True, id="a-single-replica"),
        pytest.param(partition((0, 1), (0, 1)), 0, {"t": 2}, True, id="as-many-as-the-minimum"),
        pytest.param(partition((1,), (0, 1)), 0, {"t": 2}, True, id="this-broker-is-behind-itself"),
        pytest.param(partition((0,), (0,)), 1, {"t": 1}, False, id="another-broker"),
        pytest.param(partition((0,), (0,)), 0, {}, True, id="an-unknown-minimum-is-one"),
        pytest.param(partition((0, 1), (0, 1)), 0, {}, False, id="two-replicas-and-an-unknown-minimum"),
    ],
)
def test_a_partition_without_a_replica_to_spare_is_told(
    item: Partition, broker: int, minimum: dict[str, int], lost: bool
) -> None:
    assert unsparing(state(item), broker, minimum) == ([item] if lost else [])


# Brokers that are to be removed


@pytest.mark.parametrize(
    ("brokers", "held"),
    [
        ([], []),
        ([0], ["a-0"]),
        ([1], ["a-0", "b-0"]),
        ([2], ["b-0"]),
        ([3], []),
        ([0, 2], ["a-0", "b-0"]),
        ([3, 4], []),
    ],
)
def test_a_broker_holds_what_it_has_a_replica_of_in_sync_or_not(brokers: list[int], held: list[str]) -> None:
    partitions = [partition((1,), (0, 1), topic="a"), partition((2,), (1, 2), topic="b")]
    assert list(map(str, held_by(state(*partitions), brokers))) == held
