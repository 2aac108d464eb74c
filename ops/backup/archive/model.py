"""The metadata of an archive: ``cut.json`` at its start, ``manifest.json`` at its end."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.topics.rules import INTERNAL_PREFIX
from ops.errors import RefusedError

FORMAT = "millrace-backup"
VERSION = 1
"""Version of the archive's format; a program reads its own and older versions."""

CUT = "cut.json"
MANIFEST = "manifest.json"
REDIS = "redis.json"


class PartitionId(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Model):
    """The offsets of one partition that a backup covers.

    Args:
        begin: The first available offset.
        end: The offset after the last committed record at the start of the backup.
    """

    begin: int
    end: int


class Topic(_Model):
    """One topic at the start of the backup.

    Args:
        id: The cluster's id of the topic: a recreated topic of the same name has a new one.
        replication: Replication factor.
        config: Configuration set on the topic, without broker defaults.
        spans: The covered offsets of each partition, by number.
    """

    id: str
    replication: int
    config: dict[str, str]
    spans: list[Span]


class Commit(_Model):
    """A committed offset of a group: that of the next record it reads."""

    topic: str
    partition: int
    offset: int
    metadata: str = ""

    @property
    def partition_id(self) -> PartitionId:
        """The partition."""
        return PartitionId(self.topic, self.partition)


class Acl(_Model):
    """One ACL, with the names of Kafka's protocol (``TOPIC``, ``LITERAL``, ``READ``, ``ALLOW``)."""

    resource: str
    name: str
    pattern: str
    principal: str
    host: str
    operation: str
    permission: str


class Selection(_Model):
    """What to back up.

    Args:
        topics: Names and patterns; empty for all topics except internal ones.
        records: Whether to include records, not only topics.
        redis: Whether to include Redis keys.
    """

    topics: list[str] = Field(default_factory=list)
    records: bool = True
    redis: bool = True


class Cut(_Model):
    """The platform at the start of the backup; everything read later belongs to it.

    Args:
        made: The start time in UTC (ISO 8601).
        stack: The stack's name.
        platform: The platform's name.
        cluster: The Kafka cluster's id.
        selection: What to back up.
        topics: The selected topics, by name.
        groups: Committed offsets of the selected topics, by group.
        acls: ACLs; None if the cluster has no authorizer.
    """

    format: Literal["millrace-backup"] = FORMAT
    version: int = VERSION
    made: str
    stack: str
    platform: str
    cluster: str
    selection: Selection
    topics: dict[str, Topic]
    groups: dict[str, list[Commit]]
    acls: list[Acl] | None

    @property
    def spans(self) -> dict[PartitionId, Span]:
        """The covered offsets of each partition; empty without records."""
        if not self.selection.records:
            return {}
        return {
            PartitionId(name, number): span
            for name, topic in self.topics.items()
            for number, span in enumerate(topic.spans)
        }


class RecordsMeta(_Model):
    """What a part with records covers: all offsets from ``start`` up to, not including, ``next``.

    Args:
        records: Number of records; compaction and transactions leave gaps in the offsets.
        size: Bytes before compression.
        lost: Offsets of the range that retention deleted before they were read.
    """

    topic: str
    partition: int
    start: int
    next: int
    records: int
    size: int
    lost: int = 0

    @property
    def partition_id(self) -> PartitionId:
        """The partition."""
        return PartitionId(self.topic, self.partition)


class KeysMeta(_Model):
    """What a part with Redis keys holds."""

    database: int
    keys: int
    size: int


class RedisSummary(_Model):
    """Redis: its version, and the number of keys by database."""

    version: str
    keys: dict[int, int]


class TopicTotal(_Model):
    """Totals of a topic: records, bytes before compression, offsets lost to retention."""

    records: int = 0
    size: int = 0
    lost: int = 0

    def plus(self, part: RecordsMeta) -> "TopicTotal":
        """The totals including one more part."""
        return TopicTotal(records=self.records + part.records, size=self.size + part.size, lost=self.lost + part.lost)


PartEntry = tuple[str, int, str, int]
"""A part's name, stored bytes, their sha256, and the CRC-32 of its header."""


class Manifest(_Model):
    """The totals and all parts of an archive."""

    format: Literal["millrace-backup"] = FORMAT
    version: int = VERSION
    finished: str
    topics: dict[str, TopicTotal]
    redis: RedisSummary | None
    groups: int
    acls: int | None
    parts: list[PartEntry]


def choose(names: Sequence[str], patterns: Sequence[str], where: str) -> list[str]:
    """Select topics by patterns.

    Args:
        names: The existing topics.
        patterns: Names, or patterns with ``*``, ``?`` and ``[…]``; empty for all but internal topics.
        where: What contains the topics, for the message.

    Raises:
        RefusedError: A pattern matches no topic.
    """
    if not patterns:
        return sorted(name for name in names if not name.startswith(INTERNAL_PREFIX))
    unmatched = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    if unmatched:
        existing = ", ".join(sorted(name for name in names if not name.startswith(INTERNAL_PREFIX))) or "none"
        raise RefusedError(
            f"{where} has no such topic",
            [f'"{pattern}" matches none of its topics: {existing}' for pattern in unmatched],
        )
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
