"""What several commands ask of a Kafka cluster: which topics there are, their offsets, and bytes on disk."""

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from components.errors import nearest
from components.routes import Route
from ops.errors import RefusedError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition


_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 0, -1)
"""The smallest request there is, ApiVersions v0: size, key, version, correlation id, no client id
(https://kafka.apache.org/39/protocol.html#protocol_messages)."""


def answers(address: str, *, route: Route, seconds: float) -> bool:
    """Whether a broker answers a request: one that hangs still takes connections.

    Args:
        address: ``host:port``.
        route: How it is reached.
        seconds: Seconds for the connection, and for the answer.
    """
    try:
        with route.connect(address, seconds) as connection:
            connection.sendall(_API_VERSIONS)
            return bool(connection.recv(4))
    except OSError:
        return False


def require_topics(client: "KafkaAdminClient", names: Sequence[str]) -> None:
    """Refuse topics that do not exist; asking never makes one, whatever the brokers' settings.

    Raises:
        RefusedError: With every unknown topic and the one that was most likely meant.
    """
    refuse_unknown("topic", names, client.list_topics())


def refuse_unknown(noun: str, names: Sequence[str], known: Collection[str]) -> None:
    """Refuse names that are not known.

    Args:
        noun: What the names are: ``topic``.
        names: Names as a person gave them.
        known: Names that there are.

    Raises:
        RefusedError: With every unknown name and the one that was most likely meant.
    """
    unknown = [f'there is no {noun} "{name}".{nearest(name, known)}' for name in names if name not in known]
    if unknown:
        plural = noun if len(unknown) == 1 else f"{noun}s"
        raise RefusedError(f"unknown {plural}; nothing was done", unknown)


def offsets(
    client: "KafkaAdminClient", partitions: Iterable["TopicPartition"], spec: int
) -> "dict[TopicPartition, int]":
    """Offsets of partitions, each of which must have a leader.

    Args:
        client: An admin client.
        partitions: Partitions that have a leader; the client would wait long for one that has none.
        spec: One of ``kafka.admin.OffsetSpec``, or milliseconds since 1970: the first record that is as young.

    Returns:
        The offset by partition; -1 where no record is as young.
    """
    specs = dict.fromkeys(partitions, spec)
    if not specs:
        return {}
    return {partition: found.offset for partition, found in client.list_partition_offsets(specs).items()}


def bounds(
    client: "KafkaAdminClient", partitions: Collection["TopicPartition"]
) -> "dict[TopicPartition, tuple[int, int]]":
    """The first offset that each partition still has, and the one that its next record will get."""
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
        brokers: Ids of brokers to ask; None asks all that are registered.
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
