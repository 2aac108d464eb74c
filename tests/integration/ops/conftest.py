"""One staging stack for all tests of the command line; each leaves it healthy."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.integration.stacks import Stack, ports_of, standing

Ops = Callable[..., subprocess.CompletedProcess[str]]
"""Runs `python -m ops`, which sees no terminal; ``check=False`` lets it fail."""


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The staging stack file on other ports, up and healthy."""
    ports = ports_of("ops").overrides(monitored=True)
    stack = Stack(tmp_path_factory.mktemp("ops") / "project", "test-ops", "Pulumi.staging.yaml", ports)
    with standing(stack):
        yield stack


@pytest.fixture(scope="package")
def ops(stack: Stack) -> Ops:
    """The command line on that stack."""
    return runner(stack)


def runner(stack: Stack) -> Ops:
    """The command line on a stack."""

    def run(
        *arguments: str, check: bool = True, stdin: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "ops", "--stack", stack.name, *arguments],
            cwd=stack.folder,
            env={**stack.ops_environment(), **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, f"status {done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run
