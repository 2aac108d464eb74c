"""Records as lines of text, both ways: what `consume --format json` prints, `produce --format json` writes again."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

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
        key: The key; None is none.
        headers: Names and values, in order; a name can be there twice.
        timestamp: Milliseconds since 1970, UTC; None for the time of writing.
        topic: Where it was read; "" while it was not.
        partition: Where it was read; -1 while it was not.
        offset: Where it was read; -1 while it was not.
    """

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[Header] = field(default_factory=list[Header])
    timestamp: int | None = None
    topic: str = ""
    partition: int = -1
    offset: int = -1


JSON_KEYS = ("topic", "partition", "offset", "timestamp", "key", "keyBase64", "value", "valueBase64", "headers")
"""Keys of a record in JSON. ``keyBase64`` and ``valueBase64`` stand for bytes that are no UTF-8."""


def parse_line(line: bytes, form: InputFormat, separator: str | None = None) -> Record:
    """A record from one line.

    Args:
        line: The line, without its end.
        form: How to read it.
        separator: What divides key and value; None where the line is the value alone. Not with JSON.

    Raises:
        ValueError: The line is not in the format; says why.
    """
    if form is InputFormat.JSON:
        return _from_json(line)
    key, value = _divided(line, separator)
    if form is InputFormat.BASE64:
        return Record(key=None if key is None else _decoded(key), value=_decoded(value))
    return Record(key=key, value=value)


def _divided(line: bytes, separator: str | None) -> tuple[bytes | None, bytes]:
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
        raise ValueError("it is no base64") from None


def _from_json(line: bytes) -> Record:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError('it is no JSON object; write {"value": …} for a record with a value alone')
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
    """Text as UTF-8, decoded base64, or any other JSON as its compact text; null is no bytes at all."""
    if encoded := found.get(f"{name}Base64"):
        return _decoded(str(encoded))
    value = found.get(name)
    if value is None:
        return None
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def _headers(found: Any) -> list[Header]:
    if found is None:
        return []
    if isinstance(found, dict):
        found = [{"key": key, "value": value} for key, value in found.items()]
    if not isinstance(found, list) or not all(isinstance(item, dict) and "key" in item for item in found):
        raise ValueError('headers must be {"name": "value"} or [{"key": "name", "value": "value"}]')
    return [(str(item["key"]), _bytes_at(item, "value")) for item in found]


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
    """A record as one line, with its end.

    Args:
        record: The record.
        form: How to show it; only ``value`` passes bytes on that are no UTF-8.
        separator: What divides key and value; None leaves the key out. Not with JSON, which has it anyway.
    """
    if form is OutputFormat.JSON:
        return json.dumps(_to_json(record), ensure_ascii=False).encode() + b"\n"
    encode = {OutputFormat.TEXT: _readable, OutputFormat.BASE64: base64.b64encode, OutputFormat.VALUE: bytes}[form]
    key = b"" if separator is None else encode(record.key or b"") + separator.encode()
    return key + encode(record.value or b"") + b"\n"


def _readable(data: bytes) -> bytes:
    r"""Text; bytes that are none as ``\xff``."""
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
