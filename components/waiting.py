"""Waiting until something is well: pure but for the clock and the report, which tests replace."""

import time
from collections.abc import Callable, Sequence

from components.errors import UnhealthyError, count

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two looks; the pause doubles from the first to the longest."""


def wait_until(
    look: Callable[[], Sequence[str]],
    *,
    what: str,
    deadline: float,
    report: Callable[[str], None],
    state: str = "healthy",
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Look again and again until there is nothing to find.

    Args:
        look: Returns what is still wrong; nothing means well.
        what: What is waited for, for the report and the error.
        deadline: Seconds after which to give up; one look is always taken.
        report: Called with one line each time that what is waited for changes.
        state: What it is when there is nothing to find, for the error.
        clock: Seconds that only grow.
        sleep: Waits that many seconds.

    Returns:
        Seconds until all was well.

    Raises:
        UnhealthyError: The deadline passed; holds what was found last.
    """
    start = clock()
    pause = FIRST_PAUSE
    reported: Sequence[str] = ()
    while True:
        findings: Sequence[str] = list(look())
        waited = clock() - start
        if not findings:
            return waited
        if waited >= deadline:
            raise UnhealthyError(
                f"{what} is not {state} after {waited:.0f} s ({count(len(findings), 'finding')})", findings
            )
        if findings != reported:
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            first = findings[0].splitlines()[0].removeprefix(f"{what}: ")
            report(f"waiting for {what}: {first}{more}")
            reported = findings
        sleep(min(pause, max(deadline - waited, 0)))
        pause = min(pause * 2, LONGEST_PAUSE)
