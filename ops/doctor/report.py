"""What a check is, and how all of them are run: one that fails ends none of the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from components.errors import PlatformError
from ops.doctor.case import Case


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    UNCHECKED = "unchecked"
    """What it needs is itself not there; counts as wrong, since nobody knows."""
    SKIPPED = "skipped"
    """It does not apply, such as a cluster's check for a stack on Docker."""


@dataclass(frozen=True)
class Outcome:
    """What a check saw.

    Args:
        state: How it ended.
        seen: What was seen.
        mend: The command that mends it; "" where there is nothing to mend.
    """

    state: State
    seen: str
    mend: str = ""


def well(seen: str) -> Outcome:
    """All is well."""
    return Outcome(State.OK, seen)


def wrong(seen: str, mend: str) -> Outcome:
    """Something is wrong."""
    return Outcome(State.WRONG, seen, mend)


def skipped(why: str) -> Outcome:
    """The check does not apply."""
    return Outcome(State.SKIPPED, why)


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: Its name: ``ports``.
        look: Looks; whatever it raises is a result too.
    """

    name: str
    look: Callable[[Case], Outcome]


@dataclass(frozen=True)
class Result:
    """A check and what it saw."""

    name: str
    outcome: Outcome

    @property
    def is_wrong(self) -> bool:
        """Whether something has to be done."""
        return self.outcome.state in (State.WRONG, State.UNCHECKED)

    def to_json(self) -> dict[str, str]:
        """Stable keys for programs."""
        return {
            "check": self.name,
            "state": self.outcome.state.value,
            "seen": self.outcome.seen,
            "mend": self.outcome.mend,
        }


def run_checks(checks: Sequence[Check], case: Case) -> list[Result]:
    """Run all checks at once; the results are in the order of the checks."""

    def run(check: Check) -> Result:
        try:
            return Result(check.name, check.look(case))
        except PlatformError as error:
            why = error.headline  # the check of what is missing tells the rest
        except Exception as error:  # noqa: BLE001  a check that breaks says so, and ends none of the others
            why = f"{type(error).__name__}: {error}"
        return Result(check.name, Outcome(State.UNCHECKED, f"could not be checked: {why}", "see the other findings"))

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, checks))
