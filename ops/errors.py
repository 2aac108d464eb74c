"""Errors of the command line and their exit codes.

PlatformError (components.errors)
└── OpsError             base; exits with its ``code``
    ├── UnreachableError the stack or the platform does not answer
    ├── RefusedError     harmful or impossible; nothing was done
    └── BrokenError      a check failed

"""

from collections.abc import Collection, Sequence
from enum import IntEnum

from components.errors import PlatformError, nearest


class ExitCode(IntEnum):
    """Exit codes for scripts; documented in docs/OPERATIONS.md."""

    OK = 0
    FOUND_WRONG = 1
    """Something is wrong: a member is down, a promise is broken, a check failed."""
    USAGE = 2
    """The command line is wrong; nothing was done."""
    UNREACHABLE = 3
    """The stack, the platform or what it runs on does not answer."""
    REFUSED = 4
    """Harmful, or not possible as asked; nothing was done."""
    INTERRUPTED = 130
    """Ended by Ctrl-C, after healing faults and removing what was unfinished."""


class OpsError(PlatformError):
    """Base of the command line's errors."""

    code = ExitCode.FOUND_WRONG


class UnreachableError(OpsError):
    """The stack, the platform or what it runs on does not answer."""

    code = ExitCode.UNREACHABLE


class RefusedError(OpsError):
    """The command would do harm, or is not possible as asked; nothing was done."""

    code = ExitCode.REFUSED


class BrokenError(OpsError):
    """A check found something wrong."""

    code = ExitCode.FOUND_WRONG


def refuse_unknown(noun: str, names: Sequence[str], known: Collection[str]) -> None:
    """Refuse unknown names.

    Args:
        noun: What the names are: ``topic``.
        names: Names that the user gave.
        known: Names that exist.

    Raises:
        RefusedError: Lists every unknown name with the nearest known one.
    """
    unknown = [f'there is no {noun} "{name}".{nearest(name, known)}' for name in names if name not in known]
    if unknown:
        plural = noun if len(unknown) == 1 else f"{noun}s"
        raise RefusedError(f"unknown {plural}; nothing was done", unknown)
