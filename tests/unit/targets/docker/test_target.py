"""The Docker target: the gates between the members of a workload.

Source: components/targets/docker/target.py.
Proof limit: nothing is created; the integration tests cover the engine.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pulumi
import pytest

from components.errors import PreflightError
from components.outside import Outside
from components.safety import Safety
from components.targets.docker import client
from components.targets.docker.target import DockerTarget
from components.workload import ANYONE, File, Port, Probe, Resources, Storage, Workload
from tests.unit.mocks import CONTAINER, MEMBER_EXIT, MEMBER_GATE, MEMBER_SET, NETWORK, Run, declared_by

MIB = 1024**2


class Together(Safety):
    """Safety rules of members that need each other."""


def workload(**changes: Any) -> Workload:
    made = Workload(
        name="kafka",
        image="example/kafka:1",
        replicas=3,
        command=["start", "$(ORDINAL)"],
        resources=Resources(memory=512 * MIB, cpu="1"),
        stop_grace=timedelta(seconds=30),
        readiness=Probe(command=["true"]),
        ports=[Port(name="client", number=9092, reached_by=[ANYONE], outside=Outside(host="127.0.0.1", port=9092))],
        user=1000,
        storage=Storage(path="/data", size=MIB, lifetime="streaming"),
        env={"HEAP": "256m", "AT": "$(HOST)"},
        files=[File(path="/etc/plain", content="a=1\n"), File(path="/etc/hidden", content="secret", secret=True)],
        safety=Together,
    )
    return replace(made, **changes)


class Parent(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("millrace:index:Parent", name)


def declared(item: Workload) -> Run:
    """The resources of a platform with one workload."""

    def program() -> Mapping[str, object]:
        target = DockerTarget("p").prepare()
        target.deploy(item, Parent("cluster"), deadline=90)
        return {}

    return declared_by(program)


def triggers(run: Run) -> dict[str, str]:
    """For each gate before a member, the value that changes when that member's container will be replaced."""
    gates = [item for item in run.of(MEMBER_GATE) if "stops" in item.inputs]
    return {item.inputs["stops"]: _digest(item.inputs["trigger"]["inputs"]) for item in gates}


def _digest(value: Any) -> str:
    return value["value"] if isinstance(value, Mapping) else value


@pytest.fixture(scope="module")
def three() -> Run:
    return declared(workload())


def gates(run: Run) -> dict[str, tuple[str | None, str | None, list[str]]]:
    return {
        item.name: (item.inputs.get("stops"), item.inputs.get("returns"), item.inputs["changed"])
        for item in run.of(MEMBER_GATE)
    }


def test_there_is_a_gate_before_and_one_after_each_member(three: Run) -> None:
    assert gates(three) == {
        "kafka-0-may-stop": ("kafka-0", None, []),
        "kafka-0-returned": (None, "kafka-0", ["kafka-0"]),
        "kafka-1-may-stop": ("kafka-1", None, ["kafka-0"]),
        "kafka-1-returned": (None, "kafka-1", ["kafka-0", "kafka-1"]),
        "kafka-2-may-stop": ("kafka-2", None, ["kafka-0", "kafka-1"]),
        "kafka-2-returned": (None, "kafka-2", ["kafka-0", "kafka-1", "kafka-2"]),
    }
    for item in three.of(MEMBER_GATE):
        assert item.parent == "cluster"
        assert item.inputs["safety"] == f"{__name__}:Together"
        assert item.inputs["deadline"] == 90
        assert item.inputs["members"] == {f"kafka-{ordinal}": f"127.0.0.1:{9092 + ordinal}" for ordinal in range(3)}
        assert item.inputs["containers"] == {f"kafka-{ordinal}": f"p-kafka-{ordinal}" for ordinal in range(3)}


def chain(run: Run, order: list[int]) -> bool:
    """Whether members change in this order, each between its gates."""
    steps = [
        (kind, name)
        for ordinal in order
        for kind, name in (
            (MEMBER_GATE, f"kafka-{ordinal}-may-stop"),
            (CONTAINER, f"kafka-{ordinal}"),
            (MEMBER_GATE, f"kafka-{ordinal}-returned"),
        )
    ]
    return all(earlier in run.one(*later).after for earlier, later in pairwise(steps))


def test_members_change_one_after_the_other(three: Run) -> None:
    assert chain(three, [0, 1, 2])
    assert not chain(three, [1, 0, 2])


def test_the_coordinating_member_changes_last_and_one_that_does_not_serve_first(
    three: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Together, "last", lambda self: "kafka-0")
    monkeypatch.setattr(client, "container_health", lambda names: {name: name != "p-kafka-2" for name in names})
    run = declared(workload())
    assert chain(run, [2, 1, 0])
    assert {name: item.inputs["trigger"] for name, item in by_name(run).items()} == {
        name: item.inputs["trigger"] for name, item in by_name(three).items()
    }, "another order is no change"


def by_name(run: Run) -> dict[str, Any]:
    return {item.name: item for item in run.of(MEMBER_GATE)}


