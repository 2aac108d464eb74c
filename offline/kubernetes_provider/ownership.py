"""Field ownership, as in an object's ``managedFields``."""

from collections.abc import Mapping, Sequence
from typing import Any

from plugin_protocol.values import Props

_TAKEN_OVER = frozenset(
    {
        *(("kubectl", "Apply"), ("kubectl", "Update"), ("before-first-apply", "Update")),
        ("pulumi-kubernetes", "Update"),  # creation is an update, not an apply
    }
)


def taken_over(entries: Sequence[Props], manager: str) -> list[Props]:
    """The entries with the fields of creation and of kubectl moved to a manager, so that an apply does not conflict."""
    mine = next((entry for entry in entries if _is(entry, manager)), None)
    kept: list[Props] = []
    for entry in entries:
        if (entry.get("manager"), entry.get("operation")) not in _TAKEN_OVER or entry.get("subresource") == "status":
            kept += [] if entry is mine else [entry]
        elif mine is None:
            mine = {**entry, "manager": manager, "operation": "Apply"}
            mine.pop("subresource", None)
        else:
            mine = {**mine, "fieldsV1": _merged(mine.get("fieldsV1", {}), entry.get("fieldsV1", {}))}
    return [*kept, mine] if mine is not None else kept


def _is(entry: Props, manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply"


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> Props:
    both = {key: _merged(first[key], second[key]) for key in first if key in second}
    return {**first, **second, **both}


def is_others_only(entries: Sequence[Props], manager: str, path: Sequence[str]) -> bool:
    """Whether only other managers own a field."""
    setters = {entry.get("manager") for entry in entries if _covers(entry.get("fieldsV1", {}), path)}
    return bool(setters) and manager not in setters


def _covers(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    for part in path:
        if f"f:{part}" not in fields:
            return False
        fields = fields[f"f:{part}"]
    return True
