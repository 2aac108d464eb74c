"""How a drill ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.drills.catalogue import Drill
from ops.drills.kafka_figures import Evidence, Figures
from ops.drills.measures import Gap, Phases, longest_gap
from ops.drills.plan import Plan
from ops.drills.promises import Promise
from ops.drills.redis_figures import RedisFigures
from ops.drills.redis_load import Write
from ops.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a drill ended.

    Args:
        drill: The drill.
        platform: The platform.
        plan: What was planned.
        started: When it began, in seconds since 1970.
        phases: When its phases began and ended, in seconds of the monotonic clock.
        figures: Its figures.
        promises: Its promises, judged.
        evidence: What was observed; None for a drill of Redis.
        writes: Acknowledged writes; empty unless it is a drill of Redis.
    """

    drill: Drill
    platform: Platform
    plan: Plan
    started: float
    phases: Phases
    figures: Figures | RedisFigures
    promises: Sequence[Promise]
    evidence: Evidence | None = None
    writes: Sequence[Write] = ()

    @property
    def kept(self) -> bool:
        """Whether all promises were kept."""
        return all(promise.kept for promise in self.promises)

    @property
    def latencies(self) -> list[tuple[float, float]]:
        """Time of sending and latency of each message or write, in seconds."""
        if self.evidence is None:
            return [(write.sent, write.at - write.sent) for write in self.writes]
        return [(arrival.sent, arrival.at - arrival.sent) for arrival in self.evidence.arrivals]

    @property
    def acknowledged_at(self) -> list[float]:
        """Time of each acknowledgement."""
        return [entry.at for entry in (self.writes if self.evidence is None else self.evidence.acknowledged)]

    @property
    def unavailability(self) -> Gap:
        """The longest time without any acknowledgement."""
        return longest_gap(self.acknowledged_at, self.phases.start, self.phases.end)
