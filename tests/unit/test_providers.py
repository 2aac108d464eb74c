"""Dynamic providers as plain classes, with what the engine would give them.

Proof limit: the engine's own part (calling them, keeping secrets, showing failures) and the servers' part are not
here; values are brought into the engine's form by the SDK's own reading of its messages.
"""

import base64
import pickletools
import re
import socket
import string
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import dill
import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaConnectionError
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import Unknown
from pulumi.runtime import rpc

from components.credentials.provider import CredentialsProvider
from components.dynamic import failures, in_order, is_known, plain_errors, progress
from components.errors import ClusterError, PlatformError, TopicError, UnhealthyError
from components.health import provider as health_module
from components.health.provider import HealthGateProvider
from components.kafka import client as kafka
from components.kafka.client import ClusterState, Partition
from components.redis import client as redis
from components.routes import DIRECT, DirectRoute, Route
from components.targets.docker.provider import MemberGateProvider
from components.targets.kubernetes.client import Pod
from components.targets.kubernetes.provider import GatedRollProvider, MemberStorageProvider
from components.topics import provider as topics_module
from components.topics.provider import TopicSetProvider, described, inputs_of, specs_of
from components.topics.settings import TopicSpec
from components.zookeeper import client as zookeeper

Props = dict[str, Any]


def from_engine(props: Mapping[str, Any]) -> Props:
    """The values as a provider's method gets them: through a message, so that whole numbers are floats."""
    message = struct_pb2.Struct()
    message.update(props)
    return rpc.deserialize_properties(message, True)


def unknown() -> object:
    """What stands for an unknown where the engine calls ``check`` and ``diff``."""
    value = from_engine({"value": rpc.UNKNOWN})["value"]
    assert isinstance(value, Unknown), "the SDK's own form"
    return value


def unhealthy(provider: Any, props: Props) -> UnhealthyError:
    """The error of a gate's ``create`` as it is before it is made plain."""
    with pytest.raises(UnhealthyError) as caught:
        provider.create.__wrapped__(provider(), props)
    return caught.value


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("this must not talk to anyone")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


# --------------------------------------------------------------------------------------------------- what is stored


@pytest.mark.parametrize(
    ("provider", "module", "name"),
    [
        (TopicSetProvider(), "components.topics.provider", "TopicSetProvider"),
        (CredentialsProvider(), "components.credentials.provider", "CredentialsProvider"),
        (HealthGateProvider(), "components.health.provider", "HealthGateProvider"),
        (MemberGateProvider(), "components.health.provider", "MemberGateProvider"),
        (GatedRollProvider(), "components.targets.kubernetes.provider", "GatedRollProvider"),
        (MemberStorageProvider(), "components.targets.kubernetes.provider", "MemberStorageProvider"),
    ],
)
def test_the_state_refers_to_a_provider_by_a_module_and_a_name_that_never_change(
    provider: ResourceProvider, module: str, name: str
) -> None:
    stored = base64.b64decode(serialize_provider(provider))
    assert len(stored) < 200, "a reference, not the provider's code"
    words = [value for _, value, _ in pickletools.genops(stored) if isinstance(value, str)]
    assert words == [module, name], "moving or renaming breaks destroy of every stack that is up"
    assert type(dill.loads(stored)) is type(provider)  # noqa: S301  made four lines above


# ------------------------------------------------------------------------------------------------------ base module


@pytest.fixture
def _traceback_limit() -> Iterator[None]:
    missing = object()
    before = getattr(sys, "tracebacklimit", missing)
    yield
    if before is missing:
        if hasattr(sys, "tracebacklimit"):
            del sys.tracebacklimit
    else:
        sys.tracebacklimit = before


def shown(method: Callable[[], object]) -> str:
    """What the SDK sends to the engine when a provider's method raises."""
    try:
        method()
    except Exception:  # noqa: BLE001  the SDK catches everything too
        return traceback.format_exc()
    raise AssertionError("it raised nothing")


@plain_errors
def refuses() -> None:
    raise TopicError("2 topics are refused", ["a: because", "b: because\nof this"])


@plain_errors
def breaks() -> None:
    {}["a key that is not there"]


@pytest.mark.usefixtures("_traceback_limit")
def test_an_error_for_a_person_is_shown_as_its_text_alone() -> None:
    assert shown(refuses) == ("Error: 2 topics are refused\n  - a: because\n  - b: because\n    of this\n")


