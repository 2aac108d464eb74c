"""`python -m tools.tables` writes the tables of docs/ from the code; a test compares them."""

import types
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components.outputs import OUTPUTS
from components.quantities import GIB, format_duration, format_size
from components.stack_file.profiles import PROFILES
from components.stack_file.settings import Settings
from components.stack_file.transitions import RULES
from components.targets.kubernetes.rights import deployer_role, role_binding
from components.transitions import ANY, ELSEWHERE, TARGETS, Rule, TargetName, When
from policies.rules import RULES as POLICIES
from policies.rules.rule import Limit

DOCS = Path(__file__).resolve().parent.parent / "docs"


def settings_table() -> str:
    """Every key of a stack file: type, default in each profile, meaning."""
    rows = [["Key", "Takes", *PROFILES, "Meaning"], ["---"] * (3 + len(PROFILES))]
    for path, field in _fields(Settings, ()):
        defaults = [_default(field, path, profile) for profile in PROFILES.values()]
        rows.append([f"`{_spell(path)}`", _takes(field.annotation), *defaults, str(field.description)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def outputs_table() -> str:
    """Every stack output and its description."""
    return "\n".join(
        ["| Output | What it is |", "| --- | --- |", *[f"| `{n}` | {text} |" for n, text in OUTPUTS.items()]]
    )


def policies_table() -> str:
    """Every rule of the policy pack: severity, requirement, reason, and configurable limits."""
    rows = [["Rule", "Level", "What must hold", "Otherwise", "Limits"], ["---"] * 5]
    for rule in POLICIES:
        level = f"{rule.severity}, {'mandatory' if rule.mandatory else 'advisory'}"
        limits = ", ".join(f"`{name}` {_limit(limit)}".strip() for name, limit in rule.limits.items())
        rows.append([f"[{rule.name}]({rule.source})", level, rule.title, rule.reason, limits])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def changes_table() -> str:
    """What a change of every key of a stack file means on each target."""
    rows = [["Key", "Change", *map(str.capitalize, TARGETS)], ["---"] * (2 + len(TARGETS))]
    for path, _ in _fields(Settings, ()):
        rule = RULES[".".join(path)]
        for when in _kinds(rule):
            answers = [_answer(rule, target, when) for target in TARGETS]
            rows.append([f"`{_spell(path)}`", when.text or "any", *answers])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _kinds(rule: Rule) -> list[When]:
    """The kinds of change that a rule tells apart; any other change is one of them only where it has an answer."""
    kinds = list(dict.fromkeys(case.when for case in rule))
    apart = {target for case in rule for target in case.targets if case.when is not ANY}
    rest = {target for case in rule for target in case.targets if case.when is ANY}
    return [when for when in kinds if when is not ANY or not apart or apart & rest]


def _answer(rule: Rule, target: TargetName, when: When) -> str:
    """The answer of the first case that applies to this kind of change."""
    answer = next(case.answer for case in rule if target in case.targets and case.when in (when, ANY))
    return "no effect" if answer is ELSEWHERE else f"**{type(answer).__name__.lower()}**: {answer}"


def _limit(limit: Limit) -> str:
    value = " ".join(limit.default) if isinstance(limit.default, tuple) else str(limit.default).lower()
    return f"({value})" if value else ""


TABLES: Mapping[str, Callable[[], str]] = {
    "SETTINGS.md": settings_table,
    "CHANGES.md": changes_table,
    "OUTPUTS.md": outputs_table,
    "POLICIES.md": policies_table,
}
"""The table of each page in docs/ that has one."""

_START, _END = "<!-- table: start -->", "<!-- table: end -->"


def with_table(text: str, table: str) -> str:
    """A page's text with this table between its markers."""
    before, rest = text.split(_START)
    return f"{before}{_START}\n{table}\n{_END}{rest.split(_END)[1]}"


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        section = _section(field.annotation)
        if section is None:
            yield here, field
        else:
            yield from _fields(section, here)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation, also inside a list."""
    for item in (annotation, *get_args(annotation)):
        if isinstance(item, type) and issubclass(item, BaseModel):
            return item
    return None


def _spell(path: tuple[str, ...]) -> str:
    return f"{path[0]}[]." + ".".join(path[1:]) if path[0] in ("topics", "apps") else ".".join(path)


def _takes(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if origin in (Union, types.UnionType):
        parts = [_takes(part) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    if origin is list:
        return f"list of {_takes(get_args(annotation)[0])}s"
    if origin is dict:
        return "mapping"
    if origin is not None:  # Annotated
        return _takes(get_args(annotation)[0])
    names = {
        str: "text",
        bool: "true or false",
        int: "number",
        timedelta: "duration",
        SecretStr: "secret",
    }
    return names.get(annotation, "size")


def _default(field: FieldInfo, path: tuple[str, ...], profile: Any) -> str:
    value: Any = profile
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, timedelta):
        value = format_duration(value)
    if _takes(field.annotation) == "size" and isinstance(value, int):
        value = format_size(value) if value % GIB else f"{value // GIB}GiB"
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, dict):
        value = ", ".join(f"{key}={entry}" for key, entry in value.items())
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"`{value}`"


RBAC = DOCS / "rbac.yaml"


def rbac_manifest() -> str:
    """The role with every right that the program uses, and its binding to a group."""
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "millrace-deployers"}
    name = "millrace-full-deployer"
    head = "# Written by `python -m tools.tables` from components/targets/kubernetes/rights.py; see RBAC.md.\n"
    return head + yaml.safe_dump_all([deployer_role(name), role_binding(name, group)], sort_keys=False)


if __name__ == "__main__":
    RBAC.write_text(rbac_manifest())
    for name, make in TABLES.items():
        page = DOCS / name
        page.write_text(with_table(page.read_text(), make()))
