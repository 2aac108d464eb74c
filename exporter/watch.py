"""One check that looks again and again in a thread of its own, so that a hung one blocks no other and no scrape."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

FIRST_PAUSE = 1.0
"""Seconds until the next look after a first failure; the pause doubles with each up to the interval."""

PATIENCE = 60.0
"""Seconds over two intervals after which a look that has not ended counts as hung; each request gives up far sooner."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What one look saw.

    Args:
        seen: What was seen, as far as it could be.
        problem: Why the look failed, wholly or in part; None where it succeeded.
    """

    seen: T
    problem: str | None = None


@dataclass(frozen=True)
class State(Generic[T]):
    """What is known from the last look.

    Args:
        seen: What was seen; None while nothing is known.
        success: Whether the look succeeded.
        seconds: How long it took; None before the first has ended.
        succeeded_at: Unix time of the last that succeeded; None before the first.
    """

    seen: T | None = None
    success: bool = False
    seconds: float | None = None
    succeeded_at: float | None = None


class Watch(Generic[T]):
    """Looks at once, then at each interval; after a failure sooner, with growing pauses.

    Args:
        name: The check's name, for metrics and the log.
        look: Looks once. Whatever it raises counts as a failure of which nothing is known.
        interval: Seconds from one look to the next while looks succeed.
    """

    def __init__(self, name: str, look: Callable[[], Outcome[T]], interval: float) -> None:
        self.name = name
        self._look = look
        self._interval = interval
        self._state: State[T] = State()
        self._looked = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more once the look that may be going on has ended; does not wait for it."""
        self._stopped.set()

    @property
    def alive(self) -> bool:
        """Whether it still looks."""
        return self._thread.is_alive()

    @property
    def state(self) -> State[T]:
        """What is known now; never waits. What a hung look has left behind is not told as if it were fresh."""
        state = self._state
        if time.monotonic() - self._looked > 2 * self._interval + PATIENCE:
            return State(seconds=state.seconds, succeeded_at=state.succeeded_at)
        return state

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            start = time.monotonic()
            self._take(self._outcome(), start)
            failures = 0 if self._state.success else failures + 1
            self._stopped.wait(pause(failures, self._interval, time.monotonic() - start, random.uniform))

    def _outcome(self) -> Outcome[T] | str:
        """Look once; the text says why nothing at all is known."""
        try:
            return self._look()
        except Exception as error:  # noqa: BLE001  whatever is watched must never end the watch
            return f"{type(error).__name__}: {error}"

    def _take(self, outcome: Outcome[T] | str, start: float) -> None:
        before = self._state
        seen, problem = (None, outcome) if isinstance(outcome, str) else (outcome.seen, outcome.problem)
        succeeded_at = before.succeeded_at if problem else time.time()
        self._state = State(seen, problem is None, time.monotonic() - start, succeeded_at)
        self._looked = time.monotonic()
        if problem and (before.success or before.seconds is None):
            _log.warning("%s: %s", self.name, problem)
        elif not problem and not before.success:
            _log.info("%s: the check succeeds", self.name)


def pause(failures: int, interval: float, took: float, spread: Callable[[float, float], float]) -> float:
    """Seconds until the next look.

    Args:
        failures: How many looks in a row have failed.
        interval: Seconds from the start of one look to the start of the next while they succeed.
        took: Seconds that the last look took.
        spread: Draws a number between two: failing exporters must not look all at the same moment.
    """
    if not failures:
        return max(interval - took, min(FIRST_PAUSE, interval))
    longest = min(FIRST_PAUSE * 2 ** min(failures - 1, 30), interval)
    return spread(longest / 2, longest)
