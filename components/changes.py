"""What changed between two values, in words a person reads before agreeing to it."""

import difflib
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, cast

_LONGEST = 60


def changes(old: Any, new: Any, path: str = "") -> list[str]:
    """One line for each difference; texts of several lines are compared line by line.

    Args:
        old: A value as JSON knows it.
        new: Another; what is of no such kind (a preview's unknowns) counts as changed where the old one was set.
        path: Where both stand, for the lines.
    """
    if old == new:
        return []
    return _differences(old, new, path) or [f"{path}: the same but for order, line ends or empty entries"]


def _differences(old: Any, new: Any, path: str) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _of_mappings(cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new), path)
    if isinstance(old, list) and isinstance(new, list):
        return _of_lists(cast("list[Any]", old), cast("list[Any]", new), path)
    if isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        return _of_texts(old, new, path)
    return [f"{path}: {_both(old, new)}"]


def _of_mappings(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> list[str]:
    lines: list[str] = []
    for key in sorted({*old, *new}):
        name = " ".join(key.splitlines())  # a name may be anything; a line is one
        here = f"{path}.{name}" if path else name
        lines += changes(old.get(key), new.get(key), here)
    return lines


def _of_lists(old: list[Any], new: list[Any], path: str) -> list[str]:
    """Entries with names of their own, as Kubernetes' lists have them, are compared by name; others by place."""
    before, after = _by_name(old), _by_name(new)
    if before is not None and after is not None:
        return _of_mappings(before, after, path)
    if len(old) != len(new) or any(isinstance(item, str) for item in [*old, *new]):
        return [f"{path}: {_both(old, new)}"]
    return [
        line for index, pair in enumerate(zip(old, new, strict=True)) for line in changes(*pair, f"{path}[{index}]")
    ]


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """The entries by their names; None where one has none, or two have the same (a volume can be mounted twice)."""
    named: dict[str, Any] = {}
    for item in items:
        name = cast("Mapping[str, Any]", item).get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in named:
            return None
        named[name] = item
    return named


def _of_texts(old: str, new: str, path: str) -> list[str]:
    """Settings (``key=value``) as old and new value, other lines as removed and added."""
    removed, added = _lines_that_differ(old.splitlines(), new.splitlines())
    lines: list[str] = []
    for line in removed:
        key = line.split("=", 1)[0]
        successor = next((item for item in added if "=" in item and item.split("=", 1)[0] == key), None)
        if line in added:
            added.remove(line)
            lines.append(f"{path}: {_cut(_shown(line), 0)} stands elsewhere")
        elif "=" in line and successor is not None:
            added.remove(successor)
            lines.append(f"{path}: {key} {_both(line.split('=', 1)[1], successor.split('=', 1)[1])}")
        else:
            lines.append(f"{path}: without {_cut(_shown(line), 0)}")
    return lines + [f"{path}: with {_cut(_shown(line), 0)}" for line in added]


def _lines_that_differ(old: list[str], new: list[str]) -> tuple[list[str], list[str]]:
    removed: list[str] = []
    added: list[str] = []
    for tag, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if tag != "equal":
            removed += old[start:end]
            added += new[new_start:new_end]
    return removed, added


def _both(old: Any, new: Any) -> str:
    """Both values; of long ones the part where they begin to differ."""
    before, after = _shown(old), _shown(new)
    start = 0
    if max(len(before), len(after)) > _LONGEST:
        same = takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
        start = max(len(list(same)) - _LONGEST // 3, 0)
    return f"{_cut(before, start)} -> {_cut(after, start)}"


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():  # the engine knows no other numbers
        return str(int(value))
    if not isinstance(value, str | int | float | list | dict):
        return "(known after `up`)"
    text = str(cast(object, value))
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _cut(text: str, start: int) -> str:
    end = start + _LONGEST
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