@pytest.mark.usefixtures("_traceback_limit")
@pytest.mark.parametrize("kind", [PlatformError, TopicError, UnhealthyError])
def test_every_kind_of_error_for_a_person_is_shown_so(kind: type[PlatformError]) -> None:
    @plain_errors
    def fails() -> None:
        try:
            raise OSError("the cause")
        except OSError as error:
            raise kind("a headline") from error

    assert shown(fails) == "Error: a headline\n", "neither a cause nor a module path"


@pytest.mark.usefixtures("_traceback_limit")
def test_any_other_error_keeps_its_traceback() -> None:
    text = shown(breaks)
    assert text.startswith("Traceback (most recent call last):\n")
    assert "in breaks\n" in text, "the place of a mistake in the program"
    assert text.endswith("KeyError: 'a key that is not there'\n")


@pytest.mark.usefixtures("_traceback_limit")
def test_any_other_error_keeps_its_traceback_after_an_error_for_a_person() -> None:
    shown(refuses)
    assert "in breaks\n" in shown(breaks), "one process serves all resources of an update, one after another"


def test_a_method_that_raises_nothing_returns_what_it_returns_and_keeps_its_name() -> None:
    @plain_errors
    def double(number: int, *, plus: int = 0) -> int:
        """Twice the number."""
        return 2 * number + plus

    assert double(4, plus=1) == 9
    assert (double.__name__, double.__doc__) == ("double", "Twice the number.")


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (None, True),
        ("text", True),
        ("", True),
        (0, True),
        (3.0, True),
        (False, True),
        ({}, True),
        ([], True),
        ({"a": [1, {"b": None}]}, True),
        (unknown(), False),
        ([1, unknown()], False),
        ({"a": {"b": [{"c": unknown()}]}}, False),
    ],
)
def test_a_value_is_known_where_nothing_in_it_is_unknown(value: object, known: bool) -> None:
    assert is_known(value) is known


def test_each_problem_is_a_failure_of_its_own() -> None:
    made = failures("topics", ["one", "two"])
    assert [(failure.property, failure.reason) for failure in made] == [("topics", "one"), ("topics", "two")]


def test_members_are_ordered_by_name() -> None:
    assert list(in_order({"b": "2", "c": "3", "a": "1"}).items()) == [("a", "1"), ("b", "2"), ("c", "3")]


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    progress("waiting for Kafka")
    assert capsys.readouterr() == ("", "waiting for Kafka\n")


# -------------------------------------------------------------------------------------------------- topics: inputs

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
def test_inputs_of_topics_read_back_as_the_same_topics(specs: dict[str, TopicSpec]) -> None:
    assert specs_of({"topics": inputs_of(specs)}) == specs


@given(SPECS_BY_NAME)
def test_inputs_of_topics_read_back_the_same_from_the_engine(specs: dict[str, TopicSpec]) -> None:
    read = specs_of(from_engine({"topics": inputs_of(specs)}))
    assert read == specs
    for spec in read.values():
        assert type(spec.partitions) is int, "the engine sends floats; Kafka wants whole numbers"
        assert type(spec.replication_factor) is int


def test_inputs_are_sorted_by_name() -> None:
    specs = {name: TopicSpec(name=name, partitions=1, replication_factor=1) for name in ("c", "a", "b")}
    assert list(inputs_of(specs)) == ["a", "b", "c"], "so that nothing but a real change shows in a diff"


@pytest.mark.parametrize("props", [{}, {"topics": None}, {"topics": {}}])
def test_a_set_without_topics_has_none(props: Props) -> None:
    assert specs_of(props) == {}


def test_what_the_engine_leaves_out_has_its_default() -> None:
    assert specs_of({"topics": {"t": {"partitions": 1.0, "replicationFactor": 1.0}}}) == {
        "t": TopicSpec(name="t", partitions=1, replication_factor=1, config={}, protect=False)
    }


# --------------------------------------------------------------------------------------------------- topics: check


def topic(partitions: int = 3, factor: int = 1, *, protect: bool = False, **config: str) -> Props:
    spelled = {key.replace("_", "."): value for key, value in config.items()}
    return {"partitions": partitions, "replicationFactor": factor, "config": spelled, "protect": protect}


