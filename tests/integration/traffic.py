"""Records in and out of a running platform, with the real client."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError


def produce(servers: Sequence[str], topic: str, values: Sequence[bytes], proxy_url: str | None = None) -> None:
    """Write records with acks=all."""
    with KafkaProducer(bootstrap_servers=list(servers), proxy_url=proxy_url, acks="all") as producer:
        for sent in [producer.send(topic, value) for value in values]:
            sent.get(timeout=30)


def consume(servers: Sequence[str], topic: str, quiet_seconds: float = 3, proxy_url: str | None = None) -> list[bytes]:
    """Read a topic from its start until nothing more comes."""
    consumer = KafkaConsumer(
        bootstrap_servers=list(servers), proxy_url=proxy_url, auto_offset_reset="earliest", enable_auto_commit=False
    )
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

    def __init__(self, servers: Sequence[str], proxy_url: str | None = None) -> None:
        self._client = KafkaAdminClient(bootstrap_servers=list(servers), proxy_url=proxy_url)

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()


class SteadyLoad:
    """Writes numbered records with acks=all until it is stopped, and remembers which were acknowledged."""

    def __init__(self, servers: Sequence[str], topic: str, per_second: int = 100, proxy_url: str | None = None) -> None:
        self.acknowledged: list[bytes] = []
        self.errors: list[str] = []
        self.per_second = 0.0
        self._topic, self._pause = topic, 1 / per_second
        self._stop = threading.Event()
        self._producer = KafkaProducer(
            bootstrap_servers=list(servers),
            proxy_url=proxy_url,
            acks="all",
            retries=100,
            delivery_timeout_ms=120_000,
            linger_ms=5,
        )
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def _write(self) -> None:
        pending: list[tuple[bytes, Any]] = []
        start = time.monotonic()
        while not self._stop.is_set():
            value = str(len(pending)).encode()
            pending.append((value, self._producer.send(self._topic, value)))
            time.sleep(max(start + len(pending) * self._pause - time.monotonic(), 0))
        self.per_second = len(pending) / (time.monotonic() - start)
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


class Sampler:
    """Watches a cluster: how few brokers served at once, and how few replicas of a partition were in sync.

    Args:
        servers: The brokers' addresses.
        topics: Topics with three replicas to watch.
        running: Names of the brokers that run now.
        proxy_url: How the brokers are reached.
    """

    def __init__(
        self,
        servers: Sequence[str],
        topics: Sequence[str],
        running: Callable[[], Sequence[str]],
        proxy_url: str | None = None,
    ) -> None:
        self.fewest_running = 3
        self.fewest_in_sync = 3
        self.samples = 0
        self._servers, self._topics, self._running, self._proxy_url = servers, list(topics), running, proxy_url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with admin(self._servers, self._proxy_url) as client:
            while not self._stop.is_set():
                self.fewest_running = min(self.fewest_running, len(self._running()))
                try:
                    topics = client.describe_topics(self._topics)
                except KafkaError:  # a broker that is just stopping may drop the request
                    continue
                in_sync = [len(part["isr_nodes"]) for topic in topics for part in topic["partitions"]]
                self.fewest_in_sync = min([self.fewest_in_sync, *in_sync])
                self.samples += 1
                time.sleep(0.1)
