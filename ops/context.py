"""What every command is given: the stack that was asked for."""

from dataclasses import dataclass
from functools import cached_property

import typer

from ops.platform import Platform, read_platform


@dataclass
class Context:
    """The stack of a run of the command line.

    Args:
        stack: The stack's name, or None for the selected one.
    """

    stack: str | None

    @cached_property
    def platform(self) -> Platform:
        """The stack's platform, read once.

        Raises:
            UnreachableError: There is none.
        """
        return read_platform(self.stack)


def platform(context: typer.Context) -> Platform:
    """The platform that a command works on."""
    found: Context = context.obj
    return found.platform


def stack(context: typer.Context) -> str | None:
    """The stack's name as it was given, for commands that work without a platform; None is the selected one."""
    found: Context = context.obj
    return found.stack
