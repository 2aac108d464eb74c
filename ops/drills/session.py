"""A fault that is injected and always healed, and told of in the journal while it lasts."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ops.console import progress
from ops.drills import faults
from ops.drills.interruption import Interruption
from ops.drills.journal import Journal
from ops.errors import RefusedError
from ops.platform import Platform

LOOK_SECONDS = 0.2
"""Seconds between two looks at what is waited for."""


class Session:
    """What drills break a platform with.

    Args:
        platform: The platform.
        journal: The drill's journal.
        interruption: Waits that Ctrl-C ends.
        say: Called with lines for the person.
    """

    def __init__(
        self, platform: Platform, journal: Journal, interruption: Interruption, say: Callable[[str], None]
    ) -> None:
        self.platform = platform
        self.journal = journal
        self.say = say
        self.check = interruption.check
        self._pause = interruption.pause
        self.struck: list[str] = []
        self.fault_at = 0.0
        self.healed_at = 0.0

    @contextmanager
    def broken(self, kind: str, member: str) -> Generator[None]:
        """Inject a fault on entering, heal it on leaving, whatever happens.

        Raises:
            RefusedError: It cannot be injected here.
            UnreachableError: The engine does not answer; where healing failed, the journal keeps what is broken.
        """
        fault = faults.make(kind, self.platform, member)
        if obstacles := fault.obstacles():
            raise RefusedError(f"{kind} of {member} is not possible here", obstacles)
        self.check()
        self.journal.broken.append((kind, member))
        self.journal.write()
        self.say(fault.describe())
        try:
            if not self.struck:
                self.fault_at = time.monotonic()
            self.struck.append(member)
            fault.inject()
            yield
        finally:
            fault.heal()
            self.healed_at = time.monotonic()
            self.journal.broken.remove((kind, member))
            self.journal.write()
            self.say(f"{member}: healed")

    def pause(self, what: str, seconds: float) -> None:
        """Wait, and show how far that is.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        end = time.monotonic() + seconds
        with progress(what, total=seconds) as advance:
            while (left := end - time.monotonic()) > 0:
                self._pause(min(left, LOOK_SECONDS))
                advance(min(left, LOOK_SECONDS))

    def wait_until(self, what: str, settled: Callable[[], bool], seconds: float) -> bool:
        """Look until something is so.

        Returns:
            Whether it came within that many seconds.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        end = time.monotonic() + seconds
        with progress(what) as advance:
            while not settled():
                if time.monotonic() > end:
                    return False
                self._pause(LOOK_SECONDS)
                advance(LOOK_SECONDS)
        return True
