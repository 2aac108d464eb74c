"""The provider of topic sets, called as the engine calls it.

Source: components/topics/provider.py.
Proof limit: there is no broker.
"""

import re
import string
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError, KafkaTimeoutError
from pulumi.runtime import rpc

from components.dynamic import Props
from components.errors import ClusterError
from components.kafka.security import Security
from components.routes import Route
from components.topics import client as topics_client
from components.topics import provider as topics_module
from components.topics.provider import TopicSetProvider
from components.topics.rules import TopicSpec
from components.topics.safety import (
    Leavers,
    ObservedTopic,
    change_lines,
    inputs_of,
    leaving_refusals,
    specs_of,
)
from tests.unit.dynamic import VIA, from_engine, shown, take_detour
from tests.unit.topics.cluster import FakeCluster, specs

# ---------------------------------------------------------------------------------------------------------- inputs

TOPIC_SPECS = st.builds(
    TopicSpec,
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    partitions=st.integers(0, 10**6),
    replication_factor=st.integers(0, 100),
    config=st.dictionaries(st.text(string.ascii_lowercase + ".", min_size=1), st.text(string.printable)),
    protect=st.booleans(),
)
SPECS_BY_NAME = st.lists(TOPIC_SPECS, unique_by=lambda spec: spec.name, max_size=5).map(
    lambda specs: {spec.name: spec for spec in specs}
)


@given(SPECS_BY_NAME)
def test_topics_survive_the_conversion_to_inputs(specs: dict[str, TopicSpec]) -> None:
    assert specs_of({"topics": inputs_of(specs)}) == specs


@given(SPECS_BY_NAME)
def test_topics_survive_the_conversion_by_the_engine(specs: dict[str, TopicSpec]) -> None:
    read = specs_of(from_engine({"topics": inputs_of(specs)}))
    assert read == specs
    for spec in read.values():
        assert type(spec.partitions) is int, "the engine sends floats; Kafka requires integers"
        assert type(spec.replication_factor) is int


def test_inputs_are_sorted_by_name() -> None:
    specs = {name: TopicSpec(name=name, partitions=1, replication_factor=1) for name in ("c", "a", "b")}
    assert list(inputs_of(specs)) == ["a", "b", "c"], "so that a diff shows only real changes"


@pytest.mark.parametrize("props", [{}, {"topics": None}, {"topics": {}}])
def test_a_set_without_topics_has_none(props: Props) -> None:
    assert specs_of(props) == {}


def test_omitted_inputs_have_their_defaults() -> None:
    assert specs_of({"topics": {"t": {"partitions": 1.0, "replicationFactor": 1.0}}}) == {
        "t": TopicSpec(name="t", partitions=1, replication_factor=1, config={}, protect=False)
    }


# ----------------------------------------------------------------------------------------------------------- check

PROTECTED = (
    "protected topics would be deleted: orders; to delete them, set protect to false (the topic's, and the platform's "
    "or set's), run `pulumi up`, then remove them from topics and list them in topicsToDelete"
)
UNLISTED = (
    "no longer declared, which alone deletes nothing: orders; to delete a topic with its records, list it in "
    "topicsToDelete; to keep it and no longer manage it, in topicsToRelease"
)


def topic(partitions: int = 3, factor: int = 1, *, protect: bool = False, **config: str) -> Props:
    spelled = {key.replace("_", "."): value for key, value in config.items()}
    return {"partitions": partitions, "replicationFactor": factor, "config": spelled, "protect": protect}


def topic_set(brokers: int = 3, **topics: Props) -> Props:
    """Inputs of a set; a double underscore in a keyword means a dot in the topic's name."""
    return {
        "setName": "topics",
        "bootstrap": "127.0.0.1:1",
        "brokers": {f"kafka-{ordinal}": f"127.0.0.1:{ordinal + 1}" for ordinal in range(brokers)},
        "topics": {name.replace("__", "."): value for name, value in topics.items()},
        "existing": "refuse",
        "toDelete": [],
        "toRelease": [],
        "protect": False,
        "deleteWithSet": False,
        "deadline": 180,
        "logs": {},
        "trigger": {},
    }


