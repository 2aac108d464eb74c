"""The benchmark's own topic: created before the run, counted after it, and always deleted."""

from collections.abc import Generator
from contextlib import contextmanager

from components.errors import PlatformError
from ops.benchmark.plan import TOPIC_PREFIX, Plan
from ops.console import say
from ops.drills.scratch import create_topic, delete_topic
from ops.kafka_cluster import offsets
from ops.platform import Platform


@contextmanager
def own_topic(platform: Platform, plan: Plan) -> Generator[None]:
    """Create the plan's topic with the brokers' own ``min.insync.replicas``, and delete it on exit.

    Raises:
        UnreachableError: It could not be created.
    """
    try:
        # An hour keeps all records until they are counted, and deletes them if the run is killed.
        create_topic(platform, plan.topic, partitions=plan.partitions, config={"retention.ms": "3600000"})
        yield
    finally:
        _delete(platform, plan)


def stored_records(platform: Platform, plan: Plan) -> int:
    """Number of records in the topic, by its end offsets: none are deleted, so they count all."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    partitions = [TopicPartition(plan.topic, number) for number in range(plan.partitions)]
    with platform.admin() as client:
        return sum(offsets(client, partitions, OffsetSpec.LATEST).values())


def other_topics(platform: Platform, plan: Plan) -> list[str]:
    """Topics of other benchmarks: of one that runs now, or of a killed one."""
    with platform.admin() as client:
        return sorted(name for name in client.list_topics() if name.startswith(TOPIC_PREFIX) and name != plan.topic)


def _delete(platform: Platform, plan: Plan) -> None:
    """Delete the topic and the consumer group; a failure is only a warning, so that it hides no other error."""
    try:
        delete_topic(platform, plan.topic)
        with platform.admin() as client:
            if any(group["group_id"] == plan.topic for group in client.list_groups()):
                client.delete_groups([plan.topic])
    except PlatformError as error:
        say(f"warning: topic and consumer group {plan.topic} may still exist; delete them: {error}")
