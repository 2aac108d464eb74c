"""What healing a stack consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Args:
        text: What it does: ``remove network millrace-dev``.
        run: Does it; doing it again is no error.
    """

    text: str
    run: Callable[[], None]


@dataclass(frozen=True)
class Resources:
    """The resources of a stack's state.

    Args:
        known: Those that are part of it.
        unfinished: Those that were being created when an update was killed.
    """

    known: Sequence[Mapping[str, Any]]
    unfinished: Sequence[Mapping[str, Any]]

    def ids(self, *types: str) -> set[str]:
        """Ids of the known resources of these types, those that wait for their deletion included."""
        return {str(item["id"]) for item in self.known if item["type"] in types and item.get("id")}

    def inputs(self, type_: str) -> list[Mapping[str, Any]]:
        """Inputs of the known resources of a type."""
        return [item.get("inputs") or {} for item in self.known if item["type"] == type_]

    def uses(self, provider: str) -> bool:
        """Whether any resource, known or unfinished, is of a provider: ``docker``."""
        return any(str(item["type"]).startswith(f"{provider}:") for item in (*self.known, *self.unfinished))


@dataclass(frozen=True)
class Plan:
    """What has to be done, and what is left alone.

    Args:
        steps: What to do, in this order.
        kept: A line for each object that looks like the stack's, but may be another's.
    """

    steps: Sequence[Step]
    kept: Sequence[str]
