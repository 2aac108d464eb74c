"""A topic set in a program without other resources.

Source: components/topics/component.py.
Proof limit: the cluster is a fake.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pulumi
import pytest

from components.kafka.component import KafkaLogin
from components.topics import client as topics_client
from components.topics import provider as topics_module
from components.topics.component import TopicSet, TopicSetArgs
from components.topics.provider import TopicSetProvider
from components.topics.rules import TopicSpec
from tests.unit.dynamic import from_engine
from tests.unit.mocks import SECRET_MARK, TOPIC_SET, declared_by, masked

ORDERS = TopicSpec(name="orders", partitions=6, replication_factor=3, config={"retention.ms": "1000"})
TOPICS = {"orders": {"partitions": 6, "replicationFactor": 3, "config": {"retention.ms": "1000"}, "protect": False}}
BOOTSTRAP = "kafka-a.example:9092,kafka-b.example:9092"


def declare(**args: Any) -> TopicSet:
    return TopicSet("orders", TopicSetArgs(bootstrap=pulumi.Output.from_input(BOOTSTRAP), topics=[ORDERS], **args))


def test_a_set_needs_a_bootstrap_and_topics() -> None:
    run = declared_by(lambda: {"topics": declare().topics})
    assert masked(run.one(TOPIC_SET, "orders").inputs) == {
        "__provider": SECRET_MARK,
        "setName": "orders",
        "bootstrap": BOOTSTRAP,
        "brokers": {},
        "topics": TOPICS,
        "factorsByDefault": [],
        "existing": "refuse",
        "ownCluster": False,
        "toDelete": [],
        "toRelease": [],
        "protect": False,
        "deleteWithSet": False,
        "deadline": 180,
        "logs": {},
        "trigger": {},
    }
    assert run.outputs == {"topics": TOPICS}


def test_a_login_is_a_secret_input() -> None:
    login = KafkaLogin(user="millrace", password="pass-0123", authorities="CA")
    run = declared_by(lambda: {"topics": declare(login=login).topics})
    assert masked(run.one(TOPIC_SET, "orders").inputs)["security"] == SECRET_MARK
    assert run.secret_outputs == set()


def props(**topic: Any) -> dict[str, Any]:
    """The provider's inputs of a set without brokers."""
    declared = {"partitions": 3, "replicationFactor": 9, "config": {}, "protect": False, **topic}
    return from_engine(
        {
            "setName": "orders",
            "bootstrap": BOOTSTRAP,
            "brokers": {},
            "topics": {"orders": declared},
            "existing": "refuse",
            "ownCluster": False,
            "toDelete": [],
            "toRelease": [],
            "protect": False,
            "deleteWithSet": False,
            "deadline": 0,
            "logs": {},
            "trigger": {},
        }
    )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("topic", "reasons"),
    [
        ({}, []),
        ({"config": {"min.insync.replicas": "9"}}, []),
        (
            {"config": {"min.insync.replicas": "10"}},
            [
                'topic "orders": min.insync.replicas 10 is above the replication factor 9: '
                "so many replicas can never be in sync"
            ],
        ),
        ({"partitions": 0}, ['topic "orders": 0 partitions: a topic has at least 1']),
        ({"config": {"frobnicate": "1"}}, ['topic "orders": unknown topic config "frobnicate".']),
    ],
)
def test_without_brokers_mistakes_independent_of_their_number_are_refused(
    topic: dict[str, Any], reasons: list[str]
) -> None:
    result = TopicSetProvider().check({}, props(**topic))
    assert [failure.reason for failure in result.failures] == reasons, "only Kafka can reject a replication factor of 9"


def test_fewer_partitions_are_refused_without_brokers_too() -> None:
    result = TopicSetProvider().check(props(partitions=3), props(partitions=2))
    (failure,) = result.failures
    assert failure.reason.startswith('topic "orders": 3 partitions cannot become 2')


class Cluster:
    """A cluster that any broker represents; records the requested topics."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.applied: list[Any] = []
        monkeypatch.setattr(topics_module, "any_listens", lambda bootstrap, *, route: True)
        monkeypatch.setattr(topics_module, "admin_client", self._client)
        monkeypatch.setattr(topics_module, "cluster_state", self._state)
        monkeypatch.setattr(topics_client, "apply_topics", lambda **asked: self.applied.append(asked["declared"]))

    @contextmanager
    def _client(self, bootstrap: str, *, route: object, security: object) -> Iterator[object]:
        yield object()

    def _state(self, client: object) -> None:
        raise AssertionError("no broker is waited for by name")


def test_a_set_without_brokers_waits_for_any_broker_and_is_identified_by_its_bootstrap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(monkeypatch)
    result = TopicSetProvider().create(props())
    assert result.id == f"{BOOTSTRAP}/orders"
    assert [set(declared) for declared in cluster.applied] == [{"orders"}]
