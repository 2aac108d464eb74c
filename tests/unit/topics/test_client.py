"""What a broker's answer proves about topics, and that an incomplete one changes none.

Source: components/topics/client.py.
Proof limit: the cluster is a fake; only the tests on a real engine show what brokers answer while they start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    NotControllerError,
    PolicyViolationError,
    RequestTimedOutError,
    StaleMetadata,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from components.errors import TopicError
from components.kafka.client import BATCH
from components.topics import client
from components.topics.client import apply_topics, delete_topics, observe, observe_confirmed
from components.topics.rules import TopicSpec
from components.topics.safety import ObservedTopic
from tests.unit.topics.cluster import BROKERS, FakeCluster, specs

AUTHORIZATION_FAILED = 29


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster(topics=specs("orders", "parcels", "foreign"))


def confirmed(cluster: FakeCluster, *known: str, partitions: int = 3) -> dict[str, ObservedTopic]:
    fake: Any = cluster
    return observe_confirmed(fake, specs(*known, partitions=partitions), BROKERS)


def observed(cluster: FakeCluster, *names: str) -> dict[str, ObservedTopic]:
    fake: Any = cluster
    return observe(fake, names)


# --------------------------------------------------------------------------------------------------------- observe


def test_the_named_topics_that_exist_are_read(cluster: FakeCluster) -> None:
    cluster.topics |= specs("audit", partitions=1, config={"retention.ms": "5"})
    assert observed(cluster, "audit", "orders", "absent") == {
        "audit": ObservedTopic(replicas=((0, 1),), config={"retention.ms": "5"}),
        "orders": ObservedTopic(replicas=((0, 1),) * 3),
    }


def test_no_names_need_no_request() -> None:
    nothing: Any = None
    assert observe(nothing, ()) == {}


def test_a_topic_with_an_error_is_not_left_out(cluster: FakeCluster) -> None:
    cluster.topic_errors = {"orders": 5}
    with pytest.raises(LeaderNotAvailableError, match="no metadata of topic orders"):
        observed(cluster, "orders", "parcels")


def test_the_error_of_a_topic_that_is_not_asked_for_does_not_matter(cluster: FakeCluster) -> None:
    cluster.topic_errors = {"foreign": 5}
    assert set(observed(cluster, "orders")) == {"orders"}


@pytest.mark.parametrize("numbers", [[], [1, 2], [0, 2]])
def test_a_topic_whose_partitions_have_gaps_is_incomplete(numbers: list[int], cluster: FakeCluster) -> None:
    cluster.known_partitions = {"orders": numbers}
    with pytest.raises(StaleMetadata, match="topic orders lacks partitions or replicas"):
        observed(cluster, "orders")


def test_a_partition_without_replicas_is_incomplete(cluster: FakeCluster) -> None:
    cluster.without_replicas = {"orders"}
    with pytest.raises(StaleMetadata, match="topic orders lacks partitions or replicas"):
        observed(cluster, "orders")


def test_an_unknown_configuration_is_not_an_empty_one(cluster: FakeCluster) -> None:
    cluster.without_config = {"orders"}
    with pytest.raises(UnknownTopicOrPartitionError, match="no configuration of orders"):
        observed(cluster, "orders", "parcels")


# --------------------------------------------------------------------------------------------- confirmed by controller


def test_a_complete_answer_is_taken_as_it_is(cluster: FakeCluster) -> None:
    assert set(confirmed(cluster, "orders", "parcels")) == {"orders", "parcels"}


def test_a_topic_that_the_controller_would_create_is_absent(cluster: FakeCluster) -> None:
    assert set(confirmed(cluster, "orders", "absent")) == {"orders"}
    assert cluster.changes == [], "a dry run creates nothing"


@pytest.mark.parametrize("unknown", [{"orders"}, {"orders", "parcels", "foreign"}])
def test_a_topic_that_a_broker_does_not_know_yet_is_not_absent(unknown: set[str], cluster: FakeCluster) -> None:
    cluster.unknown = unknown
    with pytest.raises(StaleMetadata, match=r"incomplete; the controller says of orders: .*exists"):
        confirmed(cluster, "orders", "parcels")


def test_without_the_right_to_create_topics_none_is_absent(cluster: FakeCluster) -> None:
    cluster.refusal = AUTHORIZATION_FAILED
    with pytest.raises(StaleMetadata, match=r"the controller says of absent: .* \(and 1 more\)$"):
        confirmed(cluster, "absent", "orders", "removed")


def test_a_policy_is_asked_only_for_topics_that_do_not_exist(cluster: FakeCluster) -> None:
    cluster.refusal = PolicyViolationError.errno
    assert set(confirmed(cluster, "orders", "absent")) == {"orders"}


def test_partitions_that_a_broker_does_not_know_yet_are_not_absent(cluster: FakeCluster) -> None:
    cluster.known_partitions = {"orders": [0]}
    with pytest.raises(StaleMetadata, match="incomplete; the controller says of orders"):
        confirmed(cluster, "orders")


def test_a_topic_that_was_created_anew_may_have_fewer_partitions(cluster: FakeCluster) -> None:
    assert confirmed(cluster, "orders", partitions=4)["orders"].partitions == 3
    assert cluster.changes == []


def test_more_partitions_need_no_confirmation(cluster: FakeCluster) -> None:
    assert confirmed(cluster, "orders", partitions=2)["orders"].partitions == 3


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"brokers": (0,)}, "kafka-1: broker 1 is not registered"),
        ({"brokers": ()}, "kafka-0: broker 0 is not registered"),
        ({"controller": -1}, "no controller"),
    ],
)
def test_an_answer_needs_every_broker_and_a_controller(
    changed: Mapping[str, Any], why: str, cluster: FakeCluster
) -> None:
    vars(cluster).update(changed)
    with pytest.raises(StaleMetadata, match=why):
        confirmed(cluster, "orders")


def test_an_answer_needs_a_broker_where_none_is_declared(cluster: FakeCluster) -> None:
    fake: Any = cluster
    cluster.brokers = (7,)
    assert set(observe_confirmed(fake, specs("orders"), {})) == {"orders"}
    cluster.brokers = ()
    with pytest.raises(StaleMetadata, match="no broker is registered"):
        observe_confirmed(fake, specs("orders"), {})


def test_a_controller_that_moves_is_a_kafka_error(cluster: FakeCluster) -> None:
    cluster.controller_moves = True
    with pytest.raises(NotControllerError, match="active controller"):
        confirmed(cluster, "absent")


# ----------------------------------------------------------------------------------------------------------- apply


def applied(
    cluster: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    declared: Mapping[str, TopicSpec],
    *owned: str,
    listed: Sequence[str] = (),
    resumed: bool = False,
    own_cluster: bool = False,
    asked: set[str] | None = None,
) -> list[tuple[str, Any]]:
    """The changes that were asked for."""
    monkeypatch.setattr(client, "admin_client", cluster.admin_client)
    apply_topics(
        bootstrap="127.0.0.1:1",
        declared=declared,
        owned=set(owned),
        adopt=False,
        deadline=0,
        report=lambda _line: None,
        listed=listed,
        resumed=resumed,
        own_cluster=own_cluster,
        asked=asked,
    )
    return cluster.changes


def test_only_topics_that_are_listed_are_deleted(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = specs("orders")
    assert applied(cluster, monkeypatch, declared, "orders", "parcels") == []
    made = applied(cluster, monkeypatch, declared, "orders", "parcels", listed=["parcels", "orders"])
    assert made == [("delete", ["parcels"])], "a declared topic is never deleted"


def test_a_topic_that_is_gone_needs_no_deletion(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert applied(cluster, monkeypatch, specs("orders"), "orders", "removed", listed=["removed"]) == []


def test_a_listed_topic_of_someone_else_is_refused_before_anything_changes(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = specs("orders", "absent")
    with pytest.raises(TopicError, match="1 topic to delete exist and are not this stack's: parcels; nothing was"):
        applied(cluster, monkeypatch, declared, "orders", listed=["parcels", "unknown"])
    assert cluster.changes == []


@pytest.mark.parametrize("error", [RequestTimedOutError, UnknownTopicOrPartitionError])
def test_a_deletion_that_is_not_complete_is_asked_for_again(
    error: type[KafkaError], cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deletion = error.errno
    with pytest.raises(KafkaTimeoutError, match="still being deleted: parcels"):
        applied(cluster, monkeypatch, specs("orders"), "orders", "parcels", listed=["parcels"])
    with pytest.raises(KafkaTimeoutError, match="still being deleted: orders, parcels"):
        delete_topics("127.0.0.1:1", ["orders", "parcels"])


def test_a_refused_deletion_is_an_error_for_the_user(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.deletion = TopicAuthorizationFailedError.errno
    with pytest.raises(TopicError, match="the cluster refused the deletion of 1 topic"):
        applied(cluster, monkeypatch, specs("orders"), "orders", "parcels", listed=["parcels"])


def test_topics_are_deleted_in_batches(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "admin_client", cluster.admin_client)
    names = [f"t{number:03}" for number in range(BATCH + 1)]
    cluster.topics = specs(*names)
    delete_topics("127.0.0.1:1", [*names, "gone"])
    assert cluster.changes == [("delete", names[:BATCH]), ("delete", names[BATCH:])]


def test_what_a_broker_does_not_know_is_not_taken_as_deleted(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "admin_client", cluster.admin_client)
    cluster.unknown = {"parcels"}
    with pytest.raises(StaleMetadata, match="the controller says of parcels"):
        delete_topics("127.0.0.1:1", ["orders", "parcels"])
    assert cluster.changes == []


def test_a_topic_of_several_that_is_absent_is_created_since_the_set_owns_it(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = specs("orders", "absent")
    assert applied(cluster, monkeypatch, declared, "orders", "absent") == [("create", ["absent"])]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        pytest.param({"topic_errors": {"orders": 5}}, LeaderNotAvailableError, id="an-error"),
        pytest.param({"without_config": {"orders"}}, UnknownTopicOrPartitionError, id="no-configuration"),
        pytest.param({"without_replicas": {"orders"}}, StaleMetadata, id="no-replicas"),
        pytest.param({"unknown": {"parcels"}}, StaleMetadata, id="a-topic-to-delete-is-unknown"),
    ],
)
@pytest.mark.parametrize("owned", [("orders", "parcels"), ("parcels",)])
def test_an_incomplete_answer_neither_changes_nor_refuses_topics(
    changed: Mapping[str, Any],
    error: type[KafkaError],
    owned: tuple[str, ...],
    cluster: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vars(cluster).update(changed)
    with pytest.raises(error):
        applied(cluster, monkeypatch, specs("orders"), *owned, listed=["parcels"])
    assert cluster.changes == []


def test_a_foreign_topic_that_a_broker_does_not_know_yet_is_not_taken_over(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.unknown = {"foreign"}
    with pytest.raises(TopicAlreadyExistsError, match="not known yet, or still being deleted: foreign"):
        applied(cluster, monkeypatch, specs("foreign"))
    cluster.unknown.clear()
    monkeypatch.setattr(client, "_with_records", lambda *_: {"foreign"})
    with pytest.raises(TopicError, match="exist already and are not this stack's: foreign"):
        applied(cluster, monkeypatch, specs("foreign"))


def test_a_set_in_a_cluster_of_its_own_goes_on_with_topics_that_are_exactly_as_declared(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_with_records", lambda *_: {"foreign"})
    same = specs("foreign")
    assert applied(cluster, monkeypatch, same, resumed=True) == []
    other = {"foreign": replace(same["foreign"], partitions=same["foreign"].partitions + 1)}
    with pytest.raises(TopicError, match="exist already and are not this stack's: foreign"):
        applied(cluster, monkeypatch, other, resumed=True)
    assert cluster.changes == []


def test_an_empty_topic_as_declared_is_taken_over_in_the_stack_s_own_cluster_alone(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere another stack may have made it, and this one would delete it later."""
    monkeypatch.setattr(client, "_with_records", lambda *_: set())
    with pytest.raises(TopicError, match="exist already and are not this stack's: foreign"):
        applied(cluster, monkeypatch, specs("foreign"))
    assert applied(cluster, monkeypatch, specs("foreign"), own_cluster=True) == []
    monkeypatch.setattr(client, "_with_records", lambda *_: {"foreign"})
    with pytest.raises(TopicError, match="exist already and are not this stack's: foreign"):
        applied(cluster, monkeypatch, specs("foreign"), own_cluster=True)


