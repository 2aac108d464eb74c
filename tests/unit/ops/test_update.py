"""What an update would destroy, and when `ops up` asks.

Source: ops/update.py, ops/commands/up.py, ops/pulumi_cli.py.
Proof limit: the CLI is a script that prints a preview; tests/integration/test_dev_stack.py has the real one.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ops.pulumi_cli import PROJECT
from ops.update import plan_of

URN = "urn:pulumi:dev::millrace::millrace:index:StreamingPlatform$"
VOLUME, CONTAINER = "docker:index/volume:Volume", "docker:index/container:Container"
TOPICS = "pulumi-python:dynamic/millrace:TopicSet"


def step(operation: str, kind: str = VOLUME, name: str = "data", **states: Any) -> dict[str, Any]:
    return {"op": operation, "urn": f"{URN}{kind}::{name}", **states}


def with_topics(*names: str, delete: Sequence[str] = ()) -> dict[str, Any]:
    return {"inputs": {"topics": {name: {} for name in names}, "toDelete": delete}}


@pytest.mark.parametrize(
    ("steps", "destroyed", "others"),
    [
        pytest.param([], [], [], id="an-empty-preview"),
        pytest.param([step("same"), step("create"), step("update")], [], ["create", "update"], id="nothing-goes"),
        pytest.param([step("delete")], ["delete Volume data"], [], id="a-volume"),
        pytest.param([step("delete", CONTAINER)], ["delete Container data"], [], id="a-container-leaves"),
        pytest.param([step("replace")], ["replace Volume data"], [], id="a-replaced-volume"),
        pytest.param([step("replace", CONTAINER)], [], ["replace"], id="a-replaced-container"),
        pytest.param([step("replace", "kubernetes:core/v1:Secret")], [], ["replace"], id="a-replaced-secret"),
        pytest.param(
            [step("replace", "kubernetes:apps/v1:StatefulSet")], ["replace StatefulSet data"], [], id="pods-at-once"
        ),
        pytest.param([step("replace", "other:index:Unknown")], ["replace Unknown data"], [], id="an-unknown-kind"),
        pytest.param(
            [step("update", TOPICS, oldState=with_topics(*"bacx"), newState=with_topics(*"cd", delete=[*"aby"]))],
            ["topic a, with its records", "topic b, with its records"],
            ["update"],
            id="topics-leave",
        ),
        pytest.param(
            [step("update", TOPICS, oldState=with_topics("a"), newState=with_topics("a", "b"))],
            [],
            ["update"],
            id="topics-come",
        ),
        pytest.param([step("create", TOPICS, newState=with_topics("a"))], [], ["create"], id="the-first-topics"),
    ],
)
def test_what_a_preview_destroys(steps: list[dict[str, Any]], destroyed: list[str], others: list[str]) -> None:
    plan = plan_of({"steps": steps})
    assert plan.destroyed == destroyed
    assert [line.split()[0] for line in plan.others] == others


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose CLI has the stack dev, prints ``preview.json`` and writes each call to ``calls``."""
    (tmp_path / "Pulumi.yaml").write_text('name: test\nbackend: {url: "file://."}\n')
    tool = tmp_path / "bin" / "pulumi"
    tool.parent.mkdir()
    tool.write_text(
        f"""#!/bin/sh
case "$*" in
  *"stack ls"*) cat {tmp_path}/stacks.json ;;
  up*) echo "$*" >> {tmp_path}/calls; exit 7 ;;
  *preview*) cat {tmp_path}/preview.json; echo preview >> {tmp_path}/calls; [ ! -e {tmp_path}/fails ] ;;
esac
"""
    )
    tool.chmod(0o755)
    (tmp_path / "stacks.json").write_text(json.dumps([{"name": "dev", "resourceCount": 3}, {"name": "other"}]))
    previewed(tmp_path, step("update"))
    return tmp_path


def previewed(folder: Path, *steps: dict[str, Any], **more: Any) -> None:
    (folder / "preview.json").write_text(json.dumps({"steps": steps, **more}))


def run(folder: Path, *arguments: str, answer: str | None = None, ci: bool = False) -> tuple[int, str]:
    """Run `ops up`; on a terminal if there is an answer. Returns exit code and messages."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | ({"CI": "true"} if ci else {})
    environment |= {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "ops", "--stack", "dev", "up", *arguments]
    if answer is None:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr
    ours, theirs = pty.openpty()
    started = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, answer.encode())
    said = b""
    try:
        while part := os.read(ours, 1024):
            said += part
    except OSError:  # what a terminal without a process answers
        pass
    finally:
        os.close(ours)
    return started.wait(10), said.decode()


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text().splitlines() if file.exists() else []


UP = "up --stack dev --yes --skip-preview --refresh"


def test_an_update_that_destroys_nothing_goes_on_without_a_question(folder: Path) -> None:
    code, said = run(folder, ci=True)
    assert (code, calls(folder)) == (7, ["preview", UP]), "the code is the CLI's"
    assert said == ""


def test_an_empty_stack_needs_no_preview(folder: Path) -> None:
    (folder / "stacks.json").write_text(json.dumps([{"name": "dev", "resourceCount": 0}]))
    run(folder)
    assert calls(folder) == [UP]


@pytest.mark.parametrize("ci", [False, True])
def test_without_a_terminal_nothing_is_destroyed(folder: Path, ci: bool) -> None:
    previewed(folder, step("delete"), diagnostics=[{"severity": "info", "message": "why\n\n"}])
    code, said = run(folder, ci=ci)
    assert (code, calls(folder)) == (4, ["preview"])
    assert said == (
        "why\n"
        "error: this update of dev destroys what is listed here, and nobody can be asked; nothing was done\n"
        "  - delete Volume data\n"
        "  - if that is meant: make up STACK=dev YES=1, or python -m ops -s dev up --yes\n"
    )


def test_ci_with_a_terminal_does_not_hang(folder: Path) -> None:
    previewed(folder, step("delete"))
    code, said = run(folder, answer="", ci=True)
    assert (code, calls(folder)) == (4, ["preview"])
    assert "YES=1" in said


def test_yes_destroys_without_a_preview(folder: Path) -> None:
    previewed(folder, step("delete"))
    run(folder, "--yes")
    assert calls(folder) == [UP]


@pytest.mark.parametrize(("answer", "made"), [("y\n", ["preview", UP]), ("n\n", ["preview"]), ("\n", ["preview"])])
def test_on_a_terminal_the_answer_decides(folder: Path, answer: str, made: list[str]) -> None:
    previewed(folder, step("delete"))
    code, said = run(folder, answer=answer)
    assert (code, calls(folder)) == (7 if len(made) == 2 else 4, made)
    assert "  - delete Volume data" in said


def test_a_failed_preview_changes_nothing_and_shows_what_the_program_said(folder: Path) -> None:
    previewed(folder, diagnostics=[{"severity": "error", "message": "error: one mistake\n  - kafka\n"}])
    (folder / "fails").touch()
    code, said = run(folder)
    assert (code, calls(folder)) == (3, ["preview"])
    assert said == "error: `pulumi preview` failed\n  - one mistake\n      - kafka\n"
