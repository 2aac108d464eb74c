"""Records are encoded, read and compared: lost, duplicated, out of order and damaged ones are found.

Source: ops/drills/records.py, ops/drills/verdict.py.
"""

from collections.abc import Sequence
from typing import Any

import kafka
import pytest

from ops.drills import kafka_readers
from ops.drills.kafka_load import Acknowledgement
from ops.drills.kafka_readers import AssignedConsumer
from ops.drills.records import SMALLEST, Stamp, decode, encode
from ops.drills.verdict import StoredRecord, compare
from ops.errors import UnreachableError

RUN = b"12345678"


def acknowledged(*places: tuple[int, int], partition: int = 0) -> list[Acknowledgement]:
    return [Acknowledgement(1.0, partition, Stamp(key, sequence, 5)) for key, sequence in places]


def stored(*places: tuple[int, int], partition: int = 0) -> list[StoredRecord]:
    return [StoredRecord(partition, offset, Stamp(key, sequence, 5)) for offset, (key, sequence) in enumerate(places)]


def test_records_that_are_stored_as_acknowledged_have_no_findings() -> None:
    verdict = compare(acknowledged((0, 0), (1, 0), (0, 1)), stored((0, 0), (1, 0), (0, 1)))
    assert (verdict.acknowledged, verdict.stored) == (3, 3)
    assert (list(verdict.lost), verdict.duplicated, list(verdict.disordered), verdict.misplaced) == ([], 0, [], 0)


def test_an_acknowledged_record_that_is_missing_is_lost() -> None:
    verdict = compare(acknowledged((0, 0), (0, 1), (0, 2)), stored((0, 0), (0, 2)))
    assert verdict.lost == [Stamp(0, 1, 5)]
    assert not verdict.disordered, "a gap is a loss, not disorder"


def test_all_records_are_lost_where_the_topic_is_empty() -> None:
    assert len(compare(acknowledged((0, 0), (1, 0)), []).lost) == 2


def test_a_record_that_was_never_acknowledged_may_be_there() -> None:
    verdict = compare(acknowledged((0, 0)), stored((0, 0), (0, 1)))
    assert (verdict.acknowledged, verdict.stored, list(verdict.lost)) == (1, 2, [])


def test_each_further_copy_counts_as_a_duplicate_and_not_as_disorder() -> None:
    verdict = compare(acknowledged((0, 0), (0, 1)), stored((0, 0), (0, 1), (0, 0), (0, 1), (0, 0)))
    assert verdict.duplicated == 3
    assert (verdict.stored, list(verdict.lost), list(verdict.disordered)) == (2, [], [])


def test_a_record_after_a_later_one_of_its_key_is_out_of_order() -> None:
    verdict = compare(acknowledged((0, 0), (0, 1), (0, 2)), stored((0, 0), (0, 2), (0, 1)))
    assert verdict.disordered == [Stamp(0, 1, 5)]
    assert not verdict.lost


def test_records_of_other_keys_in_between_are_no_disorder() -> None:
    assert not compare([], stored((0, 0), (1, 5), (0, 1), (1, 6))).disordered


def test_a_record_in_a_different_partition_than_acknowledged_is_misplaced() -> None:
    verdict = compare(acknowledged((0, 0), partition=2), stored((0, 0), partition=1))
    assert (verdict.misplaced, list(verdict.lost)) == (1, [])


def test_a_record_s_stamp_survives_encoding() -> None:
    stamp = Stamp(key=7, sequence=2**40, sent=123_456_789_012)
    assert decode(RUN, encode(RUN, stamp, 1024)) == stamp


@pytest.mark.parametrize("size", [SMALLEST, SMALLEST + 1, 1024])
def test_a_record_has_the_size_that_was_asked_for(size: int) -> None:
    assert len(encode(RUN, Stamp(0, 0, 0), size)) == size


@pytest.mark.parametrize("place", [0, 8, 20, 100, 199])
def test_a_record_with_a_changed_byte_is_not_read(place: int) -> None:
    value = bytearray(encode(RUN, Stamp(1, 2, 3), 200))
    value[place] ^= 1
    assert decode(RUN, bytes(value)) is None


@pytest.mark.parametrize("value", [None, b"", b"short", encode(b"another!", Stamp(1, 2, 3), 64)])
def test_a_record_of_a_different_run_is_not_read(value: bytes | None) -> None:
    assert decode(RUN, value) is None


def test_damaged_records_are_reported_besides_the_loss() -> None:
    promised: Sequence[Acknowledgement] = acknowledged((0, 0))
    verdict = compare(promised, [], damaged=1)
    assert (verdict.damaged, len(verdict.lost)) == (1, 1)


class SlowToLearn:
    """A consumer whose broker never knows the topic ``other``, and every other topic only at the third request."""

    def __init__(self, **_: Any) -> None:
        self.asked = 0
        self.closed = False

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        self.asked += 1
        return {0, 1} if topic != "other" and self.asked >= 3 else None

    def assign(self, partitions: Sequence[Any]) -> None:
        self.assigned = [partition.partition for partition in partitions]

    def close(self, autocommit: bool = True) -> None:
        self.closed = True


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers that do not connect, and a clock that advances only in sleep."""
    now = [0.0]
    monkeypatch.setattr(kafka, "KafkaConsumer", SlowToLearn)
    monkeypatch.setattr(kafka_readers.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kafka_readers.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


@pytest.mark.usefixtures("consumers")
def test_a_new_topic_is_waited_for() -> None:
    with AssignedConsumer({}, "own") as (consumer, partitions):
        assert consumer.assigned == [0, 1] == [partition.partition for partition in partitions]
        assert not consumer.closed
    assert consumer.closed


@pytest.mark.usefixtures("consumers")
def test_a_topic_that_no_broker_knows_is_reported_and_the_consumer_closed() -> None:
    assigned = AssignedConsumer({}, "other")
    with pytest.raises(UnreachableError, match="no broker knew topic other within 30 s"):
        assigned.__enter__()
    assert assigned.consumer.closed
