"""Small archives without a platform."""

from pathlib import Path

from ops.backup.archive.frames import Record, encode
from ops.backup.archive.model import CUT, Commit, Cut, PartitionId, RecordsMeta, RedisSummary, Selection, Span, Topic
from ops.backup.archive.parts import Writer
from ops.backup.archive.writer import Archive
from ops.backup.redis_keys import Key

RECORDS = {
    PartitionId("orders", 0): [
        [Record(5, 1_000, 0, b"a", b"1", ()), Record(7, 2_000, 0, None, b"", (("h", b"x"), ("h", None)))],
        [Record(9, 3_000, 1, b"", None, ()), Record(12, 4_000, 0, None, None, (("ü", b""),))],
    ],
    PartitionId("orders", 1): [[]],
}
"""Chunks of records by partition; offsets have gaps, and one partition held control markers only."""

SPANS = {PartitionId("orders", 0): (5, 20), PartitionId("orders", 1): (0, 3)}

COMMITS = {"readers": [Commit(topic="orders", partition=0, offset=8), Commit(topic="orders", partition=1, offset=3)]}


def cut(**changes: object) -> Cut:
    """The cut of the archive."""
    spans = [Span(begin=begin, end=end) for begin, end in SPANS.values()]
    topic = Topic(id="id-1", replication=3, config={"retention.ms": "1000", "min.insync.replicas": "2"}, spans=spans)
    made = Cut(
        made="2026-01-02T03:04:05+00:00",
        stack="staging",
        platform="millrace-staging",
        cluster="cluster-1",
        selection=Selection(),
        topics={"orders": topic},
        groups=COMMITS,
        acls=None,
    )
    return made.model_copy(update=changes)


def chunks(partition: PartitionId) -> list[tuple[RecordsMeta, bytes]]:
    """A partition's chunks, as a backup adds them."""
    start, end = SPANS[partition]
    found: list[tuple[RecordsMeta, bytes]] = []
    for number, records in enumerate(RECORDS[partition]):
        later = RECORDS[partition][number + 1 :]
        following = later[0][0].offset if later else end
        data = encode(records)
        meta = RecordsMeta(
            topic=partition.topic,
            partition=partition.partition,
            start=start,
            next=following,
            records=len(records),
            size=len(data),
        )
        found.append((meta, data))
        start = following
    return found


def write(path: Path, *, finished: bool = True, begun: Cut | None = None) -> Path:
    """Write an archive of two partitions and two keys."""
    begun = begun or cut()
    with path.open("wb") as file:
        writer = Writer(file, [])
        writer.add(CUT, begun.model_dump_json().encode(), {})
        archive = Archive(writer, begun)
        archive.add_keys(0, 0, [Key(b"k", -1, b"dump"), Key(b"t", 99, b"")])
        archive.end_redis(RedisSummary(version="7.0.15", keys={0: 2}))
        for partition in RECORDS:
            for meta, data in chunks(partition):
                archive.add_records(meta, data)
        if finished:
            archive.finish()
    return path
