"""Field types for durations, sizes and numbers as a stack file writes them."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, PlainSerializer

from components.durations import format_duration, milliseconds, parse_duration
from components.limits import MAX_INT, MAX_LONG

_SIZE = re.compile(r"\s*[0-9]{0,30}(\.[0-9]{1,30})?\s*[A-Za-z]*\s*")

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


def _plain_size(value: object) -> object:
    """Reject booleans, and text after the unit, which pydantic ignores."""
    if isinstance(value, str) and not _SIZE.fullmatch(value):
        raise ValueError("must be a size such as 512MiB, 1GiB or a number of bytes")
    return refuse_boolean(value)


def at_most(largest: Any, text: str) -> AfterValidator:
    """A bound for an annotated size or duration.

    Args:
        largest: The largest value that is accepted.
        text: The same as users write it.
    """

    def check(value: Any) -> Any:
        if value > largest:
            raise ValueError(f"must be at most {text}")
        return value

    return AfterValidator(check)


def milliseconds_or_unlimited(duration: timedelta | int | None) -> int | None:
    """The duration in whole milliseconds; -1 (no limit) and None are returned unchanged."""
    return milliseconds(duration) if isinstance(duration, timedelta) else duration


def _unlimited(value: object) -> object:
    return -1 if value == "-1" else value


def format_size(size: int) -> str:
    """The size in MiB if it is a whole number of them, else in bytes; -1, no limit, is "-1"."""
    if size == -1:
        return "-1"
    return f"{size // MIB}MiB" if size % MIB == 0 else f"{size}B"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""A length of time: ``7d``, ``24h``, ``30m``, ``90s``, ``1500ms``, or whole milliseconds."""

Size = Annotated[
    ByteSize, BeforeValidator(_plain_size), PlainSerializer(lambda size: format_size(int(size)), return_type=str)
]
"""An amount of memory or disk: ``512MiB``, ``1GiB``, ``100MB``, or whole bytes."""

IntSize = Annotated[Size, at_most(MAX_INT, f"{MAX_INT} bytes")]
"""A size that Kafka keeps as INT."""

LongSize = Annotated[Size, at_most(MAX_LONG, f"{MAX_LONG} bytes")]
"""A size that Kafka keeps as LONG."""

Whole = Annotated[int, BeforeValidator(refuse_boolean)]
"""A whole number; true and false are rejected."""

Unlimited = Annotated[Literal[-1], BeforeValidator(_unlimited)]
"""No limit, as Kafka writes it: -1, also as text."""