def topic_set(brokers: int = 3, **topics: Props) -> Props:
    """Inputs of a set; a double underscore in a keyword is a dot in the topic's name."""
    return {
        "setName": "topics",
        "bootstrap": "127.0.0.1:1",
        "brokers": {f"kafka-{ordinal}": f"127.0.0.1:{ordinal + 1}" for ordinal in range(brokers)},
        "topics": {name.replace("__", "."): value for name, value in topics.items()},
        "existing": "refuse",
        "deadline": 180,
        "logs": {},
        "trigger": {},
    }


def check(olds: Props, news: Props) -> list[str]:
    """The reasons of a check; the engine makes a line of each."""
    sent = from_engine(news)
    result = TopicSetProvider().check(from_engine(olds), sent)
    assert result.inputs == sent, "a check changes no input"
    assert {failure.property for failure in result.failures} <= {"topics"}
    return sorted(failure.reason for failure in result.failures)  # the engine keeps no order of keys


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("olds", "news"),
    [
        pytest.param({}, topic_set(orders=topic(3)), id="new"),
        pytest.param(topic_set(orders=topic(3)), topic_set(orders=topic(3)), id="unchanged"),
        pytest.param(topic_set(orders=topic(3)), topic_set(orders=topic(12)), id="more-partitions"),
        pytest.param(topic_set(orders=topic(3)), topic_set(orders=topic(3, 3)), id="more-replicas"),
        pytest.param(topic_set(orders=topic(3, 3)), topic_set(orders=topic(3, 1)), id="fewer-replicas"),
        pytest.param(topic_set(orders=topic(3)), topic_set(), id="an-unprotected-topic-leaves"),
        pytest.param(topic_set(orders=topic(3, protect=True)), topic_set(orders=topic(3)), id="protection-is-lifted"),
        pytest.param(topic_set(orders=topic(9)), topic_set(parcels=topic(3)), id="another-name-with-fewer-partitions"),
        pytest.param({}, topic_set(orders=topic(3, 3, min_insync_replicas="3")), id="min-isr-of-all-replicas"),
        pytest.param({}, topic_set(), id="no-topics"),
    ],
)
def test_what_kafka_can_do_is_not_refused(olds: Props, news: Props) -> None:
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
            id="unknown-key-with-a-near-miss",
        ),
        pytest.param(
            {},
            topic_set(orders=topic(zzz="1000")),
            'topic "orders": unknown topic config "zzz".',
            id="unknown-key-far-from-any",
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
            'topic "orders" is protected and would be deleted; to delete it, '
            "set protect to false, run `pulumi up`, then remove it",
            id="a-protected-topic-leaves",
        ),
    ],
)
def test_what_kafka_cannot_do_is_refused_with_the_reason(olds: Props, news: Props, reason: str) -> None:
    assert check(olds, news) == [reason]


@pytest.mark.usefixtures("no_network")
def test_names_that_differ_only_in_dot_and_underscore_are_refused() -> None:
    (reason,) = check({}, topic_set(new__orders=topic(), new_orders=topic(), neworders=topic()))
    assert sorted(re.findall(r'"(new[^"]*)"', reason)) == ["new.orders", "new_orders"]
    assert reason.endswith('differ only in "." and "_", which Kafka refuses')


@pytest.mark.usefixtures("no_network")
def test_several_mistakes_are_failures_of_their_own_and_told_at_once() -> None:
    olds = topic_set(orders=topic(6), audit=topic(protect=True))
    news = topic_set(1, orders=topic(3, 2), new__a=topic(cleanup_policy="shrink"), new_a=topic(retention_ms="x"))
    reasons = check(olds, news)
    starts = [
        'topic "audit" is protected and would be deleted',
        'topic "new.a": cleanup.policy is "shrink"; allowed are delete, compact, compact,delete',
        'topic "new_a": retention.ms is "x"; it must be a whole number',
        'topic "orders": 6 partitions cannot become 3',
        'topic "orders": replication factor 2 is more than the 1 broker',
        'topics "new',
    ]
    assert len(reasons) == len(starts)
    assert [reason[: len(start)] for reason, start in zip(reasons, starts, strict=True)] == starts


@pytest.mark.usefixtures("no_network")
def test_a_protected_topic_that_is_unprotected_and_removed_at_once_is_still_refused() -> None:
    assert check(topic_set(orders=topic(protect=True)), topic_set()) != [], "state says protected until an update ran"


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
def test_what_is_not_known_yet_passes_unchecked(changed: Props) -> None:
    assert check(topic_set(orders=topic(protect=True)), {**topic_set(), **changed}) == []


