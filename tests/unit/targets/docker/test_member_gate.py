"""The gates between members on Docker: when they check, what they check, and how they fail.

Source: components/targets/docker/provider.py.
Proof limit: the engine and the members are fakes; the tests on a real engine update real members.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar

import pytest

from components.dynamic import Props
from components.errors import PreflightError
from components.kafka.client import ClusterState, Partition
from components.kafka.safety import BrokerSafety
from components.safety import Report, Safety, reference
from components.targets.docker import provider as docker_module
from components.targets.docker.provider import MemberGateProvider
from components.zookeeper import safety as zookeeper_safety
from components.zookeeper.safety import EnsembleSafety
from tests.unit.dynamic import from_engine, shown, unhealthy, unknown
from tests.unit.health.servers import Servers


class Scripted(Safety):
    """Safety rules that give a test's answers and record the queries."""

    asked: ClassVar[list[tuple[str, str, tuple[str, ...]]]]
    members_asked: ClassVar[list[dict[str, str]]]
    returns: ClassVar[list[str]]
    stops: ClassVar[list[str]]
    lost: ClassVar[list[str]]
    joined: ClassVar[list[tuple[list[str], str, float]]]

    def return_findings(self, name: str) -> list[str]:
        self.asked.append(("returns", name, tuple(self.members.addresses.values())))
        return self.returns

    def stop_findings(self, name: str, ready: Collection[str]) -> list[str]:
        self.asked.append(("stops", name, tuple(ready)))
        self.members_asked.append(dict(self.members.addresses))
        return self.stops

    def join(self, names: Collection[str], report: Report) -> None:
        assert ("returns", [*names][-1]) == self.asked[-1][:2], "a member that is not back cannot join"
        self.joined.append((list(names), self.members.login, self.members.deadline))

    def interruptions(self, name: str) -> list[str]:
        return self.lost


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    for name in ("asked", "members_asked", "returns", "stops", "lost", "joined"):
        monkeypatch.setattr(Scripted, name, [], raising=False)
    containers_on(monkeypatch, {"p-kafka-0": True, "p-kafka-1": False, "p-kafka-2": True})
    return Scripted


def containers_on(monkeypatch: pytest.MonkeyPatch, health: Mapping[str, bool]) -> None:
    """An engine that has these containers, each healthy or not."""

    def container_health(names: Iterable[str]) -> dict[str, bool]:
        return {name: health[name] for name in names if name in health}

    monkeypatch.setattr(docker_module, "container_health", container_health)


def member_gate(workload: str, safety: type[Safety] = Scripted, **changes: object) -> Props:
    """The gate after member 1 of three; with ``stops`` it is also the gate before a member."""
    members = [f"{workload}-{ordinal}" for ordinal in (2, 0, 1)]
    props = {
        "safety": reference(safety),
        "stops": None,
        "returns": f"{workload}-1",
        "members": {member: f"127.0.0.1:{int(member[-1]) + 1}" for member in members},
        "containers": {member: f"p-{member}" for member in members},
        "deadline": 0,
        "trigger": {f"{workload}-1": "container-a"},
        "logs": {f"{workload}-1": f"docker logs p-{workload}-1"},
    }
    return {**props, **changes}


@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({}, False),
        ({"trigger": {"kafka-1": "container-b"}}, True),
        ({"trigger": {"inputs": "digest", "kafka-1": "container-a"}}, True),
        ({"trigger": None}, True),
        ({"members": {"kafka-0": "127.0.0.1:99"}}, False),
        ({"deadline": 999}, False),
        ({"logs": {}}, False),
        ({"__provider": "other code"}, False),
    ],
)
def test_a_gate_checks_again_only_if_its_member_changed(changed: Props, waits: bool) -> None:
    result = MemberGateProvider().diff("kafka-1", member_gate("kafka"), member_gate("kafka", **changed))
    assert result.changes is waits
    assert not result.replaces, "checking again replaces nothing"


def test_a_gate_depends_on_the_member_that_the_update_creates() -> None:
    news = member_gate("kafka", trigger={"kafka-1": unknown()})
    assert MemberGateProvider().diff("kafka-1", member_gate("kafka"), news).changes is True


