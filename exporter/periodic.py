"""Periodic checks, each in its own thread, so that a hung one blocks neither the others nor a scrape."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

FIRST_PAUSE = 1.0
"""Seconds until the run after a first failure; the pause doubles with each failure, up to the interval."""

OVERDUE_SECONDS = 60.0
"""A run counts as hung after two intervals and these seconds; requests time out much sooner."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """The outcome of one run.

    Args:
        result: The result, as far as it is known.
        problem: Why the run failed, wholly or in part; None if it succeeded.
    """

    result: T
    problem: str | None = None


@dataclass(frozen=True)
class State(Generic[T]):
    """What the last run found.

    Args:
        result: The result; None while nothing is known.
        success: Whether the run succeeded.
        seconds: Duration of the run; None before the end of the first.
        succeeded_at: Unix time of the last successful run; None before the first.
    """

    result: T | None = None
    success: bool = False
    seconds: float | None = None
    succeeded_at: float | None = None


class PeriodicCheck(Generic[T]):
    """Runs a check immediately, then at every interval; after a failure sooner, with growing pauses.

    Args:
        name: The check's name in metrics and the log.
        check: Runs the check once. An exception counts as a failure without a result.
        interval: Seconds between the starts of two successful runs.
    """

    def __init__(self, name: str, check: Callable[[], Outcome[T]], interval: float) -> None:
        self.name = name
        self._check = check
        self._interval = interval
        self._state: State[T] = State()
        self._ended = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the first run."""
        self._thread.start()

    def stop(self) -> None:
        """Start no further run. Does not wait for the current one."""
        self._stopped.set()

    @property
    def alive(self) -> bool:
        """Whether its thread is running."""
        return self._thread.is_alive()

    @property
    def state(self) -> State[T]:
        """The last state; never waits. While a run hangs, the old result and success are left out."""
        state = self._state
        if time.monotonic() - self._ended > 2 * self._interval + OVERDUE_SECONDS:
            return State(seconds=state.seconds, succeeded_at=state.succeeded_at)
        return state

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            start = time.monotonic()
            self._keep(self._outcome(), start)
            failures = 0 if self._state.success else failures + 1
            self._stopped.wait(pause(failures, self._interval, time.monotonic() - start, random.uniform))

    def _outcome(self) -> Outcome[T] | str:
        """Run the check once; a text says why there is no result."""
        try:
            return self._check()
        except Exception as error:  # noqa: BLE001  no failure may end the thread
            return f"{type(error).__name__}: {error}"

    def _keep(self, outcome: Outcome[T] | str, start: float) -> None:
        before = self._state
        result, problem = (None, outcome) if isinstance(outcome, str) else (outcome.result, outcome.problem)
        succeeded_at = before.succeeded_at if problem else time.time()
        self._state = State(result, problem is None, time.monotonic() - start, succeeded_at)
        self._ended = time.monotonic()
        if problem and (before.success or before.seconds is None):
            _log.warning("%s: %s", self.name, problem)
        elif not problem and not before.success:
            _log.info("%s: the check succeeds", self.name)


def pause(failures: int, interval: float, took: float, spread: Callable[[float, float], float]) -> float:
    """Seconds until the next run.

    Args:
        failures: Number of failures in a row.
        interval: Seconds between the starts of two successful runs.
        took: Duration of the last run in seconds.
        spread: Draws a number between two, so that several exporters do not retry at the same moment.
    """
    if not failures:
        return max(interval - took, min(FIRST_PAUSE, interval))
    longest = min(FIRST_PAUSE * 2 ** min(failures - 1, 30), interval)
    return spread(longest / 2, longest)
