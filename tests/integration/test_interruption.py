"""An interrupted `up`: the state holds what was created, and the next `up` continues from there."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stacks import Stack, eventually, left_on_engine, ports_of, running_members
from tests.integration.traffic import admin

PORTS = ports_of("cut")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "project", "test-cut", "Pulumi.dev.yaml", PORTS.overrides())
    try:
        yield made
    finally:
        made.destroy()


def test_the_next_up_continues_after_an_interrupt_and_destroy_leaves_nothing(stack: Stack) -> None:
    running = subprocess.Popen(
        ["pulumi", "up", "--stack", stack.name, "--yes", "--skip-preview"],
        cwd=stack.folder,
        env=stack.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: len(running_members(stack.platform)) == 3, 60, "all containers")
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) != 0, "interrupted before the topics and the health gate"
    stack.up()
    assert stack.up().changed() == {}
    with admin([f"127.0.0.1:{PORTS.kafka}"]) as client:
        assert "tda_jobs" in client.list_topics()
    stack.change("destroy")
    assert left_on_engine(stack.platform) == []


def test_a_topic_can_be_declared_again_right_after_its_removal(stack: Stack) -> None:
    stack.up()
    removed = stack.topics().pop(0)
    stack.set("topicsToDelete", [removed["name"]])
    stack.up()
    stack.set("topicsToDelete", [])
    stack.topics().append(removed)
    stack.up()
    with admin([f"127.0.0.1:{PORTS.kafka}"]) as client:
        assert removed["name"] in client.list_topics()
