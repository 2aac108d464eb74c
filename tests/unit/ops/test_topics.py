"""Topics as a stack file declares them: exports match the cluster.

Source: ops/topics/.
"""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from components.stack_file.settings import load_settings
from components.topics.rules import THROTTLES, TopicSpec
from components.topics.safety import ObservedTopic, matches
from ops.errors import RefusedError, refuse_unknown
from ops.topics.export import entry, obstacles, stack_file_text, with_reachable_minimum
from ops.topics.views import PartitionView, TopicView, is_internal

THREE = ((0, 1, 2), (1, 2, 0))

CASES: dict[str, dict[str, str]] = {
    "defaults": {},
    "a_week": {"retention.ms": "604800000"},
    "odd_time": {"retention.ms": "1501"},
    "permanent": {"retention.ms": "-1", "retention.bytes": "-1"},
    "the_largest_number_there_is": {"retention.ms": "9223372036854775807"},
    "sizes": {"retention.bytes": "1073741824", "max.message.bytes": "1048588"},
    "both_policies": {"cleanup.policy": "delete,compact", "compression.type": "zstd"},
    "other_keys": {"segment.ms": "3600000", "preallocate": "true", "min.cleanable.dirty.ratio": "0.1"},
    "in_sync": {"min.insync.replicas": "2"},
}


def specs_of(text: str) -> dict[str, TopicSpec]:
    """The topics that a stack file with three brokers declares."""
    declared: dict[str, Any] = yaml.safe_load(text)["config"]
    values = {key.removeprefix("millrace:"): value for key, value in declared.items()} | {"profile": "ha"}
    return {spec.name: spec for spec in load_settings(values, source="exported").topic_specs()}


def test_what_is_exported_declares_exactly_what_the_cluster_has() -> None:
    observed = {name: ObservedTopic(replicas=THREE, config=config) for name, config in CASES.items()}

    specs = specs_of(stack_file_text(observed))

    assert specs.keys() == observed.keys()
    for name, topic in observed.items():
        assert matches(specs[name], topic), f"{name}: {specs[name]} is not {topic}"


def test_the_stack_file_s_keys_are_used_where_they_exist() -> None:
    config = {
        "retention.ms": "604800000",
        "retention.bytes": "536870912",
        "cleanup.policy": "delete,compact",
        "min.insync.replicas": "2",
        "segment.ms": "1000",
    }

    assert entry("orders", ObservedTopic(replicas=THREE, config=config)) == {
        "name": "orders",
        "partitions": 2,
        "replicationFactor": 3,
        "retention": "7d",
        "retentionBytes": "512MiB",
        "cleanup": "compact,delete",
        "minInSyncReplicas": 2,
        "config": {"segment.ms": "1000"},
    }


def test_a_default_of_the_brokers_is_not_exported() -> None:
    assert entry("plain", ObservedTopic(replicas=((0,),))) == {
        "name": "plain",
        "partitions": 1,
        "replicationFactor": 1,
    }


def test_throttles_of_a_reassignment_are_not_exported() -> None:
    throttles = dict.fromkeys(THROTTLES, "0:0")
    assert "config" not in entry("t", ObservedTopic(replicas=((0,),), config=throttles))


def test_obstacles_to_a_declaration_are_listed() -> None:
    uneven = ObservedTopic(replicas=((0, 1), (0,)), config={"new.key": "1"})

    problems = "\n".join(obstacles("__odd", uneven, brokers=1))

    assert "new.key" in problems
    assert '"__odd" starts with "__"' in problems
    assert "different numbers of replicas" in problems
    assert "replication factor 2" in problems
    assert obstacles("fine", ObservedTopic(replicas=THREE), brokers=3) == []


def test_a_topic_with_too_few_replicas_for_the_default_minimum_gets_one_of_its_own() -> None:
    single = ObservedTopic(replicas=((0,),), config={"segment.ms": "1"})
    topics = {"few": single, "enough": ObservedTopic(replicas=THREE), "own": replace(single, config=CASES["in_sync"])}

    reachable, lines = with_reachable_minimum(topics, dict.fromkeys(topics, 2))

    assert entry("few", reachable["few"])["minInSyncReplicas"] == 1
    assert reachable["few"].config["segment.ms"] == "1"
    assert {name: reachable[name] for name in ("enough", "own")} == {name: topics[name] for name in ("enough", "own")}
    (line,) = lines
    assert "few: min.insync.replicas 2, the cluster's default, is above its replication factor 1" in line


def view(*limits: tuple[int | None, int | None]) -> TopicView:
    partitions = [
        PartitionView(number=number, leader=0, replicas=(0, 1), in_sync=(0,), begin=begin, end=end, size=10)
        for number, (begin, end) in enumerate(limits)
    ]
    return TopicView(name="orders", partitions=partitions, effective={}, own={}, disk=40)


def test_records_are_end_minus_first_offsets() -> None:
    assert view((5, 10), (0, 7)).records == 12
    assert view((0, 1), (None, None)).records is None, "the offsets of a partition without a leader are unknown"


def test_json_has_stable_keys() -> None:
    found = view((5, 10)).to_json()

    assert found["partitions"] == [
        {"partition": 0, "leader": 0, "replicas": [0, 1], "inSync": [0], "begin": 5, "end": 10, "sizeBytes": 10}
    ]
    assert {key: found[key] for key in ("name", "replicationFactor", "records", "diskBytes")} == {
        "name": "orders",
        "replicationFactor": 2,
        "records": 5,
        "diskBytes": 40,
    }


def test_all_unknown_names_are_refused_at_once_with_the_nearest() -> None:
    with pytest.raises(RefusedError) as refused:
        refuse_unknown("topic", ["ordres", "orders", "zzz"], ["orders", "payments"])

    assert refused.value.problems == ('there is no topic "ordres". Did you mean "orders"?', 'there is no topic "zzz".')


def test_internal_topics_are_recognized_by_name() -> None:
    assert is_internal("__consumer_offsets")
    assert not is_internal("_orders")
