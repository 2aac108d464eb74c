"""Each drill on a real platform, with short faults: it always heals them, and refuses harmful ones."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from ops.drills import health, journal
from ops.drills.faults.containers import HELPER_IMAGE, HELPER_LABEL
from ops.drills.plan import SCRATCH
from ops.errors import UnreachableError
from ops.platform import Platform, platform_of
from tests.integration.ops.conftest import Ops
from tests.integration.stacks import Stack, eventually

HOLD = {"network-partition": 12}
"""How long a fault lasts, in seconds, if 5 are too short to see it: a broker's session lasts 6 s."""

LIMITED = "import resource; print(resource.prlimit(1, resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY)"


@pytest.fixture(scope="module")
def platform(stack: Stack) -> Platform:
    return platform_of(stack.name, stack.outputs())


def routes(platform: Platform, member: str) -> str:
    """The blackhole routes of a member's container."""
    container = f"container:{platform.name}-{member}"
    command = ["ip", "route", "show", "type", "blackhole"]
    return _in_helper(platform, command, network_mode=container)


def limited(platform: Platform, member: str) -> bool:
    """Whether the member's process may not write files."""
    container = f"container:{platform.name}-{member}"
    command = ["python3", "-c", LIMITED]
    return "True" in _in_helper(platform, command, pid_mode=container, user="1000:1000")


def _in_helper(platform: Platform, command: list[str], **options: Any) -> str:
    image = platform.images.get("exporter", "millrace/exporter:0.1")
    client = docker.from_env()
    try:
        output = client.containers.run(image, entrypoint=command[:1], command=command[1:], remove=True, **options)
        return output.decode()
    finally:
        client.close()


def is_healthy(platform: Platform) -> bool:
    """Whether nothing is wrong; a broker that is just starting may drop a connection."""
    try:
        return not health.problems(platform)
    except UnreachableError:
        return False


def assert_clean(stack: Stack, platform: Platform) -> None:
    """The platform is healthy, and the drill left nothing behind."""
    eventually(lambda: is_healthy(platform), 120, "a healthy platform")
    with platform.admin() as client:
        assert [name for name in client.list_topics() if name.startswith(SCRATCH)] == []
    with platform.redis_client() as client:
        assert list(client.scan_iter(match=f"{SCRATCH}*")) == []
    assert not (stack.folder / journal.FOLDER / f"{stack.name}.json").exists()
    for broker in platform.brokers:
        assert routes(platform, broker) == ""
        assert not limited(platform, broker)
    engine = docker.from_env()
    helpers = engine.containers.list(
        all=True, ignore_removed=True, filters={"label": f"{HELPER_LABEL}={platform.name}"}
    )
    engine.close()
    assert helpers == []


@pytest.mark.parametrize(
    "drill",
    [
        "broker-loss",
        "controller-loss",
        "zookeeper-leader-loss",
        "network-partition",
        "redis-restart",
        "rolling-restart",
        "disk-full",
    ],
)
def test_a_drill_keeps_its_promises_and_leaves_the_platform_healthy(
    drill: str, stack: Stack, ops: Ops, platform: Platform, tmp_path: Path
) -> None:
    options = ("--seconds", "3", "--hold", str(HOLD.get(drill, 5)), "--report", str(tmp_path))
    done = ops("drill", drill, *options, "--json")
    report = json.loads(done.stdout)
    figures = report["figures"]
    assert report["kept"], report["promises"]
    assert figures["acknowledged"] > 500
    assert figures["failed"] == 0
    if drill != "redis-restart":
        assert (figures["lost"], figures["disordered"], figures["damaged"]) == (0, 0, 0)
    if drill in ("broker-loss", "controller-loss", "network-partition", "rolling-restart", "disk-full"):
        assert figures["leftAfter"] is not None, "the fault was really there"
        assert figures["fewestInSync"] == 2
    if drill == "zookeeper-leader-loss":
        assert figures["newEnsembleLeaderAfter"] is not None
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert "All promises were kept" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")
    assert_clean(stack, platform)


