"""Writes an archive, from the start or from where an interrupted run stopped."""

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ops import console
from ops.backup import redis_keys
from ops.backup.archive.model import (
    CUT,
    MANIFEST,
    REDIS,
    Cut,
    KeysMeta,
    Manifest,
    PartitionId,
    RecordsMeta,
    RedisSummary,
    Span,
    TopicTotal,
)
from ops.backup.archive.parts import DamagedError, Part, Writer, read_cut, read_parts

COMPRESSION_LEVEL = 1
"""Level of zstd: level 3 makes archives of text a tenth smaller, but compression then limits the backup."""

SMALLEST_PART = 3 * 512
"""Bytes of the headers of one part: a smaller file has no complete part."""


def now() -> str:
    """The current time in UTC (ISO 8601), to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Archive:
    """An archive that is being written.

    Args:
        writer: Appends parts.
        cut: The platform at the start of the backup.
    """

    def __init__(self, writer: Writer, cut: Cut) -> None:
        from zstandard import ZstdCompressor

        self._writer = writer
        self._compress = ZstdCompressor(level=COMPRESSION_LEVEL).compress
        self.cut = cut
        self.redis: RedisSummary | None = None
        self.totals: dict[str, TopicTotal] = {name: TopicTotal() for name in cut.topics}
        self.reached: dict[PartitionId, int] = {partition: span.begin for partition, span in cut.spans.items()}

    @property
    def left(self) -> dict[PartitionId, Span]:
        """The offsets still to be read, by partition."""
        return {
            partition: Span(begin=self.reached[partition], end=span.end)
            for partition, span in self.cut.spans.items()
            if self.reached[partition] < span.end
        }

    def replay(self, part: Part) -> None:
        """Account for a part that an earlier run wrote."""
        if part.name == REDIS:
            self.redis = RedisSummary.model_validate_json(part.payload)
        elif part.holds_records:
            self._note(RecordsMeta.model_validate(part.meta))

    def add_records(self, meta: RecordsMeta, data: bytes) -> None:
        """Append a chunk of records."""
        name = f"records/{meta.topic}/{meta.partition}/{meta.start:020d}.zst"
        self._writer.add(name, self._compress(data), meta.model_dump())
        self._note(meta)

    def _note(self, meta: RecordsMeta) -> None:
        self.reached[meta.partition_id] = meta.next
        self.totals[meta.topic] = self.totals[meta.topic].plus(meta)

    def add_keys(self, database: int, number: int, keys: list[redis_keys.Key]) -> None:
        """Append a batch of keys."""
        data = redis_keys.encode(keys)
        meta = KeysMeta(database=database, keys=len(keys), size=len(data))
        self._writer.add(f"redis/{database}/{number:06d}.zst", self._compress(data), meta.model_dump())

    def end_redis(self, summary: RedisSummary) -> None:
        """Append the summary after the last key."""
        self._writer.add(REDIS, summary.model_dump_json().encode(), {})
        self.redis = summary

    def finish(self) -> Manifest:
        """Append the manifest and return it."""
        manifest = Manifest(
            finished=now(),
            topics=self.totals,
            redis=self.redis,
            groups=len(self.cut.groups),
            acls=None if self.cut.acls is None else len(self.cut.acls),
            parts=list(self._writer.entries),
        )
        self._writer.finish(manifest)
        return manifest


def begin(target: BinaryIO, cut: Cut) -> Archive:
    """Start an archive with its cut; truncates the file."""
    target.truncate(0)
    writer = Writer(target, [])
    writer.add(CUT, cut.model_dump_json().encode(), {})
    return Archive(writer, cut)


def resumed(partial: Path, target: BinaryIO) -> Archive | None:
    """Reopen the archive of an interrupted run, truncated after its last complete part; None without such a part."""
    with console.progress("verifying the partial archive", total=partial.stat().st_size or 1) as advance:
        return _replayed(partial, target, advance)


def _replayed(partial: Path, target: BinaryIO, advance: console.Advance) -> Archive | None:
    parts = _complete_parts(partial)
    first = next(parts, None)
    if first is None:
        return None
    writer = Writer(target, [first.entry])
    archive = Archive(writer, read_cut(first, partial))
    keep, kept = first.end, 1
    for part in parts:
        advance(part.end - part.begin)
        archive.replay(part)
        writer.entries.append(part.entry)
        if archive.redis is not None or part.holds_records:
            keep, kept = part.end, len(writer.entries)
    # Incomplete keys are read again: a scan of Redis cannot be resumed.
    del writer.entries[kept:]
    target.truncate(keep)
    target.seek(keep)
    return archive


def _complete_parts(partial: Path) -> "Generator[Part]":
    """The parts up to the first that is damaged or is the manifest."""
    if partial.stat().st_size < SMALLEST_PART:
        return
    try:
        for part in read_parts(partial):
            if part.name == MANIFEST:  # written, but the file was not renamed: it is written again
                return
            yield part
    except DamagedError:
        return
