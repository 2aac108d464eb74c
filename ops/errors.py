"""Errors of the command line, each with its exit code.

PlatformError (components.errors)
└── OpsError             base; exits with its ``code``
    ├── UnreachableError the stack or the platform does not answer
    ├── RefusedError     it would harm something or is impossible; nothing was done
    └── BrokenError      what was looked at is not well

"""

from components.errors import PlatformError
from ops import exits


class OpsError(PlatformError):
    """Base of the command line's errors."""

    code = exits.FOUND_WRONG


class UnreachableError(OpsError):
    """The stack, the platform or what it runs on does not answer."""

    code = exits.UNREACHABLE


class RefusedError(OpsError):
    """It would harm something, or is not possible as asked; nothing was done."""

    code = exits.REFUSED


class BrokenError(OpsError):
    """What was looked at is not well."""

    code = exits.FOUND_WRONG
