"""What an update does that finds the leftovers of a killed one.

Source: components/stack_file/stack.py, components/stack_file/interrupted.py.
Proof limit: the state is written here; tests/crash kills real updates.
"""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.errors import PreflightError, UnhealthyError
from components.stack_file import stack
from components.stack_file.stack import check_last_update

CONTAINER = "docker:index/container:Container"
GATE = "pulumi-python:dynamic/millrace:MemberGate"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of the state of stack dev, in the project folder ``tmp_path``; an update runs."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(pulumi, "get_project", lambda: "millrace")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    (tmp_path / "Pulumi.yaml").write_text("name: millrace\nbackend: {url: 'file://.'}\n")
    path = tmp_path / ".pulumi" / "stacks" / "millrace" / "dev.json"
    path.parent.mkdir(parents=True)
    return path


def creating(type_: str, name: str) -> dict[str, Any]:
    return {"type": "creating", "resource": {"type": type_, "urn": f"urn:pulumi:dev::millrace::{type_}::{name}"}}


def write(state: Path, *pending: dict[str, Any]) -> None:
    state.write_text(json.dumps({"checkpoint": {"latest": {"pending_operations": pending}}}))


def test_an_update_after_a_killed_one_names_what_may_exist_and_the_command_that_heals(
    state: Path, tmp_path: Path
) -> None:
    write(state, creating(CONTAINER, "kafka-0"), creating(GATE, "kafka-0-returned"))
    with pytest.raises(PreflightError) as caught:
        check_last_update(tmp_path)
    assert "without being in the state: kafka-0\n" in str(caught.value), "a gate leaves nothing behind"
    assert "python -m ops -s dev heal" in str(caught.value)


def test_a_preview_says_it_and_goes_on(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    write(state, creating(CONTAINER, "kafka-0"))
    check_last_update(tmp_path)
    (warning,) = said
    assert "an earlier update was killed" in warning


@pytest.mark.parametrize("pending", [[], [creating(GATE, "kafka-0-returned")]])
def test_a_state_without_leftovers_is_no_obstacle(state: Path, tmp_path: Path, pending: list[dict[str, Any]]) -> None:
    write(state, *pending)
    check_last_update(tmp_path)


def test_a_state_that_is_no_folder_is_not_read(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    write(state, creating(CONTAINER, "kafka-0"))
    check_last_update(tmp_path)


def test_a_state_that_stays_unreadable_stops_the_update(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "_PATIENCE", 0.1)
    state.write_text('{"checkpoint": {"latest": {"pending_operations": [')
    with pytest.raises(UnhealthyError, match="the state of dev is not readable"):
        check_last_update(tmp_path)
