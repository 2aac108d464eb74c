"""Brokers that leave: their replicas move to those that stay.

Source: components/kafka/leaving.py, components/kafka/safety.py.
Proof limit: the cluster is a fake that moves replicas when asked how far they are; the tests on real engines and
clusters show that Kafka does as it says, and that no partition falls below its minimum meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError

from components.errors import SafetyError
from components.kafka import leaving, safety
from components.kafka.health import HEALTH_TOPIC
from components.kafka.safety import BrokerSafety
from components.safety import Members
from tests.unit.kafka.replicas import Cluster


class Rules:
    """The rules of four brokers, and the lines that they report."""

    def __init__(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.lines: list[str] = []
        self.fails = 0
        """Connections that fail before one succeeds."""
        monkeypatch.setattr(safety, "admin_client", self._connect)
        monkeypatch.setattr(safety, "any_listens", lambda _bootstrap, *, route: True)
        monkeypatch.setattr(safety, "ANSWER_SECONDS", 0.0)
        monkeypatch.setattr(safety, "STALLED_SECONDS", 0.5)
        monkeypatch.setattr(leaving, "SETTLE_SECONDS", 0.0)
        monkeypatch.setattr("components.waiting.FIRST_PAUSE", 0.001)

    @contextmanager
    def _connect(self, bootstrap: str, *, route: object, security: object) -> Iterator[Cluster]:
        if self.fails:
            self.fails -= 1
            raise KafkaConnectionError
        yield self.cluster

    def leave(self, *names: str) -> None:
        members = Members(addresses={f"kafka-{number}": f"h:{number}" for number in range(4)})
        BrokerSafety(members).leave(names, self.lines.append)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster({"t": [(0, 1, 3), (3, 0, 1), (0, 1, 2)], "u": [(3,), (1,)]}, brokers=4)


@pytest.fixture
def rules(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Rules:
    return Rules(cluster, monkeypatch)


def holders(cluster: Cluster) -> set[int]:
    return {broker for lists in cluster.replicas.values() for replicas in lists for broker in replicas}


def test_all_replicas_move_to_brokers_that_stay_and_factors_are_kept(rules: Rules, cluster: Cluster) -> None:
    rules.leave("kafka-3")
    assert holders(cluster) == {0, 1, 2}
    assert [len(replicas) for lists in cluster.replicas.values() for replicas in lists] == [3, 3, 3, 1, 1]
    assert cluster.replicas["t"][2] == (0, 1, 2), "what the broker does not hold stays"
    assert rules.lines[0] == "moving 3 partitions off broker 3, 20 at a time"


def test_a_broker_that_holds_nothing_leaves_without_a_move(rules: Rules, cluster: Cluster) -> None:
    rules.leave("kafka-3")
    cluster.requests.clear()
    rules.leave("kafka-3")
    assert cluster.of("move") == []


def test_moves_are_bounded(rules: Rules, cluster: Cluster) -> None:
    cluster.replicas["many"] = [(3,)] * 45
    rules.leave("kafka-3")
    assert [len(moves) for moves in cluster.of("move")] == [20, 20, 8]


def test_an_interrupted_move_is_awaited_and_not_started_again(rules: Rules, cluster: Cluster) -> None:
    cluster.move(TopicPartition("u", 0), (2,))
    rules.leave("kafka-3")
    assert cluster.replicas["u"][0] == (2,)
    assert [sorted(moves) for moves in cluster.of("move")] == [[("t", 0), ("t", 1)]]


def test_a_move_of_another_tool_to_a_broker_that_leaves_is_replaced(rules: Rules, cluster: Cluster) -> None:
    cluster.move(TopicPartition("u", 1), (3,))
    rules.leave("kafka-3")
    assert holders(cluster) == {0, 1, 2}


def test_a_topic_that_is_created_meanwhile_moves_too(rules: Rules, cluster: Cluster) -> None:
    create = cluster.alter_partition_reassignments

    def created_meanwhile(moves: dict[TopicPartition, list[int]]) -> object:
        cluster.replicas.setdefault("late", [(3, 0)])
        return create(moves)

    cluster.alter_partition_reassignments = created_meanwhile  # type: ignore[method-assign,assignment]
    rules.leave("kafka-3")
    assert 3 not in cluster.replicas["late"][0]


def test_a_dead_broker_leaves_too(rules: Rules, cluster: Cluster) -> None:
    cluster.brokers.remove(3)
    cluster.replicas["u"] = [(1,)]
    cluster.replicas["t"] = [(0, 1, 3)]
    rules.leave("kafka-3")
    assert holders(cluster) == {0, 1, 2}


def test_too_few_brokers_for_a_factor_are_refused_before_anything_moves(rules: Rules, cluster: Cluster) -> None:
    cluster.replicas["__consumer_offsets"] = [(1, 2, 3)]
    with pytest.raises(SafetyError) as refused:
        rules.leave("kafka-2", "kafka-3")
    assert refused.value.headline == "kafka-2 and kafka-3 cannot be removed"
    assert refused.value.problems[1:3] == (
        "topic __consumer_offsets: replication factor 3 needs 3 brokers; 2 would be left",
        "topic t: replication factor 3 needs 3 brokers; 2 would be left",
    )
    assert "python -m ops brokers factor TOPIC NUMBER" in refused.value.problems[3]
    assert cluster.of("move") == []


def test_the_health_checks_own_topic_gets_fewer_replicas_where_fewer_brokers_stay(
    rules: Rules, cluster: Cluster
) -> None:
    cluster.replicas = {HEALTH_TOPIC: [(0, 2, 3)], "u": [(3,)]}
    rules.leave("kafka-2", "kafka-3")
    assert cluster.replicas[HEALTH_TOPIC] == [(0,)]


def test_a_broker_that_stays_but_is_away_blocks(rules: Rules, cluster: Cluster) -> None:
    cluster.brokers.remove(1)
    with pytest.raises(SafetyError, match="broker 1 stays but is not registered"):
        rules.leave("kafka-3")
    assert cluster.of("move") == []


def test_metadata_that_lacks_what_the_broker_holds_blocks(rules: Rules, cluster: Cluster) -> None:
    cluster.disks[3] = {("orders", 7)}
    with pytest.raises(SafetyError, match="broker 3 holds orders-7, which the metadata lacks"):
        rules.leave("kafka-3")
    assert cluster.of("move") == []


def test_replicas_that_are_just_changing_block(rules: Rules, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker shows old and new replicas together for a moment after a move has ended."""
    read = leaving.cluster_state
    states = cycle([read(cluster), read(Cluster({"t": [(0, 1, 2)]}, brokers=4))])  # type: ignore[arg-type]
    monkeypatch.setattr(leaving, "cluster_state", lambda _client: next(states))
    with pytest.raises(SafetyError, match="replicas are just changing"):
        rules.leave("kafka-3")


def test_moves_without_progress_fail_and_go_on(rules: Rules, cluster: Cluster) -> None:
    cluster.stuck = True
    with pytest.raises(SafetyError, match="`pulumi up` goes on from here"):
        rules.leave("kafka-3")
    cluster.stuck = False
    cluster.requests.clear()
    rules.leave("kafka-3")
    assert cluster.of("move") == []
    assert holders(cluster) == {0, 1, 2}


def test_growing_replicas_are_progress(rules: Rules, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.stuck = True
    sizes = iter([1, 2, 3, 4])

    def stored(*_: object) -> int:
        size = next(sizes)
        cluster.stuck = size < 3
        return size

    monkeypatch.setattr("components.kafka.reassignment._stored", stored)
    monkeypatch.setattr(safety, "STALLED_SECONDS", 0.0)
    rules.leave("kafka-3")
    assert holders(cluster) == {0, 1, 2}


def test_a_broken_connection_is_tried_again(rules: Rules, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "ANSWER_SECONDS", 5.0)
    rules.fails = 2
    rules.leave("kafka-3")
    assert holders(cluster) == {0, 1, 2}
