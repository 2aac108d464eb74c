"""Moving replicas from the command line: plans, the journal, the throttle, undo and cancel.

Source: ops/brokers/, ops/commands/brokers.py.
Proof limit: the cluster is a fake; the tests on a real engine show that Kafka moves replicas and slows them down.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import AlterConfigOp
from kafka.errors import KafkaConnectionError

from components.kafka import leaving
from ops import app
from ops.brokers import journal, views
from ops.brokers.throttle import FOLLOWERS, LEADERS, RATES, throttle_of
from ops.commands import brokers as command
from ops.errors import ExitCode
from tests.unit.kafka.replicas import Cluster


class Ops(Cluster):
    """A cluster with dynamic configuration, and the command line on it."""

    def __init__(self, replicas: Mapping[str, Sequence[tuple[int, ...]]], brokers: int = 4) -> None:
        super().__init__(replicas, brokers)
        self.set: dict[tuple[str, str, str], str] = {}
        self.seen: list[dict[tuple[str, str, str], str]] = []
        """The dynamic configuration at the start of each batch of moves."""

    def list_topics(self) -> list[str]:
        return list(self.replicas)

    def describe_configs(self, resources: Sequence[Any], *, config_filter: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in resources:
            kind = one.resource_type.name.lower()
            keys = {key: value for (type_, name, key), value in self.set.items() if (type_, name) == (kind, one.name)}
            source = f"DYNAMIC_{kind.upper()}_CONFIG"
            entries = {key: {"value": value, "config_source": source} for key, value in keys.items()}
            found.setdefault(kind, {})[one.name] = {"x": {"value": "", "config_source": "DEFAULT_CONFIG"}} | entries
        return found

    def alter_configs(self, resources: Sequence[Any], *, raise_on_unknown: bool) -> dict[str, dict[str, str]]:
        for one in resources:
            for key, (operation, value) in one.configs.items():
                place = (one.resource_type.name.lower(), one.name, key)
                if operation is AlterConfigOp.DELETE:
                    self.set.pop(place, None)
                else:
                    self.set[place] = value
        return {"any": {one.name: "OK" for one in resources}}

    def alter_partition_reassignments(self, moves: Mapping[TopicPartition, Any]) -> dict[TopicPartition, Any]:
        self.seen.append(dict(self.set))
        if all(replicas is None for replicas in moves.values()):
            self.requests.append(("cancel", moves))
            for place in moves:
                stopped = self.moving.pop(place)
                # As Kafka does it: the target comes first, so the order of before is lost.
                kept = [broker for broker in stopped["replicas"] if broker not in stopped["adding_replicas"]]
                self.replicas[place.topic][place.partition] = tuple(kept)
            return dict.fromkeys(moves)
        return super().alter_partition_reassignments(moves)

    def elect_leaders(self, kind: int, topics: Mapping[str, Sequence[int]], *, raise_errors: bool) -> None:
        self.requests.append(("elect", topics))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ops:
    made = Ops({"t": [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1)]})

    class Platform:
        stack = "dev"

        @contextmanager
        def admin(self) -> Iterator[Ops]:
            yield made

    monkeypatch.setattr(command, "platform", lambda _context: Platform())
    monkeypatch.setattr(journal, "project_folder", lambda: tmp_path)
    monkeypatch.setattr(leaving, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("components.waiting.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("ops.brokers.moving.STALLED_SECONDS", 0.2)
    return made


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        app.run(["brokers", *arguments])
    assert (ended.value.code or 0) == code


def load(cluster: Ops) -> list[int]:
    held = [broker for lists in cluster.replicas.values() for one in lists for broker in one]
    return [held.count(broker) for broker in cluster.brokers]


def test_a_rebalance_fills_an_added_broker(cluster: Ops, capsys: pytest.CaptureFixture[str]) -> None:
    run("rebalance", "--yes")
    assert load(cluster) == [2, 4, 4, 2], "each partition has a replica on each of the three racks"
    shown = capsys.readouterr().err
    assert "broker 3 (r0): 0 -> 2 replicas" in shown
    assert "`ops brokers undo` moves them back" in shown
    assert cluster.of("elect"), "new preferred leaders lead at once"


def test_a_plan_moves_nothing(cluster: Ops, capsys: pytest.CaptureFixture[str]) -> None:
    run("rebalance", "--dry-run")
    assert cluster.of("move") == []
    assert "TOPIC\tPARTITION\tREPLICAS\tTHEN" in capsys.readouterr().out
    run("rebalance", code=ExitCode.REFUSED)
    assert "give --yes" in capsys.readouterr().err
    assert cluster.of("move") == []
    assert journal.load("dev") is None


def test_an_undo_restores_what_was_before(cluster: Ops) -> None:
    before = {name: list(lists) for name, lists in cluster.replicas.items()}
    run("drain", "2", "--yes")
    assert load(cluster)[2] == 0
    run("undo", "--yes")
    assert cluster.replicas == before
    run("undo", "--yes", code=ExitCode.REFUSED)


def test_a_killed_drain_goes_on_and_can_still_be_undone(
    cluster: Ops, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.replicas["many"] = [(2,)] * 30
    before = {name: list(lists) for name, lists in cluster.replicas.items()}
    started = cluster.alter_partition_reassignments

    def killed(moves: Mapping[TopicPartition, Any]) -> dict[TopicPartition, Any]:
        started(moves)
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "alter_partition_reassignments", killed)
    run("drain", "2", "--yes", "--throttle", "1MiB/s", code=ExitCode.INTERRUPTED)
    assert len(cluster.moving) == 20
    assert cluster.set, "the throttle stays while replicas move"
    monkeypatch.setattr(cluster, "alter_partition_reassignments", started)
    run("rebalance", "--yes", code=ExitCode.REFUSED)
    assert "`ops brokers drain 2` on stack dev is unfinished" in capsys.readouterr().err
    run("drain", "2", "--yes", "--throttle", "9MiB/s")
    assert load(cluster)[2] == 0
    assert cluster.set == {}, "the throttle of the killed command is removed"
    rates = {during["broker", "2", RATES[0]] for during in cluster.seen if during}
    assert rates == {str(1024**2), str(9 * 1024**2)}
    asked = [place for moves in cluster.of("move") for place in moves]
    assert len(asked) == len(set(asked)) == 34, "nothing is started twice"
    run("undo", "--yes")
    assert cluster.replicas == before


def test_a_cancel_stops_what_moves_and_removes_the_throttle(cluster: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: list(lists) for name, lists in cluster.replicas.items()}
    cluster.move(TopicPartition("t", 3), (0, 1, 3))
    cluster.replicas["foreign"] = [(0,)]
    cluster.move(TopicPartition("foreign", 0), (1,))
    cluster.stuck = True
    with pytest.raises(SystemExit):
        app.run(["brokers", "drain", "2", "--yes", "--throttle", "1MiB/s"])
    del cluster.moving[TopicPartition("t", 3)]
    assert cluster.moving.keys() > {TopicPartition("foreign", 0)}
    run("cancel")
    assert set(cluster.moving) == {TopicPartition("foreign", 0)}, "another tool's move goes on"
    assert [set(replicas) for replicas in cluster.replicas["t"]] == [set(replicas) for replicas in before["t"]]
    assert cluster.replicas["t"] != before["t"], "the fake does as Kafka does"
    assert cluster.set == {}
    cluster.moving.clear()
    cluster.stuck = False
    run("undo", "--yes")
    assert cluster.replicas["t"] == before["t"], "the preferred leaders are those of before, too"


def test_a_throttle_is_set_for_what_moves_and_removed_at_the_end(cluster: Ops) -> None:
    cluster.replicas = {"t": [(0, 1), (1, 0)], "u": [(0,)]}
    run("drain", "0", "--yes", "--throttle", "10MiB/s")
    (during,) = cluster.seen
    assert {key for kind, _, key in during if kind == "broker"} == set(RATES)
    assert set(during.values()) >= {str(10 * 1024 * 1024)}
    assert during["topic", "u", LEADERS] == "0:0"
    assert during["topic", "u", FOLLOWERS].startswith("0:")
    assert cluster.set == {}


def test_another_tools_throttle_is_not_touched(cluster: Ops, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = {("topic", "t", LEADERS): "*"}
    cluster.set = dict(foreign)
    run("drain", "2", "--yes", "--throttle", "10MiB/s", code=ExitCode.REFUSED)
    assert f"{LEADERS} of topic t" in capsys.readouterr().err
    assert cluster.of("move") == []
    run("drain", "2", "--yes")
    assert cluster.set == foreign


def test_only_copies_are_throttled() -> None:
    moves = [
        journal.Move(topic="t", partition=0, before=(0, 1), after=(1, 0)),
        journal.Move(topic="t", partition=1, before=(0, 1), after=(2, 1)),
    ]
    limit = throttle_of(moves, 5)
    assert (limit.brokers, limit.leaders, limit.followers) == ([0, 1, 2], {"t": "1:0,1:1"}, {"t": "1:2"})


@pytest.mark.parametrize("rate", ["fast", "0", "-5MiB/s", ""])
def test_a_throttle_that_is_no_rate_is_wrong_usage(cluster: Ops, rate: str) -> None:
    run("rebalance", "--throttle", rate, code=ExitCode.USAGE)


def test_what_cannot_be_drained_is_refused(cluster: Ops, capsys: pytest.CaptureFixture[str]) -> None:
    run("drain", "7", "--yes", code=ExitCode.REFUSED)
    assert "there is no broker 7; nothing was done" in capsys.readouterr().err
    run("drain", "2", "3", "--yes", code=ExitCode.REFUSED)
    assert "topic t: replication factor 3 needs 3 brokers; 2 would be left" in capsys.readouterr().err
    run("drain", "0", "1", "2", "3", "--yes", code=ExitCode.REFUSED)
    assert cluster.of("move") == []


def test_a_cluster_that_lags_or_moves_is_not_rebalanced(cluster: Ops, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.move(TopicPartition("t", 0), (0, 1, 3))
    run("rebalance", "--yes", code=ExitCode.REFUSED)
    assert "1 partition move already" in capsys.readouterr().err
    cluster.moving.clear()
    shown = cluster.describe_topics()
    shown[0]["partitions"][0]["isr_nodes"] = (0,)
    cluster.describe_topics = lambda: shown  # type: ignore[method-assign]
    run("rebalance", "--yes", code=ExitCode.REFUSED)
    assert "under-replicated partitions: t-0" in capsys.readouterr().err


def test_a_replication_factor_is_lowered_explicitly(cluster: Ops) -> None:
    cluster.replicas["__consumer_offsets"] = [(0, 1, 2)]
    run("factor", "__consumer_offsets", "2", "--yes")
    assert len(cluster.replicas["__consumer_offsets"][0]) == 2
    run("factor", "__consumer_offsets", "5", "--yes", code=ExitCode.REFUSED)
    run("factor", "unknown", "2", "--yes", code=ExitCode.REFUSED)


def test_brokers_are_listed_with_what_they_hold(cluster: Ops) -> None:
    listed = views.views_of(leaving.cluster_state(cluster), {0: 5})  # type: ignore[arg-type]
    assert [(one.id, one.replicas, one.leaders, one.preferred, one.disk) for one in listed] == [
        (0, 4, 2, 2, 5),
        (1, 4, 1, 1, None),
        (2, 4, 1, 1, None),
        (3, 0, 0, 0, None),
    ]


def test_the_journal_is_written_before_the_first_step(cluster: Ops, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(moves: object) -> None:
        written = journal.load("dev")
        assert written is not None
        assert written.moves
        raise KafkaConnectionError

    monkeypatch.setattr(cluster, "alter_partition_reassignments", fail)
    with pytest.raises(KafkaConnectionError):
        app.run(["brokers", "drain", "2", "--yes"])
