"""What the state holds of the last update, and what a program does with it at its start.

Source: components/stack_file/record.py.
Proof limit: the engine's answer is a constant. tests/integration/test_dev_stack.py reads a real state.
"""

from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.errors import ChangeError, PlatformError
from components.stack_file import record, stack
from components.stack_file.record import Record, after, keep_applied, keep_declared, last_record, refuse_changes
from tests.unit.mocks import NETWORK, RecordingMocks, RecordingMonitor, run_program, settings_of

STASH = "pulumi:index:Stash"
URN = f"urn:pulumi:dev::millrace::{STASH}::declared"
APPLIED_URN = f"urn:pulumi:dev::millrace::{STASH}::applied"


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the program says to the user."""
    lines: list[str] = []
    for function in ("get_organization", "get_project", "get_stack"):
        monkeypatch.setattr(pulumi, function, lambda name=function: name.removeprefix("get_"))
    monkeypatch.setattr(record, "secret_keys", list)
    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, lines.append)
    return lines


def state(monkeypatch: pytest.MonkeyPatch, *resources: tuple[str, str, dict[str, Any]]) -> None:
    """Let the engine answer with resources: URN, type and outputs."""

    def invoke(token: str, arguments: dict[str, str]) -> SimpleNamespace:
        assert token == "pulumi:pulumi:readStackResourceOutputs"
        assert arguments == {"stackName": "organization/project/stack"}
        return SimpleNamespace(value={"outputs": {urn: {"type": type_, "outputs": o} for urn, type_, o in resources}})

    monkeypatch.setattr(record, "invoke", invoke)


def kept(settings: Any, before: Record | None = None) -> dict[str, Any]:
    """The inputs of the stash that an update declares."""
    mocks = RecordingMocks()
    run_program(lambda: keep_declared(before, "millrace-dev", settings), RecordingMonitor(mocks))
    ((_, _, inputs),) = [item for item in mocks.resources if item[0] == STASH]
    return inputs


def applied(settings: Any) -> dict[str, Any]:
    """The inputs of the stash that an update declares last."""
    mocks = RecordingMocks()

    def program() -> None:
        keep_applied(settings, pulumi.ComponentResource("millrace:index:Whole", "whole"))

    run_program(program, RecordingMonitor(mocks))
    ((_, _, inputs),) = [item for item in mocks.resources if item[0] == STASH]
    return inputs


def as_floats(value: Any) -> Any:
    """The value as the engine passes it."""
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_a_stack_without_a_record_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    state(monkeypatch, ("urn:pulumi:dev::millrace::a:b:Stash::declared", "a:b:Stash", {"input": {}}))
    assert last_record() is None
    refuse_changes(None, "millrace-dev", settings_of("dev"))


def test_what_an_update_declared_is_read_back_without_its_topics(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    settings = settings_of("staging")
    inputs = kept(settings)
    state(monkeypatch, (URN, STASH, as_floats(inputs)))
    found = last_record()
    assert found is not None
    assert found.stack_id == inputs["input"]["stackId"]
    assert found.settings == settings.model_copy(update={"topics": []})
    refuse_changes(found, "millrace-dev", settings)
    assert said == []


def test_the_stack_keeps_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("dev")
    first = kept(settings)
    state(monkeypatch, (URN, STASH, first))
    assert kept(settings, last_record()) == first
    assert kept(settings)["input"]["stackId"] != first["input"]["stackId"]


def test_brokers_that_an_earlier_version_exposed_are_compared(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """Its record has no word on whether they may be exposed; unread, turning access on would not be refused."""
    outside = {"external": "nodePort", "advertisedHost": "nodes.example"}
    settings = settings_of("prod", kafka={**outside, "allowInsecureExternal": True})
    inputs = kept(settings)
    del inputs["input"]["stackFile"]["kafka"]["allowInsecureExternal"]
    state(
        monkeypatch, (URN, STASH, inputs), (APPLIED_URN, STASH, {"input": {"stackFile": inputs["input"]["stackFile"]}})
    )
    refuse_changes(last_record(), "millrace-dev", settings)
    assert said == []
    with pytest.raises(ChangeError, match=r"access\.enabled"):
        refuse_changes(last_record(), "millrace-dev", settings_of("prod", kafka=outside, access={"enabled": True}))


def test_secrets_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "secret_keys", lambda: ["redis"])
    redis = {"authentication": True, "password": "hunter2"}
    inputs = kept(settings_of("dev", secret_keys=["redis"], redis=redis))
    assert "hunter2" not in str(inputs)
    assert inputs["input"]["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"


def test_changes_are_shown(said: list[str]) -> None:
    before = Record(stack_id="1", platform="millrace-dev", settings=settings_of("dev"))
    refuse_changes(before, "millrace-dev", settings_of("dev", kafka={"memory": "2GiB"}, health={"deadline": "1m"}))
    assert said == [
        "the stack file changes:\n"
        '  kafka.memory: "1024MiB" -> "2048MiB": restarts kafka, one member at a time\n'
        '  health.deadline: "3m" -> "1m": restarts nothing; counts from the next wait'
    ]


def test_all_refused_changes_are_said_at_once(said: list[str]) -> None:
    before = Record(stack_id="1", platform="millrace-prod", settings=settings_of("prod"))
    elsewhere = {"context": "other", "namespace": "streaming", "createNamespace": True}
    settings = settings_of("prod", kubernetes=elsewhere, kafka={"storage": "1GiB"})
    with pytest.raises(ChangeError) as caught:
        refuse_changes(before, "millrace-prod", settings)
    assert caught.value.headline == "the change of the stack file is refused; nothing was changed"
    assert [line.split(":")[0] for line in caught.value.problems] == ["kubernetes.context", "kafka.storage"]
    assert said == []


def test_what_a_failed_update_declared_does_not_bind_but_its_identity_does(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    """The error of a failed growth says: set it back."""
    small, large = settings_of("prod", kafka={"storage": "10GiB"}), settings_of("prod", kafka={"storage": "20GiB"})
    declared = (URN, STASH, kept(large))
    state(monkeypatch, declared)
    refuse_changes(last_record(), "millrace-dev", small)
    with pytest.raises(ChangeError):
        refuse_changes(last_record(), "millrace-dev", settings_of("prod", kubernetes={"context": "other"}))
    state(monkeypatch, declared, (APPLIED_URN, STASH, applied(small)))
    refuse_changes(last_record(), "millrace-dev", small)
    state(monkeypatch, declared, (APPLIED_URN, STASH, applied(large)))
    with pytest.raises(ChangeError):
        refuse_changes(last_record(), "millrace-dev", small)
    assert said == []


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("target", {"target": "docker", "kubernetes": {}}),
        ("kubernetes.context", {"kubernetes": {"context": "other", "namespace": "streaming"}}),
        ("kubernetes.namespace", {"kubernetes": {"context": "production", "namespace": "other"}}),
    ],
)
def test_another_platform_is_refused_although_no_update_has_succeeded(path: str, changes: dict[str, Any]) -> None:
    before = Record(stack_id="1", platform="millrace-prod", settings=settings_of("prod"), applied=False)
    with pytest.raises(ChangeError) as caught:
        refuse_changes(before, "millrace-prod", settings_of("prod", **changes))
    assert [line.split(":")[0] for line in caught.value.problems] == [path]


def test_a_state_that_the_engine_is_writing_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    state(monkeypatch, (URN, STASH, kept(settings_of("dev"))))
    written, calls = record.invoke, iter([True, True, False])

    def invoke(token: str, arguments: dict[str, str]) -> object:
        if next(calls):
            raise RuntimeError("failed to load checkpoint: EOF")
        return written(token, arguments)

    monkeypatch.setattr(record, "invoke", invoke)
    assert last_record() is not None


def test_a_state_that_stays_unreadable_ends_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def invoke(token: str, arguments: dict[str, str]) -> None:
        raise RuntimeError("failed to load checkpoint: EOF")

    monkeypatch.setattr(record, "invoke", invoke)
    monkeypatch.setattr(stack, "_PATIENCE", 0.1)
    with pytest.raises(PlatformError, match=r"(?s)state of organization/project/stack is not readable.*EOF"):
        last_record()


def test_a_renamed_stack_is_refused() -> None:
    before = Record(stack_id="1", platform="millrace-dev", settings=settings_of("dev"))
    with pytest.raises(ChangeError, match='platform is "millrace-dev" and would become "millrace-new"'):
        refuse_changes(before, "millrace-new", settings_of("dev"))


def test_a_record_of_another_version_is_not_compared_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    values = {"stackId": "1", "platform": "millrace-dev", "stackFile": {"kafka": {"brokers": 3}}}
    state(monkeypatch, (URN, STASH, {"input": values}))
    refuse_changes(last_record(), "millrace-dev", settings_of("dev"))
    assert said == ["another version declared this stack: what changes since then was not compared"]


def test_everything_in_a_component_waits_for_the_record() -> None:
    monitor = RecordingMonitor(RecordingMocks())

    class Part(pulumi.CustomResource):
        pass

    def program() -> None:
        stash = keep_declared(None, "millrace-dev", settings_of("dev"))
        whole = pulumi.ComponentResource("millrace:index:Whole", "whole", None, after(stash))
        inner = pulumi.ComponentResource("millrace:index:Inner", "inner", None, pulumi.ResourceOptions(parent=whole))
        Part(NETWORK, "part", {}, pulumi.ResourceOptions(parent=inner))

    run_program(program, monitor)
    (part,) = [request for request in monitor.requests if request.type == NETWORK]
    assert [urn.rpartition("::")[2] for urn in part.dependencies] == ["declared"]
