"""What an archive says of itself: ``cut.json`` at its start, ``manifest.json`` at its end."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.topics.settings import INTERNAL_PREFIX
from ops.errors import RefusedError

FORMAT = "millrace-backup"
VERSION = 1
"""Version of the archive's format; a program reads its own version and older ones."""

CUT = "cut.json"
MANIFEST = "manifest.json"
REDIS = "redis.json"


class Place(NamedTuple):
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
        begin: First offset that there was.
        end: The offset after the last record that was committed when the backup began.
    """

    begin: int
    end: int


class Topic(_Model):
    """One topic when the backup began.

    Args:
        id: The cluster's own id of the topic: another topic of the same name has another.
        replication: Replication factor.
        config: Configuration of the topic itself; the brokers' defaults are no part of it.
        spans: What is covered of each partition, by number.
    """

    id: str
    replication: int
    config: dict[str, str]
    spans: list[Span]


class Commit(_Model):
    """A group's position: the offset of the next record that it reads."""

    topic: str
    partition: int
    offset: int
    metadata: str = ""

    @property
    def place(self) -> Place:
        """The partition."""
        return Place(self.topic, self.partition)


class Acl(_Model):
    """One access rule, in the names of Kafka's own protocol (``TOPIC``, ``LITERAL``, ``READ``, ``ALLOW``)."""

    resource: str
    name: str
    pattern: str
    principal: str
    host: str
    operation: str
    permission: str


class Selection(_Model):
    """What was asked for.

    Args:
        topics: Names and patterns; none stands for all topics but internal ones.
        records: Whether records are kept, not only the topics.
        redis: Whether Redis is kept.
    """

    topics: list[str] = Field(default_factory=list)
    records: bool = True
    redis: bool = True


class Cut(_Model):
    """The platform when the backup began; all that is read later belongs to it.

    Args:
        made: When that was, in UTC (ISO 8601).
        stack: The stack's name.
        platform: The platform's name.
        cluster: The Kafka cluster's id.
        topics: The chosen topics, by name.
        groups: Committed offsets of the chosen topics, by group.
        acls: Access rules; None where the cluster has no authorizer.
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
    def spans(self) -> dict[Place, Span]:
        """What is covered of each partition; nothing where records were not asked for."""
        if not self.selection.records:
            return {}
        return {
            Place(name, number): span for name, topic in self.topics.items() for number, span in enumerate(topic.spans)
        }


class RecordsMeta(_Model):
    """What a part with records covers: all offsets from ``start`` up to ``next``.

    Args:
        records: Records in it; offsets may have gaps, as compaction and transactions leave them.
        size: Bytes before compression.
        lost: Offsets of the range that retention had deleted before they were read.
    """

    topic: str
    partition: int
    start: int
    next: int
    records: int
    size: int
    lost: int = 0

    @property
    def place(self) -> Place:
        """The partition."""
        return Place(self.topic, self.partition)


class KeysMeta(_Model):
    """What a part with keys of Redis holds."""

    database: int
    keys: int
    size: int


class RedisSummary(_Model):
    """Redis when it was read: its version, and the keys of each database."""

    version: str
    keys: dict[int, int]


class TopicTotal(_Model):
    """What there is of a topic: records, their bytes before compression, offsets that retention took meanwhile."""

    records: int = 0
    size: int = 0
    lost: int = 0

    def plus(self, part: RecordsMeta) -> "TopicTotal":
        """This and one more part."""
        return TopicTotal(records=self.records + part.records, size=self.size + part.size, lost=self.lost + part.lost)


PartEntry = tuple[str, int, str, int]
"""A part's name, its stored bytes, their sha256, and the CRC-32 of its header."""


class Manifest(_Model):
    """What an archive holds in all."""

    format: Literal["millrace-backup"] = FORMAT
    version: int = VERSION
    finished: str
    topics: dict[str, TopicTotal]
    redis: RedisSummary | None
    groups: int
    acls: int | None
    parts: list[PartEntry]


def choose(names: Sequence[str], patterns: Sequence[str], where: str) -> list[str]:
    """The topics that are meant.

    Args:
        names: The topics that there are.
        patterns: Names, or patterns with ``*``, ``?`` and ``[…]``; none stands for all but internal topics.
        where: What has the topics, for the message.

    Raises:
        RefusedError: A pattern fits none.
    """
    if not patterns:
        return sorted(name for name in names if not name.startswith(INTERNAL_PREFIX))
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    if idle:
        there = ", ".join(sorted(name for name in names if not name.startswith(INTERNAL_PREFIX))) or "none"
        raise RefusedError(
            f"{where} has no such topic", [f'"{pattern}" fits none of its topics: {there}' for pattern in idle]
        )
    return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
