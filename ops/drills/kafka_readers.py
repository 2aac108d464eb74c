"""Consumers of a drill: one reads the topic back at the end, one follows it while it is written."""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ops.drills.background import Background
from ops.drills.records import decode
from ops.drills.verdict import StoredRecord
from ops.errors import BrokenError, UnreachableError

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

READ_SECONDS = 60.0
"""Seconds without a record after which :func:`read_back` fails."""

METADATA_SECONDS = 30.0
"""Seconds for the brokers to learn of a new topic."""


def read_back(
    options: Mapping[str, Any],
    topic: str,
    run: bytes,
    *,
    checkpoint: Callable[[], None] = lambda: None,
) -> tuple[list[StoredRecord], int]:
    """Read a topic from start to end with a new consumer.

    Args:
        options: Connection options of kafka-python's clients.
        topic: The topic.
        run: Id of the run whose records are wanted.
        checkpoint: Called between two polls; may raise to abort.

    Returns:
        The run's records, each partition in the order of offsets, and the number of other or damaged records.

    Raises:
        BrokenError: No record came for :data:`READ_SECONDS`.
        UnreachableError: No broker knew the topic within :data:`METADATA_SECONDS`.
    """
    stored: list[StoredRecord] = []
    damaged = 0
    with AssignedConsumer(options, topic) as (consumer, partitions):
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        last = time.monotonic()
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            checkpoint()
            batch = consumer.poll(timeout_ms=500)
            if batch:
                last = time.monotonic()
            elif time.monotonic() - last > READ_SECONDS:
                raise BrokenError(f"topic {topic} could not be read to its end: no record for {READ_SECONDS:.0f} s")
            for partition, records in batch.items():
                for record in records:
                    stamp = decode(run, record.value)
                    if stamp is None:
                        damaged += 1
                    else:
                        stored.append(StoredRecord(partition.partition, record.offset, stamp))
    return stored, damaged


class Arrival(NamedTuple):
    """A record that reached a consumer; both times in seconds of the monotonic clock.

    Args:
        at: When it arrived.
        sent: When it was handed to the producer.
    """

    at: float
    sent: float


class LiveReader(Background):
    """A consumer that follows a topic while it is written, to measure end-to-end latency.

    Args:
        options: Connection options of kafka-python's clients.
        topic: The topic.
        run: Id of the run whose records are followed.
    """

    def __init__(self, options: Mapping[str, Any], topic: str, run: bytes) -> None:
        super().__init__("live-reader")
        self.arrivals: list[Arrival] = []
        self._run = run
        self._consumer = AssignedConsumer(options, topic)

    def __enter__(self) -> Self:
        consumer, partitions = self._consumer.__enter__()
        consumer.seek_to_beginning()
        for partition in partitions:  # seeking is lazy; resolve it before the first record is sent
            consumer.position(partition)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._consumer.__exit__()

    def _work(self) -> None:
        from kafka.errors import KafkaError

        seen: set[tuple[int, int]] = set()
        while not self._stop.is_set():
            try:
                batch = self._consumer.consumer.poll(timeout_ms=100)
            except KafkaError:
                continue  # a later poll reads the records; the failure shows in their latency
            now = time.monotonic()
            for record in (record for records in batch.values() for record in records):
                stamp = decode(self._run, record.value)
                if stamp is not None and stamp[:2] not in seen:
                    seen.add(stamp[:2])
                    self.arrivals.append(Arrival(now, stamp.sent / 1e9))


class AssignedConsumer:
    """A consumer of all partitions of a topic, without a consumer group; closed on exit.

    Args:
        options: Connection options of kafka-python's clients.
        topic: The topic.
    """

    def __init__(self, options: Mapping[str, Any], topic: str) -> None:
        from kafka import KafkaConsumer

        self.consumer = KafkaConsumer(
            **options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=10_000,
            reconnect_backoff_max_ms=1000,
            metadata_max_age_ms=5000,
        )
        self._topic = topic

    def __enter__(self) -> "tuple[KafkaConsumer, list[TopicPartition]]":
        from kafka import TopicPartition

        try:
            partitions = [TopicPartition(self._topic, number) for number in self._numbers()]
            self.consumer.assign(partitions)
        except BaseException:
            self.consumer.close(autocommit=False)
            raise
        return self.consumer, partitions

    def _numbers(self) -> Sequence[int]:
        """The topic's partitions; a broker may not know of a new topic yet."""
        end = time.monotonic() + METADATA_SECONDS
        while not (numbers := self.consumer.partitions_for_topic(self._topic)):
            if time.monotonic() > end:
                raise UnreachableError(f"no broker knew topic {self._topic} within {METADATA_SECONDS:.0f} s")
            time.sleep(0.1)
        return sorted(numbers)

    def __exit__(self, *error: object) -> None:
        self.consumer.close(autocommit=False)
