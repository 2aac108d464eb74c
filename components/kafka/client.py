"""The Kafka client: connections, the cluster's metadata, and what a health check finds in it."""

import logging
import time
import uuid
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from components.findings import finding
from components.naming import ordinal_of
from components.routes import DIRECT, Route, patience

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from kafka.net.compat import KafkaNetClient

T = TypeVar("T")

BATCH = 200
"""Topics per request. The controller of a cluster with ZooKeeper creates 30 to 50 topics a second, so a request for a
thousand would time out; bench/RESULTS.md has figures for other sizes."""

HEALTH_TOPIC = "__millrace_health"
"""Topic that the health check writes to and reads from, so that it touches no others."""

CONNECT_SECONDS = 2.0
"""Seconds to wait for the cluster's first answer before a check reports it as unreachable."""

SETUP_SECONDS = 10.0
"""Seconds to wait for a broker's first answer on a new connection (kafka-python's own default)."""

REQUEST_SECONDS = 60.0
"""Seconds to wait for one request; the controller needs about 20 ms to create a topic."""


@dataclass(frozen=True)
class Partition:
    """One partition as the cluster's metadata shows it."""

    topic: str
    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.topic}-{self.number}"


@dataclass(frozen=True)
class ClusterState:
    """The cluster's metadata.

    Args:
        brokers: ``host:port`` that each registered broker advertises, by id.
        controller: The controller's broker id; negative while there is none.
        partitions: All partitions, internal topics' too.
        racks: Rack of each broker that has one, by id.
    """

    brokers: Mapping[int, str]
    controller: int
    partitions: Sequence[Partition] = field(default_factory=tuple[Partition, ...])
    racks: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def offline(self) -> list[Partition]:
        """Partitions without a leader."""
        return [partition for partition in self.partitions if partition.leader < 0]

    @property
    def under_replicated(self) -> list[Partition]:
        """Partitions with fewer replicas in sync than they have."""
        return [partition for partition in self.partitions if len(partition.in_sync) < len(partition.replicas)]


@contextmanager
def admin_client(
    bootstrap: str, *, route: Route = DIRECT, request_seconds: float = REQUEST_SECONDS
) -> "Generator[KafkaAdminClient]":
    """An admin client, closed at the end.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        route: How brokers are reached.
        request_seconds: Seconds for one request.

    Raises:
        kafka.errors.KafkaError: No broker answered in time.
    """
    from kafka import KafkaAdminClient

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with _closed_on_failure(min(request_seconds, SETUP_SECONDS)) as connections:
        client = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="millrace",
            proxy_url=route.proxy_url,
            bootstrap_timeout_ms=int(patience(route, CONNECT_SECONDS) * 1000),
            request_timeout_ms=int(request_seconds * 1000),
            reconnect_backoff_max_ms=500,
            kafka_client=connections,
        )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _closed_on_failure(setup_seconds: float) -> "Generator[Callable[..., KafkaNetClient]]":
    """Create an admin client's connections, and close them if the client fails because no broker answers.

    kafka-python would leave their thread and sockets behind, which add up in a process that retries.

    Args:
        setup_seconds: Seconds to wait for a first answer on a new connection; the admin client does not pass it on.
    """
    from kafka.net.compat import KafkaNetClient

    created: list[KafkaNetClient] = []

    def create(**configs: Any) -> KafkaNetClient:
        created.append(KafkaNetClient(**configs, socket_connection_setup_timeout_ms=int(setup_seconds * 1000)))
        return created[-1]

    try:
        yield create
    except BaseException:
        for connections in created:
            connections.close()
        raise


@contextmanager
def controller_errors() -> Generator[None]:
    """Raise kafka-python's plain error for a controller that changes during a request as a Kafka error."""
    from kafka.errors import NotControllerError

    try:
        yield
    except RuntimeError as error:
        raise NotControllerError(str(error)) from error


def cluster_state(client: "KafkaAdminClient") -> ClusterState:
    """Read the cluster's metadata.

    Raises:
        kafka.errors.KafkaError: It cannot be read, or the answer lacks a topic: a partial answer proves nothing.
    """
    cluster: dict[str, Any] = client.describe_cluster()
    topics: list[dict[str, Any]] = client.describe_topics()
    require_readable(topics)
    return ClusterState(
        brokers={broker["broker_id"]: f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]},
        controller=cluster["controller_id"],
        partitions=partitions_of(topics),
        racks={broker["broker_id"]: broker["rack"] for broker in cluster["brokers"] if broker.get("rack")},
    )


