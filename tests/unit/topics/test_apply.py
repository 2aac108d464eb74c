"""Requests that change topics, and their batches.

Source: components/topics/client.py, components/topics/reassignment.py, components/kafka/reassignment.py.
Proof limit: the cluster is a fake that moves replicas when asked how far they are; the integration tests show that
Kafka does as it says.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.errors import StaleMetadata

from components.errors import TopicError, UnhealthyError
from components.kafka.client import BATCH
from components.topics import client as topics
from components.topics.rules import TopicSpec
from tests.unit.kafka.replicas import Cluster


def spec(name: str, factor: int, partitions: int = 1, **config: str) -> TopicSpec:
    return TopicSpec(name=name, partitions=partitions, replication_factor=factor, config=config)


def apply(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster,
    *specs: TopicSpec,
    owned: bool = True,
    own_cluster: bool = True,
    deadline: float = 9,
) -> list[str]:
    """Apply topics to the fake cluster; returns the reported lines."""
    lines: list[str] = []

    @contextmanager
    def connect(bootstrap: str, *, route: object, security: object) -> Iterator[Cluster]:
        yield cluster

    monkeypatch.setattr(topics, "admin_client", connect)
    monkeypatch.setattr("components.waiting.FIRST_PAUSE", 0.001)
    declared = {item.name: item for item in specs}
    topics.apply_topics(
        bootstrap="h:1",
        declared=declared,
        owned=set(declared) if owned else set(),
        adopt=False,
        own_cluster=own_cluster,
        deadline=deadline,
        report=lines.append,
    )
    return lines


def sizes(cluster: Cluster) -> set[int]:
    """The numbers of replicas that partitions have."""
    return {len(replicas) for partitions in cluster.replicas.values() for replicas in partitions}


# -------------------------------------------------------------------------------------------------- reassignment


def test_partitions_move_in_batches_and_are_placed_by_one_read_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number:03}" for number in range(150)]
    cluster = Cluster({name: [(number % 6,)] * 3 for number, name in enumerate(names)}, brokers=6)
    lines = apply(monkeypatch, cluster, *[spec(name, 3, 3) for name in names])
    assert sizes(cluster) == {3}
    assert [len(moves) for moves in cluster.of("move")] == [BATCH, BATCH, 50]
    assert len(cluster.of("describe")) == 2, "one read to plan, one to place"
    kinds = [kind for kind, asked in cluster.requests if kind in ("move", "list") and asked is not None]
    assert kinds == ["move", "list", "list"] * 3, "a batch starts when the one before it has ended"
    assert [line for line in lines if line.startswith("changed")] == [
        "changed the replicas of 200 of 450 partitions",
        "changed the replicas of 400 of 450 partitions",
        "changed the replicas of 450 of 450 partitions",
    ]
    assert "waiting for the change of replicas: 200 of 200 partitions still moving, such as t000-0" in lines


def test_a_small_change_reports_no_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = apply(monkeypatch, Cluster({"t": [(0, 1, 2)]}), spec("t", 2))
    assert lines == ["waiting for the change of replicas: 1 of 1 partition still moving, such as t-0"]


def test_an_interrupted_change_is_awaited_and_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"a": [(0,)], "b": [(1,)], "c": [(0, 1, 2)]})
    cluster.stuck = True
    with pytest.raises(UnhealthyError, match=r"^the change of replicas is not complete after 0 s \(1 finding\)"):
        apply(monkeypatch, cluster, spec("a", 3), deadline=0)
    cluster.move(TopicPartition("c", 0), (0, 1))
    cluster.stuck = False
    cluster.requests.clear()
    apply(monkeypatch, cluster, spec("a", 3), spec("b", 3), spec("c", 2))
    assert cluster.replicas["a"] != [(0,)]
    assert [list(moves) for moves in cluster.of("move")] == [[("b", 0)]]
    assert [len(partitions[0]) for partitions in cluster.replicas.values()] == [3, 3, 2]
    assert cluster.of("list")[1] == [("a", 0), ("c", 0)], "what is under way ends before more begins"


def test_a_change_under_way_to_a_factor_no_longer_declared_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"t": [(0,)]})
    cluster.move(TopicPartition("t", 0), (0, 1, 2))
    apply(monkeypatch, cluster, spec("t", 2))
    assert [len(replicas) for moves in cluster.of("move") for replicas in moves.values()] == [2]
    assert sizes(cluster) == {2}


def test_a_move_by_another_tool_is_neither_replaced_nor_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"t": [(0, 1)], "foreign": [(0,)]})
    cluster.move(TopicPartition("t", 0), (0, 2))
    cluster.move(TopicPartition("foreign", 0), (0, 1))
    assert apply(monkeypatch, cluster, spec("t", 2)) == []
    assert cluster.of("move") == []
    assert cluster.of("list") == [None]


def test_refused_moves_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"a": [(0,)], "b": [(1,), (2,)]})
    cluster.refuses = {TopicPartition("b", 1)}
    with pytest.raises(TopicError) as refused:
        apply(monkeypatch, cluster, spec("a", 2), spec("b", 2, 2))
    assert str(refused.value) == ("the cluster refused to move 1 partition\n  - b-1: UnknownTopicOrPartitionError")


def test_added_partitions_that_metadata_lacks_interrupt_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"t": [(0,)]})
    answer = SimpleNamespace(to_dict=lambda: {"results": []})
    monkeypatch.setattr(cluster, "create_partitions", lambda totals, *, raise_errors: answer)
    with pytest.raises(StaleMetadata, match="lacks topic t or new partitions of it"):
        apply(monkeypatch, cluster, spec("t", 2, 2))
    assert cluster.of("move") == []


def test_metadata_without_replicas_interrupts_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"t": [(0,), (1,)]})
    complete = cluster.describe_topics()
    partial = cluster.describe_topics()
    partial[0]["partitions"][1]["replica_nodes"] = []
    answers = iter([complete, partial])
    monkeypatch.setattr(cluster, "describe_topics", lambda: next(answers))
    with pytest.raises(StaleMetadata, match="topic t lacks partitions or replicas"):
        apply(monkeypatch, cluster, spec("t", 2, 2))
    assert cluster.of("move") == []


def test_nothing_is_asked_about_moves_when_no_declared_topic_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"foreign": [(0,)]})
    apply(monkeypatch, cluster)
    assert cluster.of("list") == []


# ------------------------------------------------------------------------------------------------- other batches


def test_partitions_are_added_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number:03}" for number in range(450)]
    cluster = Cluster({name: [(0,)] for name in names})
    apply(monkeypatch, cluster, *[spec(name, 1, 3) for name in names])
    assert [len(totals) for totals in cluster.of("partitions")] == [BATCH, BATCH, 50]
    assert {len(partitions) for partitions in cluster.replicas.values()} == {3}


def test_topics_of_an_interrupted_run_are_checked_for_records_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number:03}" for number in range(450)]
    cluster = Cluster({name: [(0,)] * 2 for name in names})
    specs = [spec(name, 1, 2) for name in names]
    apply(monkeypatch, cluster, *specs, owned=False)
    assert [len(asked) for asked in cluster.of("offsets")] == [2 * BATCH, 2 * BATCH, 100]
    cluster.ends = {"t007": 1, "t300": 5}
    with pytest.raises(TopicError, match=r"2 declared topics exist already and are not this stack's: t007, t300"):
        apply(monkeypatch, cluster, *specs, owned=False)


def test_throttles_of_other_tools_are_not_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster({"t": [(0,)]})
    cluster.config["t"] = {"leader.replication.throttled.replicas": "0:0"}
    assert apply(monkeypatch, cluster, spec("t", 1)) == [], "the fake would fail at any change of configuration"


# ---------------------------------------------------------------------------------------------------------- cost

OBSERVE_SECONDS = 5.0
"""Processor seconds that reading 10,000 topics may take beside the cluster's own work."""


def test_ten_thousand_topics_are_read_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number:05}" for number in range(10_000)]
    cluster = Cluster({name: [(0,), (1,), (2,)] for name in names})
    cluster.config = {name: {"retention.ms": "5"} for name in names}
    described = cluster.describe_topics()
    monkeypatch.setattr(cluster, "describe_topics", lambda: described)
    start = time.process_time()
    found = topics.observe(cluster, names)  # type: ignore[arg-type]
    assert time.process_time() - start < OBSERVE_SECONDS
    assert len(found) == 10_000
