"""The differences between two values, as lines to read before approving a change."""

import difflib
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, cast

_LONGEST_EXCERPT = 60


def changes(old: Any, new: Any, path: str = "") -> list[str]:
    """One line for each difference; texts of several lines are compared line by line.

    Args:
        old: The old value, of JSON types.
        new: The new value, of JSON types; an unknown one, as in a preview, counts as changed.
        path: The path of both values, with which each line starts.
    """
    if old == new:
        return []
    return _differences(old, new, path) or [f"{path}: only order, line ends or empty entries differ"]


def _differences(old: Any, new: Any, path: str) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _of_mappings(cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new), path)
    if isinstance(old, list) and isinstance(new, list):
        return _of_lists(cast("list[Any]", old), cast("list[Any]", new), path)
    if isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        return _of_texts(old, new, path)
    return [f"{path}: {_old_to_new(old, new)}"]


def _of_mappings(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> list[str]:
    lines: list[str] = []
    for key in sorted({*old, *new}):
        name = " ".join(key.splitlines())  # a name may contain line breaks
        here = f"{path}.{name}" if path else name
        lines += changes(old.get(key), new.get(key), here)
    return lines


def _of_lists(old: list[Any], new: list[Any], path: str) -> list[str]:
    """Compare entries that have names, as in Kubernetes' lists, by name; all others by position."""
    before, after = _by_name(old), _by_name(new)
    if before is not None and after is not None:
        return _of_mappings(before, after, path)
    if len(old) != len(new) or any(isinstance(item, str) for item in [*old, *new]):
        return [f"{path}: {_old_to_new(old, new)}"]
    return [
        line for index, pair in enumerate(zip(old, new, strict=True)) for line in changes(*pair, f"{path}[{index}]")
    ]


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """The entries by name; None if one has no name, or two share one (a volume can be mounted twice)."""
    named: dict[str, Any] = {}
    for item in items:
        name = cast("Mapping[str, Any]", item).get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in named:
            return None
        named[name] = item
    return named


def _of_texts(old: str, new: str, path: str) -> list[str]:
    """Compare settings (``key=value``) by key; show other lines as removed, added or moved."""
    removed, added = _lines_that_differ(old.splitlines(), new.splitlines())
    lines: list[str] = []
    for line in removed:
        key = line.split("=", 1)[0]
        successor = next((item for item in added if "=" in item and item.split("=", 1)[0] == key), None)
        if line in added:
            added.remove(line)
            lines.append(f"{path}: {_excerpt(_as_text(line), 0)} moved")
        elif "=" in line and successor is not None:
            added.remove(successor)
            lines.append(f"{path}: {key} {_old_to_new(line.split('=', 1)[1], successor.split('=', 1)[1])}")
        else:
            lines.append(f"{path}: removed {_excerpt(_as_text(line), 0)}")
    return lines + [f"{path}: added {_excerpt(_as_text(line), 0)}" for line in added]


def _lines_that_differ(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    removed: list[str] = []
    added: list[str] = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if tag != "equal":
            removed += old[start:end]
            added += new[new_start:new_end]
    return removed, added


def _old_to_new(old: Any, new: Any) -> str:
    """The old and the new value; long ones are cut to the part where they begin to differ."""
    before, after = _as_text(old), _as_text(new)
    start = 0
    if max(len(before), len(after)) > _LONGEST_EXCERPT:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
        start = max(len(list(same)) - _LONGEST_EXCERPT // 3, 0)
    return f"{_excerpt(before, start)} -> {_excerpt(after, start)}"


def _as_text(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():  # the engine passes all numbers as floats
        return str(int(value))
    if not isinstance(value, str | int | float | list | dict):
        return "(known after `up`)"
    text = str(cast(object, value))
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _excerpt(text: str, start: int) -> str:
    end = start + _LONGEST_EXCERPT
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
