"""Existing topics as a stack file declares them: how to move an existing cluster to this project."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from components.naming import PROJECT
from components.quantities import format_duration, format_size
from components.topics.rules import TopicSpec, normal_value, spec_problems
from components.topics.safety import ObservedTopic, without_throttles

_LONGEST_DAYS = 36_500
"""The longest duration that a stack file accepts; see :func:`components.quantities.parse_duration`."""

_MINIMUM = "min.insync.replicas"

HEADER = """\
# Topics of the cluster; configuration from broker defaults is left out.
# To take them over, set millrace:existingTopics to adopt for the first `pulumi up`.
"""


def entry(name: str, topic: ObservedTopic) -> dict[str, Any]:
    """One entry of ``topics`` in a stack file.

    Args:
        name: The topic's name.
        topic: The topic in the cluster.
    """
    declared: dict[str, Any] = {
        "name": name,
        "partitions": topic.partitions,
        "replicationFactor": topic.replication_factor,
    }
    others: dict[str, str] = {}
    for key, value in sorted(without_throttles(topic.config, ()).items()):
        field = _field(key, value)
        if field is None:
            others[key] = value
        else:
            declared[field[0]] = field[1]
    return declared | ({"config": others} if others else {})


def _field(key: str, value: str) -> tuple[str, object] | None:
    """The stack file's key and value for a Kafka configuration; None if it belongs into ``config``."""
    if key == "cleanup.policy":
        return "cleanup", normal_value(key, value)
    if key == "compression.type":
        return "compression", value
    if key == _MINIMUM:
        return "minInSyncReplicas", int(value)
    amount = int(value) if key in ("retention.ms", "retention.bytes", "max.message.bytes") else 0
    if key == "retention.ms":
        if amount == -1:
            return "retention", -1
        # Kafka accepts more, and people write the largest number for "never".
        fits = amount <= timedelta(days=_LONGEST_DAYS) // timedelta(milliseconds=1)
        return ("retention", format_duration(timedelta(milliseconds=amount))) if fits else None
    if key == "retention.bytes":
        return "retentionBytes", -1 if amount == -1 else format_size(amount)
    if key == "max.message.bytes":
        return "maxMessageBytes", format_size(amount)
    return None


def with_reachable_minimum(
    topics: Mapping[str, ObservedTopic], minimum: Mapping[str, int]
) -> tuple[dict[str, ObservedTopic], list[str]]:
    """Give topics that have too few replicas for the cluster's default a minimum of their own, as a stack file must.

    Args:
        topics: Topics of the cluster, by name.
        minimum: The effective ``min.insync.replicas`` of each.

    Returns:
        The topics as they can be declared, and a line for each that differs from the cluster.
    """
    reachable = dict(topics)
    lines: list[str] = []
    for name, topic in sorted(topics.items()):
        factor = topic.replication_factor
        if _MINIMUM not in topic.config and minimum[name] > factor:
            reachable[name] = replace(topic, config={**topic.config, _MINIMUM: str(factor)})
            lines.append(
                f"{name}: min.insync.replicas {minimum[name]}, the cluster's default, is above its replication factor "
                f"{factor}, so acks=all always fails; minInSyncReplicas {factor} is written, and set by adopting it"
            )
    return reachable, lines


def obstacles(name: str, topic: ObservedTopic, brokers: int) -> list[str]:
    """Why a stack file cannot declare this topic.

    Args:
        name: The topic's name.
        topic: The topic in the cluster.
        brokers: Number of brokers.
    """
    spec = TopicSpec(
        name=name, partitions=topic.partitions, replication_factor=topic.replication_factor, config=topic.config
    )
    problems = [f"{name}: {problem}" for problem in spec_problems(spec, brokers)]
    if len({len(replicas) for replicas in topic.replicas}) > 1:
        problems.append(
            f"{name}: its partitions have different numbers of replicas; adopting it gives all "
            f"{topic.replication_factor}"
        )
    return problems


def stack_file_text(topics: Mapping[str, ObservedTopic]) -> str:
    """The part of a stack file that declares topics.

    Args:
        topics: Topics of the cluster, by name.
    """
    import yaml

    entries = [entry(name, topic) for name, topic in sorted(topics.items())]
    body = yaml.safe_dump(
        {"config": {f"{PROJECT}:topics": entries}}, default_flow_style=None, sort_keys=False, width=110
    )
    return HEADER + body