@pytest.mark.usefixtures("no_network")
def test_unknowns_among_the_other_inputs_hinder_no_check() -> None:
    news = {**topic_set(1, orders=topic(3, 2)), "trigger": {"kafka-0": rpc.UNKNOWN}}
    assert len(check({}, news)) == 1, "a broker that is made anew has no id in a preview"


@pytest.mark.usefixtures("no_network")
def test_an_earlier_state_that_is_not_known_is_no_reason_to_refuse() -> None:
    assert check({"topics": rpc.UNKNOWN}, topic_set(orders=topic(1))) == []


# --------------------------------------------------------------------------------------- topics: changes in words


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
            topic_set(orders=topic()),
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
            topic_set(orders=topic(), parcels=topic()),
            topic_set(orders=topic(6), audit=topic()),
            [
                "topics: creates audit",
                "topics: deletes, with their records, parcels",
                "topics: changes orders (partitions: 3 -> 6)",
            ],
            id="all-at-once",
        ),
        pytest.param(topic_set(), topic_set(orders=topic()), ["topics: creates orders"], id="from-none"),
    ],
)
def test_a_change_of_topics_is_told_in_words_and_that_no_broker_restarts(
    olds: Props, news: Props, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(olds, news) == []
    told = [*lines, "topics: no broker restarts for these"] if lines else []
    assert capsys.readouterr().err.splitlines() == told, "in a preview too: this is before anything is done"


@pytest.mark.usefixtures("no_network")
def test_a_change_is_told_even_where_it_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(check(topic_set(orders=topic(6)), topic_set(orders=topic(3)))) == 1
    assert "topics: changes orders (partitions: 6 -> 3)" in capsys.readouterr().err


@given(SPECS_BY_NAME, SPECS_BY_NAME)
def test_no_change_of_topics_goes_untold(old: dict[str, TopicSpec], new: dict[str, TopicSpec]) -> None:
    lines = described(old, new)
    assert bool(lines) == (old != new)
    for name in {*old, *new}:
        if old.get(name) != new.get(name):
            assert any(name in line for line in lines)


# --------------------------------------------------------------------------------- topics: without a broker there


@pytest.mark.usefixtures("_traceback_limit", "no_network")
def test_a_set_with_a_protected_topic_is_not_deleted() -> None:
    props = from_engine(topic_set(orders=topic(protect=True), audit=topic(protect=True), parcels=topic()))
    text = shown(lambda: TopicSetProvider().delete("id", props))
    assert text == (
        "Error: topics are protected: audit, orders\n"
        "  - to delete them, set protect to false and run `pulumi up` first\n"
    )


def test_a_refresh_that_reaches_no_broker_keeps_the_topics_as_last_known(
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


@pytest.mark.usefixtures("_traceback_limit")
def test_making_topics_ends_at_the_deadline_with_what_was_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: False)
    props = {**from_engine(topic_set(1, orders=topic())), "deadline": 0.0, "logs": {"kafka-0": "docker logs x"}}
    assert shown(lambda: TopicSetProvider().create(props)) == (
        "Error: Kafka is not healthy after 0 s (1 finding)\n"
        "  - kafka-0: no broker answers at 127.0.0.1:1; expected an answer\n"
        "    look at: docker logs x\n"
    )


# ------------------------------------------------------------------------------------------------------ credentials


def test_a_password_is_long_and_of_characters_that_need_no_escaping() -> None:
    result = CredentialsProvider().create({"account": "redis"})
    assert result.outs is not None
    password = result.outs["password"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", password), "24 random bytes, six bits a character"
    assert result.outs == {"account": "redis", "password": password}
    assert result.id == "redis"


def test_no_two_passwords_are_the_same() -> None:
    made = [CredentialsProvider().create({"account": "redis"}).outs for _ in range(20)]
    assert len({outs["password"] for outs in made if outs}) == 20


@pytest.mark.parametrize(
    ("olds", "news", "replaces"),
    [
        ({"account": "redis"}, {"account": "redis"}, []),
        ({"account": "redis", "password": "old", "__provider": "a"}, {"account": "redis", "__provider": "b"}, []),
        ({"account": "redis", "password": "old"}, {"account": "kafka"}, ["account"]),
    ],
)
def test_only_another_account_gets_another_password(olds: Props, news: Props, replaces: list[str]) -> None:
    result = CredentialsProvider().diff("redis", olds, news)
    assert (result.changes, result.replaces) == (bool(replaces), replaces)


# ------------------------------------------------------------------------------------------------------ member gates


def member_gate(kind: str, **changes: object) -> Props:
    props = {
        "kind": kind,
        "member": f"{kind}-1",
        "members": {f"{kind}-{ordinal}": f"127.0.0.1:{ordinal + 1}" for ordinal in (2, 0, 1)},
        "deadline": 0,
        "trigger": "container-a",
        "logs": {f"{kind}-1": f"docker logs p-{kind}-1"},
    }
    return {**props, **changes}


@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({}, False),
        ({"trigger": "container-b"}, True),
        ({"trigger": None}, True),
        ({"members": {"kafka-0": "127.0.0.1:99"}}, False),
        ({"deadline": 999}, False),
        ({"logs": {}}, False),
        ({"__provider": "other code"}, False),
    ],
)
def test_a_gate_only_looks_again_when_its_member_changed(changed: Props, waits: bool) -> None:
    result = MemberGateProvider().diff("kafka-1", member_gate("kafka"), member_gate("kafka", **changed))
    assert result.changes is waits
    assert not result.replaces, "looking again replaces nothing"


