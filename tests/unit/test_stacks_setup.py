"""Which stacks setup creates, and when it creates none. No CLI runs; tests/integration covers real stacks.

Source: offline/stacks.py.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from offline import stacks

PROJECTS = ("millrace-docker-topics", "millrace-topics-only", "millrace-kubernetes", "millrace-namespace")
"""The projects of the examples, in the order in which their stacks are created."""

EXAMPLES = [f"examples/{name}" for name in ("docker-topics", "topics-only", "kubernetes", "kubernetes/namespace")]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str], dict[str, str]]]:
    """Commands that setup ran in an empty checkout: folder, command and additions to the environment."""
    made: list[tuple[str, list[str], dict[str, str]]] = []

    def run(command: list[str], *, log: str, cwd: Path, environment: dict[str, str]) -> None:
        made.append((str(cwd.relative_to(tmp_path)), command, environment))

    monkeypatch.setattr(stacks, "PROJECT", tmp_path)
    monkeypatch.setattr(stacks, "run", run)
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return made


def have(folder: Path, *files: str, examples: Sequence[str] = PROJECTS) -> None:
    for file in [*(f"millrace/{file}" for file in files), *(f"{project}/dev.json" for project in examples)]:
        state = folder / ".pulumi" / "stacks" / file
        state.parent.mkdir(parents=True, exist_ok=True)
        state.touch()


def names(runs: list[tuple[str, list[str], Any]]) -> list[tuple[str, str]]:
    return [(folder, command[3]) for folder, command, _ in runs]


def test_all_stacks_are_created_in_a_fresh_checkout_and_none_is_selected(runs: list[Any], capsys: Any) -> None:
    stacks.ensure_stacks("pulumi")
    own = [(".", "dev"), (".", "staging"), (".", "prod")]
    assert names(runs) == [*own, *((folder, "dev") for folder in EXAMPLES)]
    _, command, environment = runs[0]
    assert command == ["pulumi", "stack", "init", "dev", "--no-select", "--non-interactive"]
    assert environment["PULUMI_CONFIG_PASSPHRASE"] == "", "the stack files hold the salt of this passphrase"
    said = capsys.readouterr().out
    assert "creating the stacks dev, staging, prod" in said
    assert f"creating the examples' stacks {', '.join(PROJECTS)}" in said


def test_the_examples_have_the_projects_and_stack_files_that_setup_expects() -> None:
    root = Path(__file__).parents[2]
    found = {path.parent: yaml.safe_load(path.read_text())["name"] for path in root.glob("examples/**/Pulumi.yaml")}
    assert found == dict(zip((root / folder for folder in EXAMPLES), PROJECTS, strict=True))
    for folder in found:
        assert (folder / "Pulumi.dev.yaml").exists(), "setup would write a new one"


def test_only_missing_stacks_are_created(runs: list[Any], tmp_path: Path) -> None:
    have(tmp_path, "dev.json", "staging.json.gz", "prod.json.bak", "prod.json.attrs")
    stacks.ensure_stacks("pulumi")
    assert names(runs) == [(".", "prod")], "a removed stack leaves a backup"


def test_a_stack_of_the_same_name_in_a_different_project_does_not_count(runs: list[Any], tmp_path: Path) -> None:
    have(tmp_path, "dev.json", "staging.json", "prod.json", examples=PROJECTS[1:])
    stacks.ensure_stacks("pulumi")
    assert names(runs) == [("examples/docker-topics", "dev")]


def test_nothing_runs_and_nothing_is_printed_if_all_stacks_exist(runs: list[Any], tmp_path: Path, capsys: Any) -> None:
    have(tmp_path, "dev.json", "staging.json", "prod.json")
    stacks.ensure_stacks("pulumi")
    assert runs == []
    assert capsys.readouterr().out == ""


def test_a_different_backend_is_left_alone(runs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    stacks.ensure_stacks("pulumi")
    assert runs == []


def test_the_users_own_passphrase_is_kept(runs: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "mine")
    stacks.ensure_stacks("pulumi")
    assert runs[0][2]["PULUMI_CONFIG_PASSPHRASE"] == "mine"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "file")
    stacks.ensure_stacks("pulumi")
    assert "PULUMI_CONFIG_PASSPHRASE" not in runs[-1][2]
