"""The rules as Pulumi policies. Only this module and ``__main__`` import the policy SDK."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_OBJECT_VALUE, UnknownValueError

from policies.rules import RULES
from policies.rules.rule import Rule
from policies.view.resources import Resource
from policies.view.stack import Stack, stack_name
from policies.view.values import Object

NAME = "millrace"
CHECK_LATER = "After the update, run `pulumi policy analyze --policy-pack policies` (here `make policy`)"


class NotCheckedYet(UnknownValueError):
    """Values that a rule needs and that are unknown. The SDK reports it as an advisory, beside the rule's findings."""

    def __init__(self, rule: Rule, missing: list[str]) -> None:
        super().__init__(UNKNOWN_OBJECT_VALUE, [])
        self.message = f"{rule.name} is not checked yet; unknown before the update: {'; '.join(missing)}. {CHECK_LATER}"


def policies() -> list[Policy]:
    """One policy per rule."""
    return [policy(rule) for rule in RULES]


def policy(rule: Rule) -> StackValidationPolicy:
    """A rule as a policy of the whole stack, since a server spans several resources."""
    return StackValidationPolicy(
        name=rule.name,
        display_name=rule.title,
        description=f"{rule.title}. {rule.reason}",
        enforcement_level=EnforcementLevel.MANDATORY if rule.mandatory else EnforcementLevel.ADVISORY,
        severity=Severity(rule.severity),
        remediation_steps=rule.remedy,
        url=rule.source,
        config_schema=_schema(rule),
        validate=_validation(rule),
    )


def _schema(rule: Rule) -> PolicyConfigSchema | None:
    return PolicyConfigSchema({name: limit.schema() for name, limit in rule.limits.items()}) if rule.limits else None


def _validation(rule: Rule) -> Callable[[StackValidationArgs, ReportViolation], None]:
    def validate(arguments: StackValidationArgs, report: ReportViolation) -> None:
        result = rule.evaluate(stack_of(arguments), arguments.get_config())
        for finding in result.findings:
            report(f"{finding.message}. {rule.remedy}", finding.urn or None)
        if result.undecided:
            raise NotCheckedYet(rule, result.undecided)

    return validate


def stack_of(arguments: StackValidationArgs) -> Stack:
    """The stack as the rules see it."""
    resources = [_resource(item) for item in arguments.resources]
    return Stack(resources, stack_name([item.urn for item in resources]))


def _resource(item: PolicyResource) -> Resource:
    return Resource(
        type=item.resource_type,
        name=item.name,
        urn=item.urn,
        props=Object(_plain(item.props)),
        protect=bool(item.opts.protect),
        sources={key: [source.urn for source in found] for key, found in item.property_dependencies.items()},
    )


def _plain(value: Any) -> Any:
    """The SDK's proxies as plain values. Unknown values stay the engine's markers: rules test each value they read."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        inside: Mapping[str, Any] = found if isinstance(found, dict) else found["__target"]
        return {key: _plain(entry) for key, entry in inside.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in cast("list[Any]", value)]
    if hasattr(value, "__getitem__") and not isinstance(value, str):
        return [_plain(entry) for entry in value["__target"]]
    return int(value) if isinstance(value, float) and value.is_integer() else value
