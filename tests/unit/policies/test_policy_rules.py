"""Every rule on stacks that break it and on stacks that follow it.

Source: policies/rules/.
Proof limit: rules are called directly; tests/integration/test_policies.py runs them in the engine.
"""

import re

import pytest

from policies.rules import RULES
from policies.rules.rule import Rule
from tests.unit.policies.cases import CASES, Case

BY_NAME = {rule.name: rule for rule in RULES}
CANARY = "hunter2-canary"
ABOUT_SECRETS = ("no-plain-secret", "no-secret-in-configmap", "redis-password", "no-wildcard-right")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.says}")
def test_a_rule_finds_exactly_the_violations(case: Case) -> None:
    result = case.result(BY_NAME[case.rule])
    assert (len(result.findings), len(result.undecided)) == (case.findings, case.undecided), result


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_stacks_that_break_it_and_stacks_that_follow_it(rule: Rule) -> None:
    counts = [case.findings for case in CASES if case.rule == rule.name]
    assert any(counts), "a case must break it"
    assert any(case.rule == rule.name and not case.findings for case in CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_a_reason_a_remedy_and_a_source(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.reason.endswith(".")
    assert rule.remedy.endswith(".")
    assert not rule.title.endswith(".")
    assert rule.source.startswith("https://")


def test_rule_names_are_unique() -> None:
    assert len(BY_NAME) == len(RULES)
    assert {case.rule for case in CASES} == set(BY_NAME)


def test_findings_point_at_a_resource_of_the_stack() -> None:
    for case in CASES:
        for finding in case.result(BY_NAME[case.rule]).findings:
            assert finding.urn.startswith("urn:pulumi:"), case


def test_no_rule_reveals_a_secret() -> None:
    """All secrets contain one marker. Every rule runs on the cases about secrets, and on its own cases."""
    messages = [
        text
        for case in CASES
        for rule in (RULES if case.rule in ABOUT_SECRETS else [BY_NAME[case.rule]])
        for result in [case.result(rule)]
        for text in (*(finding.message for finding in result.findings), *result.undecided)
    ]
    assert any("variable REDIS_PASSWORD" in text for text in messages), "secrets are found, by name"
    assert [text for text in messages if CANARY in text] == []