def test_a_topic_whose_creation_was_asked_for_without_an_answer_is_the_set_s(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    def breaks(*_: object, **__: object) -> None:
        raise KafkaTimeoutError("the connection ended")

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "create_topics", breaks)
        with pytest.raises(KafkaTimeoutError):
            applied(cluster, patch, specs("absent"), asked=asked)
    assert asked == {"absent"}
    cluster.topics |= specs("absent")
    assert applied(cluster, monkeypatch, specs("absent"), asked=asked) == []


def test_a_topic_that_exists_against_the_answer_is_not_the_set_s_because_it_asked(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    cluster.unknown = {"foreign"}
    with pytest.raises(TopicAlreadyExistsError):
        applied(cluster, monkeypatch, specs("foreign"), asked=asked)
    assert asked == set()


def test_partitions_that_exist_already_are_a_reason_to_look_again(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.known_partitions = {"orders": [0]}
    with pytest.raises(StaleMetadata, match="more partitions than a broker's answer had: orders"):
        applied(cluster, monkeypatch, specs("orders"), "orders")


def test_a_topic_whose_configuration_a_broker_cannot_change_yet_is_a_reason_to_look_again(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = cluster.alter_configs

    def forgetful(*args: Any, **kwargs: Any) -> dict[str, dict[str, str]]:
        cluster.unknown = {"orders"}
        return known(*args, **kwargs)

    monkeypatch.setattr(cluster, "alter_configs", forgetful)
    with pytest.raises(UnknownTopicOrPartitionError, match="orders"):
        applied(cluster, monkeypatch, specs("orders", config={"retention.ms": "1"}), "orders")


def test_replicas_are_not_moved_before_all_partitions_are_known(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StaleMetadata, match="lacks topic orders or new partitions of it"):
        applied(cluster, monkeypatch, specs("orders", partitions=4, factor=1), "orders")
    assert cluster.changes == [("partitions", {"orders": 4})]
    cluster.topics = specs("orders", partitions=4)
    assert applied(cluster, monkeypatch, specs("orders", partitions=4, factor=1), "orders")[1][0] == "reassign"
