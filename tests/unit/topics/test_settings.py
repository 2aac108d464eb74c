"""Settings of topics in a stack file, and the topics that result.

Source: components/topics/settings.py.
"""

from typing import Any

import pytest

from components.topics.rules import TopicSpec
from tests.unit.stack_files import loaded, problems, spec, topic


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("", 'topics[0].name is "": a topic needs a name'),
        (
            "x" * 250,
            f'topics[0].name is "{"x" * 79}…": the name has 250 characters; Kafka allows at most 249',
        ),
        (
            "in sync",
            'topics[0].name is "in sync": "in sync" has characters other than letters, digits, ".", "_" and "-"',
        ),
        ("..", 'topics[0].name is "..": a topic cannot be called ".."'),
        (".", 'topics[0].name is ".": a topic cannot be called "."'),
        ("__x", 'topics[0].name is "__x": "__x" starts with "__", which is kept for internal topics'),
    ],
)
def test_an_invalid_topic_name_is_reported_with_the_reason(name: str, line: str) -> None:
    assert problems(topic(name=name)) == [line]


def test_the_longest_topic_name_has_249_characters() -> None:
    assert spec(topic(name="x" * 249)).name == "x" * 249


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (["orders", "".join(["ord", "ers"])], ['topic "orders" is declared twice']),
        (["a.b", "a_b"], ['topics "a.b" and "a_b" differ only in "." and "_", which Kafka refuses']),
    ],
)
def test_topics_that_exclude_each_other_are_reported(names: list[str], lines: list[str]) -> None:
    assert problems({"topics": [{"name": name} for name in names]}) == lines


def test_a_one_letter_topic_that_is_declared_twice_is_reported() -> None:
    assert problems({"topics": [{"name": "a"}, {"name": "a"}]}) == ['topic "a" is declared twice']


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        (
            topic(replicationFactor=3),
            "topics[0] (orders): replication factor 3 is more than the 1 broker there are",
        ),
        (
            {"profile": "ha", **topic(replicationFactor=4)},
            "topics[0] (orders): replication factor 4 is more than the 3 brokers there are",
        ),
        (
            topic(minInSyncReplicas=2),
            "topics[0] (orders): min.insync.replicas 2 is above the replication factor 1: "
            "so many replicas can never be in sync",
        ),
        (
            {"profile": "ha", **topic(replicationFactor=2, config={"min.insync.replicas": 3})},
            "topics[0] (orders): min.insync.replicas 3 is above the replication factor 2: "
            "so many replicas can never be in sync",
        ),
    ],
)
def test_a_topics_counts_are_checked_against_the_declared_brokers(declared: dict[str, Any], line: str) -> None:
    assert problems(declared) == [line]


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"retention.mss": 1}, 'unknown topic config "retention.mss". Did you mean "retention.ms"?'),
        ({"frobnicate": 1}, 'unknown topic config "frobnicate".'),
        ({"retention.ms": "7d"}, 'retention.ms is "7d"; it must be a whole number'),
        ({"cleanup.policy": "purge"}, 'cleanup.policy is "purge"; allowed are delete, compact, compact,delete'),
        (
            {"frobnicate": 1, "preallocate": "yes"},
            'unknown topic config "frobnicate".; preallocate is "yes"; it must be true or false',
        ),
    ],
)
def test_a_topics_config_is_checked_by_kafkas_keys(config: dict[str, Any], line: str) -> None:
    assert problems(topic(config=config)) == [f"topics[0].config: {line}"]


@pytest.mark.parametrize(
    ("field", "value", "key", "free"),
    [
        ("minInSyncReplicas", 1, "min.insync.replicas", 1),
        ("retention", "7d", "retention.ms", 1),
        ("retention", -1, "retention.ms", -1),
        ("retentionBytes", "1GiB", "retention.bytes", 1),
        ("cleanup", "compact", "cleanup.policy", "compact"),
        ("compression", "lz4", "compression.type", "lz4"),
        ("maxMessageBytes", "1MiB", "max.message.bytes", 1),
    ],
)
def test_a_topic_config_that_is_set_twice_is_refused(field: str, value: object, key: str, free: object) -> None:
    assert problems(topic(**{field: value}, config={key: free})) == [
        f'topics[0]: "{key}" is set twice: as {field} and in config'
    ]
    assert spec(topic(config={key: free})).config == {key: str(free)}, "either setting is valid on its own"