def check(olds: Props, news: Props) -> list[str]:
    """The reasons of a check's failures; the engine shows each as a line."""
    sent = from_engine(news)
    result = TopicSetProvider().check(from_engine(olds), sent)
    assert result.inputs == sent, "a check changes no input"
    assert {failure.property for failure in result.failures} <= {""}, "the engine prints the value of a property"
    return sorted(failure.reason for failure in result.failures)  # the engine does not keep the order of keys


def test_who_chose_a_replication_factor_is_no_change() -> None:
    props = from_engine(
        {"topics": inputs_of(specs("orders")), "factorsByDefault": ["orders"], "trigger": {"kafka-0": "1"}}
    )

    def changes(**changed: Any) -> bool | None:
        return (
            TopicSetProvider().diff("1", {**props, "__provider": "a"}, {**props, "__provider": "a", **changed}).changes
        )

    assert changes(factorsByDefault=[]) is False
    assert changes(factorsByDefault=[], trigger={"kafka-0": "2"}) is None, "the engine compares"
    assert changes(topics={}) is None


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("olds", "news"),
    [
        pytest.param({}, topic_set(orders=topic(3)), id="new"),
        pytest.param(topic_set(orders=topic(3)), topic_set(orders=topic(3)), id="unchanged"),
        pytest.param(topic_set(orders=topic(3)), topic_set(orders=topic(12)), id="more-partitions"),
        pytest.param(topic_set(orders=topic(3)), topic_set(orders=topic(3, 3)), id="more-replicas"),
        pytest.param(topic_set(orders=topic(3, 3)), topic_set(orders=topic(3, 1)), id="fewer-replicas"),
        pytest.param(topic_set(orders=topic(3)), {**topic_set(), "toDelete": ["orders"]}, id="a-topic-is-deleted"),
        pytest.param(topic_set(orders=topic(3)), {**topic_set(), "toRelease": ["orders"]}, id="a-topic-is-released"),
        pytest.param(
            {**topic_set(orders=topic(protect=True)), "protect": True},
            {**topic_set(), "protect": True, "toRelease": ["orders"]},
            id="a-protected-topic-is-released",
        ),
        pytest.param(topic_set(), {**topic_set(), "toDelete": ["left"], "protect": True}, id="the-list-stays"),
        pytest.param(topic_set(orders=topic(3, protect=True)), topic_set(orders=topic(3)), id="protection-is-lifted"),
        pytest.param(
            topic_set(orders=topic(9)),
            {**topic_set(parcels=topic(3)), "toDelete": ["orders"]},
            id="a-different-name-with-fewer-partitions",
        ),
        pytest.param({}, topic_set(orders=topic(3, 3, min_insync_replicas="3")), id="min-isr-of-all-replicas"),
        pytest.param({}, topic_set(), id="no-topics"),
    ],
)
def test_possible_changes_are_not_refused(olds: Props, news: Props) -> None:
    assert check(olds, news) == []


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("olds", "news", "reason"),
    [
        pytest.param(
            topic_set(orders=topic(6)),
            topic_set(orders=topic(3)),
            'topic "orders": 6 partitions cannot become 3; Kafka cannot remove partitions without losing records. '
            "Create a new topic and move its consumers",
            id="fewer-partitions",
        ),
        pytest.param(
            {},
            topic_set(2, orders=topic(3, 3)),
            'topic "orders": replication factor 3 is more than the 2 brokers there are',
            id="factor-above-brokers",
        ),
        pytest.param(
            {},
            topic_set(1, orders=topic(3, 2)),
            'topic "orders": replication factor 2 is more than the 1 broker there are',
            id="factor-above-the-one-broker",
        ),
        pytest.param(
            {},
            topic_set(orders=topic(3, 2, min_insync_replicas="3")),
            'topic "orders": min.insync.replicas 3 is above the replication factor 2: '
            "so many replicas can never be in sync",
            id="min-isr-above-factor",
        ),
        pytest.param(
            {},
            topic_set(**{"new orders": topic()}),
            'topic "new orders": "new orders" has characters other than letters, digits, ".", "_" and "-"',
            id="bad-name",
        ),
        pytest.param(
            {},
            topic_set(**{"x" * 250: topic()}),
            f'topic "{"x" * 250}": the name has 250 characters; Kafka allows at most 249',
            id="long-name",
        ),
        pytest.param(
            {},
            topic_set(orders=topic(retentoin_ms="1000")),
            'topic "orders": unknown topic config "retentoin.ms". Did you mean "retention.ms"?',
            id="unknown-key-with-a-similar-one",
        ),
        pytest.param(
            {},
            topic_set(orders=topic(zzz="1000")),
            'topic "orders": unknown topic config "zzz".',
            id="unknown-key-without-a-similar-one",
        ),
        pytest.param(
            {},
            topic_set(orders=topic(retention_ms="seven days")),
            'topic "orders": retention.ms is "seven days"; it must be a whole number',
            id="bad-value",
        ),
        pytest.param({}, topic_set(orders=topic(0)), 'topic "orders": 0 partitions: a topic has at least 1', id="none"),
        pytest.param(
            topic_set(orders=topic(3, protect=True), parcels=topic()),
            topic_set(parcels=topic()),
            PROTECTED,
            id="a-protected-topic-is-removed",
        ),
        pytest.param(
            topic_set(orders=topic(3, protect=True), parcels=topic()),
            {**topic_set(parcels=topic()), "toDelete": ["orders"]},
            PROTECTED,
            id="a-protected-topic-is-listed",
        ),
        pytest.param(
            {**topic_set(orders=topic(), parcels=topic()), "protect": True},
            {**topic_set(parcels=topic()), "toDelete": ["orders"]},
            PROTECTED,
            id="of-a-set-that-was-protected",
        ),
        pytest.param(
            topic_set(orders=topic(), parcels=topic()),
            {**topic_set(parcels=topic()), "toDelete": ["orders"], "protect": True},
            PROTECTED,
            id="of-a-set-that-becomes-protected",
        ),
        pytest.param(
            topic_set(orders=topic(), parcels=topic()),
            {**topic_set(parcels=topic()), "toDelete": ["other"]},
            UNLISTED,
            id="a-line-is-dropped",
        ),
        pytest.param(topic_set(orders=topic()), topic_set(), UNLISTED, id="all-lines-are-dropped"),
        pytest.param(
            topic_set(orders=topic()),
            topic_set(parcels=topic()),
            UNLISTED + ". If it was renamed: Kafka cannot rename a topic; declare both, move producers and consumers, "
            "then list the old one in topicsToDelete",
            id="a-name-is-changed",
        ),
        pytest.param(
            {},
            {**topic_set(orders=topic()), "toDelete": ["orders"]},
            'topic "orders" is in topics and in topicsToDelete; remove it from all but one',
            id="declared-and-listed",
        ),
    ],
)
def test_impossible_changes_are_refused_with_the_reason(olds: Props, news: Props, reason: str) -> None:
    assert check(olds, news) == [reason]


