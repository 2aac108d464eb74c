"""Reads records from a position to the end offsets at the start, or continuously."""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.errors import RefusedError
from ops.kafka_cluster import bounds, leaders, offsets, require_topics
from ops.platform import Platform
from ops.records.formats import Record
from ops.records.positions import Edge, Position, Timestamp, clamped, wanted_offset

if TYPE_CHECKING:
    from kafka import ConsumerRecord, KafkaConsumer, TopicPartition

POLL_MILLISECONDS = 500
BATCH = 500
"""The most records of one poll."""

JOIN_SECONDS = 60.0
"""Timeout of joining a group: other members may have to finish a batch first."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What to read.

    Args:
        topic: An existing topic; none is ever created.
        position: The start; a shift counts from the end of each partition. With a group only the edges apply, to
            partitions without a committed offset.
        partitions: Partitions to read; empty for all.
        count: The number of records to read; None for no limit.
        group: The consumer group to join; offsets are committed after the records were yielded.
        follow: Whether to wait for new records at the end.
    """

    topic: str
    position: Position = Edge.BEGINNING
    partitions: Sequence[int] = ()
    count: int | None = None
    group: str | None = None
    follow: bool = False


def read(platform: Platform, reading: Reading) -> Iterator[Record]:
    """Read records, in order within each partition.

    Raises:
        RefusedError: The topic or a partition does not exist, or a partition has no leader.
    """
    limits, at_time = _limits(platform, reading)
    options: dict[str, Any] = {
        "group_id": reading.group,
        "enable_auto_commit": False,
        "auto_offset_reset": "latest" if reading.position is Edge.END else "earliest",
        "allow_auto_create_topics": False,
    }
    with platform.consumer(**options) as consumer:
        if reading.group is None:
            _begin(consumer, reading.position, limits, at_time)
        else:
            _join(consumer, reading)
        yield from _records(consumer, reading, {item: end for item, (_, end) in limits.items()})


def _limits(
    platform: Platform, reading: Reading
) -> "tuple[dict[TopicPartition, tuple[int, int]], dict[TopicPartition, int]]":
    """First and end offset of each partition, and for a timestamp the first offset at or after it."""
    from kafka import TopicPartition

    with platform.admin() as client:
        require_topics(client, [reading.topic])
        found = leaders(client, [reading.topic])
        numbers = reading.partitions or sorted(item.partition for item in found)
        wanted = [TopicPartition(reading.topic, number) for number in numbers]
        problems = [
            f"there is no partition {item.partition}; it has 0 to {len(found) - 1}"
            if item not in found
            else f"partition {item.partition} has no leader"
            for item in wanted
            if found.get(item, -1) < 0
        ]
        if problems:
            raise RefusedError(f"topic {reading.topic} cannot be read", problems)
        moment = reading.position.milliseconds if isinstance(reading.position, Timestamp) else None
        return bounds(client, wanted), offsets(client, wanted, moment) if moment is not None else {}


def _begin(
    consumer: "KafkaConsumer",
    position: Position,
    limits: "dict[TopicPartition, tuple[int, int]]",
    at_time: "dict[TopicPartition, int]",
) -> None:
    consumer.assign(list(limits))
    for item, (begin, end) in limits.items():
        wanted = wanted_offset(position, begin=begin, end=end, at_time=at_time.get(item))
        consumer.seek(item, clamped(wanted, begin, end))


def _join(consumer: "KafkaConsumer", reading: Reading) -> None:
    """Join the group and wait for partitions.

    Raises:
        RefusedError: The group assigned none in time; it has more members than the topic has partitions.
    """
    consumer.subscribe([reading.topic])
    until = time.monotonic() + JOIN_SECONDS
    while not consumer.assignment():
        if time.monotonic() > until:
            raise RefusedError(f"group {reading.group} assigned this member no partition of {reading.topic}")
        early = consumer.poll(timeout_ms=POLL_MILLISECONDS, max_records=1)
        for item, records in early.items():  # polled before all partitions are known: read again later
            consumer.seek(item, records[0].offset)


def _records(consumer: "KafkaConsumer", reading: Reading, ends: "dict[TopicPartition, int]") -> Generator[Record]:
    from kafka import OffsetAndMetadata

    left = reading.count
    while left is None or left > 0:
        if not reading.follow and all(consumer.position(item) >= ends[item] for item in consumer.assignment()):
            return
        batch = consumer.poll(timeout_ms=POLL_MILLISECONDS, max_records=BATCH if left is None else min(BATCH, left))
        for item, records in batch.items():
            # Records after the end offsets at the start are skipped: reading a busy topic would never end.
            due = records if reading.follow else [record for record in records if record.offset < ends[item]]
            yield from map(_record, due)
            left = None if left is None else left - len(due)
            if due and reading.group is not None:
                consumer.commit({item: OffsetAndMetadata(due[-1].offset + 1, "", -1)})


def _record(found: "ConsumerRecord") -> Record:
    return Record(
        value=found.value,
        key=found.key,
        headers=list(found.headers),
        timestamp=found.timestamp,
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
    )
