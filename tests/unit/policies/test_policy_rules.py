"""Every rule on stacks that break it and on stacks that keep it.

Proof limit: rules are called directly; that the engine calls them so is shown by tests/integration/test_policies.py.
"""

import re

import pytest

from policies.rules import RULES
from policies.rules.rule import Rule
from tests.unit.policies.cases import CASES, Case

BY_NAME = {rule.name: rule for rule in RULES}
CANARY = "hunter2-canary"
ABOUT_SECRETS = ("no-plain-secret", "no-secret-in-configmap", "redis-password")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.says}")
def test_a_rule_says_what_breaks_it_and_nothing_else(case: Case) -> None:
    verdict = case.verdict(BY_NAME[case.rule])
    assert (len(verdict.findings), len(verdict.undecided)) == (case.findings, case.undecided), verdict


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_stacks_that_break_it_and_stacks_that_keep_it(rule: Rule) -> None:
    counts = [case.findings for case in CASES if case.rule == rule.name]
    assert any(counts), "a case must break it"
    assert any(case.rule == rule.name and not case.findings for case in CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_tells_its_reason_its_remedy_and_its_source(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.reason.endswith(".")
    assert rule.remedy.endswith(".")
    assert not rule.title.endswith(".")
    assert rule.source.startswith("https://")


def test_rules_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(RULES)
    assert {case.rule for case in CASES} == set(BY_NAME)


def test_findings_point_at_a_resource_of_the_stack() -> None:
    for case in CASES:
        for finding in case.verdict(BY_NAME[case.rule]).findings:
            assert finding.urn.startswith("urn:pulumi:"), case


def test_no_rule_tells_a_secret() -> None:
    """All secrets of all cases carry one mark. Cases about secrets are judged by every rule, others by their own."""
    told = [
        text
        for case in CASES
        for rule in (RULES if case.rule in ABOUT_SECRETS else [BY_NAME[case.rule]])
        for verdict in [case.verdict(rule)]
        for text in (*(finding.message for finding in verdict.findings), *verdict.undecided)
    ]
    assert any("variable REDIS_PASSWORD" in text for text in told), "secrets are found, by name"
    assert [text for text in told if CANARY in text] == []
