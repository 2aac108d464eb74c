"""What a rule is, and how it checks a stack."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

from policies.view.stack import Stack
from policies.view.values import Undecided

Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A configurable limit of a rule.

    Args:
        default: Value unless configured.
        meaning: Description for users.
        choices: Allowed values; empty allows all of the default's type.
    """

    default: Any
    meaning: str
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """The limit as a JSON schema."""
        kinds = {bool: "boolean", int: "integer", str: "string", tuple: "array"}
        schema: dict[str, Any] = {"type": kinds[type(self.default)], "description": self.meaning}
        if isinstance(self.default, tuple):
            schema["items"] = {"type": "string"}
        return schema | ({"enum": list(self.choices)} if self.choices else {})


PRODUCTION = Limit(
    default="auto",
    choices=("auto", "true", "false"),
    meaning="Whether production limits apply; auto: by the stack's name, otherwise if it runs pods",
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a check needs besides its subject.

    Args:
        stack: The whole stack.
        limits: The rule's limits, configured or default.
        today: The day of the check.
    """

    stack: Stack
    limits: Mapping[str, Any]
    today: date

    @property
    def production(self) -> bool:
        """Whether production limits apply."""
        wanted = str(self.limits.get("production", "auto")).lower()
        return self.stack.production if wanted == "auto" else wanted == "true"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A resource that breaks a rule.

    Args:
        urn: The resource; empty for the stack as a whole.
        message: The fault, without values that may be secret.
    """

    urn: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a rule found.

    Args:
        findings: Violations.
        undecided: Unknown properties that the rule needs, each with the subject it could not check.
    """

    findings: list[Finding] = field(default_factory=list[Finding])
    undecided: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Args:
        name: Lower-case words with hyphens.
        title: What must hold.
        reason: What happens otherwise.
        remedy: How to fix a violation.
        source: URL of the documentation that the rule is based on.
        severity: Severity of a violation.
        subjects: Selects what the rule checks; each has a ``urn`` and a text for messages.
        check: Yields a message for each fault of one subject.
        mandatory: Whether a violation stops the update.
        limits: Configurable limits by name.
    """

    name: str
    title: str
    reason: str
    remedy: str
    source: str
    severity: Severity
    subjects: Callable[[Stack], Iterable[Any]]
    check: Callable[[Any, Context], Iterator[str]]
    mandatory: bool = True
    limits: Mapping[str, Limit] = field(default_factory=dict[str, Limit])

    def evaluate(
        self, stack: Stack, configured: Mapping[str, Any] | None = None, *, today: date | None = None
    ) -> Result:
        """Check a stack. A check that needs an unknown value is reported as undecided, never skipped.

        Args:
            stack: The stack.
            configured: Limits by name, in place of the defaults.
            today: The day of the check; None takes the clock's, in UTC.
        """
        limits = {name: limit.default for name, limit in self.limits.items()} | dict(configured or {})
        context = Context(stack=stack, limits=limits, today=today or datetime.now(UTC).date())
        result = Result()
        try:
            subjects = list(self.subjects(stack))
        except Undecided as error:
            result.undecided.append(error.what)
            return result
        for subject in subjects:
            try:
                for message in self.check(subject, context):
                    result.findings.append(Finding(urn=subject.urn, message=message))
            except Undecided as error:
                result.undecided.append(f"{error.what} ({subject})")
        return result
