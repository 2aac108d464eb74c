"""Compares acknowledged records with those in the topic: none may be lost, changed or out of order. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ops.drills.kafka_load import Acknowledgement
from ops.drills.records import Stamp


class StoredRecord(NamedTuple):
    """A record of the run as it was read from the topic.

    Args:
        partition: Its partition.
        offset: Its offset.
        stamp: What identifies it.
    """

    partition: int
    offset: int
    stamp: Stamp


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of comparing acknowledged and stored records.

    Args:
        acknowledged: Number of acknowledged records.
        stored: Number of records in the topic, without duplicates.
        lost: Acknowledged records that are not in the topic.
        duplicated: Number of copies beyond the first.
        disordered: Records that follow a later one of their key.
        misplaced: Number of records in a different partition than acknowledged.
        damaged: Number of records in the topic that differ from what this run wrote.
    """

    acknowledged: int
    stored: int
    lost: Sequence[Stamp] = field(default_factory=tuple[Stamp, ...])
    duplicated: int = 0
    disordered: Sequence[Stamp] = field(default_factory=tuple[Stamp, ...])
    misplaced: int = 0
    damaged: int = 0


def compare(acknowledged: Iterable[Acknowledgement], stored: Iterable[StoredRecord], damaged: int = 0) -> Verdict:
    """Compare what the brokers acknowledged with what the topic holds.

    Args:
        acknowledged: Acknowledged records.
        stored: Records in the topic, each partition in the order of offsets.
        damaged: Number of records that could not be decoded as this run's.
    """
    expected = {(entry.stamp.key, entry.stamp.sequence): entry for entry in acknowledged}
    copies: Counter[tuple[int, int]] = Counter()
    latest: dict[int, int] = {}
    disordered: list[Stamp] = []
    misplaced = 0
    for record in stored:
        key, sequence, _ = record.stamp
        copies[key, sequence] += 1
        if copies[key, sequence] > 1:
            continue
        if sequence < latest.get(key, -1):
            disordered.append(record.stamp)
        latest[key] = max(sequence, latest.get(key, -1))
        acknowledgement = expected.get((key, sequence))
        misplaced += acknowledgement is not None and acknowledgement.partition != record.partition
    return Verdict(
        acknowledged=len(expected),
        stored=len(copies),
        lost=[entry.stamp for position, entry in expected.items() if position not in copies],
        duplicated=copies.total() - len(copies),
        disordered=disordered,
        misplaced=misplaced,
        damaged=damaged,
    )