@pytest.mark.parametrize(
    ("declared", "factor"),
    [
        (topic(), 1),
        ({"kafka": {"replicas": 3}, **topic()}, 1),
        ({"kafka": {"replicas": 2, "replicationFactor": 2, "minInSyncReplicas": 2}, **topic()}, 2),
        ({"profile": "ha", **topic()}, 3),
        ({"profile": "ha", "kafka": {"replicas": 5}, **topic()}, 3),
        ({"profile": "ha", **topic(replicationFactor=2)}, 2),
        ({"profile": "ha", **topic(replicationFactor=1, minInSyncReplicas=1)}, 1),
    ],
)
def test_a_topic_has_its_own_replication_factor_or_the_brokers_default(declared: dict[str, Any], factor: int) -> None:
    assert spec(declared).replication_factor == factor


def test_a_factor_below_the_default_minimum_in_sync_is_refused() -> None:
    """Otherwise no record with acks=all is ever accepted."""
    assert problems({"profile": "ha", **topic(replicationFactor=1)}) == [
        "topics[0] (orders): min.insync.replicas 2 is above the replication factor 1: so many replicas can never be in "
        "sync; the topic may have minInSyncReplicas of its own (kafka.minInSyncReplicas is the default)"
    ]


def test_a_topic_without_settings_uses_the_brokers_defaults() -> None:
    assert spec(topic()) == TopicSpec(name="orders", partitions=1, replication_factor=1, config={}, protect=False)


def test_a_topics_fields_become_kafkas_keys() -> None:
    fields = {
        "partitions": 6,
        "replicationFactor": 2,
        "minInSyncReplicas": 2,
        "retention": "36h",
        "retentionBytes": "5GiB",
        "cleanup": "compact,delete",
        "compression": "lz4",
        "maxMessageBytes": "2MiB",
        "config": {"preallocate": True},
        "protect": True,
    }
    assert spec({"profile": "ha", **topic(**fields)}) == TopicSpec(
        name="orders",
        partitions=6,
        replication_factor=2,
        config={
            "min.insync.replicas": "2",
            "retention.ms": "129600000",
            "retention.bytes": "5368709120",
            "cleanup.policy": "compact,delete",
            "compression.type": "lz4",
            "max.message.bytes": "2097152",
            "preallocate": "true",
        },
        protect=True,
    )


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        ("7d", "604800000"),
        ("24h", "86400000"),
        ("1500ms", "1500"),
        (1000, "1000"),
        ("1000", "1000"),
        (-1, "-1"),
        ("-1", "-1"),
        (0, "0"),
    ],
)
def test_a_topics_retention_becomes_milliseconds_and_minus_one_means_forever(retention: object, expected: str) -> None:
    assert spec(topic(retention=retention)).config == {"retention.ms": expected}


@pytest.mark.parametrize(
    ("size", "expected"), [("1GiB", "1073741824"), (-1, "-1"), ("-1", "-1"), (1024, "1024"), ("100MB", "100000000")]
)
def test_a_topics_retained_bytes_become_a_number_and_minus_one_means_no_limit(size: object, expected: str) -> None:
    assert spec(topic(retentionBytes=size)).config == {"retention.bytes": expected}


@pytest.mark.parametrize("written", ["compact,delete", "delete,compact", "compact, delete", " compact,delete "])
@pytest.mark.parametrize("free", [True, False], ids=["in config", "as cleanup"])
def test_a_cleanup_policy_of_both_kinds_has_one_spelling(written: str, free: bool) -> None:
    fields = {"config": {"cleanup.policy": written}} if free else {"cleanup": written}
    assert spec(topic(**fields)).config == {"cleanup.policy": "compact,delete"}


def test_topics_are_sorted_by_name() -> None:
    specs = loaded({"topics": [{"name": "b"}, {"name": "a"}, {"name": "C"}]}).topic_specs()
    assert [item.name for item in specs] == ["C", "a", "b"]


def test_numbers_and_booleans_of_a_topics_config_become_text() -> None:
    config = {"min.cleanable.dirty.ratio": 0.5, "preallocate": False, "segment.bytes": 1048576.0}
    assert spec(topic(config=config)).config == {
        "min.cleanable.dirty.ratio": "0.5",
        "preallocate": "false",
        "segment.bytes": "1048576",
    }
