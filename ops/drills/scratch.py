"""Topics and Redis keys that drills and benchmarks create for themselves and delete at the end."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from components.kafka.client import admin_client
from components.topics.client import delete_topics
from components.waiting import wait_until
from ops.errors import UnreachableError
from ops.platform import Platform

REPLICAS = 3
"""Replicas of a topic, if there are as many brokers."""

DELETION_SECONDS = 90.0
"""Seconds for a cluster that was just broken to delete a topic, or for Redis to delete keys."""

_BATCH = 500
"""Keys in one DEL command."""


def replication_factor(platform: Platform) -> int:
    """Replication factor of the topics that are created here."""
    return min(REPLICAS, len(platform.brokers))


def create_topic(platform: Platform, name: str, *, partitions: int, config: Mapping[str, str]) -> None:
    """Create a topic that deletes records by age only, and wait until each partition has a leader.

    Args:
        platform: The platform.
        name: The topic's name.
        partitions: Number of partitions.
        config: Further topic configuration.

    Raises:
        UnreachableError: No broker answers, or the topic cannot be created.
    """
    from kafka.errors import KafkaError

    topic = {
        "num_partitions": partitions,
        "replication_factor": replication_factor(platform),
        "configs": {"retention.bytes": "-1", "cleanup.policy": "delete", **config},
    }
    with platform.admin() as client:
        try:
            client.create_topics({name: topic}, wait_for_metadata=True)
        except KafkaError as error:
            raise UnreachableError(f"topic {name} could not be created: {error}") from error


def delete_topic(platform: Platform, name: str, *, report: Callable[[str], None] = lambda _: None) -> None:
    """Delete a topic and wait until it is gone; does nothing if it does not exist.

    Args:
        platform: The platform.
        name: The topic's name.
        report: Called with a line of progress.

    Raises:
        UnhealthyError: It still exists after :data:`DELETION_SECONDS`.
    """
    from kafka.errors import KafkaError

    def remaining() -> list[str]:
        try:
            delete_topics(platform.bootstrap, [name], route=platform.route, security=platform.security)
            with admin_client(platform.bootstrap, route=platform.route, security=platform.security) as client:
                return [f"{name} still exists"] if name in client.list_topics() else []
        except KafkaError as error:
            return [f"Kafka does not answer: {error}"]

    wait_until(remaining, what=f"topic {name}", state="deleted", deadline=DELETION_SECONDS, report=report)


def delete_keys(platform: Platform, prefix: str) -> None:
    """Delete all Redis keys with a prefix.

    Raises:
        UnreachableError: Redis does not answer within :data:`DELETION_SECONDS`.
    """
    from redis.exceptions import RedisError

    end = time.monotonic() + DELETION_SECONDS
    while True:
        try:
            with platform.redis_client() as connected:
                client: Any = connected  # the library's own types of these commands are incomplete
                keys: list[bytes] = list(client.scan_iter(match=f"{prefix}*", count=1000))
                for start in range(0, len(keys), _BATCH):
                    client.delete(*keys[start : start + _BATCH])
            return
        except RedisError as error:
            if time.monotonic() > end:
                raise UnreachableError(f"Redis of stack {platform.stack}: {error}") from error
            time.sleep(0.5)