def test_a_gate_waits_for_a_member_that_an_update_is_about_to_make() -> None:
    news = member_gate("kafka", trigger=unknown())
    assert MemberGateProvider().diff("kafka-1", member_gate("kafka"), news).changes is True


def test_a_zookeeper_gate_asks_the_whole_ensemble_for_its_member(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str], Mapping[str, str]]] = []

    def restart_findings(name: str, members: Mapping[str, str], logs: Mapping[str, str]) -> list[str]:
        asked.append((name, list(members.values()), logs))
        return []

    monkeypatch.setattr(zookeeper, "restart_findings", restart_findings)
    props = from_engine(member_gate("zookeeper"))
    assert MemberGateProvider().create(props).id == "zookeeper-1"
    assert MemberGateProvider().update("zookeeper-1", {}, props).outs == props
    expected = ("zookeeper-1", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], props["logs"])
    assert asked == [expected, expected]


@pytest.mark.usefixtures("_traceback_limit")
def test_a_gate_whose_member_stays_away_fails_with_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zookeeper, "restart_findings", lambda *_: ["zookeeper-1: it is away; expected it back"])
    props = from_engine(member_gate("zookeeper"))
    expected = (
        "Error: zookeeper-1 is not healthy after 0 s (1 finding)\n  - zookeeper-1: it is away; expected it back\n"
    )
    assert shown(lambda: MemberGateProvider().create(props)) == expected
    assert shown(lambda: MemberGateProvider().update("zookeeper-1", {}, props)) == expected


# ------------------------------------------------------------------------------------------------------ health gates

WELL = ClusterState(
    brokers={0: "127.0.0.1:19092", 1: "127.0.0.1:19093"},
    controller=1,
    partitions=[Partition("t", number, 0, (0, 1), (0, 1)) for number in range(4)],
)


