"""What a drill is going to do; fixed before anything is broken."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.drills.promises import Limits

SCRATCH = "__millrace_drill_"
"""Prefix of the topics and Redis keys that drills create."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A drill's options, as given on the command line.

    Args:
        rate: Messages per second.
        size: Bytes of each message.
        seconds: Seconds of steady load before the fault, and again after recovery.
        hold: How long the fault lasts, in seconds; None for the drill's default.
        member: The member to break; None lets the drill choose.
        report: Folder of the report; None for one named after stack, drill and time.
        limits: The numbers in promises.
        force: Whether to go on although topics do not survive the loss of a broker.
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
    """A drill that may start.

    Args:
        identity: Unique id of this run.
        rate: Messages per second.
        size: Bytes of each message.
        seconds: Seconds of steady load before the fault, and again after recovery.
        hold: How long the fault lasts, in seconds.
        targets: Members to break, in this order.
        limits: The numbers in promises.
    """

    identity: str
    rate: float
    size: int
    seconds: float
    hold: float
    targets: Sequence[str]
    limits: Limits

    @property
    def topic(self) -> str:
        """The drill's topic."""
        return f"{SCRATCH}{self.identity}"

    @property
    def keys(self) -> str:
        """Prefix of the drill's Redis keys."""
        return f"{SCRATCH}{self.identity}:"
