"""Plans: the changes that make topics as declared.

Source: components/topics/safety.py.
Proof limit: the model cluster below carries out the plan; the integration tests show that Kafka does so too.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.kafka.client import ClusterState, Partition
from components.kafka.placement import new_replicas
from components.topics.rules import TopicSpec, normal_value
from components.topics.safety import (
    ObservedTopic,
    TopicPlan,
    change_lines,
    inputs_of,
    matches,
    plan_topics,
    refusals,
    specs_of,
)


def spec(name: str = "t", partitions: int = 1, factor: int = 1, **config: str) -> TopicSpec:
    """A declared topic; ``retention_ms`` means ``retention.ms``."""
    keys = {key.replace("_", "."): value for key, value in config.items()}
    return TopicSpec(name=name, partitions=partitions, replication_factor=factor, config=keys)


def observed(*replicas: tuple[int, ...], **config: str) -> ObservedTopic:
    """An existing topic, from its partitions' replicas."""
    return ObservedTopic(replicas=replicas, config={key.replace("_", "."): value for key, value in config.items()})


def plan(
    declared: Collection[TopicSpec], cluster: Mapping[str, ObservedTopic], owned: Collection[str] = ()
) -> TopicPlan:
    """The plan for topics given as lists."""
    return plan_topics({item.name: item for item in declared}, cluster, owned)


def test_without_declared_and_existing_topics_the_plan_is_empty() -> None:
    assert plan([], {}) == TopicPlan()


def test_missing_topics_are_created_sorted_by_name() -> None:
    b, a = spec("b", 3, 1, retention_ms="1"), spec("a")
    assert plan([b, a], {}) == TopicPlan(create=(a, b))


def test_a_topic_that_is_as_declared_is_not_changed() -> None:
    assert plan([spec(retention_ms="5")], {"t": observed((0,), retention_ms="5")}, ["t"]) == TopicPlan()


def test_partitions_are_added_up_to_the_new_total() -> None:
    assert plan([spec(partitions=3)], {"t": observed((0,))}) == TopicPlan(add_partitions={"t": 3})


def test_partitions_are_never_removed() -> None:
    assert plan([spec(partitions=1)], {"t": observed((0,), (0,))}) == TopicPlan(), "Kafka cannot shrink a topic"


def test_only_changed_values_and_new_keys_are_set() -> None:
    declared = spec(retention_ms="5", segment_bytes="100", preallocate="true")
    cluster = {"t": observed((0,), retention_ms="4", segment_bytes="100")}
    assert plan([declared], cluster) == TopicPlan(set_config={"t": {"retention.ms": "5", "preallocate": "true"}})


def test_undeclared_keys_are_reset_sorted() -> None:
    cluster = {"t": observed((0,), segment_bytes="100", retention_ms="4")}
    assert plan([spec()], cluster) == TopicPlan(reset_config={"t": ("retention.ms", "segment.bytes")})


def test_keys_are_set_and_reset_in_one_plan() -> None:
    cluster = {"t": observed((0,), segment_bytes="100")}
    assert plan([spec(retention_ms="5")], cluster) == TopicPlan(
        set_config={"t": {"retention.ms": "5"}}, reset_config={"t": ("segment.bytes",)}
    )


def test_a_different_spelling_of_a_value_is_no_change() -> None:
    cluster = {"t": observed((0,), cleanup_policy="delete,compact", retention_ms=" 5")}
    assert plan([spec(cleanup_policy="compact,delete", retention_ms="5")], cluster) == TopicPlan()


@pytest.mark.parametrize(
    "topic",
    [observed((0,)), observed((0, 1, 2)), observed((0, 1), (1,)), observed((0,), (1, 2))],
    ids=["too few", "too many", "last partition too few", "first partition too few"],
)
def test_a_different_number_of_replicas_in_one_partition_is_reassigned(topic: ObservedTopic) -> None:
    declared = spec(partitions=topic.partitions, factor=2)
    assert plan([declared], {"t": topic}) == TopicPlan(reassign={"t": 2})


def test_the_same_number_of_replicas_on_other_brokers_is_no_change() -> None:
    assert plan([spec(factor=2)], {"t": observed((2, 1))}) == TopicPlan(), "the cluster decides where replicas are"


def test_owned_topics_that_are_no_longer_declared_are_deleted_sorted() -> None:
    cluster = {"b": observed((0,)), "a": observed((0,))}
    assert plan([], cluster, ["b", "a"]) == TopicPlan(delete=("a", "b"))


def test_an_owned_topic_that_no_longer_exists_is_not_deleted() -> None:
    assert plan([], {}, ["a"]) == TopicPlan()


