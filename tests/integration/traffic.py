"""Records in and out of a running platform, with the real client."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError


def produce(servers: Sequence[str], topic: str, values: Sequence[bytes]) -> None:
    """Write records with acks=all."""
    with KafkaProducer(bootstrap_servers=list(servers), acks="all") as producer:
        for sent in [producer.send(topic, value) for value in values]:
            sent.get(timeout=30)


def consume(servers: Sequence[str], topic: str, quiet_seconds: float = 3) -> list[bytes]:
    """Read a topic from its start until nothing more comes."""
    consumer = KafkaConsumer(bootstrap_servers=list(servers), auto_offset_reset="earliest", enable_auto_commit=False)
    values: list[bytes] = []
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        assert partitions, f"topic {topic} has no partitions"
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        wanted = sum(consumer.end_offsets(partitions).values())
        end = time.monotonic() + 30
        while len(values) < wanted and time.monotonic() < end:
            for records in consumer.poll(timeout_ms=int(quiet_seconds * 1000)).values():
                values += [record.value for record in records]
    finally:
        consumer.close()
    return values


class admin:
    """An admin client that is closed at the end."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._client = KafkaAdminClient(bootstrap_servers=list(servers))

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()


class SteadyLoad:
    """Writes numbered records with acks=all until it is stopped, and remembers which were acknowledged."""

    def __init__(self, servers: Sequence[str], topic: str, per_second: int = 100) -> None:
        self.acknowledged: list[bytes] = []
        self.errors: list[str] = []
        self._topic, self._pause = topic, 1 / per_second
        self._stop = threading.Event()
        self._producer = KafkaProducer(
            bootstrap_servers=list(servers), acks="all", retries=100, delivery_timeout_ms=120_000, linger_ms=5
        )
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _write(self) -> None:
        pending: list[tuple[bytes, Any]] = []
        number = 0
        while not self._stop.is_set():
            value = str(number).encode()
            pending.append((value, self._producer.send(self._topic, value)))
            number += 1
            time.sleep(self._pause)
        for value, sent in pending:
            try:
                sent.get(timeout=120)
                self.acknowledged.append(value)
            except KafkaError as error:
                self.errors.append(f"{value!r}: {error!r}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.close()
