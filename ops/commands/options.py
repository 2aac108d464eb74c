"""What commands share: the stack that ``--stack`` names, its platform, and options that several commands take."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import typer

from ops.groups.reset import parse_selection
from ops.platform import Platform, read_platform
from ops.records.positions import Position, parse_position

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document for programs; sizes in bytes")]


@dataclass
class Context:
    """The options that come before the command.

    Args:
        stack: The stack's name, or None for the selected one.
    """

    stack: str | None

    @cached_property
    def platform(self) -> Platform:
        """The stack's platform, read once.

        Raises:
            UnreachableError: The stack has no platform, or cannot be read.
        """
        return read_platform(self.stack)


def platform(context: typer.Context) -> Platform:
    """The platform that a command works on."""
    found: Context = context.obj
    return found.platform


def stack(context: typer.Context) -> str | None:
    """The stack's name as given, for commands that need no platform; None for the selected one."""
    found: Context = context.obj
    return found.stack


def bootstrap_option(option: str, text: str) -> str:
    """The bootstrap servers that an option gives.

    Raises:
        typer.BadParameter: One of them is not ``host:port``.
    """
    for address in text.split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise typer.BadParameter(f'"{address}" is not an address; expected HOST:PORT', param_hint=option)
    return text


def position_option(option: str, text: str) -> Position:
    """The position in a topic that an option gives.

    Raises:
        typer.BadParameter: It is not a position.
    """
    try:
        return parse_position(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def selection_option(option: str, text: str) -> tuple[str, int | None]:
    """The topic, or one of its partitions, that an option gives.

    Raises:
        typer.BadParameter: It is neither.
    """
    try:
        return parse_selection(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
