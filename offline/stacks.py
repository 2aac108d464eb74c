"""The stacks of the committed stack files, in the checkout's local state."""

import os
from pathlib import Path

from offline.steps import PROJECT, run, step

STACKS = ("dev", "staging", "prod")


def ensure_stacks(pulumi: Path | str) -> None:
    """Create missing stacks, so that `pulumi preview -s prod` works at once.

    A backend set by PULUMI_BACKEND_URL is left alone: its stacks may belong to others.

    Raises:
        SetupError: The CLI failed, for instance because the passphrase does not match the stack file.
    """
    if os.environ.get("PULUMI_BACKEND_URL"):
        return
    missing = [name for name in STACKS if not _exists(name)]
    if not missing:
        return
    with step(f"creating the stacks {', '.join(missing)} in .pulumi/ (empty: nothing runs yet)"):
        for name in missing:
            init = [pulumi, "stack", "init", name, "--no-select", "--non-interactive"]
            run(init, log="stacks", cwd=PROJECT, environment=_environment())


def _exists(name: str) -> bool:
    """Whether the local state has the stack; asking the CLI takes as long as creating one."""
    states = PROJECT / ".pulumi" / "stacks"
    return any(states.glob(f"*/{name}.json")) or any(states.glob(f"*/{name}.json.gz"))


def _environment() -> dict[str, str]:
    """The variables that `activate` sets: the stack files are encrypted with the empty passphrase."""
    quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return quiet
    return quiet | {"PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", "")}
