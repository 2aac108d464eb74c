"""What an update of a stack would destroy, read from a preview."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

_REPLACED_OFTEN = ("Container", "ConfigMap", "Secret")
"""Resources without data of their own. A replaced container finds its data again in the volume, and gates let its
members stop one at a time; a replaced ConfigMap or Secret has the new files."""

_TOPIC_SET = ":TopicSet"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a preview says of an update.

    Args:
        destroyed: What would be lost, one line each.
        others: The other changes, one line each.
        messages: What the program and its providers say of the changes.
    """

    destroyed: Sequence[str]
    others: Sequence[str] = ()
    messages: Sequence[str] = ()


def plan_of(preview: Mapping[str, Any]) -> Plan:
    """Read the output of ``pulumi preview --json``.

    Destroyed is what is deleted, what is replaced and may hold data, and a topic that leaves its set. A replacement of
    a kind that is not known to be without data counts as a loss.

    Args:
        preview: The preview: ``steps``, each with operation, URN, old and new state; ``diagnostics``.
    """
    destroyed: list[str] = []
    others: list[str] = []
    for step in cast("list[Mapping[str, Any]]", preview.get("steps") or []):
        operation, kind, name = str(step["op"]), *_kind_and_name(step["urn"])
        if kind.endswith(_TOPIC_SET):
            destroyed += [f"topic {topic}, with its records" for topic in _leaving(step)]
        line = f"{operation} {kind.rpartition(':')[2].rpartition('/')[2]} {name}"
        if operation == "delete" or (operation == "replace" and not kind.endswith(_REPLACED_OFTEN)):
            destroyed.append(line)
        elif operation != "same":
            others.append(line)
    return Plan(destroyed=destroyed, others=others, messages=list(messages_of(preview)))


def messages_of(preview: Mapping[str, Any]) -> Iterator[str]:
    """The messages of a preview, each without blank lines around it."""
    for diagnostic in cast("list[Mapping[str, Any]]", preview.get("diagnostics") or []):
        if text := str(diagnostic.get("message", "")).strip():
            yield text


def _kind_and_name(urn: str) -> tuple[str, str]:
    """A resource's type and name: ``docker:index/volume:Volume``, ``redis-data``."""
    _, _, types, name = urn.split("::", 3)
    return types.rpartition("$")[2], name


def _leaving(step: Mapping[str, Any]) -> list[str]:
    """Names of the topics that a set has before a step and is to delete in it."""
    before, after = (_inputs(step.get(state)) for state in ("oldState", "newState"))
    return sorted(set(before.get("topics", {})) & set(after.get("toDelete", [])))


def _inputs(state: Mapping[str, Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return (state or {}).get("inputs", {})
