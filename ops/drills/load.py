"""The project's one load generator: a steady stream of records with acks=all that remembers every acknowledgement."""

import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from ops.drills.background import Background
from ops.drills.records import RUN_BYTES, SMALLEST, Stamp, encode, key_of

KEYS = 24
"""Keys that records are spread over, at least; each partition gets as many as any other."""

DELIVERY_SECONDS = 120.0
"""Seconds for which the producer tries to deliver a record; only then it is an error. Kafka's own default."""

LONGEST_ERRORS = 20
"""Different texts of errors that are kept."""

PRODUCER: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,  # a retry is written once, and keeps its place among the records of its partition
    "linger_ms": 5,
    "delivery_timeout_ms": int(DELIVERY_SECONDS * 1000),
    "max_block_ms": int(DELIVERY_SECONDS * 1000),
    "request_timeout_ms": 10_000,  # a leader that is cut off is given up for another after this long
    "reconnect_backoff_max_ms": 1000,
}
"""Options of the producer beside those that say where the brokers are."""


class Acknowledgement(NamedTuple):
    """A record that the brokers promised to keep.

    Args:
        at: When that became known, in seconds of the monotonic clock.
        partition: Where it is.
        stamp: What it says of itself.
    """

    at: float
    partition: int
    stamp: Stamp


class SteadyLoad(Background):
    """Writes records at a steady rate from when it is entered until it is left.

    What the brokers cannot take at once waits in the producer and is sent as soon as they can; so a pause in
    acknowledgements is the platform's, and what was due in it comes after it.

    Args:
        options: Where the brokers are, as kafka-python names it: ``bootstrap_servers``, ``proxy_url``.
        topic: The topic, which exists.
        rate: Records a second.
        size: Bytes of each record.
    """

    def __init__(self, options: Mapping[str, Any], topic: str, *, rate: float = 100, size: int = SMALLEST) -> None:
        from kafka import KafkaProducer

        super().__init__("load")
        self.run = os.urandom(RUN_BYTES)
        self.topic = topic
        self.acknowledged: list[Acknowledgement] = []
        self.sent = 0
        self.seconds = 0.0
        self._rate, self._size = rate, max(size, SMALLEST)
        self._failed: Counter[str] = Counter()
        self._unsettled = threading.Semaphore(0)
        self._producer = KafkaProducer(**options, **PRODUCER)
        try:
            self._partitions = sorted(self._producer.partitions_for(topic))
        except BaseException:
            self._producer.close(timeout=0)
            raise
        self._keys = -(-KEYS // len(self._partitions)) * len(self._partitions)

    @property
    def errors(self) -> dict[str, int]:
        """Errors that the client was given, by text; a retry is none."""
        return dict(self._failed.most_common(LONGEST_ERRORS))

    @property
    def failed(self) -> int:
        """Records whose sending ended in an error."""
        return self._failed.total()

    @property
    def per_second(self) -> float:
        """Records that were sent a second, until it was left."""
        return self.sent / self.seconds if self.seconds else 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; wait until each record is acknowledged or given up, unless something failed already."""
        try:
            super().__exit__(kind, error, trace)
        except BaseException:
            self._give_up()
            raise
        if kind is not None:
            self._give_up()
            return
        end = time.monotonic() + DELIVERY_SECONDS + 10
        for _ in range(self.sent):
            if not self._unsettled.acquire(timeout=max(end - time.monotonic(), 0)):
                self._failed["neither acknowledged nor given up by the client in time"] += 1
        self._producer.close(timeout=10)

    def _give_up(self) -> None:
        from kafka.errors import KafkaError

        with suppress(KafkaError):
            self._producer.close(timeout=1)

    def _work(self) -> None:
        from kafka.errors import KafkaError

        start = time.monotonic()
        while not self._stop.is_set():
            key = self.sent % self._keys
            partition = self._partitions[key % len(self._partitions)]
            stamp = Stamp(key, self.sent // self._keys, time.monotonic_ns())
            self.sent += 1
            try:
                value = encode(self.run, stamp, self._size)
                future = self._producer.send(self.topic, value, key=key_of(key), partition=partition)
            except KafkaError as error:
                self._gave_up(error)
            else:
                future.add_callback(self._acknowledge, stamp)
                future.add_errback(self._gave_up)
            self._stop.wait(max(start + self.sent / self._rate - time.monotonic(), 0))
        self.seconds = time.monotonic() - start

    def _acknowledge(self, stamp: Stamp, metadata: Any) -> None:
        self.acknowledged.append(Acknowledgement(time.monotonic(), metadata.partition, stamp))
        self._unsettled.release()

    def _gave_up(self, error: BaseException) -> None:
        self._failed[f"{type(error).__name__}: {error}"[:300]] += 1
        self._unsettled.release()
