"""Writes records and counts them by partition."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ops.console import Advance
from ops.errors import OpsError, RefusedError
from ops.kafka_cluster import require_topics
from ops.platform import Platform
from ops.records.formats import Header, InputFormat, Record, parse_line

if TYPE_CHECKING:
    from kafka import KafkaProducer, RecordMetadata


@dataclass(kw_only=True)
class Written:
    """The written records.

    Args:
        offsets: First and last offset and number of records, by partition.
        problems: Why some records were not written.
    """

    offsets: dict[int, tuple[int, int, int]] = field(default_factory=dict[int, tuple[int, int, int]])
    problems: set[str] = field(default_factory=set[str])

    @property
    def records(self) -> int:
        """The number of written records."""
        return sum(number for _, _, number in self.offsets.values())

    def add(self, partition: int, offset: int) -> None:
        """Count a written record."""
        first, last, number = self.offsets.get(partition, (offset, offset, 0))
        self.offsets[partition] = (min(first, offset), max(last, offset), number + 1)

    def acknowledged(self, metadata: "RecordMetadata") -> None:
        """Count an acknowledged record."""
        self.add(metadata.partition, metadata.offset)

    def refused(self, error: Exception) -> None:
        """Note why a record was not written."""
        self.problems.add(str(error) or type(error).__name__)

    def __str__(self) -> str:
        """Partitions and offsets as text; without acks, offsets are unknown."""
        places: list[str] = []
        for partition, (first, last, number) in sorted(self.offsets.items()):
            where = "" if last < 0 else f" at {first}" if number == 1 else f" at {first} to {last}"
            places.append(f"partition {partition}: {number}{where}")
        return "; ".join(places)


def records_of(
    lines: Iterable[bytes],
    form: InputFormat,
    *,
    separator: str | None = None,
    key: bytes | None = None,
    headers: Sequence[Header] = (),
) -> Iterable[Record]:
    """Records from lines.

    Args:
        lines: Lines with or without line ends.
        form: The format of a line.
        separator: Separates key and value in a line.
        key: The key of records whose line has none.
        headers: Headers to append to every record.

    Raises:
        OpsError: A line has the wrong format; names the line.
    """
    for number, line in enumerate(lines, start=1):
        try:
            found = parse_line(line.removesuffix(b"\n").removesuffix(b"\r"), form, separator)
        except ValueError as error:
            raise OpsError(f"line {number}: {error}") from None
        yield Record(
            value=found.value,
            key=key if found.key is None else found.key,
            headers=[*found.headers, *headers],
            timestamp=found.timestamp,
        )


def produce(
    platform: Platform,
    topic: str,
    records: Iterable[Record],
    *,
    partition: int | None = None,
    acks: int | str = "all",
    advance: Advance = lambda _: None,
) -> Written:
    """Write records.

    Args:
        platform: The platform.
        topic: An existing topic; none is ever created.
        records: The records.
        partition: The partition; None to choose it by key.
        acks: ``all``, 1 or 0, as in Kafka's producer.
        advance: Called with the number of records just sent.

    Raises:
        RefusedError: The topic or partition does not exist.
        OpsError: A line was wrong or the cluster refused records; reports how many were written before.
    """
    _require(platform, topic, partition)
    written = Written()
    # A topic that is being deleted must not be recreated with broker defaults.
    options: dict[str, Any] = {"acks": acks, "enable_idempotence": acks == "all", "allow_auto_create_topics": False}
    with platform.producer(**options, linger_ms=5) as producer:
        _send(producer, topic, records, partition, written, advance)
        producer.flush()
    if written.problems:
        raise OpsError(f"not all records were written, only {written.records}", sorted(written.problems))
    return written


def _send(
    producer: "KafkaProducer",
    topic: str,
    records: Iterable[Record],
    partition: int | None,
    written: Written,
    advance: Advance,
) -> None:
    """Send records until they end or one is wrong; results are added to ``written``."""
    from kafka.errors import KafkaError

    try:
        for record in records:
            sent = producer.send(
                topic,
                record.value,
                key=record.key,
                headers=list(record.headers),
                partition=partition,
                timestamp_ms=record.timestamp,
            )
            sent.add_callback(written.acknowledged)
            sent.add_errback(written.refused)
            advance(1)
    except OpsError as error:
        written.problems.add(error.headline)
    except KafkaError as error:  # refused before sending: the record is too large or the buffer is full
        written.refused(error)


def _require(platform: Platform, topic: str, partition: int | None) -> None:
    with platform.admin() as client:
        require_topics(client, [topic])
        if partition is None:
            return
        total = len(client.describe_topics([topic])[0]["partitions"])
        if not 0 <= partition < total:
            raise RefusedError(f"topic {topic} has no partition {partition}; it has 0 to {total - 1}")
