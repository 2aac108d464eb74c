"""The rules for topics.

Source: components/topics/rules.py.
Proof limit: the integration tests compare them with the rules of a real broker.
"""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import nearest
from components.topics.rules import (
    MAX_NAME_LENGTH,
    TOPIC_CONFIG_KINDS,
    TopicSpec,
    config_problems,
    count_problems,
    name_problem,
    normal_value,
    set_problems,
    spec_problems,
)

LEGAL = set(string.ascii_letters + string.digits + "._-")


def fresh(text: str) -> str:
    """An equal string that is a different object, as strings read from a file are."""
    return "".join(list(text))


@pytest.mark.parametrize(
    "name", ["a", "tda_jobs", "A-1.b_c", "...", "_single", "a__b", "0", "-", "x" * MAX_NAME_LENGTH]
)
def test_a_valid_name_has_no_problem(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "a topic needs a name"),
        ("x" * 250, "the name has 250 characters; Kafka allows at most 249"),
        (".", 'a topic cannot be called "."'),
        ("..", 'a topic cannot be called ".."'),
        ("a b", '"a b" has characters other than letters, digits, ".", "_" and "-"'),
        ("a/b", '"a/b" has characters other than letters, digits, ".", "_" and "-"'),
        ("größe", '"größe" has characters other than letters, digits, ".", "_" and "-"'),
        ("a\n", '"a\n" has characters other than letters, digits, ".", "_" and "-"'),
        ("__x", '"__x" starts with "__", which is kept for internal topics'),
        (
            "__consumer_offsets",
            '"__consumer_offsets" starts with "__", which is kept for internal topics',
        ),
    ],
)
def test_an_invalid_name_is_reported_with_the_reason(name: str, problem: str) -> None:
    assert name_problem(name) == problem


@given(name=st.text(max_size=8) | st.text(alphabet=sorted(LEGAL), max_size=255))
def test_a_name_is_accepted_only_if_it_follows_every_rule(name: str) -> None:
    rules = [
        1 <= len(name) <= 249,
        set(name) <= LEGAL,
        name not in (".", ".."),
        not name.startswith("__"),
    ]
    assert (name_problem(name) is None) == all(rules)


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({}, []),
        ({"retention.ms": "604800000", "retention.bytes": "-1"}, []),
        ({"min.cleanable.dirty.ratio": "0.5"}, []),
        ({"min.cleanable.dirty.ratio": "0"}, []),
        ({"min.cleanable.dirty.ratio": "1"}, []),
        ({"preallocate": "true", "unclean.leader.election.enable": "false"}, []),
        ({"cleanup.policy": "compact"}, []),
        ({"cleanup.policy": "compact,delete"}, []),
        ({"cleanup.policy": "delete, compact"}, []),
        ({"compression.type": "zstd", "message.timestamp.type": "LogAppendTime"}, []),
        ({"follower.replication.throttled.replicas": "*"}, []),
        ({"retention.mss": "1"}, ['unknown topic config "retention.mss". Did you mean "retention.ms"?']),
        ({"frobnicate": "1"}, ['unknown topic config "frobnicate".']),
        ({"log.retention.ms": "1"}, ['unknown topic config "log.retention.ms". Did you mean "local.retention.ms"?']),
        ({"cleanup.policy": "purge"}, ['cleanup.policy is "purge"; allowed are delete, compact, compact,delete']),
        ({"cleanup.policy": ""}, ['cleanup.policy is ""; allowed are delete, compact, compact,delete']),
        (
            {"compression.type": "zip"},
            ['compression.type is "zip"; allowed are producer, uncompressed, gzip, snappy, lz4, zstd'],
        ),
        (
            {"message.timestamp.type": "createtime"},
            ['message.timestamp.type is "createtime"; allowed are CreateTime, LogAppendTime'],
        ),
        ({"retention.ms": "7d"}, ['retention.ms is "7d"; it must be a whole number']),
        ({"retention.ms": "1.5"}, ['retention.ms is "1.5"; it must be a whole number']),
        ({"retention.ms": ""}, ['retention.ms is ""; it must be a whole number']),
        ({"preallocate": "yes"}, ['preallocate is "yes"; it must be true or false']),
        ({"preallocate": "True"}, ['preallocate is "True"; it must be true or false']),
        ({"min.cleanable.dirty.ratio": "2"}, ['min.cleanable.dirty.ratio is "2"; it must be a number from 0 to 1']),
        (
            {"min.cleanable.dirty.ratio": "-0.1"},
            ['min.cleanable.dirty.ratio is "-0.1"; it must be a number from 0 to 1'],
        ),
        ({"min.cleanable.dirty.ratio": "nan"}, ['min.cleanable.dirty.ratio is "nan"; it must be a number from 0 to 1']),
        (
            {"min.cleanable.dirty.ratio": "half"},
            ['min.cleanable.dirty.ratio is "half"; it must be a number from 0 to 1'],
        ),
    ],
)
def test_topic_config_is_checked_by_key_and_type(config: dict[str, str], problems: list[str]) -> None:
    assert config_problems(config) == problems