def require_readable(topics: Iterable[Mapping[str, Any]]) -> None:
    """Refuse a metadata response that has an error instead of a topic.

    Raises:
        kafka.errors.KafkaError: The first topic's error.
    """
    from kafka.errors import for_code

    if unreadable := next((topic for topic in topics if topic.get("error_code")), None):
        raise for_code(unreadable["error_code"])(f"no metadata of topic {unreadable['name']}")


def partitions_of(topics: Sequence[Mapping[str, Any]]) -> list[Partition]:
    """The partitions of the topics in a metadata response."""
    return [
        Partition(
            topic=topic["name"],
            number=partition["partition_index"],
            leader=partition["leader_id"],
            replicas=tuple(partition["replica_nodes"]),
            in_sync=tuple(partition["isr_nodes"]),
        )
        for topic in topics
        for partition in topic["partitions"]
    ]


def complete_replicas(topic: str, partitions: Iterable[Partition]) -> tuple[tuple[int, ...], ...]:
    """The replicas of each partition of a topic, by number.

    Raises:
        kafka.errors.StaleMetadata: A partition is missing or has no replicas.
    """
    from kafka.errors import StaleMetadata

    found = {partition.number: partition.replicas for partition in partitions}
    if not found or set(found) != set(range(len(found))) or not all(found.values()):
        raise StaleMetadata(f"the metadata of topic {topic} lacks partitions or replicas")
    return tuple(found[number] for number in range(len(found)))


def cluster_findings(state: ClusterState, brokers: Mapping[str, str], logs: Mapping[str, str]) -> list[str]:
    """What is wrong according to the cluster's metadata.

    Args:
        state: The cluster's metadata.
        brokers: Address that each declared broker must advertise, by name (``kafka-0`` has broker id 0).
        logs: For each member the command that shows its logs.
    """
    return [*broker_findings(state, brokers, logs), *partition_findings(state)]


def broker_findings(state: ClusterState, brokers: Mapping[str, str], logs: Mapping[str, str]) -> list[str]:
    """Declared brokers that are not registered or advertise a different address, and a missing controller."""
    findings: list[str] = []
    for name, address in brokers.items():
        broker = ordinal_of(name)
        advertised = state.brokers.get(broker)
        if advertised is None:
            seen = f"broker {broker} is not registered in the cluster"
            findings.append(finding(name, seen=seen, expected=f"it to advertise {address}", logs=logs))
        elif advertised != address:
            findings.append(finding(name, seen=f"it advertises {advertised}", expected=address, logs=logs))
    if state.controller < 0:
        findings.append("Kafka: no controller; expected one of the brokers")
    return findings


def partition_findings(state: ClusterState) -> list[str]:
    """Partitions that are offline or under-replicated."""
    findings: list[str] = []
    if state.offline:
        findings.append(f"Kafka: partitions without a leader: {first_few(state.offline)}; expected none")
    lacking = [partition for partition in state.under_replicated if partition not in state.offline]
    if lacking:
        findings.append(f"Kafka: under-replicated partitions: {first_few(lacking)}; expected none")
    return findings


def first_few(partitions: Sequence[Partition], shown: int = 5) -> str:
    """The first partitions as text, and the number of the others."""
    more = f" and {len(partitions) - shown} more" if len(partitions) > shown else ""
    return ", ".join(map(str, partitions[:shown])) + more


def unreachable(
    bootstrap: str, brokers: Mapping[str, str], logs: Mapping[str, str], *, route: Route = DIRECT
) -> list[str]:
    """The finding for a cluster in which no broker answers."""
    first = next(iter(brokers), "Kafka")
    trouble = next(filter(None, map(route.trouble, bootstrap.split(","))), None)
    why = f" ({trouble})" if trouble else ""
    return [finding(first, seen=f"no broker answers at {bootstrap}{why}", expected="an answer", logs=logs)]


