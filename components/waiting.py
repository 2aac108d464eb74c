"""Waiting until something is healthy. Tests replace the clock and the report."""

import time
from collections.abc import Callable, Sequence

from components.errors import UnhealthyError, count

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
"""Seconds between two checks; the pause doubles from the first to the longest."""


def wait_until(
    check: Callable[[], Sequence[str]],
    *,
    what: str,
    deadline: float,
    report: Callable[[str], None],
    state: str = "healthy",
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Check until there are no findings.

    Args:
        check: Returns what is wrong; empty means healthy.
        what: The name of what is awaited, for the report and the error.
        deadline: Seconds after which to give up; there is always one check.
        report: Called with one line each time that the findings change.
        state: The state without findings, for the error.
        clock: A monotonic clock, in seconds.
        sleep: Waits that many seconds.

    Returns:
        Seconds until there were no findings.

    Raises:
        UnhealthyError: The deadline passed; holds the last findings.
    """
    start = clock()
    pause = FIRST_PAUSE
    reported: Sequence[str] = ()
    while True:
        findings: Sequence[str] = list(check())
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
