"""What a drill makes for itself in a platform: a topic, and keys in Redis; both are removed at the end."""

import time
from collections.abc import Callable

from components.kafka.client import admin_client
from components.topics.client import delete_topics
from components.waiting import wait_until
from ops.errors import UnreachableError
from ops.platform import Platform

PARTITIONS = 6
"""Partitions of a drill's topic: each of three brokers leads two."""

MINIMUM_IN_SYNC = 2
REPLICAS = 3

REMOVAL_SECONDS = 90.0
"""Seconds for a cluster that was just broken to remove a topic."""


def make_topic(platform: Platform, name: str) -> None:
    """Make a drill's topic, and wait until it can be written to.

    Raises:
        UnreachableError: No broker answers.
    """
    replicas = min(REPLICAS, len(platform.brokers))
    configs = {
        "min.insync.replicas": str(min(MINIMUM_IN_SYNC, replicas)),
        # Uncompressed whatever the brokers' default: reading it back must not take a codec that is not installed.
        "compression.type": "uncompressed",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "cleanup.policy": "delete",
    }
    topic = {"num_partitions": PARTITIONS, "replication_factor": replicas, "configs": configs}
    with platform.admin() as client:
        client.create_topics({name: topic}, wait_for_metadata=True)


def remove_topic(platform: Platform, name: str, *, report: Callable[[str], None] = lambda _: None) -> None:
    """Remove a drill's topic, and wait until it is gone; one that is not there is no error.

    Raises:
        UnhealthyError: The cluster did not remove it in time.
    """
    from kafka.errors import KafkaError

    def left() -> list[str]:
        try:
            delete_topics(platform.bootstrap, [name], route=platform.route)
            with admin_client(platform.bootstrap, route=platform.route) as client:
                return [f"{name} is still there"] if name in client.list_topics() else []
        except KafkaError as error:
            return [f"Kafka does not answer: {error}"]

    wait_until(left, what=f"topic {name}", state="removed", deadline=REMOVAL_SECONDS, report=report)


def remove_keys(platform: Platform, prefix: str) -> None:
    """Remove a drill's keys from Redis.

    Raises:
        UnreachableError: Redis does not answer within :data:`REMOVAL_SECONDS`.
    """
    from redis.exceptions import RedisError

    end = time.monotonic() + REMOVAL_SECONDS
    while True:
        try:
            with platform.redis_client() as client:
                for batch in _batches(list(client.scan_iter(match=f"{prefix}*", count=1000))):
                    client.delete(*batch)
            return
        except RedisError as error:
            if time.monotonic() > end:
                raise UnreachableError(f"Redis of stack {platform.stack}: {error}") from error
            time.sleep(0.5)


def _batches(keys: list[bytes], size: int = 500) -> list[list[bytes]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]