def test_a_broken_promise_ends_with_status_one_and_is_reported(ops: Ops, tmp_path: Path) -> None:
    options = ("--seconds", "2", "--hold", "1", "--within", "0.0001", "--report", str(tmp_path))
    done = ops("drill", "redis-restart", *options, check=False)
    assert done.returncode == 1, done.stderr
    assert "BROKEN\tRedis accepts writes again" in done.stdout
    assert "promises were broken" in done.stderr
    assert "A promise was broken" in (tmp_path / "report.md").read_text()


@contextmanager
def running(stack: Stack, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A running drill; killed at the end if it still runs."""
    command = [sys.executable, "-m", "ops", "--stack", stack.name, "drill", *arguments]
    process = subprocess.Popen(
        command,
        cwd=stack.folder,
        env=stack.ops_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(process: "subprocess.Popen[str]", words: str) -> None:
    """Read the output of a process up to a line with these words."""
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    raise AssertionError("".join(said))


def test_ctrl_c_heals_and_deletes_what_was_created(stack: Stack, platform: Platform) -> None:
    with running(stack, "broker-loss", "--member", "kafka-2", "--seconds", "2", "--hold", "300") as drill:
        until(drill, "kafka-2 is killed")
        eventually(lambda: stack.container("kafka-2").status == "exited", 30, "the broker's death")
        drill.send_signal(signal.SIGINT)
        time.sleep(0.3)
        drill.send_signal(signal.SIGINT)
        said = drill.communicate(timeout=150)[1]
    assert drill.returncode == 130, said
    assert "kafka-2: healed" in said
    assert stack.container("kafka-2").status == "running"
    assert_clean(stack, platform)


def _leave_a_helper(platform: Platform) -> None:
    """Leave what a drill leaves if it is killed between a helper's start and its removal."""
    engine = docker.from_env()
    engine.containers.create(HELPER_IMAGE, command=["true"], labels={HELPER_LABEL: platform.name})
    engine.close()


def test_leftovers_of_a_killed_drill_are_healed_by_a_later_command(stack: Stack, ops: Ops, platform: Platform) -> None:
    with running(stack, "network-partition", "--member", "kafka-1", "--seconds", "2", "--hold", "300") as drill:
        until(drill, "kafka-1 is cut")
        eventually(lambda: routes(platform, "kafka-1") != "", 30, "routes")
        drill.kill()
        drill.wait(timeout=10)
    _leave_a_helper(platform)
    refused = ops("drill", "broker-loss", check=False)
    assert refused.returncode == 4, refused.stderr
    assert "drill heal" in refused.stderr
    healed = ops("drill", "heal")
    assert "kafka-1: healed (network-partition)" in healed.stderr
    assert_clean(stack, platform)
    assert "nothing to heal" in ops("drill", "heal").stderr


def test_a_topic_that_cannot_lose_a_broker_is_named_before_anything_is_broken(ops: Ops, platform: Platform) -> None:
    with platform.admin() as client:
        client.create_topics({"drill-single": {"num_partitions": 3, "replication_factor": 1}}, wait_for_metadata=True)
        try:
            done = ops("drill", "broker-loss", check=False)
        finally:
            client.delete_topics(["drill-single"])
    assert done.returncode == 4, done.stderr
    assert "topic drill-single: replication factor 1" in done.stderr


def test_a_different_stack_than_the_named_one_is_refused(ops: Ops) -> None:
    done = ops("drill", "disk-full", "--yes-on", "production", check=False)
    assert done.returncode == 4
    assert "--yes-on names stack production" in done.stderr


def test_the_list_shows_what_each_drill_promises_and_that_it_applies(ops: Ops) -> None:
    rows = [line.split("\t") for line in ops("drill", "list").stdout.splitlines()]
    assert len(rows) == 8
    assert {row[3] for row in rows[1:]} == {"yes"}