def refuse(names: object) -> dict[str, bool]:
    raise PreflightError("the Docker engine does not answer")


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        pytest.param(lambda names: {}, ["k-0", "k-1", "k-2"], id="nothing exists"),
        pytest.param(refuse, ["k-0", "k-1", "k-2"], id="no engine"),
        pytest.param(lambda names: dict.fromkeys(names, False), ["k-0", "k-1", "k-2"], id="none serves"),
        pytest.param(lambda names: {"p-0": True, "p-1": True}, ["k-1", "k-0", "k-2"], id="a new one is last"),
        pytest.param(lambda names: {"p-0": False, "p-1": True, "p-2": True}, ["k-0", "k-1", "k-2"], id="one is down"),
    ],
)
def test_the_order_is_that_of_the_numbers_unless_members_say_otherwise(
    health: Any, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    class Led(Safety):
        def last(self) -> str:
            asked.append(dict(self.members.addresses))
            return "k-0"

    monkeypatch.setattr(client, "container_health", health)
    addresses = {f"k-{number}": f"at-{number}" for number in range(3)}
    assert client.restart_order(Led, addresses, {f"k-{number}": f"p-{number}" for number in range(3)}) == expected
    assert len(asked) == any(health_of(health).values()), "members are asked only if one serves"


def health_of(health: Any) -> dict[str, bool]:
    try:
        return health([f"p-{number}" for number in range(3)])
    except PreflightError:
        return {}


def test_a_gate_checks_again_when_its_own_member_changes(three: Run) -> None:
    for ordinal in range(3):
        assert set(three.one(MEMBER_GATE, f"kafka-{ordinal}-may-stop").inputs["trigger"]) == {"inputs"}
        returned = three.one(MEMBER_GATE, f"kafka-{ordinal}-returned").inputs["trigger"]
        assert returned == {f"kafka-{ordinal}": f"kafka-{ordinal}-id"}


@pytest.mark.parametrize(
    "changes",
    [
        {"files": [File(path="/etc/plain", content="a=2\n"), *workload().files[1:]]},
        {"files": [*workload().files[:1], File(path="/etc/hidden", content="other", secret=True)]},
        {"files": [File(path="/etc/moved", content="a=1\n"), *workload().files[1:]]},
        {"image": "example/kafka:2"},
        {"env": {"HEAP": "512m", "AT": "$(HOST)"}},
        {"env": {"HEAP": "256m"}},
        {"command": ["start", "$(ORDINAL)", "--verbose"]},
        {"resources": Resources(memory=256 * MIB, cpu="1")},
        {"stop_grace": timedelta(seconds=31)},
        {"readiness": Probe(command=["false"])},
        {"user": 1001},
    ],
    ids=[
        "a-file", "a-secret-file", "a-path", "image", "variable", "fewer-variables", "command", "memory", "grace",
        "probe", "user",
    ],
)  # fmt: skip
def test_every_gate_checks_again_when_the_containers_will_be_replaced(changes: dict[str, Any], three: Run) -> None:
    before, after = triggers(three), triggers(declared(workload(**changes)))
    assert before.keys() == after.keys()
    assert not [member for member in before if before[member] == after[member]]


@pytest.mark.parametrize("replicas", [2, 5])
def test_added_or_removed_members_do_not_trigger_checks_of_the_others(replicas: int, three: Run) -> None:
    before, after = triggers(three), triggers(declared(workload(replicas=replicas)))
    stay = before.keys() & after.keys()
    assert len(stay) == min(replicas, 3)
    assert [before[member] for member in sorted(stay)] == [after[member] for member in sorted(stay)]


def test_triggers_differ_between_members_and_are_reproducible(three: Run) -> None:
    assert len(set(triggers(three).values())) == 3
    assert triggers(declared(workload())) == triggers(three)


@pytest.mark.parametrize(
    "changes", [{"replicas": 1}, {"safety": Safety}, {"safety": Safety, "replicas": 1}], ids=["single", "plain", "both"]
)
def test_single_members_and_independent_members_have_no_gate(changes: dict[str, Any]) -> None:
    run = declared(workload(**changes))
    assert run.of(MEMBER_GATE) == []
    assert len(run.of(CONTAINER)) == workload(**changes).replicas
    assert run.names(NETWORK) == ["network"]


def test_a_trigger_contains_no_secret(three: Run) -> None:
    for digest in triggers(three).values():
        assert len(digest) == 64
        assert "secret" not in digest


def test_members_that_leave_are_released_before_any_other_restarts(three: Run) -> None:
    (members,) = three.of(MEMBER_SET)
    assert all(members.name in gate.dependencies for gate in three.of(MEMBER_GATE) if gate.name == "kafka-0-may-stop")


def test_the_last_look_at_a_member_precedes_the_deletion_of_its_container(three: Run) -> None:
    """The engine deletes what depends on a container before it, and the last member's exit before the others'."""
    exits = {item.name: item for item in three.of(MEMBER_EXIT)}
    assert {name: item.dependencies for name, item in exits.items()} == {
        "kafka-1-leaves": {"kafka-1"},
        "kafka-2-leaves": {"kafka-2", "kafka-1-leaves"},
    }
    assert sorted(exits["kafka-1-leaves"].inputs["members"]) == ["kafka-0", "kafka-1"], "those after it leave first"
