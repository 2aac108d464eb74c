"""The Docker target: the gates between the members of a workload.

Source: components/targets/docker/target.py.
Proof limit: nothing is created; the integration tests cover the engine.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pulumi
import pytest

from components.outside import Outside
from components.safety import Safety
from components.targets.docker.target import DockerTarget
from components.workload import ANYONE, File, Port, Probe, Resources, Storage, Workload
from tests.unit.mocks import CONTAINER, MEMBER_GATE, NETWORK, Run, declared_by

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


def test_there_is_a_gate_before_each_member_and_one_after_the_last(three: Run) -> None:
    gates = {item.name: (item.inputs.get("returns"), item.inputs.get("stops")) for item in three.of(MEMBER_GATE)}
    assert gates == {
        "kafka-0-may-stop": (None, "kafka-0"),
        "kafka-1-may-stop": ("kafka-0", "kafka-1"),
        "kafka-2-may-stop": ("kafka-1", "kafka-2"),
        "kafka-settled": ("kafka-2", None),
    }
    for item in three.of(MEMBER_GATE):
        assert item.parent == "cluster"
        assert item.inputs["safety"] == f"{__name__}:Together"
        assert item.inputs["deadline"] == 90
        assert item.inputs["members"] == {f"kafka-{ordinal}": f"127.0.0.1:{9092 + ordinal}" for ordinal in range(3)}
        assert item.inputs["containers"] == {f"kafka-{ordinal}": f"p-kafka-{ordinal}" for ordinal in range(3)}


def test_a_container_waits_for_its_gate_and_a_gate_for_the_previous_container(three: Run) -> None:
    for ordinal in range(3):
        assert (MEMBER_GATE, f"kafka-{ordinal}-may-stop") in three.one(CONTAINER, f"kafka-{ordinal}").after
    for ordinal, gate in ((0, "kafka-1-may-stop"), (1, "kafka-2-may-stop"), (2, "kafka-settled")):
        assert (CONTAINER, f"kafka-{ordinal}") in three.one(MEMBER_GATE, gate).after


def test_a_gate_also_checks_again_when_the_previous_member_was_replaced(three: Run) -> None:
    assert set(three.one(MEMBER_GATE, "kafka-0-may-stop").inputs["trigger"]) == {"inputs"}
    second = three.one(MEMBER_GATE, "kafka-1-may-stop").inputs["trigger"]
    assert set(second) == {"inputs", "kafka-0"}
    assert second["kafka-0"] == "kafka-0-id"
    assert three.one(MEMBER_GATE, "kafka-settled").inputs["trigger"] == {"kafka-2": "kafka-2-id"}


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
