"""What a drill is going to do, settled before anything is touched."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.drills.promises import Limits

SCRATCH = "__millrace_drill_"
"""Start of the names of all that drills make in a platform: topics, and keys in Redis."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks of a drill.

    Args:
        rate: Messages a second.
        size: Bytes of each message.
        seconds: Steady load before the fault, and after recovery.
        hold: Seconds for which the fault is kept up; None for the drill's own.
        member: The member to strike; None lets the drill choose.
        report: Folder of the report; None for one named by stack, drill and time.
        limits: The numbers in promises.
        force: Whether topics that cannot spare a broker are no reason to refuse.
    """

    rate: float = 200
    size: int = 1024
    seconds: float = 10
    hold: float | None = None
    member: str | None = None
    report: Path | None = None
    limits: Limits = field(default_factory=Limits)
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is going to be done.

    Args:
        identity: What tells this run from any other.
        rate: Messages a second.
        size: Bytes of each message.
        seconds: Steady load before the fault, and after recovery.
        hold: Seconds for which the fault is kept up.
        members: Members that are struck, in that order.
        limits: The numbers in promises.
    """

    identity: str
    rate: float
    size: int
    seconds: float
    hold: float
    members: Sequence[str]
    limits: Limits

    @property
    def topic(self) -> str:
        """The drill's topic."""
        return f"{SCRATCH}{self.identity}"

    @property
    def keys(self) -> str:
        """Start of the names of the drill's keys in Redis."""
        return f"{SCRATCH}{self.identity}:"
