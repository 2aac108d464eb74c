"""What Kafka allows of a topic: names, counts and configuration keys."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from components.errors import count, nearest
from components.limits import MAX_LONG

MAX_NAME_LENGTH = 249
"""Longest topic name: 255 bytes of file name less ``-`` and a partition number
(org.apache.kafka.common.internals.Topic, Kafka 3.9)."""

INTERNAL_PREFIX = "__"
"""Start of the names that are reserved for Kafka and this platform, such as ``__consumer_offsets``."""

_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]+")

_INTEGER, _BOOLEAN, _RATIO, _TEXT = "a whole number", "true or false", "a number from 0 to 1", "text"

TOPIC_CONFIG_KINDS: Mapping[str, str] = {
    "cleanup.policy": _TEXT,
    "compression.gzip.level": _INTEGER,
    "compression.lz4.level": _INTEGER,
    "compression.type": _TEXT,
    "compression.zstd.level": _INTEGER,
    "delete.retention.ms": _INTEGER,
    "file.delete.delay.ms": _INTEGER,
    "flush.messages": _INTEGER,
    "flush.ms": _INTEGER,
    "follower.replication.throttled.replicas": _TEXT,
    "index.interval.bytes": _INTEGER,
    "leader.replication.throttled.replicas": _TEXT,
    "local.retention.bytes": _INTEGER,
    "local.retention.ms": _INTEGER,
    "max.compaction.lag.ms": _INTEGER,
    "max.message.bytes": _INTEGER,
    "message.downconversion.enable": _BOOLEAN,
    "message.format.version": _TEXT,
    "message.timestamp.after.max.ms": _INTEGER,
    "message.timestamp.before.max.ms": _INTEGER,
    "message.timestamp.difference.max.ms": _INTEGER,
    "message.timestamp.type": _TEXT,
    "min.cleanable.dirty.ratio": _RATIO,
    "min.compaction.lag.ms": _INTEGER,
    "min.insync.replicas": _INTEGER,
    "preallocate": _BOOLEAN,
    "remote.log.copy.disable": _BOOLEAN,
    "remote.log.delete.on.disable": _BOOLEAN,
    "remote.storage.enable": _BOOLEAN,
    "retention.bytes": _INTEGER,
    "retention.ms": _INTEGER,
    "segment.bytes": _INTEGER,
    "segment.index.bytes": _INTEGER,
    "segment.jitter.ms": _INTEGER,
    "segment.ms": _INTEGER,
    "unclean.leader.election.enable": _BOOLEAN,
}
"""Every topic configuration key of Kafka 3.9, and the kind of its value
(org.apache.kafka.common.config.TopicConfig and org.apache.kafka.storage.internals.log.LogConfig)."""

THROTTLES = ("follower.replication.throttled.replicas", "leader.replication.throttled.replicas")
"""Keys that kafka-reassign-partitions.sh, Cruise Control and others set while they move replicas, and then remove."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "cleanup.policy": ("delete", "compact", "compact,delete"),
    "compression.type": ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"),
    "message.timestamp.type": ("CreateTime", "LogAppendTime"),
}


@dataclass(frozen=True, kw_only=True)
class TopicSpec:
    """One topic as declared.

    Args:
        name: The topic's name.
        partitions: Number of partitions.
        replication_factor: Replicas of each partition.
        config: Topic configuration in Kafka's own keys; absent keys have the broker's default.
        protect: Refuse to delete the topic when it leaves the declaration.
        factor_by_default: Whether the replication factor is a default and not declared for this topic. It says nothing
            about the topic, so it makes no difference.
    """

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict[str, str])
    protect: bool = False
    factor_by_default: bool = field(default=False, compare=False)


def name_problem(name: str) -> str | None:
    """What is wrong with a topic's name; None if it is legal."""
    if not name:
        return "a topic needs a name"
    if len(name) > MAX_NAME_LENGTH:
        return f"the name has {len(name)} characters; Kafka allows at most {MAX_NAME_LENGTH}"
    if name in (".", ".."):
        return f'a topic cannot be called "{name}"'
    if not _LEGAL_NAME.fullmatch(name):
        return f'"{name}" has characters other than letters, digits, ".", "_" and "-"'
    if name.startswith(INTERNAL_PREFIX):
        return f'"{name}" starts with "{INTERNAL_PREFIX}", which is kept for internal topics'
    return None


