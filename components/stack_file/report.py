"""Turns pydantic's errors into lines for the user: path in the stack file, value, rule, nearest valid key."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.errors import nearest

_RULES = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "byte_size": "must be a size such as 512MiB, 1GiB or a number of bytes",
    "byte_size_unit": "must be a size such as 512MiB, 1GiB or a number of bytes",
    "time_delta_type": "must be a duration such as 7d, 24h, 30m, 90s or a number of milliseconds",
}
_SECRET_FIELDS = {"password"}


def problems_of(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], secret_keys: Sequence[str] = ()
) -> list[str]:
    """One line per mistake, in the order of the stack file; a union's branches are not repeated.

    Args:
        error: What pydantic found.
        model: The model that the values were checked against.
        values: The values.
        secret_keys: Top-level keys whose values are secret and are not repeated.
    """
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        path = _path_in(values, detail)
        secret = any(part in _SECRET_FIELDS for part in path) or path in [(key,) for key in secret_keys]
        shown = "(a secret)" if secret else _shown(path, values)
        if detail["type"] == "value_error" and not _is_scalar(value_at(path, values)):
            place = f"{_spell(path)}: " if path else ""
            lines.update((f"{place}{line}", f"{place}{line}") for line in _rule(detail).splitlines())
            continue
        lines.setdefault(_spell(path), _problem(detail, path, model, shown))
    return list(lines.values())


def unknown_profile(value: object, profiles: Iterable[str]) -> str:
    """The line for a profile that does not exist."""
    names = list(profiles)
    return f'profile is "{value}": allowed are {", ".join(names)}.{nearest(str(value), names)}'


def _path_in(values: Any, detail: ErrorDetails) -> tuple[int | str, ...]:
    """The error's path without the names that pydantic adds for a union's branches, which are not in the values."""
    path: list[int | str] = []
    last = len(detail["loc"]) - 1
    for index, part in enumerate(detail["loc"]):
        if isinstance(values, Mapping) and (part in values or (index == last and detail["type"] == "missing")):
            values = values.get(part)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            path.append(part)
        elif isinstance(values, list) and isinstance(part, int):
            values = values[part]  # pyright: ignore[reportUnknownVariableType]
            path.append(part)
    return tuple(path)


def _problem(detail: ErrorDetails, path: Sequence[int | str], model: type[BaseModel], shown: str) -> str:
    place = _spell(path)
    if detail["type"] == "extra_forbidden":
        allowed = _keys_beside(path, model)
        return f"{place}: unknown key.{nearest(str(path[-1]), allowed)} Allowed are {', '.join(sorted(allowed))}"
    if detail["type"] == "missing":
        return f"{place} is required"
    return f"{place} is {shown}: {_rule(detail)}"


def _rule(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _RULES:
        return _RULES[kind]
    if kind == "literal_error":
        return f"allowed are {context['expected']}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if kind == "less_than_equal":
        return f"must be at most {context['le']}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    return detail["msg"].removeprefix("Value error, ")


def _spell(path: Sequence[int | str]) -> str:
    """``("topics", 0, "name")`` as the path that ``pulumi config set --path`` takes: ``topics[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def value_at(path: Sequence[int | str], values: Any) -> Any:
    """The value at a path of keys and indexes; None if there is none."""
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _shown(path: Sequence[int | str], values: Mapping[str, Any]) -> str:
    value = value_at(path, values)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else "empty"


def _keys_beside(path: Sequence[int | str], model: type[BaseModel]) -> list[str]:
    """The keys that are allowed in the section of ``path``."""
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        field = next(field for field in model.model_fields.values() if field.alias == part)
        arguments = (field.annotation, *get_args(field.annotation))
        model = next(item for item in arguments if isinstance(item, type) and issubclass(item, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]
