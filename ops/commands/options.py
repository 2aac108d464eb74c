"""Options that several commands take."""

from typing import Annotated

import typer

from ops.group_reset import parse_selection
from ops.positions import Position, parse_position

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document for programs; sizes in bytes")]


def bootstrap_option(option: str, text: str) -> str:
    """Brokers' addresses, as an option gives them.

    Raises:
        typer.BadParameter: One of them is no ``host:port``.
    """
    for address in text.split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise typer.BadParameter(f'"{address}" is no address; it must be HOST:PORT', param_hint=option)
    return text


def position_option(option: str, text: str) -> Position:
    """A place in a topic, as an option gives it.

    Raises:
        typer.BadParameter: It is none.
    """
    try:
        return parse_position(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def selection_option(option: str, text: str) -> tuple[str, int | None]:
    """A topic or one of its partitions, as an option gives it.

    Raises:
        typer.BadParameter: It is none.
    """
    try:
        return parse_selection(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