@pytest.mark.usefixtures("no_network")
def test_names_that_differ_only_in_dot_and_underscore_are_refused() -> None:
    (reason,) = check({}, topic_set(new__orders=topic(), new_orders=topic(), neworders=topic()))
    assert sorted(re.findall(r'"(new[^"]*)"', reason)) == ["new.orders", "new_orders"]
    assert reason.endswith('differ only in "." and "_", which Kafka refuses')


@pytest.mark.usefixtures("no_network")
def test_several_mistakes_are_separate_failures_reported_at_once() -> None:
    olds = topic_set(orders=topic(6), audit=topic(protect=True))
    news = topic_set(1, orders=topic(3, 2), new__a=topic(cleanup_policy="shrink"), new_a=topic(retention_ms="x"))
    reasons = check(olds, news)
    starts = [
        "protected topics would be deleted: audit;",
        'topic "new.a": cleanup.policy is "shrink"; allowed are delete, compact, compact,delete',
        'topic "new_a": retention.ms is "x"; it must be a whole number',
        'topic "orders": 6 partitions cannot become 3',
        'topic "orders": replication factor 2 is more than the 1 broker',
        'topics "new',
    ]
    assert len(reasons) == len(starts)
    assert [reason[: len(start)] for reason, start in zip(reasons, starts, strict=True)] == starts


