"""The Pulumi CLI: the source of everything about stacks."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ops.errors import UnreachableError
from ops.update import messages_of

PROJECT = Path(__file__).resolve().parent.parent
"""This checkout."""

_CLI_SECONDS = 60

_PREVIEW_SECONDS = 600
"""Seconds for a preview; with a cluster far away, the program's questions to its API take most of them."""


def project_folder() -> Path:
    """The current folder if it is a Pulumi project, else this checkout."""
    here = Path.cwd()
    return here if (here / "Pulumi.yaml").exists() else PROJECT


def pulumi_cli(folder: Path, *arguments: str) -> str:
    """Run the Pulumi CLI and return its output.

    Args:
        folder: The project's folder.
        arguments: The command and its options.

    Raises:
        UnreachableError: The CLI is missing or failed; holds its message.
    """
    done = _run(folder, arguments, _CLI_SECONDS)
    if done.returncode:
        raise _failed(arguments, done.stderr.splitlines())
    return done.stdout


def _run(folder: Path, arguments: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Run the CLI without a terminal.

    Raises:
        UnreachableError: It is missing, or did not end in time.
    """
    try:
        return subprocess.run(
            ["pulumi", "--color", "never", "--non-interactive", *arguments],
            cwd=folder,
            env=os.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise _missing() from None
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"the pulumi CLI did not answer within {seconds:.0f} s") from None


def _missing() -> UnreachableError:
    return UnreachableError("the pulumi CLI is not on PATH; run `. ./activate`")


def _failed(arguments: Sequence[str], said: Sequence[str]) -> UnreachableError:
    lines = [line.removeprefix("error: ") for line in said if line.strip()]
    return UnreachableError(f"`pulumi {' '.join(arguments[:2])}` failed", lines or ["the pulumi CLI gave no reason"])


def selected_stack(folder: Path) -> str:
    """The name of the project's selected stack.

    Raises:
        UnreachableError: No stack is selected.
    """
    return pulumi_cli(folder, "stack", "--show-name").strip()


def stack_outputs(folder: Path, stack: str) -> Mapping[str, Any]:
    """A stack's outputs, secrets included.

    Raises:
        UnreachableError: There is no such stack, or its secrets cannot be read.
    """
    return json.loads(pulumi_cli(folder, "stack", "output", "--stack", stack, "--json", "--show-secrets"))


def select_stack(folder: Path, stack: str) -> None:
    """Select a stack, and create it if there is none of this name.

    Raises:
        UnreachableError: It can be neither selected nor created.
    """
    pulumi_cli(folder, "stack", "select", "--create", stack)


def has_resources(folder: Path, stack: str) -> bool:
    """Whether anything was ever made for a stack. A stack that the CLI does not list counts as one with resources.

    Raises:
        UnreachableError: The stacks cannot be listed.
    """
    stacks: list[dict[str, Any]] = json.loads(pulumi_cli(folder, "stack", "ls", "--json"))
    return all(entry.get("resourceCount") != 0 for entry in stacks if entry["name"] == stack)


def preview_of(folder: Path, stack: str) -> Mapping[str, Any]:
    """What an update of a stack would do: the CLI's JSON.

    Raises:
        UnreachableError: The preview failed; holds what the program said.
    """
    done = _run(folder, ("preview", "--stack", stack, "--json"), _PREVIEW_SECONDS)
    try:
        found: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _failed(("preview",), done.stderr.splitlines()) from None
    if done.returncode:
        raise _failed(("preview",), [*messages_of(found), *done.stderr.splitlines()])
    return found


def become_update(folder: Path, stack: str) -> NoReturn:
    """End this process as ``pulumi up`` of a stack, without a preview, after reading what exists.

    The CLI takes this process's place, so that it gets every signal itself and nothing waits for it.

    Raises:
        UnreachableError: The CLI is missing.
    """
    os.chdir(folder)
    try:
        command = ["pulumi", "up", "--stack", stack, "--yes", "--skip-preview", "--refresh"]
        os.execvp("pulumi", command)  # noqa: S606  no shell is wanted
    except FileNotFoundError:
        raise _missing() from None
