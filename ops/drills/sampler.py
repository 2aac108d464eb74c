"""Samples the platform periodically while a drill runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from components.errors import PlatformError
from ops.drills.background import Background

INTERVAL_SECONDS = 0.2
"""Seconds between two samples; longer if a sample takes more than a quarter of it, so that sampling adds no load."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sample(Generic[T]):
    """One sample.

    Args:
        at: When the answer came, in seconds of the monotonic clock.
        value: The answer; None if nothing answered.
    """

    at: float
    value: T | None


class Sampler(Background, Generic[T]):
    """Takes samples in a thread while its ``with`` block runs.

    Args:
        probe: Takes one sample; errors of the platform or its clients count as no answer.
    """

    def __init__(self, probe: Callable[[], T]) -> None:
        super().__init__("sampler")
        self.samples: list[Sample[T]] = []
        self._probe = probe

    def _work(self) -> None:
        from kafka.errors import KafkaError

        while not self._stop.is_set():
            start = time.monotonic()
            try:
                value = self._probe()
            except (KafkaError, PlatformError, OSError):
                value = None
            now = time.monotonic()
            self.samples.append(Sample(now, value))
            self._stop.wait(max(INTERVAL_SECONDS, 4 * (now - start)) - (now - start))