class Servers:
    """Clients of servers that are as a test says; all well unless it says otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = WELL
        self.listens = True
        self.answers = True
        self.roles: list[str] = []
        self.session: list[str] = []
        self.round_trip: list[str] = []
        self.redis: list[str] = []
        self.calls: list[str] = []
        self.redis_asked: list[Props] = []
        self.routes: list[Route] = []
        monkeypatch.setattr(zookeeper, "role_findings", lambda members, logs, *, route: self._called("roles", route))
        monkeypatch.setattr(zookeeper, "session_findings", lambda members, *, route: self._called("session", route))
        monkeypatch.setattr(zookeeper, "summary", self._summary)
        monkeypatch.setattr(kafka, "any_listens", self._any_listens)
        monkeypatch.setattr(kafka, "admin_client", self._client)
        monkeypatch.setattr(kafka, "cluster_state", lambda client: self.cluster)
        monkeypatch.setattr(kafka, "round_trip_findings", lambda *_, route: self._called("round_trip", route))
        monkeypatch.setattr(redis, "findings", self._redis)

    def _called(self, name: str, route: Route) -> list[str]:
        self.calls.append(name)
        self.routes.append(route)
        return getattr(self, name)

    def _summary(self, members: Mapping[str, str], *, route: Route) -> str:
        self.routes.append(route)
        return ", ".join(f"{name} standalone" for name in members)

    def _any_listens(self, bootstrap: str, *, route: Route) -> bool:
        self.routes.append(route)
        return self.listens

    @contextmanager
    def _client(self, bootstrap: str, *, route: Route) -> Iterator[object]:
        self.routes.append(route)
        if not self.answers:
            raise KafkaConnectionError
        yield object()

    def _redis(self, *, route: Route, **asked: Any) -> list[str]:
        self.routes.append(route)
        self.redis_asked.append(asked)
        return self.redis


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    return Servers(monkeypatch)


def health_gate(**changes: object) -> Props:
    members = ("zookeeper-0", "kafka-0", "kafka-1", "redis-0")
    props: Props = {
        "platform": "millrace-dev",
        "zookeeper": {"zookeeper-0": "127.0.0.1:12181"},
        "bootstrap": "127.0.0.1:19092,127.0.0.1:19093",
        "brokers": {"kafka-1": "127.0.0.1:19093", "kafka-0": "127.0.0.1:19092"},
        "redis": {
            "member": "redis-0",
            "address": "127.0.0.1:16379",
            "password": "a-password",
            "appendOnly": True,
            "save": ["60 1000"],
        },
        "deadline": 0,
        "trigger": {},
        "logs": {member: f"docker logs p-{member}" for member in members},
    }
    return from_engine({**props, **changes})


SUMMARY = re.compile(
    r"ZooKeeper: zookeeper-0 standalone \(\d+\.\d s\)\n"
    r"Kafka: 2 of 2 brokers, controller kafka-1, 4 partitions in sync, acks=all record read back \(\d+\.\d s\)\n"
    r"Redis: write and read, append-only file \(\d+\.\d s\)"
)


def test_a_healthy_platform_is_summed_up_with_what_was_tried(servers: Servers) -> None:
    props = health_gate()
    result = HealthGateProvider().create(props)
    assert result.outs is not None
    assert SUMMARY.fullmatch(result.outs["summary"])
    assert result.id == "millrace-dev"
    assert {key: value for key, value in result.outs.items() if key != "summary"} == props
    assert sorted(servers.calls) == ["roles", "round_trip", "session"], "each way of asking was used"


def test_a_changed_platform_is_summed_up_anew(servers: Servers) -> None:
    news = health_gate()
    result = HealthGateProvider().update("millrace-dev", {**news, "summary": "old"}, news)
    assert result.outs is not None
    assert SUMMARY.fullmatch(result.outs["summary"])
    assert set(result.outs) == {*news, "summary"}, "an update returns all outputs, or they are gone"


class Detour(DirectRoute):
    """A way that knows why it ended."""

    def trouble(self, address: str) -> str | None:
        return "the pod is gone" if address.endswith(":19093") else None


VIA = {"context": "test", "namespace": "n", "hosts": ["kafka-0.kafka.n.svc", "kafka-1.kafka.n.svc"]}
"""A route as a resource's inputs describe it."""


@pytest.fixture
def detour(monkeypatch: pytest.MonkeyPatch) -> Route:
    """The way that providers take where their inputs describe one; no cluster is needed for it."""
    made = Detour()

    def route(via: Mapping[str, Any] | None) -> Route:
        assert via in (None, VIA)
        return made if via else DIRECT

    monkeypatch.setattr(health_module, "route_of", route)
    monkeypatch.setattr(topics_module, "route", route)
    monkeypatch.setattr(health_module, "connect", lambda kubeconfig, context: Pods())
    return made


class Pods:
    """A cluster with the pods of a platform, and one of another in the same namespace that is not well."""

    ready: ClassVar[dict[str, bool]] = {"kafka-0": True, "kafka-1": True, "kafka-9": False}

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        assert namespace == "n"
        assert selector == {"app.kubernetes.io/part-of": "millrace"}
        return [
            Pod(
                name=name,
                uid=name,
                node="node",
                phase="Running",
                ready=ready,
                deleting=False,
                revision="",
                zone=None,
                ip="",
                scheduled=True,
                reasons=() if ready else ("no node takes it",),
                hopeless=False,
            )
            for name, ready in self.ready.items()
        ]


def test_every_check_of_a_platform_takes_the_route_of_its_inputs(servers: Servers, detour: Route) -> None:
    HealthGateProvider().create(health_gate(route=VIA))
    HealthGateProvider().read("millrace-prod", health_gate(route=VIA))
    assert len(servers.routes) == 2 * 6 + 2, "roles, session, listening, client, round trip, Redis; and the summary"
    assert set(servers.routes) == {detour}