def test_a_topic_that_is_neither_declared_nor_owned_is_left_alone() -> None:
    cluster = {"foreign": observed((0, 1), (1,), retention_ms="1")}
    assert plan([spec()], {**cluster, "t": observed((0,))}, ["t"]) == TopicPlan()


def test_an_owned_topic_that_is_still_declared_is_not_deleted() -> None:
    assert plan([spec()], {"t": observed((0,))}, ["t"]).delete == ()


@pytest.mark.parametrize(
    ("topic", "same"),
    [
        (observed((0, 1), (1, 0), retention_ms="5"), True),
        (observed((0, 1), (1, 0), retention_ms=" 5 "), True),
        (observed((0, 1), retention_ms="5"), False),
        (observed((0, 1), (1, 0), (0, 1), retention_ms="5"), False),
        (observed((0, 1), (1,), retention_ms="5"), False),
        (observed((0, 1), (1, 0), retention_ms="6"), False),
        (observed((0, 1), (1, 0)), False),
        (observed((0, 1), (1, 0), retention_ms="5", preallocate="true"), False),
    ],
    ids=[
        "the same",
        "another spelling",
        "fewer partitions",
        "more partitions",
        "fewer replicas",
        "another value",
        "a key missing",
        "a key too many",
    ],
)
def test_a_topic_matches_only_if_its_plan_is_empty(topic: ObservedTopic, same: bool) -> None:
    assert matches(spec(partitions=2, factor=2, retention_ms="5"), topic) is same


def test_counts_of_an_existing_topic_come_from_its_replicas() -> None:
    topic = observed((0,), (0, 1, 2))
    assert (topic.partitions, topic.replication_factor) == (2, 3)
    assert observed().replication_factor == 0, "a topic with unknown partitions has no replicas"


THROTTLE = {"leader_replication_throttled_replicas": "0:1", "follower_replication_throttled_replicas": "0:2"}


def test_throttles_that_other_tools_set_are_no_drift() -> None:
    assert plan([spec()], {"t": observed((0,), **THROTTLE, retention_ms="4")}) == TopicPlan(
        reset_config={"t": ("retention.ms",)}
    )
    assert matches(spec(), observed((0,), **THROTTLE))


def test_a_declared_throttle_is_compared_and_the_other_one_is_ignored() -> None:
    key = "leader.replication.throttled.replicas"
    declared = spec(leader_replication_throttled_replicas="*")
    assert plan([declared], {"t": observed((0,), **THROTTLE)}) == TopicPlan(set_config={"t": {key: "*"}})
    assert plan([declared], {"t": observed((0,))}) == TopicPlan(set_config={"t": {key: "*"}})


NAMES = ("a", "b", "c", "d")
CONFIGS = st.dictionaries(
    st.sampled_from(["cleanup.policy", "retention.ms", "segment.bytes"]),
    st.sampled_from(["compact,delete", "delete,compact", "1", " 1", "2"]),
)


@st.composite
def replica_lists(draw: st.DrawFn, brokers: list[int]) -> tuple[tuple[int, ...], ...]:
    """Replicas of one to four partitions, of any length and order."""
    one = st.permutations(brokers).flatmap(
        lambda order: st.integers(1, len(brokers)).map(lambda count: tuple(order[:count]))
    )
    return tuple(draw(st.lists(one, min_size=1, max_size=4)))


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """A cluster, a declaration that only grows partitions (settings refuse the rest), and the topics owned so far."""
    brokers = list(range(draw(st.integers(1, 4))))
    cluster = {
        name: ObservedTopic(replicas=draw(replica_lists(brokers)), config=draw(CONFIGS))
        for name in draw(st.sets(st.sampled_from(NAMES)))
    }
    declared = {}
    for name in draw(st.sets(st.sampled_from(NAMES))):
        fewest = cluster[name].partitions if name in cluster else 1
        declared[name] = TopicSpec(
            name=name,
            partitions=draw(st.integers(fewest, fewest + 3)),
            replication_factor=draw(st.integers(1, len(brokers))),
            config=draw(CONFIGS),
        )
    owned = draw(st.sets(st.sampled_from(NAMES)))
    return {"brokers": brokers, "cluster": cluster, "declared": declared, "owned": owned}