def round_trip_findings(
    bootstrap: str, client: "KafkaAdminClient", state: ClusterState, *, route: Route = DIRECT
) -> list[str]:
    """Produce a record with acks=all, and read it back."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.errors import KafkaError

    servers: dict[str, Any] = {"bootstrap_servers": bootstrap.split(","), "proxy_url": route.proxy_url}
    token = uuid.uuid4().bytes
    try:
        if all(partition.topic != HEALTH_TOPIC for partition in state.partitions):
            _create_health_topic(client, len(state.brokers))
        with KafkaProducer(**servers, acks="all", max_block_ms=5000) as producer:
            record: Any = producer.send(HEALTH_TOPIC, token, partition=0).get(timeout=10)
        consumer = KafkaConsumer(**servers, enable_auto_commit=False)
        try:
            partition = TopicPartition(HEALTH_TOPIC, 0)
            consumer.assign([partition])
            consumer.seek(partition, record.offset)
            end = time.monotonic() + 10
            while time.monotonic() < end:
                batch: Any = consumer.poll(timeout_ms=1000)
                if any(read.value == token for reads in batch.values() for read in reads):
                    return []
        finally:
            consumer.close()
    except KafkaError as error:
        return [f"Kafka: a record with acks=all failed: {error}; expected it to be written and read back"]
    return ["Kafka: a record was written but not read back within 10 s; expected to read it"]


def _create_health_topic(client: "KafkaAdminClient", brokers: int) -> None:
    from kafka.errors import TopicAlreadyExistsError

    # Uncompressed, whatever the brokers' default: reading back must not need a codec that is not installed here.
    configs = {"retention.ms": "3600000", "compression.type": "uncompressed"}
    topic = {"num_partitions": 1, "replication_factor": min(3, brokers), "configs": configs}
    try:
        client.create_topics({HEALTH_TOPIC: topic}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        client.wait_for_topics([HEALTH_TOPIC])


def accepts(address: str, *, route: Route = DIRECT) -> bool:
    """Whether something accepts connections at ``host:port``."""
    try:
        with route.connect(address, CONNECT_SECONDS):
            return True
    except OSError:
        return False


def any_listens(bootstrap: str, *, route: Route = DIRECT) -> bool:
    """Whether any of the addresses accepts a connection: a quick check before a slow client is created."""
    return any(accepts(address, route=route) for address in bootstrap.split(","))


def batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """The items in lists of at most ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def minimum_in_sync(client: "KafkaAdminClient", names: Collection[str]) -> dict[str, int]:
    """The effective ``min.insync.replicas`` of each named topic, be it a broker's default.

    Raises:
        kafka.errors.UnknownTopicOrPartitionError: The broker that answers does not know a topic, yet or any longer.
    """
    configs = topic_configs(client, names, ["min.insync.replicas"])
    return {name: int(config["min.insync.replicas"]["value"]) for name, config in configs.items()}


def topic_configs(
    client: "KafkaAdminClient", names: Collection[str], keys: Sequence[str] | None = None
) -> dict[str, dict[str, Any]]:
    """The effective configuration of each named topic: kafka-python's entry (``value``, ``config_source``) by key.

    Args:
        client: The client.
        names: The topics' names.
        keys: The keys to read; None for all.

    Raises:
        kafka.errors.UnknownTopicOrPartitionError: The broker that answers does not know a topic, yet or any longer.
    """
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.errors import UnknownTopicOrPartitionError

    found: dict[str, dict[str, Any]] = {}
    for batch in batches(sorted(names)):
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, keys) for name in batch]
        answer: dict[str, Any] = client.describe_configs(resources, config_filter="all").get("topic", {})
        # kafka-python drops the error of a topic's answer; its configuration is empty then.
        if unknown := [name for name in batch if not answer.get(name)]:
            raise UnknownTopicOrPartitionError(f"no configuration of {', '.join(unknown)}")
        found |= {name: answer[name] for name in batch}
    return found


def _refused_connections(brokers: Mapping[str, str], logs: Mapping[str, str], route: Route) -> list[str]:
    """Brokers that accept no connection: a broker registers shortly before its listeners are open."""
    return [
        finding(name, seen=f"it is registered, but nothing listens at {address}", expected="a listener", logs=logs)
        for name, address in brokers.items()
        if not accepts(address, route=route)
    ]


def kafka_findings(
    bootstrap: str,
    brokers: Mapping[str, str],
    logs: Mapping[str, str],
    *,
    round_trip: bool,
    route: Route = DIRECT,
) -> list[str]:
    """Check the whole cluster; returns the findings.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: Address that each broker must advertise, by name.
        logs: For each member the command that shows its logs.
        round_trip: Whether to also write a record and read it back, if there are no findings.
        route: How brokers are reached.
    """
    from kafka.errors import KafkaError

    if not any_listens(bootstrap, route=route):
        return unreachable(bootstrap, brokers, logs, route=route)
    try:
        with admin_client(bootstrap, route=route) as client:
            state = cluster_state(client)
            findings = cluster_findings(state, brokers, logs) or _refused_connections(brokers, logs, route)
            if not findings and round_trip:
                findings = round_trip_findings(bootstrap, client, state, route=route)
            return findings
    except KafkaError:
        return unreachable(bootstrap, brokers, logs, route=route)
