"""The benchmark's own topic: made before the run, counted after it, and removed whatever happened."""

from collections.abc import Generator
from contextlib import contextmanager

from components.errors import PlatformError
from ops.benchmark.plan import TOPIC_PREFIX, Plan
from ops.console import say
from ops.drills.scratch import remove_topic
from ops.errors import UnreachableError
from ops.platform import Platform

REPLICATION = 3
"""Replicas of the topic, or as many as there are brokers: what topics that must not lose records have."""


@contextmanager
def own_topic(platform: Platform, plan: Plan) -> Generator[None]:
    """The plan's topic while it lasts; its minimum of replicas in sync is the brokers' own.

    Raises:
        UnreachableError: It could not be made.
    """
    from kafka.errors import KafkaError

    try:
        with platform.admin() as client:
            # All records stay until they are counted, and no longer than an hour if the run is killed.
            request = {
                "num_partitions": plan.partitions,
                "replication_factor": replication(platform),
                "configs": {"retention.ms": "3600000", "retention.bytes": "-1", "cleanup.policy": "delete"},
            }
            try:
                client.create_topics({plan.topic: request})
                client.wait_for_topics([plan.topic])
            except KafkaError as error:
                raise UnreachableError(f"topic {plan.topic} could not be made: {error}") from error
        yield
    finally:
        _remove(platform, plan)


def replication(platform: Platform) -> int:
    """Replicas that the topic has on this platform."""
    return min(REPLICATION, len(platform.brokers))


def stored_records(platform: Platform, plan: Plan) -> int:
    """Records in the topic, by its partitions' end offsets: nothing is deleted from it, so they count all."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    partitions = {TopicPartition(plan.topic, number): OffsetSpec.LATEST for number in range(plan.partitions)}
    with platform.admin() as client:
        return sum(found.offset for found in client.list_partition_offsets(partitions).values())


def other_topics(platform: Platform, plan: Plan) -> list[str]:
    """Topics of other runs: of one that is under way, or of one that was killed."""
    with platform.admin() as client:
        return sorted(name for name in client.list_topics() if name.startswith(TOPIC_PREFIX) and name != plan.topic)


def _remove(platform: Platform, plan: Plan) -> None:
    """Delete the topic and the consumer's group; a failure is told with the cure, and hides no other error."""
    try:
        remove_topic(platform, plan.topic)
        with platform.admin() as client:
            if any(group["group_id"] == plan.topic for group in client.list_groups()):
                client.delete_groups([plan.topic])
    except PlatformError as error:
        say(f"warning: topic and consumer group {plan.topic} may still be there; delete them: {error}")
