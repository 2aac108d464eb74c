"""When a check looks again, and what it lets others know meanwhile."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporter import watch
from exporter.watch import Outcome, State, Watch, pause


def longest(_: float, most: float) -> float:
    return most


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


Start = Callable[..., Watch[Any]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a check, and ends it with the test."""
    checks: list[Watch[Any]] = []

    def begin(name: str, look: Callable[[], Any], interval: float) -> Watch[Any]:
        checks.append(Watch(name, look, interval))
        checks[-1].start()
        return checks[-1]

    yield begin
    for check in checks:
        check.stop()


def test_pauses_double_after_each_failure_up_to_the_interval() -> None:
    assert [pause(failures, 30, 0, longest) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert pause(10_000, 30, 0, longest) == 30, "an outage of days overflows nothing"


def test_pauses_after_failures_are_spread() -> None:
    drawn = {pause(5, 30, 0, random.uniform) for _ in range(50)}
    assert len(drawn) > 1
    assert all(8 <= seconds <= 16 for seconds in drawn)


def test_a_look_that_succeeded_is_followed_by_the_next_one_interval_after_its_start() -> None:
    assert pause(0, 30, 4, longest) == 26
    assert pause(0, 30, 100, longest) == 1, "one that takes longer than the interval still leaves a pause"


def test_an_interval_shorter_than_the_first_pause_is_kept() -> None:
    assert pause(3, 0.5, 0, longest) == 0.5


def test_nothing_is_known_before_the_first_look_has_ended() -> None:
    assert Watch("kafka", lambda: Outcome(1), 30).state == State()


def test_what_a_look_saw_is_known_until_the_next(start: Start) -> None:
    check = start("kafka", lambda: Outcome("seen"), 30)
    until(lambda: check.state.success)
    state = check.state
    assert state.seen == "seen"
    assert state.succeeded_at == pytest.approx(time.time(), abs=5)
    assert state.seconds is not None


def test_a_look_that_raises_ends_nothing_and_leaves_nothing_known(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "FIRST_PAUSE", 0.01)
    outcomes = iter(["first", RuntimeError("gone"), "again"])
    held = threading.Event()

    def look() -> Outcome[str]:
        outcome = next(outcomes)
        if outcome == "again":
            held.wait(5)
        if isinstance(outcome, Exception):
            raise outcome
        return Outcome(str(outcome))

    with caplog.at_level(logging.INFO):
        check = start("kafka", look, 0.02)
        until(lambda: check.state.seconds is not None and not check.state.success)
        failed = check.state
        held.set()
        until(lambda: check.state.seen == "again")
    assert failed.seen is None
    assert failed.succeeded_at is not None, "when it succeeded last is still known"
    assert [record.message for record in caplog.records][:3] == [
        "kafka: the check succeeds",
        "kafka: RuntimeError: gone",
        "kafka: the check succeeds",
    ]


def test_what_a_look_saw_in_part_is_known_though_it_failed(start: Start) -> None:
    check = start("groups", lambda: Outcome("half", "a broker is silent"), 30)
    until(lambda: check.state.seen == "half")
    assert not check.state.success
    assert check.state.succeeded_at is None


def test_a_hung_look_does_not_leave_old_values_that_pass_for_fresh_ones(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0.1)
    monkeypatch.setattr(watch, "FIRST_PAUSE", 0.01)
    hangs, outcomes = threading.Event(), iter([True, False])

    def look() -> Outcome[str]:
        if not next(outcomes):
            hangs.wait(5)
        return Outcome("seen")

    check = start("kafka", look, 0.02)
    until(lambda: check.state.success)
    until(lambda: not check.state.success)
    assert check.state.seen is None
    assert check.alive
    hangs.set()
