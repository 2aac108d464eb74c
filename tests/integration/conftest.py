"""Stacks that the integration tests share. Leftovers are removed before the first test and after the last."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stacks import Stack, ports_of, remove_leftovers, standing
from tests.runs import only_run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a Docker engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session", autouse=True)
def _accept_interrupts() -> None:
    """Accept SIGINT: background jobs of a shell ignore it, and processes that tests start would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _clean_engine() -> Iterator[None]:
    with only_run("docker"):
        remove_leftovers()
        yield
        remove_leftovers()


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dev stack file on different ports, up and healthy."""
    ports = ports_of("dev").overrides()
    stack = Stack(tmp_path_factory.mktemp("dev") / "project", "test-dev", "Pulumi.dev.yaml", ports)
    with standing(stack):
        yield stack


@pytest.fixture(scope="session")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The staging stack file on different ports, up and healthy; each module that uses it breaks and heals it."""
    ports = ports_of("staging").overrides(monitored=True)
    stack = Stack(tmp_path_factory.mktemp("staging") / "project", "test-staging", "Pulumi.staging.yaml", ports)
    with standing(stack):
        yield stack
