"""The stacks of the committed stack files, in the state that lives in the checkout."""

import os
from pathlib import Path

from offline.steps import PROJECT, run, step

STACKS = ("dev", "staging", "prod")


def ensure_stacks(pulumi: Path | str) -> None:
    """Make the stacks that are not there yet, so that `pulumi preview -s prod` needs nothing else before.

    State that is kept elsewhere is left alone: its stacks may be other people's.

    Raises:
        SetupError: The CLI refuses, for instance because the passphrase is not that of the stack file.
    """
    if os.environ.get("PULUMI_BACKEND_URL"):
        return
    missing = [name for name in STACKS if not _exists(name)]
    if not missing:
        return
    with step(f"making the stacks {', '.join(missing)} in .pulumi/ (empty: nothing runs yet)"):
        for name in missing:
            init = [pulumi, "stack", "init", name, "--no-select", "--non-interactive"]
            run(init, log="stacks", cwd=PROJECT, environment=_environment())


def _exists(name: str) -> bool:
    """Whether the state has the stack; asking the CLI would take as long as making one."""
    states = PROJECT / ".pulumi" / "stacks"
    return any(states.glob(f"*/{name}.json")) or any(states.glob(f"*/{name}.json.gz"))


def _environment() -> dict[str, str]:
    """The variables that `activate` sets: the stack files are salted for the empty passphrase."""
    quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return quiet
    return quiet | {"PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", "")}
