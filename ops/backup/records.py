"""Records of a cluster as parts of an archive, partition after partition."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ops.backup.frames import Chunk
from ops.backup.model import Place, RecordsMeta, Span
from ops.errors import OpsError, UnreachableError

if TYPE_CHECKING:
    from kafka import KafkaConsumer

STALL_SECONDS = 60.0
"""Seconds without a record or a step forward after which the brokers count as gone."""

CONSUMER_OPTIONS: dict[str, Any] = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,
    "auto_offset_reset": "none",  # a range that retention took must be noticed, never be jumped over
    "fetch_max_bytes": 8 * 1024 * 1024,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "max_poll_records": 5000,
}
"""Bounds of what a consumer holds in memory, and only records that are committed."""

Add = Callable[[RecordsMeta, bytes], None]
"""Keeps a part; the bytes are not compressed yet."""


def back_up(consumer: "KafkaConsumer", place: Place, span: Span, add: Add, advance: Callable[[float], None]) -> None:
    """Read all records of a span, and hand them on in chunks whose ranges of offsets follow each other.

    Args:
        consumer: A consumer made with CONSUMER_OPTIONS.
        place: The partition.
        span: The offsets that are wanted; the first may be one where an earlier run stopped.
        add: Is given each chunk.
        advance: Is told how many offsets were passed.

    Raises:
        UnreachableError: Nothing came for a minute.
        kafka.errors.KafkaError: The cluster refused.
    """
    if span.begin >= span.end:
        return
    chunk = Chunk()
    start, lost = span.begin, 0
    for records, skipped in _batches(consumer, place, span):
        lost += skipped
        for record in records:
            if record.offset >= span.end:
                break
            if chunk.full:
                add(_meta(place, start, record.offset, chunk, lost), chunk.data())
                advance(record.offset - start)
                chunk, start, lost = Chunk(), record.offset, 0
            chunk.add(record)
    add(_meta(place, start, span.end, chunk, lost), chunk.data())
    advance(span.end - start)


def _meta(place: Place, start: int, following: int, chunk: Chunk, lost: int) -> RecordsMeta:
    return RecordsMeta(
        topic=place.topic,
        partition=place.partition,
        start=start,
        next=following,
        records=chunk.records,
        size=chunk.size,
        lost=lost,
    )


def _batches(consumer: "KafkaConsumer", place: Place, span: Span) -> Iterator[tuple[list[Any], int]]:
    """Batches of records until the span's end.

    Yields:
        The records, and how many offsets retention took just before them.

    Raises:
        UnreachableError: Nothing came for a minute.
        OpsError: The partition has fewer records than it had.
    """
    from kafka import TopicPartition
    from kafka.errors import OffsetOutOfRangeError

    partition = TopicPartition(*place)
    consumer.assign([partition])
    consumer.seek(partition, span.begin)
    position, moved = span.begin, time.monotonic()
    while position < span.end:
        skipped = 0
        try:
            records = consumer.poll(timeout_ms=1000).get(partition, [])
        except OffsetOutOfRangeError:
            records = []
            first = min(consumer.beginning_offsets([partition])[partition], span.end)
            skipped = first - position
            if skipped <= 0:
                raise OpsError(
                    f"{place}: offset {position} was there and is no more; was the topic made anew?"
                ) from None
            consumer.seek(partition, first)
        before, position = position, consumer.position(partition)
        if position != before:
            moved = time.monotonic()
            yield records, skipped
        elif time.monotonic() - moved > STALL_SECONDS:
            raise UnreachableError(f"{place}: no record came for {STALL_SECONDS:.0f} s, at offset {position}")
