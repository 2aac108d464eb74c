"""Steady writes to Redis that remember what was acknowledged, and what of it is there afterwards."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.drills.background import Background
from ops.drills.measures import Phases, latency_by_phase, longest_gap, rate
from ops.drills.promises import Limits, Promise
from ops.platform import Platform

if TYPE_CHECKING:
    from redis import Redis

KEPT_SECONDS = 3600
"""Seconds after which keys vanish by themselves, so that even a drill that was killed leaves nothing for good."""

RETRY_SECONDS = 0.05
"""Seconds between two tries of a write."""

GIVE_UP_SECONDS = 120.0
"""Seconds after which a write that is tried again and again is an error."""


class Write(NamedTuple):
    """An acknowledged write.

    Args:
        number: Number of the key.
        sent: When it was first tried, in seconds of the monotonic clock.
        at: When it was acknowledged.
    """

    number: int
    sent: float
    at: float


class RedisLoad(Background):
    """Writes numbered keys at a steady rate from when it is entered until it is left.

    Args:
        platform: The platform.
        prefix: Start of the keys.
        rate: Writes a second.
        size: Bytes of each value.
    """

    def __init__(self, platform: Platform, prefix: str, *, rate: float, size: int) -> None:
        super().__init__("redis-load")
        self.writes: list[Write] = []
        self.sent = 0
        self.failed = 0
        self._platform, self._prefix, self._rate, self._size = platform, prefix, rate, size

    def value(self, number: int) -> bytes:
        """The value of the key of that number."""
        return (b"%d" % number).ljust(self._size, b".")

    def key(self, number: int) -> str:
        """The key of that number."""
        return f"{self._prefix}{number}"

    def _work(self) -> None:
        start = time.monotonic()
        with self._platform.redis_client() as client:
            while not self._stop.is_set():
                self._write(client, self.sent)
                self.sent += 1
                self._stop.wait(max(start + self.sent / self._rate - time.monotonic(), 0))

    def _write(self, client: "Redis", number: int) -> None:
        """Write a key, again and again until it is acknowledged or given up."""
        from redis.exceptions import RedisError

        sent = time.monotonic()
        while True:
            try:
                client.set(self.key(number), self.value(number), ex=KEPT_SECONDS)
            except RedisError:
                if self._stop.is_set() or time.monotonic() - sent > GIVE_UP_SECONDS:
                    self.failed += 1
                    return
                self._stop.wait(RETRY_SECONDS)
            else:
                self.writes.append(Write(number, sent, time.monotonic()))
                return

    def missing(self, writes: Sequence[Write]) -> list[Write]:
        """Those acknowledged writes that are not there as they were written.

        Raises:
            redis.exceptions.RedisError: Redis does not answer.
        """
        lost: list[Write] = []
        with self._platform.redis_client() as client:
            for start in range(0, len(writes), 500):
                batch = writes[start : start + 500]
                values: Any = client.mget([self.key(write.number) for write in batch])
                lost += [w for w, value in zip(batch, values, strict=True) if value != self.value(w.number)]
        return lost


@dataclass(frozen=True, kw_only=True)
class RedisFigures:
    """What a drill of Redis measured; seconds unless the name says otherwise.

    Args:
        sent: Writes that were tried.
        acknowledged: Writes that were acknowledged.
        failed: Writes that were given up.
        before: Acknowledged writes that were older than the loss that is allowed when Redis died.
        lost_before: Those of them that are not there.
        lost_recent: Younger ones that are not there.
        oldest_lost: Age of the oldest write that is lost, when Redis died; None where none is.
        longest_gap: The longest time without an acknowledged write.
        back_after: From healing until the next acknowledged write; None where none came.
        latency_ms: Latency by phase, retries included.
        per_second: Acknowledged writes a second by phase.
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
    latency_ms: Mapping[str, Mapping[str, object]]
    per_second: Mapping[str, float]


def redis_figures(
    *, phases: Phases, sent: int, failed: int, writes: Sequence[Write], lost: Iterable[Write], allowed: float
) -> RedisFigures:
    """The figures of a drill of Redis. Pure.

    Args:
        phases: When what happened.
        sent: Writes that were tried.
        failed: Writes that were given up.
        writes: Writes that were acknowledged.
        lost: Those of them that are not there.
        allowed: Seconds of acknowledged writes that may be lost.
    """
    times = [write.at for write in writes]
    ages = [phases.fault - write.at for write in lost]
    later = [time for time in times if time >= phases.healed]
    return RedisFigures(
        sent=sent,
        acknowledged=len(writes),
        failed=failed,
        before=sum(phases.fault - time > allowed for time in times),
        lost_before=sum(age > allowed for age in ages),
        lost_recent=sum(age <= allowed for age in ages),
        oldest_lost=round(max(ages), 3) if ages else None,
        longest_gap=round(longest_gap(times, phases.start, phases.end).seconds, 3),
        back_after=round(min(later) - phases.healed, 3) if later else None,
        latency_ms=latency_by_phase(((write.sent, write.at - write.sent) for write in writes), phases),
        per_second={name: round(rate(times, *span), 1) for name, span in phases.spans().items()},
    )


def judge_redis(figures: RedisFigures, limits: Limits) -> list[Promise]:
    """Judge the promises of a drill of Redis. Pure."""
    allowed, back = limits.redis_loss_seconds, figures.back_after
    oldest = "none lost" if figures.oldest_lost is None else f"the oldest lost is {figures.oldest_lost:.3f} s old"
    return [
        Promise(
            f"keys written more than {allowed:g} s before are there after (appendfsync everysec)",
            f"{figures.lost_before} of {figures.before} lost; {oldest}",
            figures.before > 0 and not figures.lost_before,
        ),
        Promise(
            f"Redis takes writes again within {limits.redis_seconds:g} s",
            "it never did" if back is None else f"{back:.1f} s",
            back is not None and back <= limits.redis_seconds,
        ),
        Promise("the client is given no error", f"{figures.failed} of {figures.sent} failed", not figures.failed),
    ]
