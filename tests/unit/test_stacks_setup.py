"""Which stacks set-up creates, and when it leaves them alone. No CLI runs; tests/integration covers real stacks."""

from pathlib import Path
from typing import Any

import pytest

from offline import stacks


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Commands that set-up ran in an empty checkout, with what it added to their environment."""
    made: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], *, log: str, cwd: Path, environment: dict[str, str]) -> None:
        assert cwd == tmp_path
        made.append((command, environment))

    monkeypatch.setattr(stacks, "PROJECT", tmp_path)
    monkeypatch.setattr(stacks, "run", run)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return made


def have(folder: Path, *files: str) -> None:
    states = folder / ".pulumi" / "stacks" / "millrace"
    states.mkdir(parents=True)
    for file in files:
        (states / file).touch()


def names(runs: list[tuple[list[str], Any]]) -> list[str]:
    return [command[3] for command, _ in runs]


def test_all_three_are_made_in_a_fresh_checkout_and_none_is_selected(runs: list[Any], capsys: Any) -> None:
    stacks.ensure_stacks("pulumi")
    assert names(runs) == ["dev", "staging", "prod"]
    command, environment = runs[0]
    assert command == ["pulumi", "stack", "init", "dev", "--no-select", "--non-interactive"]
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == "", "the stack files are salted for it"
    assert "creating the stacks dev, staging, prod" in capsys.readouterr().out


def test_only_what_is_missing_is_made(runs: list[Any], tmp_path: Path) -> None:
    have(tmp_path, "dev.json", "staging.json.gz", "prod.json.bak", "prod.json.attrs")
    stacks.ensure_stacks("pulumi")
    assert names(runs) == ["prod"], "a backup is what a removed stack leaves"


def test_nothing_runs_and_nothing_is_said_where_all_are_there(runs: list[Any], tmp_path: Path, capsys: Any) -> None:
    have(tmp_path, "dev.json", "staging.json", "prod.json")
    stacks.ensure_stacks("pulumi")
    assert runs == []
    assert capsys.readouterr().out == ""


def test_state_that_lives_elsewhere_is_left_alone(runs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    stacks.ensure_stacks("pulumi")
    assert runs == []


def test_a_passphrase_of_ones_own_is_kept(runs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mine")
    stacks.ensure_stacks("pulumi")
    assert runs[0][1]["PULUMI_CONFIG_PASSPHRASE"] == "mine"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "file")
    stacks.ensure_stacks("pulumi")
    assert "PULUMI_CONFIG_PASSPHRASE" not in runs[-1][1]
