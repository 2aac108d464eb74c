"""Reads the state of the platform to restore into."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from components.topics.client import observe
from ops.backup import acls, groups, redis_keys
from ops.backup.archive.model import Cut, PartitionId, RedisSummary
from ops.backup.restore.plan import Request, Target
from ops.kafka_cluster import bounds
from ops.platform import Platform

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

_AGE = {"log.retention.ms": 1, "log.retention.minutes": 60_000, "log.retention.hours": 3_600_000}
"""The brokers' settings of retention by age and their units in milliseconds; the first one that is set applies
(Kafka's documentation)."""

_SIZE = "log.retention.bytes"


def read_target(platform: Platform, client: "KafkaAdminClient", cut: Cut, request: Request) -> Target:
    """Read everything that a restore would touch.

    Raises:
        UnreachableError: Redis does not answer.
    """
    topics = observe(client, request.topics)
    cluster = client.describe_cluster()
    committed = groups.read(client, client.list_topics()) if request.groups and cut.groups else {}
    return Target(
        brokers=len(cluster["brokers"]),
        topics=topics,
        held=offsets(client, {PartitionId(name, n) for name, topic in topics.items() for n in range(topic.partitions)}),
        groups=list(committed),
        acls=acls.read(client) if request.acls and cut.acls else [],
        redis=_redis(platform) if request.redis else None,
        retention=_retention(client, cluster["brokers"][0]["broker_id"]),
    )


def offsets(client: "KafkaAdminClient", partitions: Collection[PartitionId]) -> dict[PartitionId, tuple[int, int]]:
    """First and end offset of partitions."""
    from kafka import TopicPartition

    found = bounds(client, [TopicPartition(*partition) for partition in partitions])
    return {PartitionId(*partition): both for partition, both in found.items()}


def _retention(client: "KafkaAdminClient", broker: int) -> dict[str, int]:
    from kafka.admin import ConfigResource, ConfigResourceType

    resource = ConfigResource(ConfigResourceType.BROKER, str(broker), [*_AGE, _SIZE])
    config = client.describe_configs([resource], config_filter="all")["broker"][str(broker)]
    values = {key: entry["value"] for key, entry in config.items() if entry["value"] is not None}
    ages = [int(values[key]) * milliseconds for key, milliseconds in _AGE.items() if key in values]
    return {"retention.ms": next(iter(ages), -1), "retention.bytes": int(values.get(_SIZE, -1))}


def _redis(platform: Platform) -> RedisSummary:
    held: dict[int, int] = {}
    with redis_keys.redis_errors(platform.stack):
        with platform.redis_client() as client:
            version, databases = redis_keys.version(client), redis_keys.databases(client)
        for database in databases:
            with platform.redis_client(db=database) as client:
                if keys := redis_keys.user_keys(client):
                    held[database] = len(keys)
    return RedisSummary(version=version, keys=held)
