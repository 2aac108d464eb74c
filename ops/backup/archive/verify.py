"""Verifies a whole archive in one pass, and collects what a restore needs to know."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from components.errors import count
from ops.backup import redis_keys
from ops.backup.archive.frames import FrameError, scan
from ops.backup.archive.model import (
    MANIFEST,
    REDIS,
    Cut,
    KeysMeta,
    Manifest,
    PartEntry,
    PartitionId,
    RecordsMeta,
    RedisSummary,
    TopicTotal,
)
from ops.backup.archive.parts import DamagedError, Part, incomplete, read_cut, read_manifest, read_parts


@dataclass
class Contents:
    """The contents of an archive, as found by reading it.

    Args:
        cut: The platform at the start of the backup.
        manifest: The manifest; None until it is read.
        records: Number of records, by partition.
        sizes: Bytes of records before compression, by partition.
        old: Number of records with a timestamp before the limit of their topic, by topic.
        before: Number of records before each committed offset, by partition and offset.
        keys: Number of Redis keys, by database.
    """

    cut: Cut
    manifest: Manifest | None = None
    records: dict[PartitionId, int] = field(default_factory=dict[PartitionId, int])
    sizes: dict[PartitionId, int] = field(default_factory=dict[PartitionId, int])
    old: dict[str, int] = field(default_factory=dict[str, int])
    before: dict[PartitionId, dict[int, int]] = field(default_factory=dict[PartitionId, dict[int, int]])
    keys: dict[int, int] = field(default_factory=dict[int, int])


def summary(path: Path) -> tuple[Cut, Manifest]:
    """The cut and the manifest of an archive, without reading records and keys.

    Raises:
        RefusedError: It is not an archive, or is incomplete or damaged.
    """
    cut: Cut | None = None
    position = 0
    for part in read_parts(path, payloads=False):
        cut = cut or read_cut(part, path)
        position = part.end
        if part.name == MANIFEST:
            return cut, read_manifest(part, path)
    raise incomplete(path, position)


def check(
    path: Path, *, limits: Mapping[str, int] | None = None, advance: Callable[[float], None] | None = None
) -> Contents:
    """Read a whole archive and verify its checksums and counts.

    Args:
        path: The archive.
        limits: The timestamp (milliseconds since 1970) before which records count as old, by topic.
        advance: Called with the number of bytes just read.

    Raises:
        RefusedError: It is not an archive, or is incomplete.
        DamagedError: A part is damaged; the message names it and its location.
    """
    checker: _Checker | None = None
    position = 0
    for part in read_parts(path):
        checker = checker or _Checker(path, read_cut(part, path), limits or {})
        checker.take(part)
        position = part.end
        if advance:
            advance(part.end - part.begin)
    if checker is None or checker.contents.manifest is None:
        raise incomplete(path, position)
    return checker.contents


class _Checker:
    """Verifies parts in order and collects the contents."""

    def __init__(self, path: Path, cut: Cut, limits: Mapping[str, int]) -> None:
        self._path = path
        self._limits = limits
        self._entries: list[PartEntry] = []
        self._reached = {partition: span.begin for partition, span in cut.spans.items()}
        self._totals = {name: TopicTotal() for name in cut.topics}
        self._redis: RedisSummary | None = None
        self._positions = _positions(cut)
        self.contents = Contents(cut, before={partition: {} for partition in self._positions})

    def take(self, part: Part) -> None:
        try:
            if part.holds_records:
                self._records(part, RecordsMeta.model_validate(part.meta))
            elif part.holds_keys:
                self._keys(part, KeysMeta.model_validate(part.meta))
            elif part.name == REDIS:
                self._redis = RedisSummary.model_validate_json(part.payload)
            elif part.name == MANIFEST:
                self._finish(part)
        except (FrameError, ValidationError) as error:
            raise self._damaged(part, str(error)) from error
        self._entries.append(part.entry)

    def _damaged(self, part: Part, what: str) -> DamagedError:
        return DamagedError(f"{self._path} is damaged: {part.location}: {what}")

    def _records(self, part: Part, meta: RecordsMeta) -> None:
        expected = self._reached.get(meta.partition_id)
        if expected != meta.start:
            raise FrameError(f"offsets of {meta.partition_id} continue at {expected}, not at {meta.start}")
        found = list(scan(part.content))
        offsets = [offset for offset, _ in found]
        if len(found) != meta.records:
            raise FrameError(f"it holds {count(len(found), 'record')}; its header says {meta.records}")
        if offsets and not (meta.start <= offsets[0] and offsets[-1] < meta.next):
            raise FrameError(f"offsets {offsets[0]} to {offsets[-1]} are outside of {meta.start} to {meta.next - 1}")
        earlier = self.contents.records.get(meta.partition_id, 0)
        for position in self._positions.get(meta.partition_id, ()):
            if position > meta.start:  # earlier offsets were counted with their own part
                self.contents.before[meta.partition_id][position] = earlier + bisect_left(offsets, position)
        if (limit := self._limits.get(meta.topic)) is not None:
            old = sum(timestamp < limit for _, timestamp in found)
            self.contents.old[meta.topic] = self.contents.old.get(meta.topic, 0) + old
        self.contents.records[meta.partition_id] = earlier + len(found)
        self.contents.sizes[meta.partition_id] = self.contents.sizes.get(meta.partition_id, 0) + meta.size
        self._reached[meta.partition_id] = meta.next
        self._totals[meta.topic] = self._totals[meta.topic].plus(meta)

    def _keys(self, part: Part, meta: KeysMeta) -> None:
        found = sum(1 for _ in redis_keys.decode(part.content))
        if found != meta.keys:
            raise FrameError(f"it holds {count(found, 'key')}; its header says {meta.keys}")
        self.contents.keys[meta.database] = self.contents.keys.get(meta.database, 0) + found

    def _finish(self, part: Part) -> None:
        manifest = read_manifest(part, self._path)
        for number, (found, listed) in enumerate(zip(self._entries, manifest.parts, strict=False)):
            if found != listed:
                raise FrameError(f"entry {number} of its list is {listed}; the archive has {found}")
        if len(self._entries) != len(manifest.parts):
            raise FrameError(f"it lists {count(len(manifest.parts), 'part')}; the archive has {len(self._entries)}")
        short = [
            f"{partition} up to offset {self._reached[partition]} of {span.end}"
            for partition, span in self.contents.cut.spans.items()
            if self._reached[partition] < span.end
        ]
        if short:
            raise FrameError(f"records are missing: {', '.join(short)}")
        if manifest.topics != self._totals:
            raise FrameError("its counts of records do not match the archive")
        if manifest.redis != self._redis or (manifest.redis and manifest.redis.keys != self.contents.keys):
            raise FrameError("its counts of keys do not match the archive")
        self.contents.manifest = manifest


def _positions(cut: Cut) -> dict[PartitionId, Collection[int]]:
    """The committed offsets of all groups, by partition."""
    positions: dict[PartitionId, set[int]] = {}
    for commits in cut.groups.values():
        for commit in commits:
            positions.setdefault(commit.partition_id, set()).add(commit.offset)
    return {partition: sorted(found) for partition, found in positions.items()}
