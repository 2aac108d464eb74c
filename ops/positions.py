"""Places in a topic as people write them: an edge, an offset, a time, or so many records from where one is."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Edge(Enum):
    """The first record that a partition still has, or the one that comes next."""

    BEGINNING = "beginning"
    END = "end"


@dataclass(frozen=True)
class Offset:
    """An offset, the same in every partition."""

    value: int


@dataclass(frozen=True)
class Timestamp:
    """The first record that is as young.

    Args:
        milliseconds: Milliseconds since 1970, UTC.
    """

    milliseconds: int


@dataclass(frozen=True)
class Shift:
    """So many records further on (positive) or back (negative)."""

    records: int


Position = Edge | Offset | Timestamp | Shift

_WORDS = {
    "beginning": Edge.BEGINNING,
    "earliest": Edge.BEGINNING,
    "end": Edge.END,
    "latest": Edge.END,
}
FORMS = "earliest, latest, an offset such as 120, a time such as 2026-03-01T12:00:00Z, or +10 or -10 records"


def parse_position(text: str) -> Position:
    """Read a place in a topic.

    Args:
        text: ``beginning`` or ``earliest``, ``end`` or ``latest``, ``120`` (an offset), ``+10`` or ``-10`` (records
            from a place that the command names), or a time in ISO 8601; one without a zone is this machine's.

    Raises:
        ValueError: It is none of these.
    """
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    if re.fullmatch(r"[+-][0-9]+", word):
        return Shift(int(word))
    if re.fullmatch(r"[0-9]+", word):
        return Offset(int(word))
    try:
        return Timestamp(int(datetime.fromisoformat(text.strip()).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is no place in a topic; it must be {FORMS}') from None


def wanted_offset(
    position: Position, *, begin: int, end: int, at_time: int | None = None, origin: int | None = None
) -> int:
    """The offset in one partition that a position means, before it is clamped.

    Args:
        position: Where to.
        begin: The first offset that the partition still has.
        end: The offset that its next record will get.
        at_time: For a time, the first record that is as young; None or -1 where there is none, which means the end.
        origin: What a shift counts from; None counts from the end.
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
    """The nearest offset that a partition has: an offset outside would be reset by the consumer's own policy."""
    return min(max(offset, begin), end)
