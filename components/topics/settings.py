"""What a stack file says about a topic, and what Kafka allows: names, counts and configuration keys."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import (
    Field,
    field_validator,
)

from components.errors import nearest
from components.quantities import (
    Duration,
    Size,
    Unlimited,
    Whole,
    milliseconds_or_all,
    unlimited,
)
from components.stack_file.sections import ConfigValue, Section
from components.topics import settings as topic_rules

MAX_NAME_LENGTH = 249
"""Longest topic name: 255 bytes of file name less ``-`` and a partition number
(org.apache.kafka.common.internals.Topic, Kafka 3.9)."""

INTERNAL_PREFIX = "__"
"""Names that Kafka and this platform keep for themselves, such as ``__consumer_offsets``."""

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
"""Every topic configuration key of Kafka 3.9 and what its value must be
(org.apache.kafka.common.config.TopicConfig and org.apache.kafka.storage.internals.log.LogConfig)."""

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
        config: Topic configuration in Kafka's own keys; keys that are not here take the broker's default.
        protect: Refuse to delete the topic when it leaves the declaration.
    """

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str] = field(default_factory=dict[str, str])
    protect: bool = False


def name_problem(name: str) -> str | None:
    """Say what is wrong with a topic's name, or None."""
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
    """Say what is wrong with topic configuration keys and their values."""
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


def count_problems(spec: TopicSpec, brokers: int | None) -> list[str]:
    """Say what is wrong with a topic's counts.

    Args:
        spec: The topic.
        brokers: Number of brokers, or None where it is not known.
    """
    problems: list[str] = []
    if spec.partitions < 1:
        problems.append(f"{spec.partitions} partitions: a topic has at least 1")
    if spec.replication_factor < 1:
        problems.append(f"replication factor {spec.replication_factor}: a topic has at least 1 replica")
    if brokers is not None and spec.replication_factor > brokers:
        problems.append(
            f"replication factor {spec.replication_factor} is more than the {brokers} "
            f"broker{'s' if brokers != 1 else ''} there are"
        )
    in_sync = spec.config.get("min.insync.replicas", "1")
    if in_sync.isdigit() and int(in_sync) > spec.replication_factor:
        problems.append(
            f"min.insync.replicas {in_sync} is above the replication factor {spec.replication_factor}: "
            "so many replicas can never be in sync"
        )
    return problems


def spec_problems(spec: TopicSpec, brokers: int | None) -> list[str]:
    """Everything wrong with one topic; an empty list where it can be made."""
    named = name_problem(spec.name)
    return [*([named] if named else []), *config_problems(spec.config), *count_problems(spec, brokers)]


def set_problems(names: Iterable[str]) -> list[str]:
    """What is wrong with names together: repeated ones, and those that differ only in "." and "_".

    Kafka refuses the second kind, because metric names fold both characters into one
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
    """The value in one spelling, so that ``delete,compact`` and ``compact, delete`` do not differ."""
    if key == "cleanup.policy":
        return ",".join(sorted(part.strip() for part in value.split(",")))
    return value.strip()


def _is_kind(value: str, kind: str) -> bool:
    if kind == _BOOLEAN:
        return value in ("true", "false")
    if kind == _INTEGER:
        return re.fullmatch(r"-?\d+", value) is not None
    if kind == _RATIO:
        try:
            return 0 <= float(value) <= 1
        except ValueError:
            return False
    return True


class TopicSettings(Section):
    """One topic."""

    name: str = Field(description="The topic's name")
    partitions: Whole = Field(1, ge=1, description="Number of partitions; can grow, never shrink")
    replication_factor: Whole | None = Field(None, ge=1, description="Replicas; unset is 3 with three brokers, else 1")
    min_in_sync_replicas: Whole | None = Field(None, ge=1, description="min.insync.replicas")
    retention: Duration | Unlimited | None = Field(None, description="retention.ms; -1 is for ever")
    retention_bytes: Size | Unlimited | None = Field(None, description="retention.bytes; -1 is no limit")
    cleanup: Literal["delete", "compact", "compact,delete"] | None = Field(None, description="cleanup.policy")
    compression: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] | None = Field(
        None, description="compression.type"
    )
    max_message_bytes: Size | None = Field(None, description="max.message.bytes")
    config: dict[str, ConfigValue] = Field(default_factory=dict, description="Any other topic config, in Kafka's keys")
    protect: bool = Field(False, description="Refuse to delete the topic, and to destroy the volume it lives in")

    @field_validator("name")
    @classmethod
    def _name_is_legal(cls, name: str) -> str:
        if problem := topic_rules.name_problem(name):
            raise ValueError(problem)
        return name

    @field_validator("cleanup", mode="before")
    @classmethod
    def _both_in_one_spelling(cls, value: object) -> object:
        return topic_rules.normal_value("cleanup.policy", value) if isinstance(value, str) else value

    @field_validator("retention", "retention_bytes", mode="before")
    @classmethod
    def _unlimited(cls, value: object) -> object:
        return unlimited(value)

    @field_validator("config")
    @classmethod
    def _config_is_legal(cls, config: dict[str, str]) -> dict[str, str]:
        if problems := topic_rules.config_problems(config):
            raise ValueError("; ".join(problems))
        return config

    def broken_rules(self) -> list[str]:
        """A key can be set as a field or in ``config``, not as both."""
        named = self._named().items()
        return [f'"{key}" is set twice: as {alias} and in config' for key, (alias, _) in named if key in self.config]

    def _named(self) -> dict[str, tuple[str, str]]:
        """Kafka's key of each field that is set, with the field's name and value."""
        fields: dict[str, tuple[str, object]] = {
            "min.insync.replicas": ("minInSyncReplicas", self.min_in_sync_replicas),
            "retention.ms": ("retention", milliseconds_or_all(self.retention)),
            "retention.bytes": ("retentionBytes", self.retention_bytes),
            "cleanup.policy": ("cleanup", self.cleanup),
            "compression.type": ("compression", self.compression),
            "max.message.bytes": ("maxMessageBytes", self.max_message_bytes),
        }
        return {
            key: (alias, str(int(value)) if isinstance(value, int) else str(value))
            for key, (alias, value) in fields.items()
            if value is not None
        }

    def spec(self, brokers: int = 1) -> topic_rules.TopicSpec:
        """The topic with its defaults filled in.

        Args:
            brokers: Number of brokers; only the default replication factor depends on it.
        """
        default = 3 if brokers >= 3 else 1
        config = {key: value for key, (_, value) in self._named().items()} | self.config
        return topic_rules.TopicSpec(
            name=self.name,
            partitions=self.partitions,
            replication_factor=self.replication_factor or default,
            config={key: topic_rules.normal_value(key, value) for key, value in config.items()},
            protect=self.protect,
        )
