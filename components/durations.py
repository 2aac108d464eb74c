"""Durations as written in a stack file. Standard library only, so that small programs can use it too."""

import re
from datetime import timedelta

_UNIT_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)?")
_LONGEST = timedelta(days=36_500)
_RULE = "must be a duration such as 7d, 24h, 30m, 90s or a number of milliseconds"
_TOO_LONG = f"{_RULE}, of at most {_LONGEST.days}d"
_MOST_DIGITS = 100  # Python refuses to read thousands of them


def duration(text: str) -> timedelta:
    """Read ``"7d"``, ``"24h"``, ``"90s"`` or a whole number of milliseconds.

    Raises:
        ValueError: The text is not a duration, or is longer than a hundred years.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(_RULE)
    if len(match[1]) > _MOST_DIGITS:
        raise ValueError(_TOO_LONG)
    return _checked(int(match[1]) * _UNIT_MILLISECONDS[match[2] or "ms"])


def _checked(amount: int) -> timedelta:
    """The duration of a number of milliseconds."""
    if amount < 0:
        raise ValueError(_RULE)
    if amount > milliseconds(_LONGEST):
        raise ValueError(_TOO_LONG)
    return timedelta(milliseconds=amount)


def parse_duration(value: object) -> object:
    """Read ``"7d"``, ``"24h"``, ``"90s"`` or a whole number of milliseconds as a timedelta.

    Returns:
        A ``timedelta`` of at most a hundred years; a value that is neither text nor a number is returned unchanged,
        for pydantic to reject.

    Raises:
        ValueError: Text or a number that is not a duration.
    """
    if isinstance(value, str):
        return duration(value.strip().lower())
    if isinstance(value, bool | int | float):
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError(_RULE)
        return _checked(int(value))
    return value


def milliseconds(duration: timedelta) -> int:
    """The duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def whole_seconds(duration: timedelta) -> int:
    """The duration in whole seconds, rounded down."""
    return duration // timedelta(seconds=1)


def format_duration(duration: timedelta) -> str:
    """The duration in its largest whole unit: ``7d``, ``36h``, ``1500ms``."""
    amount = milliseconds(duration)
    for unit in ("d", "h", "m", "s"):
        if amount and amount % _UNIT_MILLISECONDS[unit] == 0:
            return f"{amount // _UNIT_MILLISECONDS[unit]}{unit}"
    return f"{amount}ms"
