"""The Kafka client: connections, the cluster's metadata, and the configuration of topics."""

import logging
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from components.kafka.security import Security, client_options, refusal
from components.routes import DIRECT, Route, patience

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from kafka.net.compat import KafkaNetClient

T = TypeVar("T")

BATCH = 200
"""Topics per request. The controller of a cluster with ZooKeeper creates 30 to 50 topics a second, so a request for a
thousand would time out; bench/RESULTS.md has figures for other sizes."""

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
    bootstrap: str,
    *,
    route: Route = DIRECT,
    request_seconds: float = REQUEST_SECONDS,
    security: Security | None = None,
) -> "Generator[KafkaAdminClient]":
    """An admin client, closed at the end.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        route: How brokers are reached.
        request_seconds: Seconds for one request.
        security: Who connects; None where brokers ask for nothing.

    Raises:
        kafka.errors.KafkaError: No broker answered in time.
    """
    from kafka import KafkaAdminClient

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    with _explained(bootstrap, security, route), _closed_on_failure(min(request_seconds, SETUP_SECONDS)) as connections:
        client = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","),
            client_id="millrace",
            proxy_url=route.proxy_url,
            bootstrap_timeout_ms=int(patience(route, CONNECT_SECONDS) * 1000),
            request_timeout_ms=int(request_seconds * 1000),
            reconnect_backoff_max_ms=500,
            kafka_client=connections,
            **client_options(security),
        )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _explained(bootstrap: str, security: Security | None, route: Route) -> Generator[None]:
    """Say why brokers refuse a client, which says itself only that it could not connect in time."""
    from kafka.errors import KafkaError, SaslAuthenticationFailedError

    try:
        yield
    except KafkaError as error:
        if security is None:
            raise
        reasons = (refusal(address, security, route=route) for address in bootstrap.split(","))
        if (reason := next(filter(None, reasons), None)) is None:
            raise
        raise SaslAuthenticationFailedError(reason) from error


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