def config_problems(config: Mapping[str, str]) -> list[str]:
    """What is wrong with topic configuration keys and their values, one line each."""
    problems: list[str] = []
    for key, value in sorted(config.items()):
        kind = TOPIC_CONFIG_KINDS.get(key)
        if kind is None:
            problems.append(f'unknown topic config "{key}".{nearest(key, TOPIC_CONFIG_KINDS)}')
        elif key in _CHOICES and normal_value(key, value) not in _CHOICES[key]:
            problems.append(f'{key} is "{value}"; allowed are {", ".join(_CHOICES[key])}')
        elif not _is_kind(value, kind):
            problems.append(f'{key} is "{value}"; it must be {kind}')
    return problems


def count_problems(spec: TopicSpec, brokers: int | None, default_in_sync: int = 1) -> list[str]:
    """What is wrong with a topic's partitions, replication factor and ``min.insync.replicas``, one line each.

    Args:
        spec: The topic.
        brokers: Number of brokers, or None if it is not known.
        default_in_sync: The brokers' own ``min.insync.replicas``; 1 if it is not known.
    """
    problems: list[str] = []
    if spec.partitions < 1:
        problems.append(f"{spec.partitions} partitions: a topic has at least 1")
    if spec.replication_factor < 1:
        problems.append(f"replication factor {spec.replication_factor}: a topic has at least 1 replica")
    if brokers is not None and spec.replication_factor > brokers:
        problems.append(
            f"replication factor {spec.replication_factor} is more than the {count(brokers, 'broker')} there are"
        )
    in_sync = spec.config.get("min.insync.replicas", str(default_in_sync))
    if in_sync.isdigit() and int(in_sync) > spec.replication_factor:
        is_default = "min.insync.replicas" not in spec.config and default_in_sync > 1
        way = "; the topic may have minInSyncReplicas of its own (kafka.minInSyncReplicas is the default)"
        problems.append(
            f"min.insync.replicas {in_sync} is above the replication factor {spec.replication_factor}: "
            f"so many replicas can never be in sync{way if is_default else ''}"
        )
    return problems


def spec_problems(spec: TopicSpec, brokers: int | None) -> list[str]:
    """Everything that is wrong with one topic; empty if it can be created."""
    named = name_problem(spec.name)
    return [*([named] if named else []), *config_problems(spec.config), *count_problems(spec, brokers)]


def set_problems(names: Iterable[str]) -> list[str]:
    """What is wrong with a set of names: repetitions, and names that differ only in "." and "_".

    Kafka refuses the latter, because both characters become the same one in metric names
    (org.apache.kafka.common.internals.Topic.hasCollision).
    """
    problems: list[str] = []
    seen: dict[str, str] = {}
    for name in names:
        folded = name.replace(".", "_")
        if folded not in seen:
            seen[folded] = name
        elif seen[folded] == name:
            problems.append(f'topic "{name}" is declared twice')
        else:
            problems.append(f'topics "{seen[folded]}" and "{name}" differ only in "." and "_", which Kafka refuses')
    return problems


def normal_value(key: str, value: str) -> str:
    """The value in one spelling, so that ``delete,compact`` and ``compact, delete`` are equal."""
    if key == "cleanup.policy":
        return ",".join(sorted(part.strip() for part in value.split(",")))
    return value.strip()


def _is_kind(value: str, kind: str) -> bool:
    if kind == _BOOLEAN:
        return value in ("true", "false")
    if kind == _INTEGER:
        return re.fullmatch(r"-?[0-9]{1,19}", value) is not None and abs(int(value)) <= MAX_LONG
    if kind == _RATIO:
        try:
            return value.isascii() and 0 <= float(value) <= 1
        except ValueError:
            return False
    return True
