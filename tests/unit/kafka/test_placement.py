"""Placement of replicas when replication factors change, when brokers leave, and when the load is evened out.

Source: components/kafka/placement.py.
Proof limit: the clusters are fabricated; the integration tests show that Kafka accepts such reassignments.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import TopicError
from components.kafka.client import ClusterState, Partition
from components.kafka.placement import balanced, new_replicas, without

Replicas = Sequence[tuple[int, ...]]


def partition(
    number: int, replicas: tuple[int, ...], in_sync: tuple[int, ...] | None = None, topic: str = "t"
) -> Partition:
    return Partition(topic, number, replicas[0], replicas, replicas if in_sync is None else in_sync)


def cluster(brokers: int, *partitions: Partition, racks: Mapping[int, str] | None = None) -> ClusterState:
    return ClusterState({broker: f"host:{broker}" for broker in range(brokers)}, 0, partitions, racks or {})


def placed(state: ClusterState, factor: int) -> dict[int, tuple[int, ...]]:
    """New replicas of topic ``t`` by partition."""
    return {changed.number: replicas for changed, replicas in new_replicas(state, {"t": factor}).items()}


def of(*replicas: tuple[int, ...]) -> list[Partition]:
    """The partitions of topic ``t``, all in sync."""
    return [partition(number, one) for number, one in enumerate(replicas)]


def load_after(state: ClusterState, changed: Mapping[Partition, tuple[int, ...]]) -> list[int]:
    """Replicas of each broker after the change."""
    load = Counter(broker for one in state.partitions for broker in changed.get(one, one.replicas))
    return [load[broker] for broker in state.brokers]


def rack_of(state: ClusterState, broker: int) -> str | int:
    return state.racks.get(broker, broker)


# ------------------------------------------------------------------------------------------------------- growing


def test_additional_replicas_come_after_the_old_ones_and_the_leader_stays_first() -> None:
    after = placed(cluster(3, *of((1,), (2,), (0,))), 2)
    assert [replicas[0] for replicas in after.values()] == [1, 2, 0]
    assert sorted(replicas[1] for replicas in after.values()) == [0, 1, 2]
    assert placed(cluster(3, *of((2, 1))), 3) == {0: (2, 1, 0)}


def test_new_replicas_go_to_the_brokers_with_the_fewest_in_the_whole_cluster() -> None:
    busy = [partition(number, (2, 3), topic="other") for number in range(9)]
    assert placed(cluster(4, *busy, *of((0,))), 2) == {0: (0, 1)}
    assert placed(cluster(4, *of((0, 1), (0, 1), (0,))), 2) == {2: (0, 2)}


def test_partitions_with_the_right_number_of_replicas_do_not_move() -> None:
    assert placed(cluster(2, *of((0, 1), (1,), (1, 0))), 2) == {1: (1, 0)}
    assert placed(cluster(2, *of((0,), (1,))), 1) == {}


def test_other_topics_do_not_move() -> None:
    state = cluster(2, partition(0, (0,), topic="other"), *of((0,)))
    assert placed(state, 2) == {0: (0, 1)}


def test_replicas_go_to_other_racks_even_if_their_brokers_have_more() -> None:
    racks = {0: "a", 1: "a", 2: "b"}
    busy = [partition(number, (2,), topic="other") for number in range(9)]
    assert placed(cluster(3, *busy, *of((0,)), racks=racks), 2) == {0: (0, 2)}
    assert placed(cluster(3, *busy, *of((0,)), racks=racks), 3) == {0: (0, 2, 1)}


def test_more_replicas_than_brokers_are_refused_for_every_such_topic() -> None:
    state = cluster(2, *of((0,)), partition(0, (0,), topic="u"))
    with pytest.raises(TopicError) as refused:
        new_replicas(state, {"u": 4, "t": 3})
    assert refused.value.problems == (
        "topic t: replication factor 3 needs 3 brokers; there are 2",
        "topic u: replication factor 4 needs 4 brokers; there are 2",
    )


@pytest.mark.parametrize(
    ("leaders", "brokers", "factor"),
    [
        pytest.param((0, 1, 2), 3, 2, id="one-exchange"),
        pytest.param((0, 0, 1, 1), 4, 3, id="a-chain-of-exchanges"),
    ],
)
def test_the_last_partitions_do_not_leave_a_broker_behind(leaders: tuple[int, ...], brokers: int, factor: int) -> None:
    """Chosen one after the other, the last partitions exclude the least loaded broker."""
    state = cluster(brokers, *of(*[(leader,) for leader in leaders]))
    after = load_after(state, new_replicas(state, {"t": factor}))
    assert max(after) == min(after)


@pytest.mark.parametrize("racks", [0, 3, 5])
def test_a_thousand_topics_of_one_replica_grow_to_three_evenly(racks: int) -> None:
    random = Random(7)
    partitions = [partition(0, (random.randrange(30),), topic=f"t{number}") for number in range(1000)]
    state = cluster(30, *partitions, racks={broker: f"r{broker % racks}" for broker in range(30) if racks})
    changed = new_replicas(state, {one.topic: 3 for one in partitions})
    after = load_after(state, changed)
    assert max(after) - min(after) <= 1
    assert all(len({rack_of(state, broker) for broker in replicas}) == 3 for replicas in changed.values())


def test_the_replicas_beside_one_leader_are_on_many_brokers() -> None:
    state = cluster(10, *of(*[(number % 10,) for number in range(90)]))
    beside = {replicas for replicas in placed(state, 2).values() if replicas[0] == 4}
    assert len(beside) >= 6, "when broker 4 fails, no few brokers lead all its partitions"


# ----------------------------------------------------------------------------------------------------- shrinking


def test_a_lower_number_of_replicas_keeps_the_preferred_leader() -> None:
    assert placed(cluster(3, *of((2, 0, 1), (1, 2, 0))), 1) == {0: (2,), 1: (1,)}


def test_replicas_are_removed_from_the_brokers_with_the_most() -> None:
    busy = [partition(number, (1,), topic="other") for number in range(3)]
    assert placed(cluster(3, *busy, *of((0, 1, 2))), 2) == {0: (0, 2)}


def test_replicas_out_of_sync_are_removed_first_whatever_the_load() -> None:
    busy = [partition(number, (1,), topic="other") for number in range(3)]
    assert placed(cluster(3, *busy, partition(0, (0, 1, 2), in_sync=(0, 1))), 2) == {0: (0, 1)}
    assert placed(cluster(4, *busy, partition(0, (0, 3, 2, 1), in_sync=(1, 0))), 2) == {0: (0, 1)}


def test_of_replicas_out_of_sync_those_on_missing_brokers_are_removed_first() -> None:
    assert placed(cluster(3, partition(0, (0, 7, 2), in_sync=(0,))), 2) == {0: (0, 2)}


def test_the_only_replica_left_is_in_sync() -> None:
    assert placed(cluster(3, partition(0, (0, 1, 2), in_sync=(2,))), 1) == {0: (2,)}
    assert placed(cluster(3, partition(0, (0, 1, 2), in_sync=())), 1) == {0: (0,)}, "none is better than the first"


def test_fewer_replicas_stay_on_different_racks() -> None:
    racks = {0: "a", 1: "a", 2: "b"}
    busy = [partition(number, (2,), topic="other") for number in range(9)]
    assert placed(cluster(3, *busy, *of((0, 1, 2)), racks=racks), 2) == {0: (0, 2)}


# ------------------------------------------------------------------------------------------------ brokers that leave


def after_leaving(state: ClusterState, *leaving: int) -> dict[int, tuple[int, ...]]:
    stay = [broker for broker in state.brokers if broker not in leaving]
    return {one.number: replicas for one, replicas in without(state, leaving, stay).items()}


def test_a_new_replica_takes_the_place_of_the_one_that_leaves() -> None:
    assert after_leaving(cluster(4, *of((3, 0, 1), (0, 3, 2), (1, 2, 0))), 3) == {0: (2, 0, 1), 1: (0, 1, 2)}


def test_a_broker_that_is_gone_leaves_too() -> None:
    assert after_leaving(cluster(3, *of((7, 0))), 7) in ({0: (1, 0)}, {0: (2, 0)})


def test_replicas_go_only_to_brokers_that_stay() -> None:
    assert {one.number: replicas for one, replicas in without(cluster(5, *of((3, 0))), [3], [0, 1]).items()} == {
        0: (1, 0)
    }, "brokers 2 and 4 neither leave nor stay"


def test_too_few_brokers_are_refused_for_every_such_topic() -> None:
    state = cluster(3, *of((0, 1, 2)), partition(0, (2, 1, 0), topic="u"), partition(0, (2,), topic="v"))
    with pytest.raises(TopicError) as refused:
        without(state, [2], [0, 1])
    assert refused.value.problems == (
        "topic t: replication factor 3 needs 3 brokers; 2 would be left",
        "topic u: replication factor 3 needs 3 brokers; 2 would be left",
    )


# ------------------------------------------------------------------------------------------------------ evening out


def leaders_after(state: ClusterState, changed: Mapping[Partition, tuple[int, ...]]) -> list[int]:
    """Preferred leaders of each broker after the change."""
    load = Counter(changed.get(one, one.replicas)[0] for one in state.partitions)
    return [load[broker] for broker in state.brokers]


def test_an_added_broker_gets_its_share_and_no_more_data_moves_than_that() -> None:
    state = cluster(4, *of(*[((n % 3), (n + 1) % 3, (n + 2) % 3) for n in range(40)]))
    changed = balanced(state)
    assert load_after(state, changed) == [30, 30, 30, 30]
    assert leaders_after(state, changed) == [10, 10, 10, 10]
    new = sum(len(set(replicas) - set(one.replicas)) for one, replicas in changed.items())
    assert new == 30, "what the new broker holds"


def test_what_is_even_does_not_move() -> None:
    assert balanced(cluster(3, *of((0, 1, 2), (1, 2, 0), (2, 0, 1)))) == {}
    assert balanced(cluster(3, *of((0,), (1,)))) == {}


def test_replicas_that_share_a_rack_in_vain_move_apart() -> None:
    racks = {0: "a", 1: "a", 2: "b", 3: "b"}
    changed = balanced(cluster(4, *of((0, 1), (2, 3)), racks=racks))
    assert all(len({racks[broker] for broker in changed.get(one, one.replicas)}) == 2 for one in of((0, 1), (2, 3)))


# ---------------------------------------------------------------------------------------------------- properties


@st.composite
def clusters(draw: st.DrawFn) -> ClusterState:
    """Up to 7 brokers in up to 4 racks, some without one, with topics of any replicas; some out of sync."""
    brokers = draw(st.integers(1, 7))
    racks = draw(st.dictionaries(st.integers(0, brokers - 1), st.sampled_from("abcd")))
    partitions = []
    for topic in draw(st.sets(st.sampled_from("tuvw"), min_size=1)):
        for number in range(draw(st.integers(1, 6))):
            replicas = draw(st.lists(st.integers(0, brokers - 1), min_size=1, unique=True))
            in_sync = draw(st.sets(st.sampled_from(replicas)))
            partitions.append(partition(number, tuple(replicas), tuple(sorted(in_sync)), topic))
    return cluster(brokers, *partitions, racks=racks)


@st.composite
def changes(draw: st.DrawFn) -> tuple[ClusterState, dict[str, int]]:
    """A cluster, and new factors of some of its topics."""
    state = draw(clusters())
    topics = sorted({one.topic for one in state.partitions})
    return state, draw(st.dictionaries(st.sampled_from(topics), st.integers(1, len(state.brokers))))


@given(changes())
def test_each_partition_gets_its_factor_and_keeps_what_it_can(change: tuple[ClusterState, dict[str, int]]) -> None:
    state, factors = change
    changed = new_replicas(state, factors)
    wrong = [one for one in state.partitions if len(one.replicas) != factors.get(one.topic, len(one.replicas))]
    assert set(changed) == set(wrong)
    for one, replicas in changed.items():
        assert len(replicas) == len(set(replicas)) == factors[one.topic], "no broker has two replicas of a partition"
        assert set(replicas) <= set(state.brokers)
        kept = set(one.replicas) & set(replicas)
        if len(replicas) > len(one.replicas):
            assert replicas[: len(one.replicas)] == one.replicas
        else:
            assert kept == set(replicas), "a partition that shrinks gets no new replica"
            assert list(replicas) == [broker for broker in one.replicas if broker in kept]
            assert replicas[0] == one.replicas[0] or (len(replicas) == 1 and one.replicas[0] not in one.in_sync)
            out_of_sync = kept - set(one.in_sync) - {one.replicas[0]}
            assert not out_of_sync or set(one.in_sync) <= kept, "replicas in sync stay rather than others"


@given(changes())
def test_new_replicas_use_as_many_racks_as_possible(change: tuple[ClusterState, dict[str, int]]) -> None:
    state, factors = change
    all_racks = {rack_of(state, broker) for broker in state.brokers}
    for one, replicas in new_replicas(state, factors).items():
        added = len(replicas) - len(one.replicas)
        if added > 0:
            old = {rack_of(state, broker) for broker in one.replicas}
            possible = min(len(all_racks), len(old) + added)
            assert len({rack_of(state, broker) for broker in replicas}) == possible


@given(changes())
def test_no_exchange_of_one_new_replica_makes_the_load_more_even(change: tuple[ClusterState, dict[str, int]]) -> None:
    state, factors = change
    changed = new_replicas(state, factors)
    load = dict(zip(state.brokers, load_after(state, changed), strict=True))
    for one, replicas in changed.items():
        for new in set(replicas) - set(one.replicas):
            for other in set(state.brokers) - set(replicas):
                others = {rack_of(state, broker) for broker in replicas if broker != new}
                spread = rack_of(state, other) not in others or rack_of(state, new) in others
                assert not spread or load[new] - load[other] < 2


@given(clusters(), st.data())
def test_brokers_that_leave_keep_nothing_and_the_others_keep_all(state: ClusterState, data: st.DataObject) -> None:
    leaving = data.draw(st.sets(st.sampled_from(sorted(state.brokers)), max_size=len(state.brokers) - 1))
    stay = sorted(set(state.brokers) - leaving)
    if any(len(one.replicas) > len(stay) and set(one.replicas) & leaving for one in state.partitions):
        with pytest.raises(TopicError):
            without(state, leaving, stay)
        return
    changed = without(state, leaving, stay)
    assert set(changed) == {one for one in state.partitions if set(one.replicas) & leaving}
    for one, replicas in changed.items():
        assert len(replicas) == len(set(replicas)) == len(one.replicas), "the replication factor stays"
        assert set(one.replicas) - leaving <= set(replicas) <= set(stay)
        old = {rack_of(state, broker) for broker in one.replicas if broker in stay}
        new = len(set(replicas) - set(one.replicas))
        possible = min(len({rack_of(state, broker) for broker in stay}), len(old) + new)
        assert len({rack_of(state, broker) for broker in replicas}) == possible


@given(clusters())
def test_evening_out_leaves_no_exchange_that_would_make_the_load_more_even(state: ClusterState) -> None:
    changed = balanced(state)
    load = dict(zip(state.brokers, load_after(state, changed), strict=True))
    leaders = dict(zip(state.brokers, leaders_after(state, changed), strict=True))
    racks = {rack_of(state, broker) for broker in state.brokers}
    for one in state.partitions:
        replicas = changed.get(one, one.replicas)
        assert len(replicas) == len(set(replicas)) == len(one.replicas)
        assert len({rack_of(state, broker) for broker in replicas}) == min(len(racks), len(replicas))
        assert all(leaders[replicas[0]] - leaders[broker] < 2 for broker in replicas)
        for old in replicas:
            for other in set(state.brokers) - set(replicas):
                others = {rack_of(state, broker) for broker in replicas if broker != old}
                spread = rack_of(state, other) not in others or rack_of(state, old) in others
                assert not spread or load[old] - load[other] < 2
    after = [Partition(p.topic, p.number, p.leader, changed.get(p, p.replicas), p.in_sync) for p in state.partitions]
    assert balanced(ClusterState(state.brokers, 0, after, state.racks)) == {}, "once is enough"


@given(changes(), st.randoms(use_true_random=False))
def test_the_order_of_the_metadata_does_not_matter(change: tuple[ClusterState, dict[str, int]], random: Random) -> None:
    state, factors = change
    shuffled = list(state.partitions)
    random.shuffle(shuffled)
    brokers = dict(random.sample(list(state.brokers.items()), len(state.brokers)))
    again = ClusterState(brokers, 0, shuffled, state.racks)
    assert new_replicas(again, dict(reversed(factors.items()))) == new_replicas(state, factors)
    assert balanced(again) == balanced(state)


@given(
    racks=st.integers(1, 4),
    size=st.integers(1, 3),
    topics=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    factor=st.integers(1, 5),
    start=st.integers(0, 11),
    data=st.data(),
)
def test_an_even_load_stays_even_to_one_replica(
    racks: int, size: int, topics: list[int], factor: int, start: int, data: st.DataObject
) -> None:
    brokers = racks * size
    factor = min(factor, brokers)
    leaders = [(start + step) % brokers for step in range(sum(topics))]
    order = data.draw(st.permutations(leaders))
    names = [f"t{number}" for number, partitions in enumerate(topics) for _ in range(partitions)]
    partitions = [
        partition(n, (leader,), topic=name) for n, (leader, name) in enumerate(zip(order, names, strict=True))
    ]
    state = cluster(brokers, *partitions, racks={broker: f"r{broker % racks}" for broker in range(brokers)})
    after = load_after(state, new_replicas(state, dict.fromkeys(names, factor)))
    assert max(after) - min(after) <= 1


# ---------------------------------------------------------------------------------------------------------- cost

PLACEMENT_SECONDS = 5.0
"""Processor seconds that 10,000 topics of 3 partitions may take on 30 brokers; measured: 0.2 to 1.3."""


@pytest.mark.parametrize(
    ("old", "new", "first_of_rack"),
    [
        pytest.param(1, 3, (0, 10, 20), id="growing-on-even-racks"),
        pytest.param(1, 3, (0, 2, 10), id="growing-on-uneven-racks"),
        pytest.param(3, 2, (0, 10, 20), id="shrinking"),
    ],
)
def test_ten_thousand_topics_are_placed_in_seconds(old: int, new: int, first_of_rack: tuple[int, ...]) -> None:
    partitions = [
        partition(number % 3, tuple((number + step) % 30 for step in range(old)), topic=f"t{number // 3}")
        for number in range(30_000)
    ]
    racks = {broker: f"r{sum(broker >= first for first in first_of_rack)}" for broker in range(30)}
    state = cluster(30, *partitions, racks=racks)
    start = time.process_time()
    changed = new_replicas(state, {one.topic: new for one in partitions})
    assert time.process_time() - start < PLACEMENT_SECONDS
    assert len(changed) == 30_000


def test_ten_thousand_topics_are_evened_out_in_seconds() -> None:
    partitions = [
        partition(number % 3, tuple((number + step) % 29 for step in range(3)), topic=f"t{number // 3}")
        for number in range(30_000)
    ]
    state = cluster(30, *partitions, racks={broker: f"r{broker % 3}" for broker in range(30)})
    start = time.process_time()
    changed = balanced(state)
    assert time.process_time() - start < PLACEMENT_SECONDS
    assert max(load_after(state, changed)) - min(load_after(state, changed)) <= 1
    assert sum(len(set(replicas) - set(one.replicas)) for one, replicas in changed.items()) < 5500, (
        "its share of 3000, and about 2000 that shared a rack"
    )
