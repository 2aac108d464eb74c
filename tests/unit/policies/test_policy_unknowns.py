"""Values that a preview does not know are reported, never skipped.

Source: policies/view/, policies/pack.py.
"""

import json
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel, PolicyCustomTimeouts, PolicyResource, PolicyResourceOptions
from pulumi_policy import StackValidationArgs as Arguments
from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy

from policies import pack
from policies.rules import RULES
from policies.rules.rule import Rule
from tests.unit.policies.cases import CASES, TODAY, Case
from tests.unit.policies.samples import UNKNOWN, Plain, changed, cluster, engine, stack, urn

BROKEN = {case.rule: case for case in reversed(CASES) if case.findings and not case.undecided}
BROKEN_ON_DOCKER = {case.rule: case for case in reversed(CASES) if case.findings and case.base is engine}
NOT_A_VALUE = {"kind", "apiVersion"}
"""Properties that the engine always knows."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values, lists and mappings."""
    if path and path[-1] not in NOT_A_VALUE:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in items:
        yield from leaves(entry, (*path, key))


def unknown_at(resource: Plain, path: tuple[Any, ...]) -> Plain:
    """A resource with one unknown property."""
    made = json.loads(json.dumps(resource))
    here = made["props"]
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = UNKNOWN
    return made


def arguments(resources: list[Plain], config: dict[str, Any] | None = None) -> Arguments:
    """A stack as the SDK passes it to a policy."""
    made = {urn(item): _resource(item) for item in resources}
    for item in resources:
        for key, sources in item["sources"].items():
            made[urn(item)].property_dependencies[key] = [made[source] for source in sources]
    return Arguments(list(made.values()), config, MappingProxyType({}))


def _resource(item: Plain) -> PolicyResource:
    options = PolicyResourceOptions(item["protect"], [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    props = unknown_checking_proxy(item["props"])
    return PolicyResource(item["type"], props, urn(item), item["name"], options, None, None, [], {})


@pytest.mark.parametrize(
    "case", [*BROKEN.values(), *BROKEN_ON_DOCKER.values()], ids=lambda case: f"{case.rule}: {case.says}"
)
def test_no_unknown_value_hides_a_violation(case: Case) -> None:
    """Each property of the resources that break a rule is made unknown in turn."""
    (rule,) = (item for item in RULES if item.name == case.rule)
    resources = changed(case.base(), case.changes)
    broken = {finding.urn for finding in case.result(rule).findings}
    passed: list[str] = []
    for index, resource in enumerate(resources):
        if urn(resource) not in broken:
            continue
        for path in leaves(resource["props"]):
            others = [*resources[:index], unknown_at(resource, path), *resources[index + 1 :]]
            result = rule.evaluate(stack(others, case.stack), case.config, today=TODAY)
            if not result.findings and not result.undecided:
                passed.append("/".join(map(str, path)))
    assert passed == []


@pytest.mark.parametrize("sample", [cluster, engine])
def test_an_entirely_unknown_resource_stops_no_rule(sample) -> None:
    resources = [{**item, "props": dict.fromkeys(item["props"], UNKNOWN)} for item in sample()]
    for rule in RULES:
        rule.evaluate(stack(resources, "prod"))


def test_a_policy_reports_what_it_found_and_names_what_it_could_not_check() -> None:
    found: list[str] = []
    resources = changed(engine(), [("Container kafka-0", "memory", None), ("Container kafka-1", "memory", UNKNOWN)])
    with pytest.raises(UnknownValueError) as error:
        validate("requests-and-limits", resources, found)
    assert len(found) == 1
    assert found[0].startswith("container kafka-0 has no memory limit. Set resources")
    assert "requests-and-limits" in error.value.message
    assert "memory (container kafka-1)" in error.value.message
    assert "make policy" in error.value.message


def test_a_policy_of_a_sound_stack_reports_nothing() -> None:
    found: list[str] = []
    for rule in RULES:
        validate(rule.name, engine(), found)
    assert found == []


def validate(name: str, resources: list[Plain], found: list[str]) -> None:
    """Run one policy of the pack, as the SDK does."""
    (policy,) = (item for item in pack.policies() if item.name == name)
    policy.validate(arguments(resources), lambda message, urn=None: found.append(message))  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_policy_carries_the_texts_of_its_rule(rule: Rule) -> None:
    made = pack.policy(rule)
    assert made.name == rule.name
    assert made.display_name == rule.title
    assert made.url == rule.source
    assert made.remediation_steps == rule.remedy
    assert made.severity is not None
    assert made.severity.value == rule.severity
    assert (made.enforcement_level is EnforcementLevel.MANDATORY) == rule.mandatory
    schema = made.config_schema.properties if made.config_schema else {}
    assert {key: entry["type"] for key, entry in schema.items()}.keys() == rule.limits.keys()


def test_configured_limits_reach_the_rule() -> None:
    found: list[str] = []
    (policy,) = (item for item in pack.policies() if item.name == "image-pinned")
    resources = [item for item in cluster() if item["name"] == "redis"]
    policy.validate(arguments(resources, {"digest": True}), lambda message, urn=None: found.append(message))  # type: ignore[attr-defined]
    assert len(found) == 1
