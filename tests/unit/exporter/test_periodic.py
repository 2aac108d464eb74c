"""When checks run, and the state that they report meanwhile.

Source: exporter/periodic.py.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exporter import periodic
from exporter.periodic import Outcome, PeriodicCheck, State, pause


def longest(_: float, most: float) -> float:
    return most


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)


Start = Callable[..., PeriodicCheck[Any]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a check, which stops at the end of the test."""
    checks: list[PeriodicCheck[Any]] = []

    def begin(name: str, check: Callable[[], Any], interval: float) -> PeriodicCheck[Any]:
        checks.append(PeriodicCheck(name, check, interval))
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


def test_after_a_success_the_next_run_starts_one_interval_after_its_start() -> None:
    assert pause(0, 30, 4, longest) == 26
    assert pause(0, 30, 100, longest) == 1, "a run longer than the interval is followed by a pause"


def test_an_interval_shorter_than_the_first_pause_is_kept() -> None:
    assert pause(3, 0.5, 0, longest) == 0.5


def test_nothing_is_known_before_the_end_of_the_first_run() -> None:
    assert PeriodicCheck("kafka", lambda: Outcome(1), 30).state == State()


def test_a_result_is_kept_until_the_next_run(start: Start) -> None:
    check = start("kafka", lambda: Outcome("seen"), 30)
    until(lambda: check.state.success)
    state = check.state
    assert state.result == "seen"
    assert state.succeeded_at == pytest.approx(time.time(), abs=5)
    assert state.seconds is not None


def test_a_run_that_raises_leaves_no_result_and_does_not_end_the_check(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(periodic, "FIRST_PAUSE", 0.01)
    outcomes = iter(["first", RuntimeError("gone"), "again"])
    held = threading.Event()

    def run() -> Outcome[str]:
        outcome = next(outcomes)
        if outcome == "again":
            held.wait(5)
        if isinstance(outcome, Exception):
            raise outcome
        return Outcome(str(outcome))

    with caplog.at_level(logging.INFO):
        check = start("kafka", run, 0.02)
        until(lambda: check.state.seconds is not None and not check.state.success)
        failed = check.state
        held.set()
        until(lambda: check.state.result == "again")
    assert failed.result is None
    assert failed.succeeded_at is not None, "the last success is still known"
    assert [record.message for record in caplog.records][:3] == [
        "kafka: the check succeeds",
        "kafka: RuntimeError: gone",
        "kafka: the check succeeds",
    ]


def test_a_failed_run_keeps_its_partial_result(start: Start) -> None:
    check = start("groups", lambda: Outcome("half", "a broker is silent"), 30)
    until(lambda: check.state.result == "half")
    assert not check.state.success
    assert check.state.succeeded_at is None


def test_a_hung_run_hides_the_old_result(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "OVERDUE_SECONDS", 0.1)
    monkeypatch.setattr(periodic, "FIRST_PAUSE", 0.01)
    hangs, outcomes = threading.Event(), iter([True, False])

    def run() -> Outcome[str]:
        if not next(outcomes):
            hangs.wait(5)
        return Outcome("seen")

    check = start("kafka", run, 0.02)
    until(lambda: check.state.success)
    until(lambda: not check.state.success)
    assert check.state.result is None
    assert check.alive
    hangs.set()
