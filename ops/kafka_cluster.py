"""Requests to a Kafka cluster that several commands share, and Kafka errors as messages for the user."""

import logging
import struct
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from components.kafka.security import Security, encrypted
from components.routes import Route
from ops.errors import UnreachableError, refuse_unknown

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition


_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 0, -1)
"""The smallest request, ApiVersions v0: size, key, version, correlation id, no client id
(https://kafka.apache.org/39/protocol.html#protocol_messages)."""


@contextmanager
def admin_at(bootstrap: str) -> "Generator[KafkaAdminClient]":
    """An admin client of any cluster that accepts connections without TLS and authentication.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.

    Raises:
        UnreachableError: No broker answers, or one refused a request.
    """
    from components.kafka import client as kafka

    if not kafka.any_listens(bootstrap):
        raise UnreachableError(f"no broker answers at {bootstrap}")
    with kafka_errors(f"Kafka at {bootstrap}"), kafka.admin_client(bootstrap) as client:
        yield client


@contextmanager
def kafka_errors(where: str) -> Generator[None]:
    """Turn errors of Kafka clients into :class:`UnreachableError`.

    Args:
        where: The cluster, for the message.
    """
    from kafka.errors import KafkaError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it logs is raised as well
    try:
        yield
    except KafkaError as error:
        raise UnreachableError(f"{where}: {error}") from error


def answers(address: str, *, route: Route, seconds: float, security: Security | None = None) -> bool:
    """Whether a broker answers a request; a broker that hangs still accepts connections.

    Args:
        address: ``host:port``.
        route: How it is reached.
        seconds: Timeout of the connection, and of the answer.
        security: How it is encrypted; a broker answers this before it asks who is there.
    """
    try:
        with route.connect(address, seconds) as plain, encrypted(plain, address, security) as connection:
            connection.sendall(_API_VERSIONS)
            return bool(connection.recv(4))
    except OSError:
        return False


def require_topics(client: "KafkaAdminClient", names: Sequence[str]) -> None:
    """Refuse topics that do not exist; never creates one, whatever the brokers' settings.

    Raises:
        RefusedError: Lists every unknown topic with the nearest existing one.
    """
    refuse_unknown("topic", names, client.list_topics())


def leaders(client: "KafkaAdminClient", names: Sequence[str]) -> "dict[TopicPartition, int]":
    """The leader's broker id of each partition of existing topics; negative without a leader."""
    from kafka import TopicPartition

    return {
        TopicPartition(topic["name"], partition["partition_index"]): partition["leader_id"]
        for topic in client.describe_topics(names)
        for partition in topic["partitions"]
    }


def offsets(
    client: "KafkaAdminClient", partitions: Iterable["TopicPartition"], spec: int
) -> "dict[TopicPartition, int]":
    """Offsets of partitions.

    Args:
        client: An admin client.
        partitions: Partitions with a leader; for one without, the client would wait long.
        spec: One of ``kafka.admin.OffsetSpec``, or milliseconds since 1970: the first record at or after that time.

    Returns:
        The offset of each partition; -1 where no record is at or after the time.
    """
    specs = dict.fromkeys(partitions, spec)
    if not specs:
        return {}
    return {partition: found.offset for partition, found in client.list_partition_offsets(specs).items()}


def bounds(
    client: "KafkaAdminClient", partitions: Collection["TopicPartition"]
) -> "dict[TopicPartition, tuple[int, int]]":
    """The first available offset of each partition, and its end offset: that of the next record."""
    from kafka.admin import OffsetSpec

    begin = offsets(client, partitions, OffsetSpec.EARLIEST)
    end = offsets(client, partitions, OffsetSpec.LATEST)
    return {partition: (begin[partition], end[partition]) for partition in partitions}


def replica_sizes(
    client: "KafkaAdminClient", brokers: Sequence[int] | None = None
) -> "dict[int, Mapping[TopicPartition, int]]":
    """Bytes on disk of each replica, by broker id.

    Args:
        client: An admin client.
        brokers: Ids of the brokers to ask; None asks all registered ones.
    """
    from kafka import TopicPartition

    return {
        answer["broker"]: {
            TopicPartition(topic["name"], partition["partition_index"]): partition["partition_size"]
            for folder in answer["log_dirs"]
            for topic in folder["topics"]
            for partition in topic["partitions"]
        }
        for answer in client.describe_log_dirs(brokers=brokers)
    }