def test_all_problems_of_a_config_are_reported_sorted_by_key() -> None:
    assert config_problems({"retention.ms": "x", "foo": "1", "cleanup.policy": "purge"}) == [
        'cleanup.policy is "purge"; allowed are delete, compact, compact,delete',
        'unknown topic config "foo".',
        'retention.ms is "x"; it must be a whole number',
    ]


@pytest.mark.parametrize("key", sorted(TOPIC_CONFIG_KINDS))
def test_every_known_key_accepts_some_value(key: str) -> None:
    """With a typo in the table of types or choices, a key would accept no value."""
    candidates = ["1", "true", "text", "delete", "gzip", "CreateTime"]
    assert any(config_problems({key: value}) == [] for value in candidates)


@pytest.mark.parametrize(
    ("spec", "brokers", "problems"),
    [
        (TopicSpec(name="t", partitions=1, replication_factor=1), 1, []),
        (TopicSpec(name="t", partitions=100, replication_factor=3), 3, []),
        (TopicSpec(name="t", partitions=1, replication_factor=2, config={"min.insync.replicas": "2"}), 3, []),
        (TopicSpec(name="t", partitions=0, replication_factor=1), 1, ["0 partitions: a topic has at least 1"]),
        (
            TopicSpec(name="t", partitions=1, replication_factor=0),
            1,
            [
                "replication factor 0: a topic has at least 1 replica",
                "min.insync.replicas 1 is above the replication factor 0: so many replicas can never be in sync",
            ],
        ),
        (
            TopicSpec(name="t", partitions=1, replication_factor=3),
            1,
            ["replication factor 3 is more than the 1 broker there are"],
        ),
        (
            TopicSpec(name="t", partitions=1, replication_factor=4),
            3,
            ["replication factor 4 is more than the 3 brokers there are"],
        ),
        (
            TopicSpec(name="t", partitions=1, replication_factor=2, config={"min.insync.replicas": "3"}),
            3,
            ["min.insync.replicas 3 is above the replication factor 2: so many replicas can never be in sync"],
        ),
    ],
)
def test_counts_are_checked_against_the_brokers(spec: TopicSpec, brokers: int, problems: list[str]) -> None:
    assert count_problems(spec, brokers) == problems


def test_all_problems_of_a_topic_are_reported_at_once() -> None:
    spec = TopicSpec(name="a b", partitions=0, replication_factor=2, config={"foo": "1"})
    assert spec_problems(spec, 1) == [
        '"a b" has characters other than letters, digits, ".", "_" and "-"',
        'unknown topic config "foo".',
        "0 partitions: a topic has at least 1",
        "replication factor 2 is more than the 1 broker there are",
    ]
    assert spec_problems(TopicSpec(name="a", partitions=1, replication_factor=1), 1) == []


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        ([], []),
        (["a", "b"], []),
        (["a-b", "a_b"], []),
        (["orders", fresh("orders")], ['topic "orders" is declared twice']),
        (["a.b", "a_b"], ['topics "a.b" and "a_b" differ only in "." and "_", which Kafka refuses']),
        (["a_b", "x", "a.b"], ['topics "a_b" and "a.b" differ only in "." and "_", which Kafka refuses']),
        (
            ["a.b.c", "a_b.c", "a_b_c"],
            [
                'topics "a.b.c" and "a_b.c" differ only in "." and "_", which Kafka refuses',
                'topics "a.b.c" and "a_b_c" differ only in "." and "_", which Kafka refuses',
            ],
        ),
    ],
)
def test_names_are_checked_against_each_other(names: list[str], problems: list[str]) -> None:
    assert set_problems(names) == problems


@pytest.mark.parametrize("name", ["a", "orders"])
def test_a_name_that_is_declared_twice_is_found_even_if_both_are_one_object(name: str) -> None:
    """Python shares strings of one character, strings of source code and strings of YAML aliases."""
    assert set_problems([name, name]) == [f'topic "{name}" is declared twice']


def test_only_a_similar_key_is_suggested() -> None:
    assert nearest("retnetion", ["replicas", "retention"]) == ' Did you mean "retention"?'
    assert nearest("zzz", ["replicas", "retention"]) == ""
    assert nearest("x", []) == ""


@pytest.mark.parametrize(
    ("key", "value", "normal"),
    [
        ("cleanup.policy", "delete,compact", "compact,delete"),
        ("cleanup.policy", "compact, delete", "compact,delete"),
        ("cleanup.policy", " compact ", "compact"),
        ("retention.ms", " 5 ", "5"),
        ("follower.replication.throttled.replicas", "1:2,0:1", "1:2,0:1"),
    ],
)
def test_a_value_is_normalized_to_one_spelling(key: str, value: str, normal: str) -> None:
    assert normal_value(key, value) == normal
    assert normal_value(key, normal) == normal, "a second normalization changes nothing"
