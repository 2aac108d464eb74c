"""What a health check finds in a Kafka cluster: its metadata, its listeners, and a record that is written and read."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.findings import finding
from components.kafka.client import ClusterState, Partition, accepts, admin_client, any_listens, cluster_state
from components.kafka.security import Security, client_options
from components.naming import ordinal_of
from components.routes import DIRECT, Route

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

HEALTH_TOPIC = "__millrace_health"
"""Topic that the health check writes to and reads from, so that it touches no others."""


def cluster_findings(state: ClusterState, brokers: Mapping[str, str], logs: Mapping[str, str]) -> list[str]:
    """What is wrong according to the cluster's metadata.

    Args:
        state: The cluster's metadata.
        brokers: Address that each declared broker must advertise, by name (``kafka-0`` has broker id 0).
        logs: For each member the command that shows its logs.
    """
    return [*broker_findings(state, brokers, logs), *partition_findings(state)]


def among_registered(state: ClusterState) -> ClusterState:
    """The metadata without what only brokers that are not registered can heal: their replicas, and partitions that
    none but they can lead.
    """
    partitions = [
        replace(
            partition,
            replicas=tuple(broker for broker in partition.replicas if broker in state.brokers),
            in_sync=tuple(broker for broker in partition.in_sync if broker in state.brokers),
        )
        for partition in state.partitions
        if partition.leader >= 0 or set(partition.in_sync) & state.brokers.keys()
    ]
    return replace(state, partitions=partitions)


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
    bootstrap: str,
    client: "KafkaAdminClient",
    state: ClusterState,
    *,
    route: Route = DIRECT,
    security: Security | None = None,
) -> list[str]:
    """Produce a record with acks=all, and read it back."""
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.errors import KafkaError

    servers: dict[str, Any] = {"bootstrap_servers": bootstrap.split(","), "proxy_url": route.proxy_url}
    servers |= client_options(security)
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
    registered_only: bool = False,
    route: Route = DIRECT,
    security: Security | None = None,
) -> list[str]:
    """Check the whole cluster; returns the findings.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: Address that each broker must advertise, by name.
        logs: For each member the command that shows its logs.
        round_trip: Whether to also write a record and read it back, if there are no findings.
        registered_only: Whether to leave out what only brokers that are not registered can heal.
        route: How brokers are reached.
        security: Who asks; None where brokers ask for nothing.
    """
    from kafka.errors import KafkaError, SaslAuthenticationFailedError

    if not any_listens(bootstrap, route=route):
        return unreachable(bootstrap, brokers, logs, route=route)
    try:
        with admin_client(bootstrap, route=route, security=security) as client:
            state = cluster_state(client)
            state = among_registered(state) if registered_only else state
            findings = cluster_findings(state, brokers, logs) or _refused_connections(brokers, logs, route)
            if not findings and round_trip:
                findings = round_trip_findings(bootstrap, client, state, route=route, security=security)
            return findings
    except SaslAuthenticationFailedError as error:
        return [f"Kafka: {error}; expected brokers that let the platform's user in"]
    except KafkaError:
        return unreachable(bootstrap, brokers, logs, route=route)