@pytest.mark.usefixtures("detour", "servers")
@pytest.mark.parametrize(
    ("ready", "line"),
    [
        ({"kafka-0": True}, "kafka-1: there is no pod; expected one that is ready"),
        ({"kafka-0": True, "kafka-1": False}, "kafka-1: no node takes it"),
    ],
)
def test_a_platform_whose_pods_are_not_all_ready_is_not_well_though_it_serves(
    ready: dict[str, bool], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Pods, "ready", ready)
    assert unhealthy(HealthGateProvider, health_gate(route=VIA)).problems == (line,)
    assert HealthGateProvider().read("id", health_gate(route=VIA)).id is None
    assert line in capsys.readouterr().err


@pytest.mark.usefixtures("servers")
def test_no_cluster_is_asked_for_a_platform_on_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "connect", None)
    assert HealthGateProvider().create(health_gate()).outs is not None


def test_without_a_route_servers_are_reached_directly(servers: Servers, detour: Route) -> None:
    HealthGateProvider().create(health_gate())
    assert set(servers.routes) == {DIRECT}


@pytest.mark.parametrize("down", ["listens", "answers"])
def test_a_cluster_that_cannot_be_reached_is_told_with_what_the_route_knows(
    down: str, servers: Servers, detour: Route
) -> None:
    setattr(servers, down, False)
    assert unhealthy(HealthGateProvider, health_gate(route=VIA)).problems == (
        "kafka-0: no broker answers at 127.0.0.1:19092,127.0.0.1:19093 (the pod is gone); expected an answer\n"
        "look at: docker logs p-kafka-0",
    )


@pytest.mark.usefixtures("_traceback_limit")
def test_topics_that_cannot_be_made_are_told_with_what_the_route_knows(
    detour: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Route] = []
    monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: bool(seen.append(route)))
    inputs = {**topic_set(1, orders=topic()), "bootstrap": "127.0.0.1:19093", "route": VIA, "deadline": 0}
    assert shown(lambda: TopicSetProvider().create(from_engine(inputs))) == (
        "Error: Kafka is not healthy after 0 s (1 finding)\n"
        "  - kafka-0: no broker answers at 127.0.0.1:19093 (the pod is gone); expected an answer\n"
    )
    assert seen == [detour]


