"""Turns pydantic's errors into lines for the user: path in the stack file, value, rule, nearest valid key."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.errors import count, nearest

_RULES = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_unicode": "must be text",
    "invalid_key": "keys must be text",
    "int_parsing_size": "must be a whole number of fewer digits",
    "finite_number": "must be a whole number",
    "too_short": "must not be empty",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "byte_size": "must be a size such as 512MiB, 1GiB or a number of bytes",
    "byte_size_unit": "must be a size such as 512MiB, 1GiB or a number of bytes",
    "time_delta_type": "must be a duration such as 7d, 24h, 30m, 90s or a number of milliseconds",
}
_SECRET_FIELDS = {"password"}

MOST_PROBLEMS = 50
"""Mistakes that are shown; a file with more is not a stack file, or one slip has many consequences."""

_LONGEST = 80
"""Characters of a value or key that a line repeats."""

_LONGEST_LINE = 2000
"""Characters of a line: a rule may name every entry of a mapping."""


_Model = TypeVar("_Model", bound=BaseModel)


def validated(
    model: type[_Model], values: Mapping[str, Any], secret_keys: Sequence[str] = ()
) -> tuple[_Model | None, list[str]]:
    """Check values against a model.

    Args:
        model: The model.
        values: The values, by the keys of a stack file.
        secret_keys: Top-level keys whose values are secret and are not repeated.

    Returns:
        The model, or None, and one line per mistake.
    """
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        return None, _problems_of(error, model, values, secret_keys)
    except UnicodeEncodeError:  # pydantic cannot name a key with a lone surrogate
        return None, ["a key is not Unicode text"]


def _problems_of(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any], secret_keys: Sequence[str]
) -> list[str]:
    """One line per mistake, in the order of the stack file; a union's branches are not repeated."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path = _path_in(values, detail)
        secret = any(part in _SECRET_FIELDS for part in path) or path in [(key,) for key in secret_keys]
        shown = "(a secret)" if secret else _shown(path, values)
        if detail["type"] == "value_error" and not _is_scalar(value_at(path, values)):
            place = f"{_spell(path)}: " if path else ""
            lines.update((f"{place}{line}", f"{place}{line}") for line in _rule(detail).splitlines())
            continue
        lines.setdefault(_spell(path), _problem(detail, path, model, shown))
    return [_printable(_cut(line, _LONGEST_LINE)) for line in lines.values()]


def first_of(problems: Sequence[str]) -> list[str]:
    """The problems to show: all, or the first :data:`MOST_PROBLEMS` and how many follow."""
    further = len(problems) - MOST_PROBLEMS
    return [*problems[:MOST_PROBLEMS], *([f"and {count(further, 'further mistake')}"] if further > 0 else [])]


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _printable(text: str) -> str:
    """The text with escapes for characters that no terminal or protocol can show, such as lone surrogates."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


def unknown_profile(value: object, profiles: Iterable[str]) -> str:
    """The line for a profile that does not exist."""
    names = list(profiles)
    shown = _printable(_cut(value if isinstance(value, str) else _value_text(value)))
    return f'profile is "{shown}": allowed are {", ".join(names)}.{nearest(shown, names)}'


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
        return f"{place}: unknown key.{nearest(_cut(str(path[-1])), allowed)} Allowed are {', '.join(sorted(allowed))}"
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
    if kind in ("string_too_long", "too_long"):
        unit = "entries" if context.get("field_type") == "List" else "characters"
        return f"must have at most {context['max_length']} {unit}"
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}"
    return detail["msg"].removeprefix("Value error, ")


def _spell(path: Sequence[int | str]) -> str:
    """``("topics", 0, "name")`` as the path that ``pulumi config set --path`` takes: ``topics[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{_cut(part)}" if text else _cut(str(part))
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
    return f'"{_cut(value)}"' if isinstance(value, str) else _value_text(value)


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > _LONGEST * 3:
        return "a very large number"
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
