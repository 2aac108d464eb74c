"""A steady stream of records with acks=all that remembers every acknowledgement."""

import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.drills.background import Background
from ops.drills.records import RUN_BYTES, SMALLEST, Stamp, encode, key_of

if TYPE_CHECKING:
    from kafka import RecordMetadata

KEYS = 24
"""Minimum number of record keys; rounded up so that each partition gets the same number."""

DELIVERY_SECONDS = 120.0
"""Seconds for which the producer retries a record before it fails (``delivery.timeout.ms``); Kafka's own default."""

MAX_ERRORS = 20
"""Maximum number of distinct error messages that are reported."""

PRODUCER_OPTIONS: Mapping[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,  # retries neither duplicate nor reorder the records of a partition
    "linger_ms": 5,
    "delivery_timeout_ms": int(DELIVERY_SECONDS * 1000),
    "max_block_ms": int(DELIVERY_SECONDS * 1000),
    "request_timeout_ms": 10_000,  # an isolated leader is given up after this time
    "reconnect_backoff_max_ms": 1000,
}
"""Options of the producer, besides the connection options."""


class Acknowledgement(NamedTuple):
    """A record that the brokers acknowledged.

    Args:
        at: When the acknowledgement came, in seconds of the monotonic clock.
        partition: The record's partition.
        stamp: What identifies the record.
    """

    at: float
    partition: int
    stamp: Stamp


class SteadyLoad(Background):
    """Writes records at a steady rate while its ``with`` block runs.

    Records that the brokers do not accept at once wait in the producer and are sent as soon as possible: a pause in
    acknowledgements is the platform's, and the records that were due in it follow.

    Args:
        options: Connection options of kafka-python's clients: ``bootstrap_servers``, ``proxy_url``.
        topic: An existing topic.
        rate: Records per second.
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
        self._completed = threading.Semaphore(0)
        self._producer = KafkaProducer(**options, **PRODUCER_OPTIONS)
        try:
            self._partitions = sorted(self._producer.partitions_for(topic))
        except BaseException:
            self._producer.close(timeout=0)
            raise
        self._keys = -(-KEYS // len(self._partitions)) * len(self._partitions)

    @property
    def errors(self) -> dict[str, int]:
        """The client's errors and their counts, by message; retries are not errors."""
        return dict(self._failed.most_common(MAX_ERRORS))

    @property
    def failed(self) -> int:
        """Number of records that failed."""
        return self._failed.total()

    @property
    def per_second(self) -> float:
        """Records sent per second over the whole load."""
        return self.sent / self.seconds if self.seconds else 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, then wait until each record is acknowledged or failed; does not wait if the block failed."""
        try:
            super().__exit__(kind, error, trace)
        except BaseException:
            self._abandon()
            raise
        if kind is not None:
            self._abandon()
            return
        end = time.monotonic() + DELIVERY_SECONDS + 10
        for _ in range(self.sent):
            if not self._completed.acquire(timeout=max(end - time.monotonic(), 0)):
                self._failed["neither acknowledged nor failed in time"] += 1
        self._producer.close(timeout=10)

    def _abandon(self) -> None:
        """Close the producer without waiting for its records."""
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
                self._on_error(error)
            else:
                future.add_callback(self._on_acknowledgement, stamp)
                future.add_errback(self._on_error)
            self._stop.wait(max(start + self.sent / self._rate - time.monotonic(), 0))
        self.seconds = time.monotonic() - start

    def _on_acknowledgement(self, stamp: Stamp, metadata: "RecordMetadata") -> None:
        self.acknowledged.append(Acknowledgement(time.monotonic(), metadata.partition, stamp))
        self._completed.release()

    def _on_error(self, error: BaseException) -> None:
        self._failed[f"{type(error).__name__}: {error}"[:300]] += 1
        self._completed.release()