@pytest.mark.usefixtures("no_network")
def test_removing_a_topic_and_its_protection_in_one_update_is_refused() -> None:
    assert check(topic_set(orders=topic(protect=True)), topic_set()) != [], (
        "the state holds the protection until an update removes it"
    )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"topics": rpc.UNKNOWN}, id="all-topics"),
        pytest.param({"topics": {"new orders": rpc.UNKNOWN}}, id="one-topic"),
        pytest.param({"topics": {"new orders": {"partitions": rpc.UNKNOWN, "replicationFactor": 9}}}, id="a-count"),
        pytest.param({"topics": {"new orders": topic()}, "brokers": rpc.UNKNOWN}, id="the-brokers"),
        pytest.param({"topics": {"new orders": topic()}, "brokers": {"kafka-0": rpc.UNKNOWN}}, id="a-broker"),
    ],
)
def test_unknown_values_pass_the_check(changed: Props) -> None:
    assert check(topic_set(orders=topic(protect=True)), {**topic_set(), **changed}) == []


@pytest.mark.usefixtures("no_network")
def test_unknown_values_in_other_inputs_do_not_prevent_the_check() -> None:
    news = {**topic_set(1, orders=topic(3, 2)), "trigger": {"kafka-0": rpc.UNKNOWN}}
    assert len(check({}, news)) == 1, "a broker that is replaced has no known id in a preview"


@pytest.mark.usefixtures("no_network")
def test_an_unknown_earlier_state_passes_the_check() -> None:
    assert check({"topics": rpc.UNKNOWN}, topic_set(orders=topic(1))) == []


