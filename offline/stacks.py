"""The stacks of the committed stack files, in the checkout's local state."""

import os
from pathlib import Path

from offline.steps import PROJECT, run, step

STACKS = ("dev", "staging", "prod")
EXAMPLES = ("docker-topics", "topics-only", "kubernetes", "kubernetes/namespace")
"""Folders below examples/, each a project with the stack ``dev``."""


def ensure_stacks(pulumi: Path | str) -> None:
    """Create missing stacks, so that `pulumi preview -s prod` works at once, and `pulumi up -s dev` in an example.

    A backend set by PULUMI_BACKEND_URL is left alone: its stacks may belong to others.

    Raises:
        SetupError: The CLI failed, for instance because the passphrase does not match the stack file.
    """
    if os.environ.get("PULUMI_BACKEND_URL"):
        return
    _create(pulumi, "the stacks", [(PROJECT, "millrace", name) for name in STACKS])
    examples = [(PROJECT / "examples" / name, f"millrace-{name.rpartition('/')[2]}", "dev") for name in EXAMPLES]
    _create(pulumi, "the examples' stacks", examples)


def _create(pulumi: Path | str, what: str, stacks: list[tuple[Path, str, str]]) -> None:
    """Create those stacks that are missing.

    Args:
        pulumi: The CLI.
        what: What they are, for the step's title.
        stacks: Folder, project and name of each.
    """
    missing = [(folder, project, name) for folder, project, name in stacks if not _exists(project, name)]
    if not missing:
        return
    names = ", ".join(name if folder == PROJECT else project for folder, project, name in missing)
    with step(f"creating {what} {names} in .pulumi/ (empty: nothing runs yet)"):
        for folder, _, name in missing:
            init = [pulumi, "stack", "init", name, "--no-select", "--non-interactive"]
            run(init, log="stacks", cwd=folder, environment=_environment())


def _exists(project: str, name: str) -> bool:
    """Whether the local state has the stack; asking the CLI takes as long as creating one."""
    state = PROJECT / ".pulumi" / "stacks" / project
    return (state / f"{name}.json").exists() or (state / f"{name}.json.gz").exists()


def _environment() -> dict[str, str]:
    """The variables that `activate` sets: the stack files are encrypted with the empty passphrase."""
    quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return quiet
    return quiet | {"PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", "")}
