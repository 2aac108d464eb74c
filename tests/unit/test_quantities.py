"""Durations and sizes as users write them.

Source: components/quantities.py.
"""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from components.quantities import Duration, Size, format_duration, format_size, milliseconds, parse_duration

DURATION = TypeAdapter(Duration)
SIZE = TypeAdapter(Size)
NO_DURATION = "must be a duration such as 7d, 24h, 30m, 90s or a number of milliseconds"
UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("7d", timedelta(days=7)),
        ("24h", timedelta(days=1)),
        ("30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("1500ms", timedelta(milliseconds=1500)),
        ("0s", timedelta()),
        (" 7D ", timedelta(days=7)),
        ("86400000", timedelta(days=1)),
        (86_400_000, timedelta(days=1)),
        (0, timedelta()),
        (60_000.0, timedelta(minutes=1)),  # a number of the stack file may arrive as a float
    ],
)
def test_a_duration_is_parsed_in_every_common_notation(written: object, meant: timedelta) -> None:
    assert DURATION.validate_python(written) == meant


@pytest.mark.parametrize(
    "written", ["", " ", "soon", "7 d", "d", "1.5h", "-7d", "7d12h", "7w", "P7D", "07:00:00", "7dd"]
)
def test_an_invalid_duration_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=NO_DURATION):
        parse_duration(written)


@pytest.mark.parametrize("written", [True, False])
def test_a_boolean_is_not_a_duration_although_python_counts_it_as_a_number(written: bool) -> None:
    with pytest.raises(ValueError, match=NO_DURATION):
        parse_duration(written)


@pytest.mark.parametrize("written", [None, [], [7], {}, {"days": 7}])
def test_values_that_are_neither_text_nor_numbers_are_refused(written: object) -> None:
    assert parse_duration(written) is written, "pydantic has the message for wrong types"
    with pytest.raises(ValidationError):
        DURATION.validate_python(written)


def test_a_fraction_of_a_millisecond_is_not_a_duration() -> None:
    """Integers are milliseconds, so 1.5 must not be mistaken for one and a half seconds."""
    with pytest.raises(ValidationError):
        DURATION.validate_python(1.5)


@pytest.mark.parametrize("written", [-1, -86_400_000, -1.0])
def test_a_negative_duration_is_refused(written: float) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(written)


@pytest.mark.parametrize("written", ["99999999999d", "9223372036854775807", 9223372036854775807])
def test_a_duration_too_large_for_timedelta_is_refused_without_a_crash(written: object) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(written)


@pytest.mark.parametrize("written", [float("inf"), float("-inf"), float("nan")])
def test_nan_gets_the_same_message_as_invalid_text(written: float) -> None:
    with pytest.raises(ValueError, match=NO_DURATION):
        parse_duration(written)


def test_the_longest_duration_is_a_hundred_years() -> None:
    assert DURATION.validate_python("36500d") == timedelta(days=36_500)
    with pytest.raises(ValidationError, match="of at most 36500d"):
        DURATION.validate_python(36_500 * 86_400_000 + 1)


@pytest.mark.parametrize("written", [True, False])
def test_a_boolean_is_not_a_size_although_python_counts_it_as_a_number(written: bool) -> None:
    with pytest.raises(ValidationError, match="must be a number"):
        SIZE.validate_python(written)


@pytest.mark.parametrize("written", ["²", "2²"])
def test_digits_outside_ascii_get_the_same_message_as_invalid_text(written: str) -> None:
    with pytest.raises(ValueError, match=NO_DURATION):
        parse_duration(written)


@given(amount=st.integers(0, 10_000), unit=st.sampled_from(sorted(UNITS)))
def test_an_amount_is_multiplied_by_its_unit(amount: int, unit: str) -> None:
    assert DURATION.validate_python(f"{amount}{unit}") == amount * UNITS[unit]


@given(amount=st.integers(0, 10**12))
def test_a_formatted_duration_parses_to_the_same_duration(amount: int) -> None:
    duration = timedelta(milliseconds=amount)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=7), "7d"),
        (timedelta(hours=36), "36h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=61), "61s"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(), "0ms"),
    ],
)
def test_a_duration_is_shown_in_its_largest_whole_unit(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text
    assert DURATION.dump_python(duration) == text


@pytest.mark.parametrize(
    ("duration", "amount"),
    [
        (timedelta(days=7), 604_800_000),
        (timedelta(milliseconds=1), 1),
        (timedelta(microseconds=1999), 1),
        (timedelta(), 0),
    ],
)
def test_milliseconds_are_integers(duration: timedelta, amount: int) -> None:
    assert milliseconds(duration) == amount


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("512MiB", 512 * 1024**2),
        ("512mib", 512 * 1024**2),
        ("512 MiB", 512 * 1024**2),
        ("1GiB", 1024**3),
        ("1.5GiB", 3 * 512 * 1024**2),
        ("100MB", 100_000_000),
        ("1024", 1024),
        (1024, 1024),
        (0, 0),
    ],
)
def test_a_size_is_parsed_in_every_common_notation(written: object, meant: int) -> None:
    assert SIZE.validate_python(written) == meant


@pytest.mark.parametrize("written", ["", "lots", "5 parsecs", "-1", "-1MiB", -1, 1.5, None, [1], {}])
def test_an_invalid_size_is_refused(written: object) -> None:
    with pytest.raises(ValidationError):
        SIZE.validate_python(written)


@pytest.mark.parametrize(
    ("size", "text"),
    [(512 * 1024**2, "512MiB"), (1024**3, "1024MiB"), (100_000_000, "100000000B"), (1, "1B")],
)
def test_a_size_is_shown_in_whole_mebibytes_or_bytes(size: int, text: str) -> None:
    assert format_size(size) == text
    assert SIZE.dump_python(SIZE.validate_python(size)) == text


@given(size=st.integers(0, 2**50))
def test_a_formatted_size_parses_to_the_same_size(size: int) -> None:
    assert SIZE.validate_python(format_size(size)) == size
