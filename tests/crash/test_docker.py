"""Updates on a Docker engine that are killed anywhere: what `make up` and `make down` do then.

`make crash N=200 SEED=7` runs more points.
"""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker
import pytest

from components.naming import PLATFORM_LABEL
from ops.errors import ExitCode
from tests.crash.kills import CYCLE, Platform, change_brokers, events_of, heal, kill, make_down, make_up, points, start
from tests.integration.conftest import _clean_engine  # noqa: F401  a fixture for all tests here
from tests.integration.stacks import (
    Stack,
    bootstrap,
    eventually,
    left_on_engine,
    ports_of,
    remove_leftovers,
    running_members,
    standing,
)
from tests.integration.traffic import lost, steady_load

pytestmark = pytest.mark.docker

POINTS = int(os.environ.get("MILLRACE_CRASH_POINTS", "20"))
ROLLS = max(1, POINTS * 3 // 20)
"""Those that are rolls of three brokers under load."""

PORTS = ports_of("cut")
NAME = "test-crash"


class DockerPlatform(Platform):
    """A platform on the engine."""

    def clients(self) -> tuple[Sequence[str], str | None]:
        return [f"127.0.0.1:{PORTS.kafka}"], None

    def leftovers(self) -> list[str]:
        return sorted(on_engine(self.stack) - in_state(self.stack))


def in_state(stack: Stack) -> set[str]:
    """Ids of the containers, networks and volumes in the state."""
    latest = json.loads(stack.state())["checkpoint"]["latest"]
    return {item["id"] for item in latest.get("resources", []) if item["type"].startswith("docker:index/")}


def on_engine(stack: Stack) -> set[str]:
    """Ids of the containers, networks and volumes with the stack's label."""
    client, labels = docker.from_env(), {"label": f"{PLATFORM_LABEL}={stack.platform}"}
    containers = {item["Id"] for item in client.api.containers(all=True, filters=labels)}
    networks = {item.id for item in client.networks.list(filters=labels)}
    return containers | networks | {item.name for item in client.volumes.list(filters=labels)}


@pytest.fixture
def light(tmp_path: Path) -> Iterator[Stack]:
    remove_leftovers(f"millrace-{NAME}")
    stack = Stack(tmp_path / "project", NAME, "Pulumi.dev.yaml", PORTS.overrides())
    try:
        yield stack
    finally:
        stack.destroy()


def test_a_killed_update_heals(light: Stack) -> None:
    platform = DockerPlatform(light)
    platform.measure()
    for point in points(POINTS - ROLLS):
        platform.run(CYCLE[point.number % len(CYCLE)], point)
    make_down(light)
    assert left_on_engine(light.platform) == []


@pytest.fixture
def three_brokers(tmp_path: Path) -> Iterator[Stack]:
    remove_leftovers(f"millrace-{NAME}")
    stack = Stack(tmp_path / "project", NAME, "Pulumi.dev.yaml", PORTS.overrides())
    stack.config["millrace:kafka"] |= {"replicas": 3, "replicationFactor": 3, "minInSyncReplicas": 2}
    topic = {"name": "load", "partitions": 3, "replicationFactor": 3, "minInSyncReplicas": 2}
    stack.config["millrace:topics"] = [topic]
    with standing(stack):
        yield stack


def test_a_killed_roll_heals_and_loses_no_record(three_brokers: Stack) -> None:
    stack, servers = three_brokers, bootstrap(three_brokers)
    change_brokers(stack)
    stack.up()
    events = events_of(stack)
    with steady_load(servers, "load") as load:
        for point in points(ROLLS):
            change_brokers(stack)
            try:
                kill(stack, "up", point, events)
                make_up(stack)
                assert on_engine(stack) == {id_ for id_ in in_state(stack) if not id_.startswith("sha256:")}
            except Exception as error:
                error.add_note(f"the roll was killed at {point}")
                raise
    assert len(load.acknowledged) > 1000
    assert lost(load, servers) == []


def test_the_error_after_a_kill_names_the_command_that_heals(light: Stack, tmp_path: Path) -> None:
    running = start(light, "up")
    eventually(lambda: any("container:" in urn for urn in creating(light)), 60, "a container that is being created")
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert light.run("up", "--stack", NAME, "--yes", "--skip-preview").code != 0, "locked"
    light.run("cancel", "--stack", NAME, "--yes", check=True)
    refused = light.up(check=False)
    assert refused.code != 0
    assert f"run `python -m ops -s {NAME} heal`" in refused.output
    assert "Traceback" not in refused.output
    heal(light, "--yes")
    light.up()
    assert on_engine(light) <= in_state(light)
    _another_checkout_is_left_alone(light, tmp_path / "other")


def _another_checkout_is_left_alone(light: Stack, folder: Path) -> None:
    """A killed `up` of the same stack in another checkout must not take this one's containers for its own."""
    other, members = Stack(folder, NAME, "Pulumi.dev.yaml", PORTS.overrides()), running_members(light.platform)
    checkpoint = next(folder.glob(f".pulumi/stacks/*/{NAME}.json"))
    state = json.loads(checkpoint.read_text())
    mine = json.loads(light.state())["checkpoint"]["latest"]
    state["checkpoint"]["latest"] = mine | {
        "resources": [],
        "pending_operations": [
            {"type": "creating", "resource": {**item, "id": ""}}
            for item in mine["resources"]
            if item["type"].startswith("docker:")
        ],
    }
    checkpoint.write_text(json.dumps(state))
    refused = heal(other, "--yes", code=ExitCode.REFUSED)
    assert "may belong to another checkout" in refused
    assert running_members(light.platform) == members == ["kafka-0", "redis-0", "zookeeper-0"]
    checkpoint.unlink()


def creating(stack: Stack) -> list[str]:
    """URNs of the resources that the state says are being created."""
    latest = json.loads(stack.state())["checkpoint"].get("latest") or {}
    return [item["resource"]["urn"] for item in latest.get("pending_operations") or () if item["type"] == "creating"]
