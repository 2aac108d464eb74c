"""Records as lines and back: `produce --format json` reads what `consume --format json` prints."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from components.errors import nearest

Header = tuple[str, bytes | None]


class InputFormat(StrEnum):
    """How a line becomes a record."""

    TEXT = "text"
    JSON = "json"
    BASE64 = "base64"


class OutputFormat(StrEnum):
    """How a record becomes a line."""

    TEXT = "text"
    JSON = "json"
    VALUE = "value"
    BASE64 = "base64"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record.

    Args:
        value: The value; None is a tombstone, which deletes its key from a compacted topic.
        key: The key, or None.
        headers: Names and values, in order; names can repeat.
        timestamp: Milliseconds since 1970, UTC; None for the time of writing.
        topic: Where it was read; "" for a new record.
        partition: Where it was read; -1 for a new record.
        offset: Where it was read; -1 for a new record.
    """

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[Header] = field(default_factory=list[Header])
    timestamp: int | None = None
    topic: str = ""
    partition: int = -1
    offset: int = -1


_HEADER_FORMS = 'headers must be {"name": "value"} or [{"key": "name", "value": "value"}]'

JSON_KEYS = ("topic", "partition", "offset", "timestamp", "key", "keyBase64", "value", "valueBase64", "headers")
"""Keys of a record in JSON. ``keyBase64`` and ``valueBase64`` hold bytes that are not UTF-8."""


def parse_line(line: bytes, form: InputFormat, separator: str | None = None) -> Record:
    """Read a record from one line.

    Args:
        line: The line, without line end.
        form: Its format.
        separator: Separates key and value; None if the line is the value alone. Ignored for JSON.

    Raises:
        ValueError: The line has the wrong format; says why.
    """
    if form is InputFormat.JSON:
        return _from_json(line)
    key, value = _split(line, separator)
    if form is InputFormat.BASE64:
        return Record(key=None if key is None else _decoded(key), value=_decoded(value))
    return Record(key=key, value=value)


def _split(line: bytes, separator: str | None) -> tuple[bytes | None, bytes]:
    if separator is None:
        return None, line
    key, found, value = line.partition(separator.encode())
    if not found:
        raise ValueError(f'there is no "{separator}" between key and value')
    return key, value


def _decoded(text: bytes | str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None


def _from_json(line: bytes) -> Record:
    try:
        parsed: Any = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(parsed, dict):
        raise ValueError('it is not a JSON object; write {"value": …} for a record with only a value')
    found = cast(dict[str, Any], parsed)
    unknown = [key for key in found if key not in JSON_KEYS]
    if unknown:
        raise ValueError(f'unknown key "{unknown[0]}".{nearest(unknown[0], JSON_KEYS)} Known: {", ".join(JSON_KEYS)}')
    if "value" not in found and "valueBase64" not in found:
        raise ValueError("there is no value; write null for a tombstone")
    return Record(
        value=_bytes_at(found, "value"),
        key=_bytes_at(found, "key"),
        headers=_headers(found.get("headers")),
        timestamp=_timestamp(found.get("timestamp")),
    )


def _bytes_at(found: Mapping[str, Any], name: str) -> bytes | None:
    """Text as UTF-8, decoded base64, or any other JSON as compact text; None for null."""
    if encoded := found.get(f"{name}Base64"):
        return _decoded(str(encoded))
    value = found.get(name)
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def _headers(found: Any) -> list[Header]:
    match found:
        case None:
            return []
        case dict():
            return [(name, _bytes_at({"value": value}, "value")) for name, value in cast(dict[str, Any], found).items()]
        case list():
            return [_header(item) for item in cast(list[Any], found)]
        case _:
            raise ValueError(_HEADER_FORMS)


def _header(found: Any) -> Header:
    match found:
        case {"key": name}:
            return str(name), _bytes_at(found, "value")
        case _:
            raise ValueError(_HEADER_FORMS)


def _timestamp(found: Any) -> int | None:
    if found is None:
        return None
    try:
        if isinstance(found, str):
            return int(datetime.fromisoformat(found).timestamp() * 1000)
        return int(found)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("timestamp must be a time such as 2026-03-01T12:00:00Z, or milliseconds since 1970") from None


def format_record(record: Record, form: OutputFormat, separator: str | None = None) -> bytes:
    """A record as one line, with line end.

    Args:
        record: The record.
        form: The format; only ``value`` keeps bytes that are not UTF-8.
        separator: Separates key and value; None leaves the key out. Ignored for JSON, which always has the key.
    """
    if form is OutputFormat.JSON:
        return json.dumps(_to_json(record), ensure_ascii=False).encode() + b"\n"
    encode = {OutputFormat.TEXT: _readable, OutputFormat.BASE64: base64.b64encode, OutputFormat.VALUE: bytes}[form]
    key = b"" if separator is None else encode(record.key or b"") + separator.encode()
    return key + encode(record.value or b"") + b"\n"


def _readable(data: bytes) -> bytes:
    r"""Text; bytes that are not UTF-8 as ``\xff``."""
    return data.decode(errors="backslashreplace").encode()


def _to_json(record: Record) -> dict[str, Any]:
    moment = record.timestamp
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": None if moment is None or moment < 0 else _iso(moment),
        **_in_json("key", record.key),
        **_in_json("value", record.value),
        "headers": [{"key": name, **_in_json("value", value)} for name, value in record.headers],
    }


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_json(name: str, data: bytes | None) -> dict[str, Any]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(data).decode()}
