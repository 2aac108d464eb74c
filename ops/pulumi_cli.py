"""The Pulumi CLI, by which the command line learns of stacks."""

import os
import subprocess
from pathlib import Path

from ops.errors import UnreachableError

PROJECT = Path(__file__).resolve().parent.parent
"""This checkout."""

_CLI_SECONDS = 60


def project_folder() -> Path:
    """The current folder where it is a Pulumi project, else this checkout."""
    here = Path.cwd()
    return here if (here / "Pulumi.yaml").exists() else PROJECT


def pulumi_cli(folder: Path, *arguments: str) -> str:
    """What a run of the Pulumi CLI prints.

    Args:
        folder: The project's folder.
        arguments: Command and options.

    Raises:
        UnreachableError: There is no CLI, or it failed; holds what it said.
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
        raise UnreachableError(
            f"`pulumi {' '.join(arguments[:2])}` failed", lines or ["the pulumi CLI says nothing more"]
        )
    return done.stdout
