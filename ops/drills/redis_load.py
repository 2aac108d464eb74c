"""Steady writes to Redis that remember which were acknowledged, and a check which of those are lost."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.drills.background import Background
from ops.platform import Platform

if TYPE_CHECKING:
    from redis import Redis

EXPIRY_SECONDS = 3600
"""Seconds after which keys expire, so that even a killed drill leaves nothing permanently."""

RETRY_SECONDS = 0.05
"""Seconds between two attempts to write a key."""

GIVE_UP_SECONDS = 120.0
"""Seconds after which a write that still fails counts as an error."""


class Write(NamedTuple):
    """An acknowledged write; times in seconds of the monotonic clock.

    Args:
        number: Number of the key.
        sent: When it was first attempted.
        at: When it was acknowledged.
    """

    number: int
    sent: float
    at: float


class RedisLoad(Background):
    """Writes numbered keys at a steady rate while its ``with`` block runs.

    Args:
        platform: The platform.
        prefix: Prefix of the keys.
        rate: Writes per second.
        size: Bytes of each value.
    """

    def __init__(self, platform: Platform, prefix: str, *, rate: float, size: int) -> None:
        super().__init__("redis-load")
        self.writes: list[Write] = []
        self.sent = 0
        self.failed = 0
        self._platform, self._prefix, self._rate, self._size = platform, prefix, rate, size

    def _value(self, number: int) -> bytes:
        return (b"%d" % number).ljust(self._size, b".")

    def _key(self, number: int) -> str:
        return f"{self._prefix}{number}"

    def _work(self) -> None:
        start = time.monotonic()
        with self._platform.redis_client() as client:
            while not self._stop.is_set():
                self._write(client, self.sent)
                self.sent += 1
                self._stop.wait(max(start + self.sent / self._rate - time.monotonic(), 0))

    def _write(self, client: "Redis", number: int) -> None:
        """Write a key; retries until it is acknowledged or given up."""
        from redis.exceptions import RedisError

        sent = time.monotonic()
        while True:
            try:
                client.set(self._key(number), self._value(number), ex=EXPIRY_SECONDS)
            except RedisError:
                if self._stop.is_set() or time.monotonic() - sent > GIVE_UP_SECONDS:
                    self.failed += 1
                    return
                self._stop.wait(RETRY_SECONDS)
            else:
                self.writes.append(Write(number, sent, time.monotonic()))
                return

    def missing(self, writes: Sequence[Write]) -> list[Write]:
        """The acknowledged writes that Redis no longer holds unchanged.

        Raises:
            redis.exceptions.RedisError: Redis does not answer.
        """
        lost: list[Write] = []
        with self._platform.redis_client() as client:
            for start in range(0, len(writes), 500):
                batch = writes[start : start + 500]
                values: Any = client.mget([self._key(write.number) for write in batch])
                lost += [w for w, value in zip(batch, values, strict=True) if value != self._value(w.number)]
        return lost
