"""Mutation tests: every condition of the rules is altered in turn, and at least one case must then fail.

Source: policies/rules/.

Altered are every condition of an ``if`` (always, never), every comparison (its opposite, its boundary), every ``and``,
``or`` and ``not`` in the rules' modules, except in messages. Each rule is also altered as a whole to find nothing.
"""

import ast
import copy
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from policies import rules
from policies.rules import RULES
from policies.rules.rule import Rule
from tests.unit.policies.cases import CASES

MODULES = [name for _, name, _ in pkgutil.iter_modules(rules.__path__) if name != "rule"]
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


def mutants(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Each altered module, and a description of the change."""
    words = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node) if id(node) not in words else ():
            altered = copy.deepcopy(tree)
            target = next(item for index, item in enumerate(ast.walk(altered)) if index == number)
            change(target)
            yield f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)[:80]!r} with {what}", altered


def _changes(node: ast.AST) -> Iterator:
    if isinstance(node, ast.If | ast.IfExp):
        for value in (True, False):
            yield f"the condition {value}", lambda item, value=value: setattr(item, "test", ast.Constant(value))
    if isinstance(node, ast.comprehension):
        for index in range(len(node.ifs)):
            yield "its filter gone", lambda item, index=index: item.ifs.__setitem__(index, ast.Constant(True))
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                yield other.__name__, lambda item, index=index, other=other: item.ops.__setitem__(index, other())
    if isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield other.__name__, lambda item, other=other: setattr(item, "op", other())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "no not", lambda item: setattr(item, "op", ast.UAdd())


def _rules_of(tree: ast.Module, name: str) -> tuple[Rule, ...]:
    module = ModuleType(name)
    module.__file__ = name
    exec(compile(ast.fix_missing_locations(tree), name, "exec"), module.__dict__)  # noqa: S102
    return module.__dict__["RULES"]


def _is_detected(altered: tuple[Rule, ...]) -> bool:
    """Whether a case fails."""
    by_name = {rule.name: rule for rule in altered}
    for case in CASES:
        if case.rule in by_name:
            try:
                if not case.holds(by_name[case.rule]):
                    return True
            except Exception:  # noqa: BLE001
                return True
    return False


@pytest.mark.parametrize("name", MODULES)
def test_every_altered_condition_is_detected(name: str) -> None:
    module = importlib.import_module(f"policies.rules.{name}")
    tree = ast.parse(Path(str(module.__file__)).read_text())
    assert not _is_detected(_rules_of(tree, name)), "unaltered, all cases hold"
    undetected = [what for what, altered in mutants(tree) if not _is_detected(_rules_of(altered, name))]
    assert undetected == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_that_finds_nothing_is_detected(rule: Rule) -> None:
    assert _is_detected((replace(rule, check=lambda subject, context: iter(())),))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_that_checks_nothing_is_detected(rule: Rule) -> None:
    assert _is_detected((replace(rule, subjects=lambda stack: []),))
