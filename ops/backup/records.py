"""Reads the records of a partition as parts of an archive."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ops.backup.archive.frames import Chunk
from ops.backup.archive.model import PartitionId, RecordsMeta, Span
from ops.errors import OpsError, UnreachableError

if TYPE_CHECKING:
    from kafka import KafkaConsumer

STALL_SECONDS = 60.0
"""Seconds without progress before giving up."""

CONSUMER_OPTIONS: dict[str, Any] = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,
    "auto_offset_reset": "none",  # offsets deleted by retention must be detected, not skipped
    "fetch_max_bytes": 8 * 1024 * 1024,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "max_poll_records": 5000,
}
"""Limits the consumer's memory, and reads committed records only."""

Add = Callable[[RecordsMeta, bytes], None]
"""Adds a part; the bytes are not compressed."""


def back_up(
    consumer: "KafkaConsumer", partition: PartitionId, span: Span, add: Add, advance: Callable[[float], None]
) -> None:
    """Read all records of a span, in chunks with consecutive offset ranges.

    Args:
        consumer: A consumer with CONSUMER_OPTIONS.
        partition: The partition.
        span: The offsets to read; may start where an earlier run stopped.
        add: Called with each chunk.
        advance: Called with the number of offsets just read.

    Raises:
        UnreachableError: No progress for :data:`STALL_SECONDS`.
        kafka.errors.KafkaError: The cluster refused a request.
    """
    if span.begin >= span.end:
        return
    chunk = Chunk()
    start, lost = span.begin, 0
    for records, skipped in _batches(consumer, partition, span):
        lost += skipped
        for record in records:
            if record.offset >= span.end:
                break
            if chunk.full:
                add(_meta(partition, start, record.offset, chunk, lost), chunk.data())
                advance(record.offset - start)
                chunk, start, lost = Chunk(), record.offset, 0
            chunk.add(record)
    add(_meta(partition, start, span.end, chunk, lost), chunk.data())
    advance(span.end - start)


def _meta(partition: PartitionId, start: int, following: int, chunk: Chunk, lost: int) -> RecordsMeta:
    return RecordsMeta(
        topic=partition.topic,
        partition=partition.partition,
        start=start,
        next=following,
        records=chunk.records,
        size=chunk.size,
        lost=lost,
    )


def _batches(consumer: "KafkaConsumer", partition: PartitionId, span: Span) -> Iterator[tuple[list[Any], int]]:
    """Batches of records up to the end of the span.

    Yields:
        The records, and the number of offsets that retention deleted just before them.

    Raises:
        UnreachableError: No progress for :data:`STALL_SECONDS`.
        OpsError: The partition has fewer records than before.
    """
    from kafka import TopicPartition
    from kafka.errors import OffsetOutOfRangeError

    topic_partition = TopicPartition(*partition)
    consumer.assign([topic_partition])
    consumer.seek(topic_partition, span.begin)
    position, progressed = span.begin, time.monotonic()
    while position < span.end:
        skipped = 0
        try:
            records = consumer.poll(timeout_ms=1000).get(topic_partition, [])
        except OffsetOutOfRangeError:
            records = []
            first = min(consumer.beginning_offsets([topic_partition])[topic_partition], span.end)
            skipped = first - position
            if skipped <= 0:
                raise OpsError(f"{partition}: offset {position} no longer exists; was the topic recreated?") from None
            consumer.seek(topic_partition, first)
        before, position = position, consumer.position(topic_partition)
        if position != before:
            progressed = time.monotonic()
            yield records, skipped
        elif time.monotonic() - progressed > STALL_SECONDS:
            raise UnreachableError(f"{partition}: no record arrived for {STALL_SECONDS:.0f} s, at offset {position}")
