"""Lag of groups, and the effect of a reset.

Source: ops/groups/.
"""

import pytest
from kafka import TopicPartition

from ops.errors import RefusedError
from ops.groups.progress import Group, Progress
from ops.groups.reset import Move, moves, parse_selection, refuse_active
from ops.records.positions import Edge, Offset, Shift, Timestamp

ZERO, ONE = TopicPartition("orders", 0), TopicPartition("orders", 1)
LIMITS = {ZERO: (10, 20), ONE: (0, 5)}


def progress(committed: int | None, end: int | None) -> Progress:
    return Progress(topic="orders", partition=0, committed=committed, end=end)


def test_lag_is_what_is_still_to_be_read() -> None:
    assert progress(3, 10).lag == 7
    assert progress(12, 10).lag == 0, "a group may have committed more than is left after a loss"
    assert progress(None, 10).lag is None
    assert progress(3, None).lag is None


def test_a_group_s_lag_is_the_sum_of_what_is_known() -> None:
    group = Group(name="g", state="Empty", members=[], progress=[progress(3, 10), progress(None, 9), progress(1, 2)])

    assert group.lag == 8
    assert group.to_json()["lag"] == 8
    assert group.topics == ["orders"]


def test_a_reset_counts_skipped_and_replayed_records() -> None:
    plan = moves([ZERO, ONE], Edge.END, {ZERO: 12, ONE: 5}, LIMITS, {})

    assert [(move.target, move.skipped, move.replayed) for move in plan] == [(20, 8, 0), (5, 0, 0)]


def test_an_offset_out_of_range_is_clamped_with_a_note() -> None:
    low, high = moves([ZERO, ONE], Offset(7), {ZERO: 15}, LIMITS, {})

    assert (low.target, low.replayed, low.note) == (10, 5, "7 is outside 10 to 20")
    assert (high.target, high.note) == (5, "7 is outside 0 to 5")
    assert (high.skipped, high.replayed) == (0, 0), "nothing was committed, so nothing is skipped"


def test_a_shift_counts_from_what_is_committed() -> None:
    assert [move.target for move in moves([ZERO], Shift(-2), {ZERO: 15}, LIMITS, {})] == [13]


def test_a_time_after_the_last_record_means_the_end() -> None:
    found, none = moves([ZERO, ONE], Timestamp(1), {}, LIMITS, {ZERO: 14, ONE: -1})

    assert found == Move(topic="orders", partition=0, committed=None, target=14)
    assert (none.target, none.note) == (5, "no record at or after this time: end offset")


def test_a_group_with_members_is_refused_and_they_are_named() -> None:
    group = Group(name="g", state="Stable", members=["app at 10.0.0.1"], progress=[])

    with pytest.raises(RefusedError, match="1 active member") as refused:
        refuse_active(group)
    assert refused.value.problems == ("app at 10.0.0.1",)


def test_a_selection_is_a_topic_or_one_of_its_partitions() -> None:
    assert parse_selection("orders") == ("orders", None)
    assert parse_selection("orders:3") == ("orders", 3)
    for text in ("", ":3", "orders:", "orders:x"):
        with pytest.raises(ValueError, match="not a topic"):
            parse_selection(text)
