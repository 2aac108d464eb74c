"""Ctrl-C and its like in a drill: what is broken is healed first, and a second Ctrl-C does not skip that."""

import signal
import threading
from types import FrameType
from typing import Any, Self

from ops.console import say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a drill early."""


class Interruption:
    """Takes signals from when it is entered until it is left; only :meth:`pause` and :meth:`check` act on them.

    So healing and cleaning up, which call neither, always run to their end.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again = self._asked.is_set()
        self._asked.set()
        say("still cleaning up" if again else "stopping; what was broken is healed and what was made is removed first")

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        if self._asked.wait(seconds):
            raise KeyboardInterrupt

    def check(self) -> None:
        """Go on, unless a signal came.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        self.pause(0)
