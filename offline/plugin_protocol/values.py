"""Values in the protocol: unknowns and secrets are marked, and all numbers are floating-point."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

Props = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's sentinel for an unknown value."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def values(message: struct_pb2.Struct) -> Props:
    """A message's values, without nulls; unknowns and secrets stay marked, whole numbers become integers."""
    return {key: _value(item) for key, item in message.fields.items() if not item.HasField("null_value")}


def _value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return values(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return getattr(value, kind) if kind and kind != "null_value" else None


def type_of(urn: str) -> str:
    """The type token in a resource's URN, without the types of its parents."""
    return urn.split("::")[2].rpartition("$")[2]


def struct(props: Mapping[str, Any]) -> struct_pb2.Struct:
    """A message with these values."""
    message = struct_pb2.Struct()
    message.update(props)
    return message


def secret(value: Any) -> Props:
    """A value marked as a secret."""
    return value if is_secret(value) else {_SIGNATURE: _SECRET, "value": plain(value)}


def is_secret(value: Any) -> bool:
    """Whether a value itself is marked as a secret."""
    return isinstance(value, Mapping) and value.get(_SIGNATURE) == _SECRET


def plain(value: Any) -> Any:
    """A value with all secrets unmarked, at any depth."""
    if is_secret(value):
        return plain(value["value"])
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def has_secrets(value: Any) -> bool:
    """Whether a value contains a secret, at any depth."""
    return is_secret(value) or any(has_secrets(item) for item in _items(value))


def has_unknowns(value: Any) -> bool:
    """Whether a value contains an unknown, at any depth."""
    return value == UNKNOWN or any(has_unknowns(item) for item in _items(value))


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