# ------------------------------------------------------------------------------------------------ changes as text


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("olds", "news", "lines"),
    [
        pytest.param({}, topic_set(orders=topic()), [], id="the-first-time"),
        pytest.param(topic_set(orders=topic()), topic_set(orders=topic()), [], id="unchanged"),
        pytest.param(topic_set(orders=topic()), {**topic_set(orders=topic()), "deadline": 9}, [], id="no-topic"),
        pytest.param(
            topic_set(orders=topic()),
            topic_set(parcels=topic(), orders=topic(), audit=topic()),
            ["topics: creates audit, parcels"],
            id="more-topics",
        ),
        pytest.param(
            topic_set(parcels=topic(), orders=topic(), audit=topic()),
            {**topic_set(orders=topic()), "toDelete": ["parcels", "audit"]},
            ["topics: deletes, with their records, audit, parcels"],
            id="fewer-topics",
        ),
        pytest.param(
            topic_set(orders=topic(3, retention_ms="1000")),
            topic_set(orders=topic(6, retention_ms="2000")),
            ["topics: changes orders (config.retention.ms: 1000 -> 2000; partitions: 3 -> 6)"],
            id="a-topic-changes",
        ),
        pytest.param(
            topic_set(orders=topic(protect=True, retention_ms="1000"), parcels=topic()),
            topic_set(orders=topic(), parcels=topic(3, 3)),
            [
                "topics: changes orders (config.retention.ms: 1000 -> (none); protect: true -> false), "
                "parcels (replicationFactor: 1 -> 3)"
            ],
            id="two-topics-change",
        ),
        pytest.param(
            topic_set(orders=topic(), parcels=topic(), billing=topic()),
            {**topic_set(orders=topic(6), audit=topic()), "toDelete": ["parcels"], "toRelease": ["billing"]},
            [
                "topics: creates audit",
                "topics: deletes, with their records, parcels",
                "topics: no longer manages, and keeps, billing",
                "topics: changes orders (partitions: 3 -> 6)",
            ],
            id="all-at-once",
        ),
        pytest.param(topic_set(), topic_set(orders=topic()), ["topics: creates orders"], id="from-none"),
    ],
)
def test_a_change_of_topics_is_reported_as_text_with_the_note_that_no_broker_restarts(
    olds: Props, news: Props, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(olds, news) == []
    told = [*lines, "topics: no broker restarts for these"] if lines else []
    assert capsys.readouterr().err.splitlines() == told, "in a preview too, before anything changes"


@pytest.mark.usefixtures("no_network")
def test_a_change_is_reported_even_if_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(check(topic_set(orders=topic(6)), topic_set(orders=topic(3)))) == 1
    assert "topics: changes orders (partitions: 6 -> 3)" in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_a_list_that_stays_in_the_stack_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {"toDelete": ["left"], "toRelease": ["orders"]}
    assert check({**topic_set(orders=topic()), **listed}, {**topic_set(), **listed}) == []
    assert capsys.readouterr().err.splitlines() == [
        "topics: no longer manages, and keeps, orders",
        "topics: no broker restarts for these",
        "topics: left left earlier; topicsToDelete and topicsToRelease need not list them",
    ]


@given(SPECS_BY_NAME, SPECS_BY_NAME)
def test_every_change_of_topics_is_reported(old: dict[str, TopicSpec], new: dict[str, TopicSpec]) -> None:
    dropped = Leavers(delete=frozenset(old.keys() - new.keys()))
    lines = change_lines(old, new, dropped)
    assert bool(lines) == (old != new)
    assert bool(leaving_refusals(old, new, Leavers(), Leavers())) == bool(dropped.delete), "dropped alone is refused"
    for name in {*old, *new}:
        if old.get(name) != new.get(name):
            assert any(name in line for line in lines)


# ----------------------------------------------------------------------------------------- without a broker there


@pytest.mark.usefixtures("no_network")
def test_a_set_with_a_protected_topic_is_not_deleted() -> None:
    props = from_engine(topic_set(orders=topic(protect=True), audit=topic(protect=True), parcels=topic()))
    text = shown(lambda: TopicSetProvider().delete("id", props))
    assert text == (
        "Error: topics are protected: audit, orders\n"
        "  - to delete them, set protect to false and run `pulumi up` first\n"
    )


@pytest.mark.usefixtures("no_network")
def test_a_protected_set_is_not_deleted() -> None:
    props = {**from_engine(topic_set(orders=topic())), "protect": True, "deleteWithSet": True}
    assert shown(lambda: TopicSetProvider().delete("id", props)).startswith("Error: topics are protected: orders\n")


@pytest.mark.usefixtures("no_network")
def test_a_set_is_deleted_with_its_topics_only_if_it_says_so() -> None:
    assert shown(lambda: TopicSetProvider().delete("id", from_engine(topic_set(parcels=topic(), orders=topic())))) == (
        "Error: the set topics would be deleted with its topics and their records: orders, parcels\n"
        "  - to delete them together, set delete_with_set and run `pulumi up` first\n"
        "  - to keep them, set the resource option retain_on_delete and run `pulumi up` first\n"
    )
    TopicSetProvider().delete("id", from_engine(topic_set()))


def test_a_deletion_waits_while_the_answer_may_lack_topics(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics_client, "admin_client", cluster.admin_client)
    cluster.unknown = {"orders"}
    props = {**from_engine(topic_set(2, orders=topic(), parcels=topic())), "deleteWithSet": True, "deadline": 0.0}
    assert shown(lambda: TopicSetProvider().delete("id", props)) == (
        "Error: Kafka is not healthy after 0 s (1 finding)\n"
        "  - Kafka: the deletion of topics was interrupted (a broker's answer is incomplete; the controller says of "
        "orders: Topic with this name already exists.); expected an answer\n"
    )
    assert cluster.changes == []
    cluster.failure = KafkaConnectionError("no answer")
    assert "KafkaConnectionError: no answer" in shown(lambda: TopicSetProvider().delete("id", props))
    cluster.failure = None
    cluster.unknown = set()
    TopicSetProvider().delete("id", props)
    assert cluster.changes == [("delete", ["orders", "parcels"])]


@pytest.mark.parametrize(
    ("before", "listed", "changes"),
    [
        pytest.param([], ["parcels"], [("delete", ["parcels"])], id="listed-now"),
        pytest.param(["parcels"], ["parcels"], [("delete", ["parcels"])], id="an-interrupted-update-goes-on"),
        pytest.param(["foreign"], ["foreign"], [], id="listed-since-an-earlier-update"),
    ],
)
def test_an_update_deletes_what_is_listed(
    before: list[str],
    listed: list[str],
    changes: list[Any],
    cluster: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(topics_client, "admin_client", cluster.admin_client)
    cluster.topics |= specs("foreign")
    olds = {**topic_set(2, orders=topic(), parcels=topic()), "toDelete": before}
    news = {**topic_set(2, orders=topic()), "toDelete": listed, "deadline": 0.0}
    TopicSetProvider().update("id", from_engine(olds), from_engine(news))
    assert cluster.changes == changes


def test_a_topic_of_someone_else_that_is_listed_is_refused(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics_client, "admin_client", cluster.admin_client)
    cluster.topics |= specs("foreign")
    olds, news = topic_set(2, orders=topic()), {**topic_set(2, orders=topic()), "toDelete": ["foreign"]}
    text = shown(lambda: TopicSetProvider().update("id", from_engine(olds), from_engine(news)))
    assert text.startswith("Error: 1 topic to delete exist and are not this stack's: foreign; nothing was changed\n")
    assert cluster.changes == []


def test_a_refresh_without_a_reachable_broker_keeps_the_known_topics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: False)
    props = {**from_engine(topic_set(orders=topic())), "__provider": "code"}
    result = TopicSetProvider().read("id", props)
    kept = {key: value for key, value in props.items() if key != "__provider"}
    assert (result.id, result.outs, result.inputs) == ("id", kept, kept)
    assert capsys.readouterr().err == (
        "topics were not read: no broker answers at 127.0.0.1:1; they are kept as last known\n"
    )


def test_a_refresh_shows_no_throttles_that_other_tools_set(monkeypatch: pytest.MonkeyPatch) -> None:
    leaders, followers = "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"
    found = ObservedTopic(replicas=((0,),), config={"retention.ms": "5", leaders: "0:0", followers: "0:1"})
    monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: True)
    monkeypatch.setattr(topics_module, "admin_client", lambda bootstrap, *, route, security: nullcontext())
    monkeypatch.setattr(topics_module.topics, "observe_confirmed", lambda client, known, _: dict.fromkeys(known, found))
    declared = topic_set(plain=topic(), throttled=topic(leader_replication_throttled_replicas="*"))
    read = TopicSetProvider().read("id", from_engine(declared)).outs["topics"]
    assert read["plain"]["config"] == {"retention.ms": "5"}
    assert read["throttled"]["config"] == {"retention.ms": "5", leaders: "0:0"}


