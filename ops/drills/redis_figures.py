"""The figures of a drill of Redis, and the promises that they must keep. Pure; times are seconds of one clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ops.drills.measures import LatencySummary, Phases, latency_by_phase, longest_gap, rate_by_phase, rounded
from ops.drills.promises import Limits, Promise
from ops.drills.redis_load import Write


@dataclass(frozen=True, kw_only=True)
class RedisFigures:
    """The figures of a drill of Redis; in seconds unless stated otherwise.

    Args:
        sent: Attempted writes.
        acknowledged: Acknowledged writes.
        failed: Failed writes.
        before: Acknowledged writes older than the allowed loss when Redis died.
        lost_before: Those of them that are lost.
        lost_recent: Lost writes within the allowed loss.
        oldest_lost: Age of the oldest lost write when Redis died; None if none is lost.
        longest_gap: Longest time without an acknowledged write.
        back_after: From healing until the next acknowledged write; None if none came.
        latency_ms: Latency by phase, retries included.
        per_second: Acknowledged writes per second by phase.
    """

    sent: int
    acknowledged: int
    failed: int
    before: int
    lost_before: int
    lost_recent: int
    oldest_lost: float | None
    longest_gap: float
    back_after: float | None
    latency_ms: Mapping[str, LatencySummary]
    per_second: Mapping[str, float]


def redis_figures(
    *, phases: Phases, sent: int, failed: int, writes: Sequence[Write], lost: Iterable[Write], allowed: float
) -> RedisFigures:
    """All figures of a drill of Redis.

    Args:
        phases: When its phases began and ended.
        sent: Number of attempted writes.
        failed: Number of failed writes.
        writes: Acknowledged writes.
        lost: Those of them that are lost.
        allowed: Seconds of acknowledged writes that may be lost.
    """
    times = [write.at for write in writes]
    ages = [phases.fault - write.at for write in lost]
    back = min((time for time in times if time >= phases.healed), default=None)
    return RedisFigures(
        sent=sent,
        acknowledged=len(writes),
        failed=failed,
        before=sum(phases.fault - time > allowed for time in times),
        lost_before=sum(age > allowed for age in ages),
        lost_recent=sum(age <= allowed for age in ages),
        oldest_lost=rounded(max(ages, default=None)),
        longest_gap=round(longest_gap(times, phases.start, phases.end).seconds, 3),
        back_after=rounded(None if back is None else back - phases.healed),
        latency_ms=latency_by_phase(((write.sent, write.at - write.sent) for write in writes), phases),
        per_second=rate_by_phase(times, phases),
    )


def judge_redis(figures: RedisFigures, limits: Limits) -> list[Promise]:
    """Judge the promises of a drill of Redis."""
    allowed, back = limits.redis_loss_seconds, figures.back_after
    oldest = "none lost" if figures.oldest_lost is None else f"the oldest lost write is {figures.oldest_lost:.3f} s old"
    return [
        Promise(
            f"keys written more than {allowed:g} s before the loss survive it (appendfsync everysec)",
            f"{figures.lost_before} of {figures.before} lost; {oldest}",
            figures.before > 0 and not figures.lost_before,
        ),
        Promise(
            f"Redis accepts writes again within {limits.redis_seconds:g} s",
            "never" if back is None else f"{back:.1f} s",
            back is not None and back <= limits.redis_seconds,
        ),
        Promise("the client gets no error", f"{figures.failed} of {figures.sent} failed", not figures.failed),
    ]
