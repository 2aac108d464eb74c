"""Differences between new inputs and the live object, limited to fields that the program declares."""

from collections.abc import Iterator, Mapping
from typing import Any

from kubernetes_provider.kinds import Kind
from plugin_protocol.values import UNKNOWN, Props
from pulumi.runtime.proto import provider_pb2

Path = tuple[str | int, ...]
_Kinds = provider_pb2.PropertyDiff
_REPLACE = {
    _Kinds.ADD: _Kinds.ADD_REPLACE,
    _Kinds.DELETE: _Kinds.DELETE_REPLACE,
    _Kinds.UPDATE: _Kinds.UPDATE_REPLACE,
}


class _Missing:
    """Type of the marker for a missing value."""


MISSING = _Missing()


def pruned(live: Any, shape: Any) -> Any:
    """The fields of a live value that the shape also has, without those that the server or others added."""
    if isinstance(live, Mapping) and isinstance(shape, Mapping):
        return {key: pruned(item, shape[key]) for key, item in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        return [pruned(item, part) for item, part in zip(live, shape, strict=False)]
    return live


def differences(kind: Kind, live: Props, old: Props, new: Props) -> dict[str, provider_pb2.PropertyDiff]:
    """The changes from the live object to the new inputs, by property path.

    Args:
        kind: The object's kind, which says what changes replace it.
        live: The live object.
        old: The inputs of the last update; only their fields of the live object are compared.
        new: The new inputs.
    """
    return {
        _text(path): _Kinds(kind=_REPLACE[change] if kind.replaces(path) else change, inputDiff=change == _Kinds.DELETE)
        for path, change in _changes((), pruned(live, old), old, new)
    }


def _changes(path: Path, live: Any, old: Any, new: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(live, Mapping) and isinstance(new, Mapping):
        for key in [*live, *(key for key in new if key not in live)]:
            yield from _changes((*path, key), *(_at(values, key) for values in (live, old, new)))
    elif isinstance(live, list) and isinstance(new, list):
        for index in range(max(len(live), len(new))):
            yield from _changes((*path, index), *(_at(values, index) for values in (live, old, new)))
    elif new is MISSING:
        yield path, _Kinds.DELETE
    elif live is MISSING:
        # The server drops empty values: an unchanged empty value that is missing is no difference.
        if new or old != new:
            yield path, _Kinds.ADD
    elif new == UNKNOWN or live != new:
        yield path, _Kinds.UPDATE


def _at(values: Any, key: str | int) -> Any:
    if isinstance(values, Mapping):
        return values.get(key, MISSING)
    if isinstance(values, list) and isinstance(key, int) and key < len(values):
        return values[key]
    return MISSING


def _text(path: Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(letter in part for letter in '."[]'):
            quoted = part.replace('"', '\\"')
            text += f'["{quoted}"]'
        else:
            text += f".{part}" if text else part
    return text


def is_within(path: str, outer: str) -> bool:
    """Whether a property path equals an outer one or lies below it."""
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))
