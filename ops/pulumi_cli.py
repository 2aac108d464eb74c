"""The Pulumi CLI: the source of everything about stacks."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.errors import UnreachableError

PROJECT = Path(__file__).resolve().parent.parent
"""This checkout."""

_CLI_SECONDS = 60


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
    try:
        done = subprocess.run(
            ["pulumi", "--color", "never", "--non-interactive", *arguments],
            cwd=folder,
            env=os.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CLI_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise UnreachableError("the pulumi CLI is not on PATH; run `. ./activate`") from None
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"the pulumi CLI did not answer within {_CLI_SECONDS} s") from None
    if done.returncode:
        lines = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.strip()]
        raise UnreachableError(f"`pulumi {' '.join(arguments[:2])}` failed", lines or ["the pulumi CLI gave no reason"])
    return done.stdout


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
