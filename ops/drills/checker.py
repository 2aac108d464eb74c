"""What became of the records: nothing acknowledged may be lost, changed or out of order; duplicates are counted."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self

from ops.drills.background import Background
from ops.drills.load import Acknowledgement
from ops.drills.records import Stamp, decode
from ops.errors import BrokenError, UnreachableError

READ_SECONDS = 60.0
"""Seconds without a single record after which reading back gives up."""

KNOWN_SECONDS = 30.0
"""Seconds for the brokers to learn of a topic that was just made."""


class Kept(NamedTuple):
    """A record of the run as it is in the topic.

    Args:
        partition: Where it is.
        offset: Its place there.
        stamp: What it says of itself.
    """

    partition: int
    offset: int
    stamp: Stamp


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a comparison of acknowledged and kept records says.

    Args:
        acknowledged: Records that were acknowledged.
        kept: Records that are in the topic, each counted once.
        lost: Acknowledged records that are not there.
        duplicated: Copies beyond the first.
        disordered: Records that come after a later one of their key.
        misplaced: Records in another partition than the one that was acknowledged.
        damaged: Records of the topic that are not as this run wrote them.
    """

    acknowledged: int
    kept: int
    lost: Sequence[Stamp] = field(default_factory=tuple[Stamp, ...])
    duplicated: int = 0
    disordered: Sequence[Stamp] = field(default_factory=tuple[Stamp, ...])
    misplaced: int = 0
    damaged: int = 0


def compare(acknowledged: Iterable[Acknowledgement], kept: Iterable[Kept], damaged: int = 0) -> Verdict:
    """Compare what was promised with what is there. Pure.

    Args:
        acknowledged: What the brokers promised to keep.
        kept: What is in the topic, each partition in the order of offsets.
        damaged: Records that could not be read as this run's.
    """
    promised = {(entry.stamp.key, entry.stamp.sequence): entry for entry in acknowledged}
    copies: Counter[tuple[int, int]] = Counter()
    latest: dict[int, int] = {}
    disordered: list[Stamp] = []
    misplaced = 0
    for record in kept:
        key, sequence, _ = record.stamp
        copies[key, sequence] += 1
        if copies[key, sequence] > 1:
            continue
        if sequence < latest.get(key, -1):
            disordered.append(record.stamp)
        latest[key] = max(sequence, latest.get(key, -1))
        promise = promised.get((key, sequence))
        misplaced += promise is not None and promise.partition != record.partition
    return Verdict(
        acknowledged=len(promised),
        kept=len(copies),
        lost=[entry.stamp for place, entry in promised.items() if place not in copies],
        duplicated=copies.total() - len(copies),
        disordered=disordered,
        misplaced=misplaced,
        damaged=damaged,
    )


def read_back(
    options: Mapping[str, Any],
    topic: str,
    run: bytes,
    *,
    checkpoint: Callable[[], None] = lambda: None,
) -> tuple[list[Kept], int]:
    """Read a topic from its start to its end with a consumer of its own.

    Args:
        options: Where the brokers are, as kafka-python names it.
        topic: The topic.
        run: The run whose records are wanted.
        checkpoint: Called between two reads; may raise to end it.

    Returns:
        The run's records in the order of offsets, and how many records are not as this run wrote them.

    Raises:
        BrokenError: Nothing more came for :data:`READ_SECONDS`.
    """
    kept: list[Kept] = []
    damaged = 0
    with _assigned(options, topic) as (consumer, partitions):
        consumer.seek_to_beginning()
        ends: dict[Any, int] = consumer.end_offsets(partitions)
        last = time.monotonic()
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            checkpoint()
            batch: dict[Any, list[Any]] = consumer.poll(timeout_ms=500)
            if batch:
                last = time.monotonic()
            elif time.monotonic() - last > READ_SECONDS:
                raise BrokenError(f"topic {topic} could not be read to its end within {READ_SECONDS:.0f} s")
            for partition, records in batch.items():
                for record in records:
                    stamp = decode(run, record.value)
                    if stamp is None:
                        damaged += 1
                    else:
                        kept.append(Kept(partition.partition, record.offset, stamp))
    return kept, damaged


class Arrival(NamedTuple):
    """A record that reached a consumer.

    Args:
        at: When, in seconds of the monotonic clock.
        sent: When it was handed to the producer.
    """

    at: float
    sent: float


class LiveReader(Background):
    """A consumer that follows a topic while it is written, for the latency from end to end.

    Args:
        options: Where the brokers are, as kafka-python names it.
        topic: The topic.
        run: The run whose records are followed.
    """

    def __init__(self, options: Mapping[str, Any], topic: str, run: bytes) -> None:
        super().__init__("live-reader")
        self.arrivals: list[Arrival] = []
        self._run = run
        self._consumer = _assigned(options, topic)

    def __enter__(self) -> Self:
        consumer, partitions = self._consumer.__enter__()
        consumer.seek_to_beginning()
        for partition in partitions:  # now, not when the first record is there already
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
                batch: dict[Any, list[Any]] = self._consumer.consumer.poll(timeout_ms=100)
            except KafkaError:
                continue  # what was missed is read later; its latency tells
            now = time.monotonic()
            for record in (record for records in batch.values() for record in records):
                stamp = decode(self._run, record.value)
                if stamp is not None and stamp[:2] not in seen:
                    seen.add(stamp[:2])
                    self.arrivals.append(Arrival(now, stamp.sent / 1e9))


class _assigned:
    """A consumer of all partitions of a topic, without a group, that is closed at the end."""

    def __init__(self, options: Mapping[str, Any], topic: str) -> None:
        from kafka import KafkaConsumer

        self.consumer: Any = KafkaConsumer(
            **options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=10_000,
            reconnect_backoff_max_ms=1000,
            metadata_max_age_ms=5000,
        )
        self._topic = topic

    def __enter__(self) -> tuple[Any, list[Any]]:
        from kafka import TopicPartition

        try:
            partitions = [TopicPartition(self._topic, number) for number in self._numbers()]
            self.consumer.assign(partitions)
        except BaseException:
            self.consumer.close(autocommit=False)
            raise
        return self.consumer, partitions

    def _numbers(self) -> Sequence[int]:
        """The topic's partitions. A broker that is asked right after it was made may not know it yet."""
        end = time.monotonic() + KNOWN_SECONDS
        while not (numbers := self.consumer.partitions_for_topic(self._topic)):
            if time.monotonic() > end:
                raise UnreachableError(f"no broker knew of topic {self._topic} within {KNOWN_SECONDS:.0f} s")
            time.sleep(0.1)
        return sorted(numbers)

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.consumer.close(autocommit=False)
