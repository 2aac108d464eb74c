"""What a rule is, and how it judges a stack. Nothing here knows Pulumi."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from policies.view.stack import Stack
from policies.view.values import Undecided

Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What can be configured of a rule.

    Args:
        default: Its value unless configured.
        meaning: What it is.
        choices: The values that it may have, if they are few.
    """

    default: Any
    meaning: str
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """As JSON schema."""
        kinds = {bool: "boolean", int: "integer", str: "string", tuple: "array"}
        schema: dict[str, Any] = {"type": kinds[type(self.default)], "description": self.meaning}
        if isinstance(self.default, tuple):
            schema["items"] = {"type": "string"}
        return schema | ({"enum": list(self.choices)} if self.choices else {})


PRODUCTION = Limit(
    default="auto",
    choices=("auto", "true", "false"),
    meaning="Whether production's limits hold; auto: by the stack's name, else where it runs pods",
)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a rule gets to judge by: the stack and the limits.

    Args:
        stack: The whole stack.
        limits: The rule's limits, configured or default.
    """

    stack: Stack
    limits: Mapping[str, Any]

    @property
    def production(self) -> bool:
        """Whether production's limits hold."""
        wanted = str(self.limits.get("production", "auto")).lower()
        return self.stack.production if wanted == "auto" else wanted == "true"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A resource that breaks a rule.

    Args:
        urn: The resource; empty for the stack as a whole.
        message: What is wrong; never a value that may be secret.
    """

    urn: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rule found.

    Args:
        findings: What breaks it.
        undecided: What could not be judged, and the property that it would have taken.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    undecided: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Args:
        name: Lower-case words with hyphens.
        title: What must hold, as a sentence.
        reason: What happens otherwise.
        remedy: How to mend it.
        source: Where the rule comes from.
        severity: How bad it is.
        subjects: What it judges, one by one.
        check: What is wrong with one of them.
        mandatory: Whether a finding stops the update.
        limits: What can be configured.
    """

    name: str
    title: str
    reason: str
    remedy: str
    source: str
    severity: Severity
    subjects: Callable[[Stack], Iterable[Any]]
    check: Callable[[Any, Judgement], Iterator[str]]
    mandatory: bool = True
    limits: Mapping[str, Limit] = field(default_factory=dict[str, Limit])

    def judge(self, stack: Stack, configured: Mapping[str, Any] | None = None) -> Verdict:
        """Judge a stack; whatever depends on an unknown value is told apart, never passed over."""
        limits = {name: limit.default for name, limit in self.limits.items()} | dict(configured or {})
        judgement = Judgement(stack=stack, limits=limits)
        verdict = Verdict()
        try:
            subjects = list(self.subjects(stack))
        except Undecided as error:
            verdict.undecided.append(error.what)
            return verdict
        for subject in subjects:
            try:
                for message in self.check(subject, judgement):
                    verdict.findings.append(Finding(urn=subject.urn, message=message))
            except Undecided as error:
                verdict.undecided.append(f"{error.what} ({subject})")
        return verdict
