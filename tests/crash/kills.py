"""Kills the pulumi CLI at chosen points of an update, and lets the stack heal as `make up` and `make down` do."""

import os
import random
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.integration.stacks import Checkout, Result, Stack
from tests.integration.traffic import consume, produce

SEED = int(os.environ.get("MILLRACE_CRASH_SEED", "1"))
"""Other seeds give other points."""

UP, ROLL, DESTROY_THEN_UP, DESTROY_THEN_DOWN = "up", "roll", "destroy, then up", "destroy, then down"
CYCLE = (UP, ROLL, DESTROY_THEN_UP, ROLL, DESTROY_THEN_DOWN)
"""What is killed, and what heals it: each starts where the one before it ended, the first from nothing."""

TOPIC = "tda_jobs"

_END_SECONDS = 5.0
"""Seconds in which all processes that an update started must end after it was killed."""

MOST_DELAY = 0.4
"""Seconds after an event within which the kill comes."""


@dataclass(frozen=True)
class Point:
    """When and how an update is killed.

    Args:
        seed: The seed of all points.
        number: The point's number, from 0.
        share: How many of the update's events happen before it, as a share of all.
        delay: Seconds after the last of them.
        group: Whether the whole process group is killed, or the CLI alone.
    """

    seed: int
    number: int
    share: float
    delay: float
    group: bool

    def __str__(self) -> str:
        killed = "process group" if self.group else "CLI alone"
        return f"seed {self.seed}, point {self.number}: {killed}, {self.share:.0%} of the events, {self.delay:.2f} s"


def points(number: int, seed: int = SEED) -> list[Point]:
    """Points that spread over the whole update: each is random within its own part of it."""
    chance = random.Random(seed)
    shares = [(part + chance.random()) / number * 0.95 for part in range(number)]
    chance.shuffle(shares)
    return [
        Point(seed, index, share, chance.uniform(0, MOST_DELAY), chance.random() < 0.5)
        for index, share in enumerate(shares)
    ]


def events_of(stack: Checkout) -> int:
    """Number of events in the log of the stack's last update."""
    log = stack.folder / "events.json"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def start(stack: Checkout, command: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start an update in a process group of its own."""
    stack.write()
    log = stack.folder / "events.json"
    log.unlink(missing_ok=True)
    flags = ["--stack", stack.name, "--yes", "--skip-preview", "--event-log", str(log)]
    return subprocess.Popen(
        ["pulumi", command, *flags, *arguments],
        cwd=stack.folder,
        env=stack.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(stack: Stack, command: str, point: Point, events: int, *arguments: str) -> bool:
    """Start an update and kill it.

    Args:
        stack: The stack.
        command: ``up`` or ``destroy``.
        point: When and how.
        events: Number of events of a complete update.
        arguments: Further options.

    Returns:
        Whether it was killed; False if it ended before.
    """
    running = start(stack, command, *arguments)
    wanted, end = int(events * point.share), time.monotonic() + 300
    while events_of(stack) < wanted and running.poll() is None:
        assert time.monotonic() < end, f"{point}: {command} has only {events_of(stack)} of {wanted} events"
        time.sleep(0.02)
    time.sleep(point.delay)
    if running.poll() is not None:
        return False
    started = psutil.Process(running.pid).children(recursive=True)
    if point.group:
        os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()
    running.wait()
    _, alive = psutil.wait_procs(started, timeout=_END_SECONDS)
    assert not alive, f"{point}: {command} was killed, but {[process.cmdline() for process in alive]} still run"
    return True


def heal(stack: Checkout, *arguments: str, code: int = 0) -> str:
    """Run the command line's `heal`, which must end with the code; return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", "-s", stack.name, "heal", *arguments],
        cwd=stack.folder,
        env=stack.ops_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def make_up(stack: Stack) -> Result:
    """The commands of `make up`."""
    healed = heal(stack, "--if-killed", "--yes")
    result = stack.up("--refresh", check=False)
    assert result.code == 0, f"{healed}\n{result.output}"
    return result


def make_down(stack: Stack) -> Result:
    """The commands of `make down`."""
    healed = heal(stack, "--if-killed", "--all", "--yes")
    result = stack.change("destroy", "--refresh", check=False)
    assert result.code == 0, f"{healed}\n{result.output}"
    return result


def change_brokers(stack: Stack) -> None:
    """Change a setting that restarts every broker."""
    now = stack.config.get("millrace:kafka", {}).get("segmentBytes")
    stack.set("kafka.segmentBytes", "64MiB" if now == "128MiB" else "128MiB")


class Platform(ABC):
    """A light platform that is killed and healed, and the records in it.

    Args:
        stack: Its stack, of which nothing exists.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._records: list[bytes] = []
        self._events: dict[str, int] = {}

    @abstractmethod
    def leftovers(self) -> list[str]:
        """What exists with the stack's labels, but is in no state."""

    @abstractmethod
    def clients(self) -> tuple[Sequence[str], str | None]:
        """The brokers' addresses, and the proxy to them."""

    def measure(self) -> None:
        """Count the events of updates that are not killed."""
        for action in (UP, ROLL):
            change_brokers(self.stack)
            self.stack.up()
            self._events[action] = events_of(self.stack)
        self.stack.change("destroy")
        self._events[DESTROY_THEN_UP] = self._events[DESTROY_THEN_DOWN] = events_of(self.stack)

    def run(self, action: str, point: Point) -> None:
        """Kill one update, heal, and check that no record is lost and nothing is left."""
        try:
            self._run(action, point)
        except Exception as error:
            error.add_note(f"{action} was killed at {point}")
            raise

    def _run(self, action: str, point: Point) -> None:
        if action == ROLL:
            change_brokers(self.stack)
        kill(self.stack, "up" if action in (UP, ROLL) else "destroy", point, self._events[action])
        if action == DESTROY_THEN_DOWN:
            make_down(self.stack)
        else:
            make_up(self.stack)
            self._check_records(kept=action == ROLL)
        assert locks(self.stack.folder) == []
        assert "pending_operations" not in self.stack.state()
        assert self.leftovers() == []

    def _check_records(self, *, kept: bool) -> None:
        """Compare the records, and write further ones; a destroyed platform has none."""
        servers, proxy_url = self.clients()
        found = consume(servers, TOPIC, proxy_url=proxy_url)
        if kept:
            assert sorted(found) == sorted(self._records)
        new = [f"record {len(found) + number}".encode() for number in range(20)]
        produce(servers, TOPIC, new, proxy_url)
        self._records = found + new


def locks(folder: Path) -> Sequence[Path]:
    """The lock files of a project's stacks."""
    return [path for path in (folder / ".pulumi" / "locks").rglob("*") if path.is_file()]
