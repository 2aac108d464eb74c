"""A fault in the middle of a run: when it is injected and healed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from components.kafka.client import cluster_state
from ops.benchmark.plan import FAULT_AT, FAULT_ENDS_AT, Plan
from ops.drills import health, journal
from ops.drills.faults import Fault, make
from ops.drills.journal import Journal
from ops.errors import RefusedError
from ops.platform import Platform

KINDS = {"broker-loss": "loss"}
"""Values of `--through`, and the kind of fault of each; see :data:`ops.drills.faults.KINDS`."""


@dataclass(frozen=True)
class Event:
    """Something that happened to the platform during the run.

    Args:
        time: Seconds since 1970.
        text: What happened.
    """

    time: float
    text: str


@dataclass
class PlannedFault:
    """A fault that is injected and healed as the run progresses; :meth:`end` heals it at any time.

    Args:
        fault: The fault.
        seconds: Length of the run.
        journal: Lets another process heal the fault if this one is killed.
        clock: Returns seconds since 1970.
        events: What has happened so far.
    """

    fault: Fault
    seconds: int
    journal: Journal
    clock: Callable[[], float] = time.time
    events: list[Event] = field(default_factory=list[Event])
    _injected: bool = False
    _healed: bool = False

    def at(self, elapsed: float) -> None:
        """Inject or heal the fault when it is due.

        Args:
            elapsed: Seconds since the first record.
        """
        if not self._injected and elapsed >= FAULT_AT * self.seconds:
            self.journal.write()
            self._injected = True
            self.add_event(self.fault.describe())  # before the injection: the engine may be slow to answer
            self.fault.inject()
        if self._injected and elapsed >= FAULT_ENDS_AT * self.seconds:
            self.end()

    def end(self) -> None:
        """Heal the fault if it was injected, even partially."""
        if self._injected and not self._healed:
            self.fault.heal()
            self._healed = True
            self.journal.remove()
            self.add_event("healed")

    def add_event(self, text: str) -> None:
        """Record that something happened now."""
        self.events.append(Event(self.clock(), text))


def planned_fault(platform: Platform, plan: Plan, member: str | None) -> PlannedFault | None:
    """The plan's fault, or None.

    Args:
        platform: The platform.
        plan: What to measure.
        member: The broker to break; None for the controller, whose loss the others notice last.

    Raises:
        RefusedError: There is no such broker, the platform cannot lose one, or a drill is running.
    """
    if plan.through is None:
        return None
    journal.refuse_unfinished(platform.stack)
    if reasons := health.too_few(platform.brokers, "broker"):
        raise RefusedError(f"stack {platform.stack} cannot lose a broker", reasons)
    if member is None:
        with platform.admin() as client:
            member = f"kafka-{cluster_state(client).controller}"
    if member not in platform.brokers:
        raise RefusedError(f"there is no broker {member}; there are {', '.join(platform.brokers)}")
    kind = KINDS[plan.through]
    entry = Journal(stack=platform.stack, drill="bench", topic=plan.topic, broken=[(kind, member)])
    return PlannedFault(make(kind, platform, member), plan.seconds, entry)
