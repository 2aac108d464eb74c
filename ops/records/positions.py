"""Positions in a topic: beginning or end, an offset, a time, or a number of records from a reference position."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Edge(Enum):
    """The first available record of a partition, or the next one to be written."""

    BEGINNING = "beginning"
    END = "end"


@dataclass(frozen=True)
class Offset:
    """The same offset in every partition."""

    value: int


@dataclass(frozen=True)
class Timestamp:
    """The first record at or after a time.

    Args:
        milliseconds: Milliseconds since 1970, UTC.
    """

    milliseconds: int


@dataclass(frozen=True)
class Shift:
    """A number of records forward (positive) or back (negative)."""

    records: int


Position = Edge | Offset | Timestamp | Shift

_NAMES = {
    "beginning": Edge.BEGINNING,
    "earliest": Edge.BEGINNING,
    "end": Edge.END,
    "latest": Edge.END,
}
FORMS = "earliest, latest, an offset such as 120, a time such as 2026-03-01T12:00:00Z, or +10 or -10 records"


def parse_position(text: str) -> Position:
    """Read a position in a topic.

    Args:
        text: ``beginning`` or ``earliest``, ``end`` or ``latest``, ``120`` (an offset), ``+10`` or ``-10`` (records
            from a position that the command defines), or a time in ISO 8601; without a time zone it is local time.

    Raises:
        ValueError: It is none of these.
    """
    word = text.strip().lower()
    if word in _NAMES:
        return _NAMES[word]
    if re.fullmatch(r"[+-][0-9]+", word):
        return Shift(int(word))
    if re.fullmatch(r"[0-9]+", word):
        return Offset(int(word))
    try:
        return Timestamp(int(datetime.fromisoformat(text.strip()).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is not a position; expected {FORMS}') from None


def wanted_offset(
    position: Position, *, begin: int, end: int, at_time: int | None = None, origin: int | None = None
) -> int:
    """The offset of a position in one partition, before clamping.

    Args:
        position: The position.
        begin: The first available offset of the partition.
        end: Its end offset.
        at_time: For a timestamp, the first offset at or after it; None or -1 for the end offset.
        origin: The offset that a shift counts from; None for the end offset.
    """
    match position:
        case Edge.BEGINNING:
            return begin
        case Edge.END:
            return end
        case Offset(value):
            return value
        case Shift(records):
            return (end if origin is None else origin) + records
        case Timestamp():
            return end if at_time is None or at_time < 0 else at_time


def clamped(offset: int, begin: int, end: int) -> int:
    """The nearest valid offset: outside the range, a consumer would apply its own ``auto.offset.reset``."""
    return min(max(offset, begin), end)