def applied(
    changes: TopicPlan, cluster: Mapping[str, ObservedTopic], brokers: list[int]
) -> tuple[dict[str, ObservedTopic], list[str]]:
    """The topics of a model cluster after it carried out a plan, and the names of the topics that changed."""
    topics = {name: (list(topic.replicas), dict(topic.config)) for name, topic in cluster.items()}
    for item in changes.create:
        assert item.name not in topics, "a cluster refuses to create an existing topic"
        first = tuple(brokers[: item.replication_factor])
        topics[item.name] = ([first] * item.partitions, dict(item.config))
    for name, total in changes.add_partitions.items():
        replicas = topics[name][0]
        assert total > len(replicas), "a cluster refuses any total that is not higher"
        replicas += [replicas[0]] * (total - len(replicas))
    for name, values in changes.set_config.items():
        topics[name][1].update(values)
    for name, keys in changes.reset_config.items():
        for key in keys:
            del topics[name][1][key]
    partitions = [
        Partition(name, number, replicas[0], replicas, replicas)
        for name, (lists, _) in topics.items()
        for number, replicas in enumerate(lists)
    ]
    state = ClusterState(dict.fromkeys(brokers, "host:9092"), brokers[0], partitions)
    for partition, chosen in new_replicas(state, changes.reassign).items():
        factor = changes.reassign[partition.topic]
        assert len(set(chosen)) == factor, "a broker holds at most one replica of a partition"
        assert chosen[0] == partition.replicas[0], "the preferred leader stays"
        topics[partition.topic][0][partition.number] = chosen
    for name in changes.delete:
        del topics[name]
    touched = [item.name for item in changes.create]
    touched += [*changes.add_partitions, *changes.set_config, *changes.reset_config, *changes.reassign]
    after = {
        name: ObservedTopic(replicas=tuple(replicas), config=config) for name, (replicas, config) in topics.items()
    }
    return after, [*touched, *changes.delete]


@given(situation=situations())
def test_an_applied_plan_gives_the_declared_topics_and_the_next_plan_is_empty(situation: dict[str, Any]) -> None:
    brokers, cluster = situation["brokers"], situation["cluster"]
    declared, owned = situation["declared"], situation["owned"]
    after, touched = applied(plan_topics(declared, cluster, owned), cluster, brokers)

    for name, item in declared.items():
        assert matches(item, after[name]), name
        assert after[name].partitions == item.partitions
        assert {len(replicas) for replicas in after[name].replicas} == {item.replication_factor}
        assert {key: normal_value(key, value) for key, value in after[name].config.items()} == {
            key: normal_value(key, value) for key, value in item.config.items()
        }
    foreign = set(cluster) - set(declared) - owned
    assert not foreign & set(touched), "a plan never changes topics that are neither declared nor owned"
    assert set(after) == set(declared) | foreign, "owned topics that are no longer declared are deleted"
    assert all(after[name] == cluster[name] for name in foreign)
    assert plan_topics(declared, after, owned | set(declared)) == TopicPlan()


PLAN_SECONDS = 5.0
"""Processor seconds that a plan of 10,000 topics may take."""


def test_ten_thousand_topics_are_checked_and_planned_in_seconds() -> None:
    old = {f"t{n:05}": spec(f"t{n:05}", 3, 1, retention_ms="5", segment_bytes="9") for n in range(10_000)}
    new = {name: replace(one, replication_factor=3, config={"retention.ms": "6"}) for name, one in old.items()}
    cluster = {name: observed((0,), (1,), (2,), retention_ms="5", segment_bytes="9", **THROTTLE) for name in old}
    start = time.process_time()
    assert refusals(old, new, 30) == []
    assert len(change_lines(old, new)) == 2
    changes = plan_topics(new, cluster, old)
    assert time.process_time() - start < PLAN_SECONDS
    assert len(changes.reassign) == len(changes.set_config) == len(changes.reset_config) == 10_000


def test_a_changed_default_never_lowers_a_replication_factor() -> None:
    """Fewer brokers, or a lower default, would otherwise remove replicas that nobody meant."""
    old, new = spec(factor=3), spec(factor=2)
    by_default = replace(new, factor_by_default=True)
    assert refusals({"t": old}, {"t": by_default}, 3) == [
        'topic "t" would get 2 instead of 3 replicas by a changed default; to keep them, declare replicationFactor: 3 '
        "for the topic; for fewer, declare replicationFactor: 2"
    ]
    assert refusals({"t": old}, {"t": new}, 3) == [], "declared for the topic"
    assert refusals({"t": new}, {"t": replace(old, factor_by_default=True)}, 3) == [], "more replicas are safe"
    assert refusals({"t": old}, {"t": replace(old, factor_by_default=True)}, 3) == []


def test_a_resource_knows_which_factors_are_defaults() -> None:
    props = {"topics": inputs_of({"a": spec("a"), "b": spec("b")}), "factorsByDefault": ["b"]}
    assert [one.factor_by_default for one in specs_of(props).values()] == [False, True]
