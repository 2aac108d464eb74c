"""Outcomes of checks."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Nothing is wrong yet."""
    WRONG = "wrong"
    UNCHECKED = "unchecked"
    """The check could not run because something it needs is missing; counts as wrong."""
    SKIPPED = "skipped"
    """It does not apply, such as a cluster's check for a stack on Docker."""


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Args:
        state: How it ended.
        seen: What it saw.
        fix: The command that fixes it; "" where nothing needs fixing.
    """

    state: State
    seen: str
    fix: str = ""


def ok(seen: str) -> Outcome:
    """The check found nothing wrong."""
    return Outcome(State.OK, seen)


def warning(seen: str, fix: str) -> Outcome:
    """The check found what will be wrong if nobody does anything."""
    return Outcome(State.WARNING, seen, fix)


def wrong(seen: str, fix: str) -> Outcome:
    """The check found something wrong."""
    return Outcome(State.WRONG, seen, fix)


def skipped(why: str) -> Outcome:
    """The check does not apply."""
    return Outcome(State.SKIPPED, why)
