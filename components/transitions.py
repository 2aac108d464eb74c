"""What a change of a stack file means for a running platform: allowed, refused or staged; nothing else exists.

Each subject has a table in its ``transitions.py``, with a :class:`Rule` for every field of its settings. The tables
answer without a network, so a preview can say it; ``docs/CHANGES.md`` is made from them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TargetName = Literal["docker", "kubernetes"]
TARGETS: tuple[TargetName, ...] = ("docker", "kubernetes")

SERVERS = ("zookeeper", "kafka", "redis")
"""The workloads that hold data: what a change of the whole platform restarts."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The next ``up`` makes the change, in one step.

    Args:
        restarts: Workloads whose members are replaced, one at a time.
        note: What else it means; empty if nothing.
    """

    restarts: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        *first, last = self.restarts or ("",)
        names = f"{', '.join(first)} and {last}" if first else last
        restarts = f"restarts {names}, one member at a time" if self.restarts else ""
        return "; ".join(part for part in (restarts, self.note) if part) or "restarts nothing"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The change is not made.

    Args:
        reason: What it would break.
        way: What to do instead.
        identity: Whether it would make another platform, so that it is refused although no ``up`` has succeeded yet.
    """

    reason: str
    way: str
    identity: bool = False

    def __str__(self) -> str:
        return f"{self.reason}. {self.way}"


@dataclass(frozen=True, kw_only=True)
class Staged:
    """The next ``up`` makes the change in steps, each of which leaves a working platform.

    Args:
        stages: The steps, in their order. An ``up`` that stops in one goes on there next time.
        restarts: Workloads whose members are replaced, one at a time.
    """

    stages: tuple[str, ...]
    restarts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(f"{number}. {stage}" for number, stage in enumerate(self.stages, 1))


Answer = Allowed | Refused | Staged


@dataclass(frozen=True, kw_only=True)
class When:
    """A kind of change.

    Args:
        text: How the documentation calls it; empty for any change.
        matches: Whether a change from an old to a new value is of this kind.
    """

    text: str
    matches: Callable[[Any, Any], bool]


ANY = When(text="", matches=lambda _old, _new: True)
LARGER = When(text="larger", matches=lambda old, new: new > old)
SMALLER = When(text="smaller", matches=lambda old, new: new < old)
TURNED_ON = When(text="false to true", matches=lambda old, new: new and not old)
TURNED_OFF = When(text="true to false", matches=lambda old, new: old and not new)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one kind of change means.

    Args:
        answer: What it means.
        when: The kind of change.
        targets: Where it means that.
    """

    answer: Answer
    when: When = ANY
    targets: tuple[TargetName, ...] = TARGETS


NOTHING = Allowed()
ELSEWHERE = Allowed(note="has no effect on this target")


def another_platform(reason: str) -> Refused:
    """The answer to a change of what a platform is identified by.

    Args:
        reason: What it would break.
    """
    return Refused(
        reason=reason,
        way="Set it back; to move, back up, `up` a new stack there, restore into it, then destroy this one",
        identity=True,
    )


Rule = tuple[Case, ...]
"""The cases of one field; the first that applies counts."""

Table = Mapping[str, Rule]
"""Rules by a field's path below the section: ``replicas``, ``prometheus.port``."""


def always(answer: Answer) -> Rule:
    """A rule that answers every change in the same way."""
    return (Case(answer=answer),)


def on(*, docker: Answer, kubernetes: Answer) -> Rule:
    """A rule that answers by target."""
    return (
        Case(answer=docker, targets=("docker",)),
        Case(answer=kubernetes, targets=("kubernetes",)),
    )


def on_kubernetes(*cases: tuple[When, Answer]) -> Rule:
    """A rule that answers by the kind of change on Kubernetes, and has no effect on Docker."""
    return (
        Case(answer=ELSEWHERE, targets=("docker",)),
        *(Case(when=when, answer=answer, targets=("kubernetes",)) for when, answer in cases),
    )


def answer_to(rule: Rule, target: TargetName, old: Any, new: Any) -> Answer:
    """What a change of a field from one value to another means.

    Raises:
        LookupError: No case of the rule applies.
    """
    for case in rule:
        if target in case.targets and case.when.matches(old, new):
            return case.answer
    raise LookupError(f"no case for a change from {old!r} to {new!r} on {target}")


def container_rules(workload: str) -> dict[str, Rule]:
    """The rules of the settings that every container has."""
    restart = Allowed(restarts=(workload,))
    return {
        "image": always(restart),
        "memory": always(restart),
        "cpu": on_kubernetes((ANY, restart)),
        "cpuLimit": on_kubernetes((ANY, restart)),
    }


def port_rule(workload: str, *, users: str = "clients") -> Rule:
    """The rule of a port that is published on the operator's machine, which only Docker does.

    Args:
        workload: The workload that listens on it.
        users: Who connects to it.
    """
    moved = Allowed(restarts=(workload,), note=f"{users} on this machine need the new address")
    return on(docker=moved, kubernetes=ELSEWHERE)


GROWING_STORAGE = on_kubernetes(
    (LARGER, Allowed(note="volumes grow in place, if their StorageClass allows it; nothing restarts")),
    (
        SMALLER,
        Refused(
            reason="Kubernetes cannot shrink volumes",
            way="Keep the size, or move to a new stack with smaller ones: back up, `up`, restore",
        ),
    ),
)


def java_server_rules(workload: str) -> dict[str, Rule]:
    """The rules of the settings that ZooKeeper and Kafka share."""
    restart = Allowed(restarts=(workload,))
    return {
        **container_rules(workload),
        "storage": GROWING_STORAGE,
        "heap": always(restart),
        "jvmOptions": always(restart),
        "stopGrace": always(restart),
        "config": always(restart),
    }


@dataclass(frozen=True, kw_only=True)
class Change:
    """One changed field of a stack file, and what that means.

    Args:
        path: The field: ``kafka.replicas``.
        old: The value before, as a stack file writes it.
        new: The value now.
        answer: What the change means.
    """

    path: str
    old: str
    new: str
    answer: Answer

    def __str__(self) -> str:
        return f"{self.path}: {self.old} -> {self.new}: {self.answer}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What all changes of a stack file mean together.

    Args:
        changes: Each changed field.
        problems: What is refused for more than one field's sake, one line each.
    """

    changes: Sequence[Change] = ()
    problems: Sequence[str] = ()

    @property
    def refusals(self) -> list[str]:
        """Why the changes are refused, one line each; empty if they are not."""
        return [*(str(change) for change in self.changes if isinstance(change.answer, Refused)), *self.problems]


def nested(prefix: str, table: Table) -> dict[str, Rule]:
    """A table below a section: its paths get the section's name."""
    return {f"{prefix}.{path}": rule for path, rule in table.items()}
