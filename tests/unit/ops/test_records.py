"""Records as lines: printed JSON can be written again, and a wrong line is explained.

Source: ops/records/.
"""

import base64
import json

import pytest

from ops.errors import OpsError
from ops.records.formats import InputFormat, OutputFormat, Record, format_record, parse_line
from ops.records.positions import Edge, Offset, Shift, Timestamp, clamped, parse_position, wanted_offset
from ops.records.producing import Written, records_of

TEXT, JSON, BASE64, VALUE = OutputFormat.TEXT, OutputFormat.JSON, OutputFormat.BASE64, OutputFormat.VALUE

RECORDS = [
    Record(value=b"plain", key=b"k", timestamp=1_700_000_000_123, topic="t", partition=1, offset=7),
    Record(value=None, key=b"deleted", timestamp=0),
    Record(value=b"", timestamp=5),
    Record(value=b"\xff\x00", key=b"\xfe", headers=[("a", b"1"), ("a", b"\xff"), ("none", None)], timestamp=9),
    Record(value="über\nzwei Zeilen".encode(), timestamp=1),
]


@pytest.mark.parametrize("record", RECORDS)
def test_printed_json_can_be_written_again(record: Record) -> None:
    line = format_record(record, JSON)

    assert line.count(b"\n") == 1, "one record is one line"
    again = parse_line(line.rstrip(b"\n"), InputFormat.JSON)
    assert (again.key, again.value, list(again.headers), again.timestamp) == (
        record.key,
        record.value,
        list(record.headers),
        record.timestamp,
    )


def test_json_contains_the_position_of_a_record() -> None:
    assert json.loads(format_record(RECORDS[0], JSON)) == {
        "topic": "t",
        "partition": 1,
        "offset": 7,
        "timestamp": "2023-11-14T22:13:20.123Z",
        "key": "k",
        "value": "plain",
        "headers": [],
    }


def test_bytes_that_are_not_utf_8_become_base64() -> None:
    shown = json.loads(format_record(RECORDS[3], JSON))

    assert base64.b64decode(shown["valueBase64"]) == b"\xff\x00"
    assert "value" not in shown


def test_text_is_readable_and_value_is_unchanged() -> None:
    record = Record(value=b"a\xff", key=b"k")

    assert format_record(record, TEXT) == b"a\\xff\n"
    assert format_record(record, VALUE) == b"a\xff\n"
    assert format_record(record, TEXT, ":") == b"k:a\\xff\n"
    assert format_record(record, BASE64, ":") == b"aw==:Yf8=\n"


def test_a_line_is_the_value_or_key_and_value() -> None:
    assert parse_line(b"a:b:c", InputFormat.TEXT).value == b"a:b:c"
    divided = parse_line(b"a:b:c", InputFormat.TEXT, ":")
    assert (divided.key, divided.value) == (b"a", b"b:c")
    assert parse_line(b"Yf8=", InputFormat.BASE64).value == b"a\xff"


def test_any_json_can_be_a_value() -> None:
    found = parse_line(b'{"value": {"a": [1, 2]}, "headers": {"x": "y"}}', InputFormat.JSON)

    assert found.value == b'{"a":[1,2]}'
    assert list(found.headers) == [("x", b"y")]


@pytest.mark.parametrize(
    ("line", "form", "separator", "why"),
    [
        (b"no separator", InputFormat.TEXT, "|", 'no "|"'),
        (b"%%%", InputFormat.BASE64, None, "not base64"),
        (b"{", InputFormat.JSON, None, "not JSON"),
        (b"3", InputFormat.JSON, None, "not a JSON object"),
        (b"{}", InputFormat.JSON, None, "null for a tombstone"),
        (b'{"valu": 1}', InputFormat.JSON, None, 'Did you mean "value"'),
        (b'{"value": 1, "timestamp": "soon"}', InputFormat.JSON, None, "timestamp"),
        (b'{"value": 1, "headers": [1]}', InputFormat.JSON, None, "headers"),
        (b'{"valueBase64": "%"}', InputFormat.JSON, None, "not base64"),
    ],
)
def test_a_wrong_line_is_explained(line: bytes, form: InputFormat, separator: str | None, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("|", r"\|")):
        parse_line(line, form, separator)


def test_the_number_of_a_wrong_line_is_reported() -> None:
    with pytest.raises(OpsError, match="line 2: it is not base64"):
        list(records_of([b"YQ==\n", b"%\n"], InputFormat.BASE64))


def test_line_ends_are_removed_and_options_provide_missing_keys_and_headers() -> None:
    found = list(records_of([b"a:1\r\n", b"b:2"], InputFormat.TEXT, separator=":", headers=[("h", b"v")]))
    keyless = list(records_of([b"x"], InputFormat.TEXT, key=b"k"))

    assert [(record.key, record.value) for record in found] == [(b"a", b"1"), (b"b", b"2")]
    assert found[0].headers == [("h", b"v")]
    assert keyless[0].key == b"k"


def test_written_records_are_counted_by_partition() -> None:
    written = Written()
    for partition, offset in ((1, 5), (0, 2), (1, 4), (1, 6)):
        written.add(partition, offset)

    assert written.records == 4
    assert str(written) == "partition 0: 1 at 2; partition 1: 3 at 4 to 6"


def test_without_acks_offsets_are_unknown() -> None:
    written = Written()
    written.add(0, -1)

    assert str(written) == "partition 0: 1"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("earliest", Edge.BEGINNING),
        ("Beginning", Edge.BEGINNING),
        ("latest", Edge.END),
        ("120", Offset(120)),
        ("+10", Shift(10)),
        ("-10", Shift(-10)),
        ("2026-03-01T12:00:00Z", Timestamp(1_772_366_400_000)),
        ("2026-03-01T13:00:00+01:00", Timestamp(1_772_366_400_000)),
    ],
)
def test_positions_are_parsed(text: str, position: object) -> None:
    assert parse_position(text) == position


@pytest.mark.parametrize("text", ["", "soon", "1.5", "--3", "2026-13-01"])
def test_an_invalid_position_is_refused_with_valid_forms(text: str) -> None:
    with pytest.raises(ValueError, match="earliest, latest, an offset"):
        parse_position(text)


def test_positions_become_offsets_within_what_there_is() -> None:
    limits = {"begin": 10, "end": 20}

    assert wanted_offset(Edge.BEGINNING, **limits) == 10
    assert wanted_offset(Edge.END, **limits) == 20
    assert wanted_offset(Shift(-3), **limits) == 17, "without an origin a shift counts from the end"
    assert wanted_offset(Shift(-3), **limits, origin=15) == 12
    assert wanted_offset(Timestamp(0), **limits, at_time=13) == 13
    assert wanted_offset(Timestamp(0), **limits, at_time=-1) == 20, "no record at or after this time"
    assert [clamped(offset, 10, 20) for offset in (3, 15, 99)] == [10, 15, 20]