@pytest.mark.usefixtures("_traceback_limit")
@pytest.mark.parametrize("method", ["create", "read"])
def test_a_route_that_cannot_be_taken_is_told_without_a_traceback(
    method: str, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def route(via: object) -> Route:
        raise ClusterError('the kubeconfig has no context "test"')

    monkeypatch.setattr(health_module, "route_of", route)
    arguments = [health_gate(route=VIA)] if method == "create" else ["id", health_gate(route=VIA)]
    assert shown(lambda: getattr(HealthGateProvider(), method)(*arguments)) == (
        'Error: the kubeconfig has no context "test"\n'
    )


def test_redis_without_an_append_only_file_keeps_snapshots(servers: Servers) -> None:
    cache = {"member": "redis-0", "address": "127.0.0.1:16379", "appendOnly": False, "save": []}
    outs = HealthGateProvider().create(health_gate(redis=cache)).outs
    assert outs is not None
    assert "Redis: write and read, snapshots (" in outs["summary"]
    (asked,) = servers.redis_asked
    assert asked["password"] is None, "a server without a password is asked without one"


def test_redis_is_asked_with_its_password_and_for_what_was_declared(servers: Servers) -> None:
    HealthGateProvider().create(health_gate())
    (asked,) = servers.redis_asked
    assert {key: value for key, value in asked.items() if key != "logs"} == {
        "member": "redis-0",
        "address": "127.0.0.1:16379",
        "password": "a-password",
        "append_only": True,
        "save": ["60 1000"],
    }


@pytest.mark.usefixtures("_traceback_limit")
def test_an_unhealthy_part_is_told_by_member_with_what_was_seen_expected_and_where_to_look(servers: Servers) -> None:
    servers.cluster = ClusterState(brokers={0: "127.0.0.1:19092"}, controller=0)
    assert shown(lambda: HealthGateProvider().create(health_gate())) == (
        "Error: Kafka did not become healthy within 0 s; what was made is still there\n"
        "  - kafka-1: broker 1 is not registered in the cluster; expected it to advertise 127.0.0.1:19093\n"
        "    look at: docker logs p-kafka-1\n"
    )
    assert "round_trip" not in servers.calls, "a broken cluster is not written to"


@pytest.mark.usefixtures("_traceback_limit")
def test_all_unhealthy_parts_are_told_together(servers: Servers) -> None:
    servers.roles = ["zookeeper-0: it is away; expected it"]
    servers.redis = ["redis-0: it refused the password; expected the stack's password"]
    servers.listens = False
    text = shown(lambda: HealthGateProvider().update("millrace-dev", {}, health_gate()))
    assert text == (
        "Error: ZooKeeper and Kafka and Redis did not become healthy within 0 s; what was made is still there\n"
        "  - zookeeper-0: it is away; expected it\n"
        "  - kafka-0: no broker answers at 127.0.0.1:19092,127.0.0.1:19093; expected an answer\n"
        "    look at: docker logs p-kafka-0\n"
        "  - redis-0: it refused the password; expected the stack's password\n"
    )
    assert "session" not in servers.calls, "an ensemble without its roles is given no session"


@pytest.mark.parametrize(
    ("attribute", "value", "line"),
    [
        ("session", ["ZooKeeper: a session failed"], "ZooKeeper: a session failed"),
        ("round_trip", ["Kafka: a record was not read back"], "Kafka: a record was not read back"),
        ("answers", False, "kafka-0: no broker answers at 127.0.0.1:19092,127.0.0.1:19093; expected an answer"),
        ("redis", ["redis-0: a write failed"], "redis-0: a write failed"),
    ],
)
def test_any_single_failing_check_makes_the_platform_unhealthy(
    attribute: str, value: object, line: str, servers: Servers
) -> None:
    setattr(servers, attribute, value)
    error = unhealthy(HealthGateProvider, health_gate())
    assert "did not become healthy within 0 s" in error.headline
    assert [problem.splitlines()[0] for problem in error.problems] == [line]


def test_a_password_is_in_no_message_of_an_unhealthy_platform(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.redis = ["redis-0: a write failed"]
    HealthGateProvider().read("millrace-dev", health_gate())
    text = str(unhealthy(HealthGateProvider, health_gate(deadline=0.06))) + "".join(capsys.readouterr())
    assert "redis-0: a write failed" in text
    assert "a-password" not in text


def test_a_refresh_of_a_healthy_platform_keeps_the_gate(servers: Servers) -> None:
    props = {**health_gate(), "summary": "as it was"}
    result = HealthGateProvider().read("millrace-dev", props)
    assert (result.id, result.outs) == ("millrace-dev", props)


@pytest.mark.parametrize("attribute", ["roles", "session", "round_trip", "redis"])
def test_a_refresh_of_an_unhealthy_platform_forgets_the_gate_and_says_why(
    attribute: str, servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    setattr(servers, attribute, ["it is away; expected it back"])
    result = HealthGateProvider().read("millrace-dev", health_gate())
    assert (result.id, result.outs) == (None, {}), "so that the next update checks again"
    assert capsys.readouterr().err == "it is away; expected it back\n"


def test_a_refresh_looks_at_every_part_before_it_forgets(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    servers.roles, servers.listens, servers.redis = ["zookeeper-0: away"], False, ["redis-0: away"]
    HealthGateProvider().read("millrace-dev", health_gate())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith("look at")] == [
        "zookeeper-0",
        "kafka-0",
        "redis-0",
    ]


def test_a_kafka_gate_waits_for_its_own_broker_and_every_partition(servers: Servers) -> None:
    props = from_engine(member_gate("kafka", members={"kafka-0": "127.0.0.1:19092", "kafka-1": "127.0.0.1:19093"}))
    assert MemberGateProvider().create(props).id == "kafka-1"
    assert servers.calls == [], "nothing is written while members change"

    servers.cluster = ClusterState({1: "127.0.0.1:19093"}, 1, [Partition("t", 0, 1, (1, 2), (1,))])
    assert unhealthy(MemberGateProvider, props).problems == (
        "Kafka: under-replicated partitions: t-0; expected none",
    ), "another broker that is away is no concern of this gate, but its partitions are"


@pytest.mark.parametrize("down", ["listens", "answers"])
def test_a_kafka_gate_of_a_cluster_that_is_away_names_its_broker(down: str, servers: Servers) -> None:
    setattr(servers, down, False)
    assert unhealthy(MemberGateProvider, from_engine(member_gate("kafka"))).problems == (
        "kafka-1: no broker answers at 127.0.0.1:1,127.0.0.1:2,127.0.0.1:3; expected an answer\n"
        "look at: docker logs p-kafka-1",
    )
