"""Writes records unchanged, exactly once and in order.

:class:`kafka.KafkaProducer` refuses records that Kafka allows and other clients write: a record with neither key nor
value, and a header without a value. So this module builds and sends batches with kafka-python's record builder,
requests and connections: acks=all, with a producer id and sequence numbers, so that brokers drop duplicate batches
(idempotence, KIP-98).
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ops.backup.archive.frames import Record
from ops.backup.archive.model import PartitionId
from ops.errors import OpsError, UnreachableError

if TYPE_CHECKING:
    from kafka.future import Future
    from kafka.record import MemoryRecordsBuilder

BATCH_BYTES = 512 * 1024
"""Bytes of a batch before compression; a longer record gets a batch of its own."""

IN_FLIGHT = 4
"""In-flight batches of a partition: a broker remembers the last 5 of a producer (KIP-98), and the client's connection
allows 5 requests, one of which is left for metadata."""

GIVE_UP_SECONDS = 120.0
"""Seconds without an acknowledgement before giving up: Kafka's default delivery.timeout.ms."""

REQUEST_MS = 30_000
RETRY_SECONDS = 0.2

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Compression codecs and their number in the batch attributes."""

_MAGIC = 2
_ACKS_ALL = -1


@dataclass(frozen=True)
class _Batch:
    """A closed batch; its sequence numbers are fixed, so it can be sent again."""

    partition: PartitionId
    data: bytes


class Producer:
    """Writes records to given partitions.

    Args:
        options: Options of every Kafka client of the platform.
        compression: The codec of batches; a key of CODECS.
    """

    def __init__(self, options: dict[str, Any], compression: str) -> None:
        from kafka.net.manager import KafkaConnectionManager
        from kafka.net.selector import NetworkSelector

        settings = {**options, "client_id": "millrace-restore", "request_timeout_ms": REQUEST_MS}
        self._codec = CODECS[compression]
        self._loop = NetworkSelector(**settings)
        self._loop.start()
        self._manager = KafkaConnectionManager(self._loop, **settings)
        self._sequences: dict[PartitionId, int] = {}
        self._in_flight: Future | None = None

    def __enter__(self) -> Self:
        from kafka.protocol.producer import InitProducerIdRequest

        self._manager.bootstrap(REQUEST_MS)
        end = time.monotonic() + GIVE_UP_SECONDS
        while True:  # a new cluster needs a moment for its first producer id
            request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=REQUEST_MS)
            answer = self._manager.run(self._manager.send, request)
            error = _error(answer.error_code)
            if error is None:
                break
            if not error.retriable or time.monotonic() > end:
                raise error
            time.sleep(RETRY_SECONDS)
        self._id, self._epoch = answer.producer_id, answer.producer_epoch
        return self

    def __exit__(self, *error: object) -> None:
        self._manager.close()
        self._loop.close()

    def write(self, partition: PartitionId, records: Iterable[Record]) -> None:
        """Send records without waiting; they are in flight while the next ones are prepared.

        Raises:
            OpsError: Earlier records were refused.
            UnreachableError: Earlier records were not acknowledged in time.
        """
        batches = list(self._batches(partition, records))
        self.flush()
        self._in_flight = self._manager.call_soon(self._deliver, batches)

    def flush(self) -> None:
        """Wait until all sent records are acknowledged.

        Raises:
            OpsError: Some were refused.
            UnreachableError: Some were not acknowledged in time.
        """
        pending, self._in_flight = self._in_flight, None
        if pending is not None:
            self._manager.run(_result, pending)

    def _batches(self, partition: PartitionId, records: Iterable[Record]) -> Iterator[_Batch]:
        builder = None
        for record in records:
            if builder is None or self._append(builder, record) is None:
                if builder is not None:
                    yield self._close(partition, builder)
                builder = self._builder(partition)
                self._append(builder, record)
        if builder is not None:
            yield self._close(partition, builder)

    def _builder(self, partition: PartitionId) -> "MemoryRecordsBuilder":
        from kafka.record import MemoryRecordsBuilder

        return MemoryRecordsBuilder(
            _MAGIC,
            self._codec,
            BATCH_BYTES,
            producer_id=self._id,
            producer_epoch=self._epoch,
            base_sequence=self._sequences.get(partition, 0),
        )

    @staticmethod
    def _append(builder: "MemoryRecordsBuilder", record: Record) -> Any:
        """Add a record; None if the batch is full."""
        return builder.append(record.timestamp, record.key, record.value, record.headers)

    def _close(self, partition: PartitionId, builder: "MemoryRecordsBuilder") -> _Batch:
        following = self._sequences.get(partition, 0) + builder.next_offset()
        self._sequences[partition] = following % 2**31  # sequence numbers restart at 0 after the highest int32
        builder.close()
        return _Batch(partition, builder.buffer())

    async def _deliver(self, batches: Sequence[_Batch]) -> None:
        """Send batches of one partition until all are acknowledged, in order."""
        end = time.monotonic() + GIVE_UP_SECONDS
        done = 0
        while done < len(batches):
            acknowledged, error = await self._send(batches[done : done + IN_FLIGHT])
            done += acknowledged
            if acknowledged:
                end = time.monotonic() + GIVE_UP_SECONDS
            elif error is not None and time.monotonic() > end:
                raise UnreachableError(
                    f"{batches[done].partition}: no broker acknowledged a record for {GIVE_UP_SECONDS:.0f} s ({error})"
                )
            if error is not None:
                if not error.retriable:
                    raise OpsError(f"{batches[done].partition}: the brokers refused records: {error}")
                self._manager.cluster.request_update()
                await self._loop.sleep(RETRY_SECONDS)

    async def _send(self, batches: Sequence[_Batch]) -> "tuple[int, Any]":
        """Send batches concurrently.

        Returns:
            The number of leading batches that are acknowledged, and the error of the next one or None.
        """
        from kafka import TopicPartition
        from kafka.errors import KafkaError, LeaderNotAvailableError

        partition = batches[0].partition
        try:
            await self._manager.cluster.add_topic(partition.topic)
        except KafkaError as error:
            return 0, error
        leader = self._manager.cluster.leader_for_partition(TopicPartition(*partition))
        if leader is None or leader < 0:
            return 0, LeaderNotAvailableError(partition)
        pending = [self._manager.send(_request(batch), node_id=leader) for batch in batches]
        acknowledged, failed = 0, None
        for future in pending:
            try:
                answer = (await future).responses[0].partition_responses[0]
                error = _error(answer.error_code)
                if error is None and answer.log_append_time_ms >= 0:
                    raise OpsError(f"{partition}: a broker changed the timestamps of records (LogAppendTime)")
            except KafkaError as raised:
                error = raised
            if failed is None and error is None:
                acknowledged += 1
            failed = failed or error
        return acknowledged, failed


async def _result(pending: "Future") -> None:
    await pending


def _request(batch: _Batch) -> Any:
    from kafka.protocol.producer import ProduceRequest

    topic = ProduceRequest.TopicProduceData
    data = topic.PartitionProduceData(index=batch.partition.partition, records=batch.data)
    return ProduceRequest(
        transactional_id=None,
        acks=_ACKS_ALL,
        timeout_ms=REQUEST_MS,
        topic_data=[topic(name=batch.partition.topic, partition_data=[data])],
        min_version=3,
        max_version=9,  # later versions name topics by id
    )


def _error(code: int) -> Any:
    """The error of a response; None if the batch was written, now or by an earlier attempt."""
    from kafka.errors import DuplicateSequenceNumberError, NoError, for_code

    kind = for_code(code)
    return None if kind in (NoError, DuplicateSequenceNumberError) else kind()
