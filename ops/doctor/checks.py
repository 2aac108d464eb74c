"""All checks and how they run; one that fails does not stop the others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from components.errors import PlatformError
from ops.doctor import machine, stack, tools
from ops.doctor.local_stack import LocalStack
from ops.doctor.outcome import Outcome, State


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        name: Its name: ``ports``.
        run: Runs it; an exception becomes a result too.
    """

    name: str
    run: Callable[[LocalStack], Outcome]


CHECKS = (
    Check("python", tools.python),
    Check("packages", tools.packages),
    Check("pulumi", tools.pulumi),
    Check("stack file", stack.stack_file),
    Check("passphrase", stack.passphrase),
    Check("lock", stack.lock),
    Check("engine", machine.engine),
    Check("disk", machine.disk),
    Check("memory", machine.memory),
    Check("images", machine.images),
    Check("ports", machine.ports),
    Check("containers", stack.containers),
    Check("kubernetes", machine.kubernetes),
    Check("clock", machine.clock),
    Check("members", stack.members),
    Check("certificates", stack.certificates),
)
"""In the order of the report: what other checks need comes first."""


@dataclass(frozen=True)
class Result:
    """A check's name and its outcome."""

    name: str
    outcome: Outcome

    @property
    def is_wrong(self) -> bool:
        """Whether something must be fixed."""
        return self.outcome.state in (State.WRONG, State.UNCHECKED)

    def to_json(self) -> dict[str, str]:
        """Stable keys for programs."""
        return {
            "check": self.name,
            "state": self.outcome.state.value,
            "seen": self.outcome.seen,
            "fix": self.outcome.fix,
        }


def run_checks(checks: Sequence[Check], local: LocalStack) -> list[Result]:
    """Run all checks at once; the results are in the order of the checks."""

    def run(check: Check) -> Result:
        try:
            return Result(check.name, check.run(local))
        except PlatformError as error:
            why = error.headline  # the check of the missing thing reports the details
        except Exception as error:  # noqa: BLE001  an unexpected error is a result too
            why = f"{type(error).__name__}: {error}"
        return Result(check.name, Outcome(State.UNCHECKED, f"could not be checked: {why}", "see the other findings"))

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, checks))
