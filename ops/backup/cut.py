"""The consistent cut: the platform at the start of a backup."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from components.errors import count
from components.topics.client import observe
from ops.backup import acls, groups
from ops.backup.archive.model import Cut, Selection, Span, Topic, choose
from ops.backup.archive.writer import now
from ops.errors import RefusedError
from ops.platform import Platform

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer


def take(platform: Platform, client: "KafkaAdminClient", consumer: "KafkaConsumer", selection: Selection) -> Cut:
    """Read everything that defines a backup.

    Groups are read before the end offsets, so that no committed offset lies beyond the last saved record.

    Args:
        platform: The platform.
        client: An admin client of it.
        consumer: A consumer of committed records.
        selection: What to back up.

    Raises:
        RefusedError: A selected topic does not exist.
    """
    names = choose(client.list_topics(), selection.topics, f"stack {platform.stack}")
    observed = observe(client, names)
    ids = topic_ids(client, names)
    positions = groups.read(client, names)
    rules = acls.read(client)
    spans = _spans(consumer, {name: topic.partitions for name, topic in observed.items()})
    return Cut(
        made=now(),
        stack=platform.stack,
        platform=platform.name,
        cluster=client.describe_cluster()["cluster_id"],
        selection=selection,
        topics={
            name: Topic(
                id=ids[name],
                replication=topic.replication_factor,
                config=dict(topic.config),
                spans=spans[name],
            )
            for name, topic in observed.items()
        },
        groups=positions,
        acls=rules,
    )


def topic_ids(client: "KafkaAdminClient", names: Collection[str]) -> dict[str, str]:
    """The ids of topics, by name; missing topics are left out."""
    return {topic["name"]: str(topic["topic_id"]) for topic in client.describe_topics() if topic["name"] in names}


def _spans(consumer: "KafkaConsumer", partitions: dict[str, int]) -> dict[str, list[Span]]:
    from kafka import TopicPartition

    topic_partitions: list[TopicPartition] = [
        TopicPartition(name, number) for name, total in partitions.items() for number in range(total)
    ]
    if not topic_partitions:
        return {}
    begins = consumer.beginning_offsets(topic_partitions)
    ends = consumer.end_offsets(topic_partitions)  # the last stable offset, before the first open transaction
    spans: dict[str, list[Span]] = {name: [] for name in partitions}
    for partition in topic_partitions:
        # Retention may have moved the first offset between both requests.
        spans[partition.topic].append(Span(begin=min(begins[partition], ends[partition]), end=ends[partition]))
    return spans


def refuse_different_backup(cut: Cut, client: "KafkaAdminClient", selection: Selection, partial: str) -> None:
    """Refuse to resume a different backup.

    Raises:
        RefusedError: It was started on a different cluster or with different options, or topics were recreated since.
    """
    problems: list[str] = []
    cluster = client.describe_cluster()["cluster_id"]
    if cluster != cut.cluster:
        problems.append(f"it was started on cluster {cut.cluster} (stack {cut.stack}); this is cluster {cluster}")
    else:
        ids = topic_ids(client, cut.topics)
        gone = [name for name, topic in cut.topics.items() if ids.get(name) != topic.id]
        if gone and cut.selection.records:
            problems.append(f"{count(len(gone), 'topic')} deleted or recreated since: {', '.join(gone)}")
    if selection != cut.selection:
        problems.append(f"it was started with {_options(cut.selection)}; now with {_options(selection)}")
    if problems:
        raise RefusedError(f"{partial} is a different backup", [*problems, f"to start a new one, remove {partial}"])


def _options(selection: Selection) -> str:
    options = [f"--topics {pattern}" for pattern in selection.topics]
    options += [] if selection.records else ["--no-records"]
    options += [] if selection.redis else ["--no-redis"]
    return " ".join(options) or "no options"