def test_creation_of_topics_fails_at_the_deadline_with_the_missing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: False)
    props = {**from_engine(topic_set(1, orders=topic())), "deadline": 0.0, "logs": {"kafka-0": "docker logs x"}}
    assert shown(lambda: TopicSetProvider().create(props)) == (
        "Error: Kafka is not healthy after 0 s (1 finding)\n"
        "  - kafka-0: no broker answers at 127.0.0.1:1; expected an answer\n"
        "    look at: docker logs x\n"
    )


def test_a_failed_creation_of_topics_is_reported_with_the_routes_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detour = take_detour(monkeypatch, topics_module)
    seen: list[Route] = []
    monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: bool(seen.append(route)))
    inputs = {**topic_set(1, orders=topic()), "bootstrap": "127.0.0.1:19093", "route": VIA, "deadline": 0}
    assert shown(lambda: TopicSetProvider().create(from_engine(inputs))) == (
        "Error: Kafka is not healthy after 0 s (1 finding)\n"
        "  - kafka-0: no broker answers at 127.0.0.1:19093 (the pod is gone); expected an answer\n"
    )
    assert seen == [detour]


# ------------------------------------------------------------------------------------------------- what a read keeps


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster with the topics of a set, and no pauses."""
    made = FakeCluster(topics=specs("orders", "parcels", factor=1))
    for name in ("any_listens", "admin_client"):
        monkeypatch.setattr(topics_module, name, getattr(made, name))
    monkeypatch.setattr(topics_module, "SETTLE_SECONDS", 0.0)
    return made


LOGIN = {"user": "millrace", "password": "pass-0123", "authorities": "CA"}


@pytest.mark.parametrize(("given", "expected"), [(None, None), (LOGIN, Security(**LOGIN))])
def test_a_read_a_change_and_a_deletion_connect_as_the_given_user(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, given: Props | None, expected: Security | None
) -> None:
    monkeypatch.setattr(topics_client, "admin_client", cluster.admin_client)
    props = from_engine({**topic_set(2, orders=topic(), parcels=topic()), "security": given, "deleteWithSet": True})
    for call in (
        lambda: TopicSetProvider().read("id", props),
        lambda: TopicSetProvider().update("id", props, props),
        lambda: TopicSetProvider().delete("id", props),
    ):
        cluster.securities.clear()
        call()
        assert cluster.securities == {expected}


def read(*names: str) -> tuple[Props, Props]:
    """The inputs of a set of these topics as last known, and after a read."""
    props = from_engine(topic_set(2, **dict.fromkeys(names, topic())))
    result = TopicSetProvider().read("id", {**props, "__provider": "code"})
    assert result.id == "id"
    assert result.outs == result.inputs, "what the set owns and what the next `up` compares"
    assert result.inputs is not None
    return props, result.inputs


def test_a_read_of_an_unchanged_set_reports_it_as_it_is(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    known, found = read("orders", "parcels")
    assert found == known
    assert (cluster.reads, capsys.readouterr().err) == (1, "")


def test_a_read_reports_drift(cluster: FakeCluster) -> None:
    cluster.topics = specs("orders", partitions=6, factor=2, config={"retention.ms": "5"})
    _, found = read("orders", "parcels")
    assert found["topics"] == {"orders": topic(6, 2, retention_ms="5")}, "parcels was deleted by hand"


def test_a_read_reports_the_only_topic_of_a_set_as_absent(cluster: FakeCluster) -> None:
    cluster.topics = {}
    _, found = read("orders")
    assert (found["topics"], found["trigger"]) == ({}, {})


def test_if_all_topics_are_absent_they_are_kept_and_compared_by_the_next_up(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.topics = {}
    known, found = read("orders", "parcels")
    assert found == {**known, "trigger": {"refresh": "all topics were absent"}}
    assert capsys.readouterr().err == (
        "topics: none of the set's 2 exists at 127.0.0.1:1; they are kept as last known. "
        "Check that this is the right cluster: `pulumi up` creates the topics that are absent from it\n"
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param(
            {"failure": KafkaTimeoutError("no answer in time")}, "KafkaTimeoutError: no answer in time", id="timeout"
        ),
        pytest.param({"failure": KafkaConnectionError("broken")}, "KafkaConnectionError: broken", id="connection"),
        pytest.param(
            {"failure": ClusterAuthorizationFailedError("not allowed\nat all")},
            "[Error 31] ClusterAuthorizationFailedError: not allowed",
            id="authorization",
        ),
        pytest.param({"failure": OSError("proxy refused")}, "proxy refused", id="route"),
        pytest.param({"failure": TimeoutError()}, "TimeoutError", id="an-error-without-text"),
        pytest.param({"failure": ClusterError("no API server", ["a", "b"])}, "no API server", id="api-server"),
        pytest.param({"controller": -1}, "Kafka: no controller; expected one of the brokers", id="no-controller"),
        pytest.param(
            {"brokers": (0,)},
            "kafka-1: broker 1 is not registered in the cluster; expected it to advertise 127.0.0.1:2",
            id="a-broker-is-missing",
        ),
        pytest.param(
            {"topic_errors": {"parcels": 5}},
            "[Error 5] LeaderNotAvailableError: no metadata of topic parcels",
            id="an-error-of-a-topic",
        ),
        pytest.param(
            {"without_config": {"parcels"}},
            "[Error 3] UnknownTopicOrPartitionError: no configuration of parcels",
            id="no-configuration",
        ),
        pytest.param(
            {"without_replicas": {"parcels"}},
            "the metadata of topic parcels lacks partitions or replicas",
            id="no-replicas",
        ),
        pytest.param(
            {"unknown": {"orders", "parcels"}},
            "a broker's answer is incomplete; the controller says of orders: Topic with this name already exists. "
            "(and 1 more)",
            id="metadata-without-topics",
        ),
        pytest.param(
            {"unknown": {"parcels"}},
            "a broker's answer is incomplete; the controller says of parcels: Topic with this name already exists.",
            id="metadata-without-a-topic",
        ),
        pytest.param(
            {"known_partitions": {"parcels": [0]}},
            "a broker's answer is incomplete; the controller says of parcels: Number of partitions is invalid.",
            id="metadata-without-partitions",
        ),
        pytest.param(
            {"unknown": {"parcels"}, "controller_moves": True},
            "[Error 41] NotControllerError: Failed to find active controller id!",
            id="the-controller-moves",
        ),
    ],
)
def test_a_read_that_may_be_incomplete_changes_nothing(
    changed: Props, reason: str, cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    vars(cluster).update(changed)
    known, found = read("orders", "parcels")
    assert found == known
    assert capsys.readouterr().err == f"topics were not read: {reason}; they are kept as last known\n"


@pytest.mark.parametrize("error", [OSError("no tunnel"), ClusterError("no tunnel")])
def test_a_route_that_cannot_be_opened_changes_nothing(
    error: Exception, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_props: object) -> Route:
        raise error

    monkeypatch.setattr(topics_module, "open_route", fail)
    known, found = read("orders", "parcels")
    assert (found, cluster.reads) == (known, 0)
    assert capsys.readouterr().err == "topics were not read: no tunnel; they are kept as last known\n"


def test_an_incomplete_answer_is_read_again_for_a_moment(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(topics_module, "SETTLE_SECONDS", 60.0)
    cluster.unknown = {"orders", "parcels"}
    validate = cluster.create_topics

    def settle(*args: Any, **kwargs: Any) -> Props:
        answer = validate(*args, **kwargs)
        cluster.unknown.clear()
        return answer

    monkeypatch.setattr(cluster, "create_topics", settle)
    known, found = read("orders", "parcels")
    assert found == known
    assert (cluster.reads, capsys.readouterr().err) == (2, "")


def test_an_update_waits_while_the_answer_is_incomplete(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics_client, "admin_client", cluster.admin_client)
    cluster.without_config = {"orders"}
    inputs = {**from_engine(topic_set(2, orders=topic(), parcels=topic())), "deadline": 0.0}
    assert shown(lambda: TopicSetProvider().update("id", inputs, inputs)) == (
        "Error: Kafka is not healthy after 0 s (1 finding)\n"
        "  - Kafka: a change of topics was interrupted "
        "([Error 3] UnknownTopicOrPartitionError: no configuration of orders); expected an answer\n"
    )
    assert cluster.changes == []
