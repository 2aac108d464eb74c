"""Writes and reads records of a running platform with the real Kafka client."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from ops.drills.background import Background
from ops.drills.kafka_load import SteadyLoad
from ops.drills.kafka_readers import read_back
from ops.drills.records import Stamp
from ops.drills.verdict import compare


def produce(servers: Sequence[str], topic: str, values: Sequence[bytes], proxy_url: str | None = None) -> None:
    """Write records with acks=all."""
    with KafkaProducer(bootstrap_servers=list(servers), proxy_url=proxy_url, acks="all") as producer:
        for sent in [producer.send(topic, value) for value in values]:
            sent.get(timeout=30)


def consume(servers: Sequence[str], topic: str, quiet_seconds: float = 3, proxy_url: str | None = None) -> list[bytes]:
    """Read all values of a topic from its beginning to its current end."""
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
    """Context manager: an admin client that is closed at the end."""

    def __init__(self, servers: Sequence[str], proxy_url: str | None = None) -> None:
        self._client = KafkaAdminClient(bootstrap_servers=list(servers), proxy_url=proxy_url)

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()


def steady_load(servers: Sequence[str], topic: str, per_second: int = 100, proxy_url: str | None = None) -> SteadyLoad:
    """A load that writes records with acks=all inside its ``with`` block."""
    return SteadyLoad({"bootstrap_servers": list(servers), "proxy_url": proxy_url}, topic, rate=per_second)


def lost(load: SteadyLoad, servers: Sequence[str], proxy_url: str | None = None) -> Sequence[Stamp]:
    """Records of a load that were acknowledged but are not in its topic."""
    options = {"bootstrap_servers": list(servers), "proxy_url": proxy_url}
    return compare(load.acknowledged, *read_back(options, load.topic, load.run)).lost


class Sampler(Background):
    """Samples a cluster: the fewest running brokers, and the fewest in-sync replicas of any partition.

    Args:
        servers: The brokers' addresses.
        topics: Topics with three replicas to watch.
        running: Returns the names of the running brokers.
        proxy_url: SOCKS proxy to the brokers, if they need one.
    """

    def __init__(
        self,
        servers: Sequence[str],
        topics: Sequence[str],
        running: Callable[[], Sequence[str]],
        proxy_url: str | None = None,
    ) -> None:
        super().__init__("sampler")
        self.fewest_running = 3
        self.fewest_in_sync = 3
        self.samples = 0
        self._servers, self._topics, self._running, self._proxy_url = servers, list(topics), running, proxy_url

    def _work(self) -> None:
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
