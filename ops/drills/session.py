"""Injects faults and always heals them; the journal lists each for as long as it lasts."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ops.console import progress
from ops.drills import faults
from ops.drills.interruption import Interruption
from ops.drills.journal import Journal
from ops.errors import RefusedError
from ops.platform import Platform

POLL_SECONDS = 0.2
"""Seconds between two checks of a condition or a signal."""


class Session:
    """Injects faults, heals them and waits, for the duration of a drill.

    ``targets`` are the members that were broken, in this order; ``fault_at`` and ``healed_at`` the times of the first
    injection and the last healing, in seconds of the monotonic clock, 0.0 before.

    Args:
        platform: The platform.
        journal: The drill's journal.
        interruption: Ends waits when a signal comes.
        say: Called with each line for the user.
    """

    def __init__(
        self, platform: Platform, journal: Journal, interruption: Interruption, say: Callable[[str], None]
    ) -> None:
        self.platform = platform
        self.journal = journal
        self.say = say
        self.check = interruption.check
        self._pause = interruption.pause
        self.targets: list[str] = []
        self.fault_at = 0.0
        self.healed_at = 0.0

    @contextmanager
    def broken(self, kind: str, member: str) -> Generator[None]:
        """Inject a fault on entry and heal it on exit, even after an error.

        Raises:
            RefusedError: The fault cannot be injected here.
            UnreachableError: The engine does not answer; the journal keeps a fault that could not be healed.
        """
        fault = faults.make(kind, self.platform, member)
        if obstacles := fault.obstacles():
            raise RefusedError(f"{kind} of {member} is not possible here", obstacles)
        self.check()
        self.journal.broken.append((kind, member))
        self.journal.write()
        self.say(fault.describe())
        try:
            if not self.targets:
                self.fault_at = time.monotonic()
            self.targets.append(member)
            fault.inject()
            yield
        finally:
            fault.heal()
            self.healed_at = time.monotonic()
            self.journal.broken.remove((kind, member))
            self.journal.write()
            self.say(f"{member}: healed")

    def pause(self, what: str, seconds: float) -> None:
        """Wait, and show the progress.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        end = time.monotonic() + seconds
        with progress(what, total=seconds) as advance:
            while (left := end - time.monotonic()) > 0:
                self._pause(min(left, POLL_SECONDS))
                advance(min(left, POLL_SECONDS))

    def wait_until(self, what: str, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition.

        Returns:
            Whether it became true within that many seconds.

        Raises:
            KeyboardInterrupt: A signal came.
        """
        end = time.monotonic() + seconds
        with progress(what) as advance:
            while not condition():
                if time.monotonic() > end:
                    return False
                self._pause(POLL_SECONDS)
                advance(POLL_SECONDS)
        return True
