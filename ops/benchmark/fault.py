"""A fault in the middle of a run: when it comes, and when it is mended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from components.kafka.client import cluster_state
from ops.benchmark.plan import FAULT_AT, FAULT_ENDS_AT, Plan
from ops.drills import journal, wellness
from ops.drills.faults import Fault, make
from ops.drills.journal import Journal
from ops.errors import RefusedError
from ops.platform import Platform

KINDS = {"broker-loss": "loss"}
"""What `--through` takes, and the drills' name for it."""


@dataclass(frozen=True)
class Event:
    """Something that happened to the platform during the run.

    Args:
        time: Seconds since 1970.
        text: What it was.
    """

    time: float
    text: str


@dataclass
class PlannedFault:
    """A fault that comes and goes with the run's progress; :meth:`end` mends it at any time.

    Args:
        fault: What breaks and mends.
        seconds: Length of the run.
        journal: What another process reads to mend it where this one is killed.
        clock: Seconds since 1970.
    """

    fault: Fault
    seconds: int
    journal: Journal
    clock: Callable[[], float] = time.time
    events: list[Event] = field(default_factory=list[Event])
    _injected: bool = False
    _healed: bool = False

    def at(self, elapsed: float) -> None:
        """Break or mend what is due.

        Args:
            elapsed: Seconds since the first record.
        """
        if not self._injected and elapsed >= FAULT_AT * self.seconds:
            self.journal.write()
            self._injected = True
            self.tell(self.fault.describe())  # before, since an engine may take its time to answer
            self.fault.inject()
        if self._injected and elapsed >= FAULT_ENDS_AT * self.seconds:
            self.end()

    def end(self) -> None:
        """Mend what is broken, even where breaking it failed halfway."""
        if self._injected and not self._healed:
            self.fault.heal()
            self._healed = True
            self.journal.remove()
            self.tell("mended")

    def tell(self, text: str) -> None:
        """Note what has happened now."""
        self.events.append(Event(self.clock(), text))


def planned_fault(platform: Platform, plan: Plan, member: str | None) -> PlannedFault | None:
    """The plan's fault; None where there is none.

    Args:
        platform: The platform.
        plan: What to measure.
        member: The broker that is hit; None for the controller, whose loss takes the others the longest to notice.

    Raises:
        RefusedError: There is no such broker, the platform cannot lose one, or a drill is under way.
    """
    if plan.through is None:
        return None
    journal.refuse_unfinished(platform.stack)
    if reasons := wellness.too_few(platform.brokers, "broker"):
        raise RefusedError(f"stack {platform.stack} cannot lose a broker", reasons)
    if member is None:
        with platform.admin() as client:
            member = f"kafka-{cluster_state(client).controller}"
    if member not in platform.brokers:
        raise RefusedError(f"there is no broker {member}; there are {', '.join(platform.brokers)}")
    kind = KINDS[plan.through]
    note = Journal(stack=platform.stack, drill="bench", topic=plan.topic, broken=[(kind, member)])
    return PlannedFault(make(kind, platform, member), plan.seconds, note)
