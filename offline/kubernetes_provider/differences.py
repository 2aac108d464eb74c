"""What a change of inputs means for an object: compared with the live object, as far as the program declared it."""

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
    """Stands where there is no value."""


MISSING = _Missing()


def pruned(live: Any, shape: Any) -> Any:
    """The part of a live value that the shape has too; what the server and others added is left out."""
    if isinstance(live, Mapping) and isinstance(shape, Mapping):
        return {key: pruned(item, shape[key]) for key, item in live.items() if key in shape}
    if isinstance(live, list) and isinstance(shape, list):
        return [pruned(item, part) for item, part in zip(live, shape, strict=False)]
    return live


def differences(kind: Kind, live: Props, old: Props, new: Props) -> dict[str, provider_pb2.PropertyDiff]:
    """The changes that make the live object what the new inputs say, by property path.

    Args:
        kind: Says which changes replace the object.
        live: The live object.
        old: The inputs that made it; what they do not mention is not compared.
        new: The inputs that it shall have.
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
        # The server drops empty values: one that was declared before, and is not there, is there as declared.
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
    """Whether a property path is another one or lies below it."""
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))
