"""Rules as policies of Pulumi's SDK; nothing but this and ``__main__`` knows it."""

from collections.abc import Callable, Mapping
from typing import Any

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
JUDGE_LATER = "after the update, `pulumi policy analyze --policy-pack policies` (here `make policy`) judges it"


class NotDecided(UnknownValueError):
    """What a rule could not judge. The SDK reports it beside the rule's findings, as advice that nobody overlooks."""

    def __init__(self, rule: Rule, missing: list[str]) -> None:
        super().__init__(UNKNOWN_OBJECT_VALUE, [])
        self.message = (
            f"not judged yet by {rule.name}, because these are not known: {'; '.join(missing)}. {JUDGE_LATER}"
        )


def policies() -> list[Policy]:
    """One policy a rule."""
    return [policy(rule) for rule in RULES]


def policy(rule: Rule) -> StackValidationPolicy:
    """A rule as a policy. All judge the stack as a whole: a server is more than one resource."""
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
        verdict = rule.judge(stack_of(arguments), arguments.get_config())
        for finding in verdict.findings:
            report(f"{finding.message}. {rule.remedy}", finding.urn or None)
        if verdict.undecided:
            raise NotDecided(rule, verdict.undecided)

    return validate


def stack_of(arguments: StackValidationArgs) -> Stack:
    """The stack as rules see it."""
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
    """The SDK's proxies as plain values, with the engine's marks in them: rules ask for each themselves."""
    if isinstance(value, Mapping):
        inside: Any = value if isinstance(value, dict) else value["__target"]
        return {key: _plain(entry) for key, entry in inside.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if hasattr(value, "__getitem__") and not isinstance(value, str):
        return [_plain(entry) for entry in value["__target"]]
    return int(value) if isinstance(value, float) and value.is_integer() else value