def test_a_gate_checks_the_previous_member_and_then_the_next(scripted: type[Scripted]) -> None:
    props = from_engine(member_gate("kafka", stops="kafka-2"))
    assert MemberGateProvider().create(props).id == "kafka-2"
    assert MemberGateProvider().update("kafka-2", {}, props).outs == props
    returned = ("returns", "kafka-1", ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"))
    assert scripted.asked == [returned, ("stops", "kafka-2", ("kafka-0", "kafka-2"))] * 2, "healthy containers serve"


def test_the_first_gate_waits_for_no_member_and_the_last_gate_stops_none(scripted: type[Scripted]) -> None:
    first = from_engine(member_gate("kafka", stops="kafka-0", returns=None))
    assert MemberGateProvider().create(first).id == "kafka-0"
    assert MemberGateProvider().create(from_engine(member_gate("kafka"))).id == "kafka-1-returned"
    assert [asked[:2] for asked in scripted.asked] == [("stops", "kafka-0"), ("returns", "kafka-1")]


def test_a_member_that_is_still_needed_is_not_stopped(scripted: type[Scripted]) -> None:
    scripted.stops.append("t-0: 2 of 3 replicas in sync")
    props = from_engine(member_gate("kafka", stops="kafka-2"))
    assert shown(lambda: MemberGateProvider().update("kafka-2", {}, props)) == (
        "Error: kafka-2 is not safe to restart after 0 s (1 finding)\n  - t-0: 2 of 3 replicas in sync\n"
    )


def test_an_engine_that_does_not_answer_is_a_reason_to_wait(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(names: Iterable[str]) -> dict[str, bool]:
        raise PreflightError("the Docker engine does not answer", ["refused"])

    monkeypatch.setattr(docker_module, "container_health", refuse)
    props = from_engine(member_gate("kafka", stops="kafka-2"))
    assert unhealthy(MemberGateProvider, props).problems == ("the Docker engine does not answer\n  - refused",)
    assert [asked[0] for asked in scripted.asked] == ["returns"], "an unknown state is not safe"


def test_an_engine_that_answers_again_lets_the_gate_pass(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [PreflightError("the Docker engine does not answer"), {"p-kafka-2": True}]

    def container_health(names: Iterable[str]) -> dict[str, bool]:
        answer = answers.pop(0)
        if isinstance(answer, PreflightError):
            raise answer
        return answer

    monkeypatch.setattr(docker_module, "container_health", container_health)
    MemberGateProvider().create(from_engine(member_gate("kafka", stops="kafka-2", deadline=9)))
    assert capsys.readouterr().err == "waiting for kafka-2: the Docker engine does not answer\n"


# -------------------------------------------------------------------------------- members that move, come and go


def moved(port: int, members: int = 3) -> dict[str, str]:
    """Addresses of members, starting at a port."""
    return {f"kafka-{ordinal}": f"127.0.0.1:{port + ordinal}" for ordinal in range(members)}


@pytest.mark.parametrize(
    ("stops", "returns", "changed", "ports"),
    [
        ("kafka-0", None, [], (1, 2, 3)),
        ("kafka-1", "kafka-0", ["kafka-0"], (91, 2, 3)),
        ("kafka-2", "kafka-1", ["kafka-0", "kafka-1"], (91, 92, 3)),
        ("kafka-0", "kafka-2", ["kafka-2"], (1, 2, 93)),
    ],
)
def test_members_are_queried_at_their_current_ports_while_these_change(
    stops: str,
    returns: str | None,
    changed: list[str],
    ports: tuple[int, ...],
    scripted: type[Scripted],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At their future ports no member would answer, so none could ever be stopped."""
    containers_on(monkeypatch, {f"p-kafka-{ordinal}": True for ordinal in range(3)})
    olds, news = (
        member_gate("kafka", stops=stops, returns=returns, changed=changed, members=moved(port)) for port in (1, 91)
    )
    MemberGateProvider().update(stops, from_engine(olds), from_engine(news))
    addresses = [f"127.0.0.1:{port}" for port in ports]
    assert [list(asked.values()) for asked in scripted.members_asked] == [addresses]
    assert [asked[2] for asked in scripted.asked if asked[0] == "returns"] == [tuple(addresses)] * (returns is not None)


def test_a_member_that_does_not_exist_yet_is_created_without_a_query(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    containers_on(monkeypatch, {"p-kafka-0": True, "p-kafka-1": True})
    scripted.stops.append("t-0: 2 of 3 replicas in sync")
    MemberGateProvider().create(from_engine(member_gate("kafka", stops="kafka-2")))
    assert [asked[0] for asked in scripted.asked] == ["returns"]


def test_added_members_need_not_serve_before_the_others_change(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    containers_on(monkeypatch, {f"p-kafka-{ordinal}": True for ordinal in range(3)})
    given = {"containers": {f"kafka-{ordinal}": f"p-kafka-{ordinal}" for ordinal in range(5)}}
    props = member_gate("kafka", stops="kafka-0", returns=None, members=moved(1, 5), **given)
    MemberGateProvider().create(from_engine(props))
    MemberGateProvider().update("kafka-0", from_engine({**props, "members": moved(1)}), from_engine(props))
    assert scripted.members_asked == [moved(1), moved(1)]


def test_members_that_leave_are_queried_until_they_are_removed(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    props = member_gate("kafka", stops="kafka-0", returns=None)
    MemberGateProvider().update("kafka-0", from_engine({**props, "members": moved(1, 5)}), from_engine(props))
    assert scripted.members_asked == [moved(1, 5)]


def test_a_member_whose_container_was_removed_counts_as_missing(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    containers_on(monkeypatch, {"p-kafka-0": True, "p-kafka-2": True})
    props = from_engine(member_gate("kafka", stops="kafka-2"))
    MemberGateProvider().update("kafka-2", props, props)
    assert scripted.members_asked == [moved(1)], "it counts in the quorum"


def test_partitions_that_are_unavailable_while_a_member_is_away_are_shown(
    scripted: type[Scripted], capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.lost.append("while kafka-2 restarts, 1 partition cannot be written")
    MemberGateProvider().create(from_engine(member_gate("kafka", stops="kafka-2")))
    assert capsys.readouterr().err.splitlines()[-1] == "while kafka-2 restarts, 1 partition cannot be written"


@pytest.mark.parametrize(
    ("changed", "joins"),
    [(["kafka-2", "kafka-1"], ["kafka-2", "kafka-1"]), (None, ["kafka-1"])],
    ids=["new", "earlier"],
)
def test_a_member_that_is_back_joins_its_group_and_so_do_those_before_it(
    changed: list[str] | None, joins: list[str], scripted: type[Scripted]
) -> None:
    props = from_engine(member_gate("kafka", changed=changed, login={"password": "secret"}, deadline=7))
    MemberGateProvider().create(props)
    assert scripted.joined == [(joins, {"password": "secret"}, 7.0)]


def test_a_member_that_is_not_back_joins_nothing(scripted: type[Scripted]) -> None:
    scripted.returns.append("kafka-1: it is away")
    unhealthy(MemberGateProvider, from_engine(member_gate("kafka")))
    assert scripted.joined == []


def test_a_zookeeper_gate_queries_the_whole_ensemble_about_its_member(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str], Mapping[str, str]]] = []

    def restart_findings(name: str, members: Mapping[str, str], logs: Mapping[str, str], *, route: object) -> list[str]:
        asked.append((name, list(members.values()), logs))
        return []

    monkeypatch.setattr(zookeeper_safety, "restart_findings", restart_findings)
    props = from_engine(member_gate("zookeeper", EnsembleSafety))
    assert MemberGateProvider().create(props).id == "zookeeper-1-returned"
    assert MemberGateProvider().update("zookeeper-1", {}, props).outs == props
    expected = ("zookeeper-1", ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"], props["logs"])
    assert asked == [expected, expected]


def test_a_gate_whose_member_does_not_return_fails_with_the_findings(scripted: type[Scripted]) -> None:
    scripted.returns.append("zookeeper-1: it is away; expected it back")
    props = from_engine(member_gate("zookeeper", stops="zookeeper-2"))
    expected = (
        "Error: zookeeper-1 is not healthy after 0 s (1 finding)\n  - zookeeper-1: it is away; expected it back\n"
    )
    assert shown(lambda: MemberGateProvider().create(props)) == expected
    assert shown(lambda: MemberGateProvider().update("zookeeper-1", {}, props)) == expected
    assert {asked[0] for asked in scripted.asked} == {"returns"}, "the next member is not even checked"


def test_a_kafka_gate_waits_for_its_own_broker_and_every_partition(servers: Servers) -> None:
    members = {"kafka-0": "127.0.0.1:19092", "kafka-1": "127.0.0.1:19093"}
    props = from_engine(member_gate("kafka", BrokerSafety, members=members))
    assert MemberGateProvider().create(props).id == "kafka-1-returned"
    assert servers.calls == [], "nothing is written while members change"

    lagging = [Partition("t", 0, 1, (1, 2), (1,))]
    servers.cluster = ClusterState({1: "127.0.0.1:19093", 2: "127.0.0.1:19094"}, 1, lagging)
    assert unhealthy(MemberGateProvider, props).problems == ("Kafka: under-replicated partitions: t-0; expected none",)

    servers.cluster = ClusterState({1: "127.0.0.1:19093"}, 1, lagging)
    assert MemberGateProvider().create(props).id == "kafka-1-returned", (
        "a broker that is away may be made after this one"
    )


@pytest.mark.parametrize("down", ["listens", "answers"])
def test_a_kafka_gate_of_an_unreachable_cluster_names_its_broker(down: str, servers: Servers) -> None:
    setattr(servers, down, False)
    assert unhealthy(MemberGateProvider, from_engine(member_gate("kafka", BrokerSafety))).problems == (
        "kafka-1: no broker answers at 127.0.0.1:1,127.0.0.1:2,127.0.0.1:3; expected an answer\n"
        "look at: docker logs p-kafka-1",
    )
