"""Field types for durations, sizes and numbers as a stack file writes them."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, ByteSize, PlainSerializer

from components.durations import format_duration, milliseconds, parse_duration

MIB = 1024 * 1024
GIB = 1024 * MIB


def refuse_boolean(value: object) -> object:
    """Reject true and false, which Python would read as 1 and 0.

    Raises:
        ValueError: The value is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def milliseconds_or_unlimited(duration: timedelta | int | None) -> int | None:
    """The duration in whole milliseconds; -1 (no limit) and None are returned unchanged."""
    return milliseconds(duration) if isinstance(duration, timedelta) else duration


def unlimited(value: object) -> object:
    """Read the text "-1" as the number, which stands for no limit."""
    return -1 if value == "-1" else value


def format_size(size: int) -> str:
    """The size in MiB if it is a whole number of them, else in bytes."""
    return f"{size // MIB}MiB" if size % MIB == 0 else f"{size}B"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""A length of time: ``7d``, ``24h``, ``30m``, ``90s``, ``1500ms``, or whole milliseconds."""

Size = Annotated[
    ByteSize, BeforeValidator(refuse_boolean), PlainSerializer(lambda size: format_size(int(size)), return_type=str)
]
"""An amount of memory or disk: ``512MiB``, ``1GiB``, ``100MB``, or whole bytes."""

Whole = Annotated[int, BeforeValidator(refuse_boolean)]
"""A whole number; true and false are rejected."""

Unlimited = Literal[-1]
"""No limit, as Kafka writes it."""
