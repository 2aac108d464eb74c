"""Signals during a drill or benchmark: the fault is healed first, and a second Ctrl-C does not skip that."""

import signal
import threading
from types import FrameType
from typing import Any, Self

from ops.console import say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a drill early."""


class Interruption:
    """Catches signals while its ``with`` block runs; only :meth:`pause` and :meth:`check` act on them.

    Healing and cleaning up call neither, so they always complete.
    """

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again = self._requested.is_set()
        self._requested.set()
        say("still cleaning up" if again else "stopping after healing and cleaning up")

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        if self._requested.wait(seconds):
            raise KeyboardInterrupt

    def check(self) -> None:
        """Return unless a signal came.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        self.pause(0)
