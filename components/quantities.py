"""Durations and sizes as people write them in a stack file."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, ByteSize, PlainSerializer

_UNIT_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)?")
_LONGEST = timedelta(days=36_500)
_RULE = "must be a duration such as 7d, 24h, 30m, 90s or a number of milliseconds"

MIB = 1024 * 1024
GIB = 1024 * MIB


def parse_duration(value: object) -> object:
    """Read ``"7d"``, ``"24h"``, ``"90s"`` or a whole number of milliseconds as a timedelta.

    Returns:
        A ``timedelta`` of at most a hundred years; what is neither text nor number is given back for pydantic to
        refuse.

    Raises:
        ValueError: Text or a number that is no duration.
    """
    if isinstance(value, str):
        return _from_text(value.strip().lower())
    if isinstance(value, bool | int | float):
        if isinstance(value, bool) or not float(value).is_integer():
            raise ValueError(_RULE)
        return _from_text(str(int(value)))
    return value


def _from_text(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(_RULE)
    amount = int(match[1]) * _UNIT_MILLISECONDS[match[2] or "ms"]
    if amount > milliseconds(_LONGEST):
        raise ValueError(f"{_RULE}, of at most {_LONGEST.days}d")
    return timedelta(milliseconds=amount)


def refuse_boolean(value: object) -> object:
    """Python takes true for 1; a person who writes it made a mistake.

    Raises:
        ValueError: The value is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def milliseconds(duration: timedelta) -> int:
    """The duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def milliseconds_or_all(duration: timedelta | int | None) -> int | None:
    """The duration in whole milliseconds; -1, which is no limit, and None stay as they are."""
    return milliseconds(duration) if isinstance(duration, timedelta) else duration


def unlimited(value: object) -> object:
    """Read the text "-1" as the number, which stands for no limit."""
    return -1 if value == "-1" else value


def format_duration(duration: timedelta) -> str:
    """The duration in its largest whole unit: ``7d``, ``36h``, ``1500ms``."""
    amount = milliseconds(duration)
    for unit in ("d", "h", "m", "s"):
        if amount and amount % _UNIT_MILLISECONDS[unit] == 0:
            return f"{amount // _UNIT_MILLISECONDS[unit]}{unit}"
    return f"{amount}ms"


def format_size(size: int) -> str:
    """The size in MiB where it is a whole number of them, else in bytes."""
    return f"{size // MIB}MiB" if size % MIB == 0 else f"{size}B"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""A length of time: ``7d``, ``24h``, ``30m``, ``90s``, ``1500ms``, or whole milliseconds."""

Size = Annotated[
    ByteSize, BeforeValidator(refuse_boolean), PlainSerializer(lambda size: format_size(int(size)), return_type=str)
]
"""An amount of memory or disk: ``512MiB``, ``1GiB``, ``100MB``, or whole bytes."""

Whole = Annotated[int, BeforeValidator(refuse_boolean)]
"""A whole number; true and false are none."""

Unlimited = Literal[-1]
"""No limit, in Kafka's own spelling."""
