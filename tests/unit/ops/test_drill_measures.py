"""Figures from fabricated events.

Source: ops/drills/measures.py.
"""

import pytest

from ops.drills.measures import (
    Gap,
    Phases,
    bin_width,
    binned,
    gaps,
    latency_by_phase,
    latency_summary,
    longest_gap,
    percentile,
    rate,
    stable_since,
)

PHASES = Phases(start=0.0, fault=10.0, healed=20.0, recovered=30.0, end=40.0)


def test_the_longest_gap_is_between_two_events() -> None:
    assert longest_gap([1, 2, 7, 8], 0, 9) == Gap(2, 7)


def test_events_may_come_in_any_order() -> None:
    assert longest_gap([8, 1, 7, 2], 0, 9) == Gap(2, 7)


def test_silence_at_the_start_or_the_end_is_a_gap() -> None:
    assert longest_gap([6, 7], 0, 8) == Gap(0, 6)
    assert longest_gap([1, 2], 0, 8) == Gap(2, 8)


def test_a_span_without_events_is_one_gap() -> None:
    assert longest_gap([], 3, 8).seconds == 5


def test_each_partition_has_a_gap_of_its_own() -> None:
    found = gaps([(0, 1.0), (1, 1.0), (0, 2.0), (1, 4.0)], 0.0, 5.0)
    assert {partition: gap.seconds for partition, gap in found.items()} == {0: 3.0, 1: 3.0}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_by_nearest_rank(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


def test_an_empty_list_has_no_percentile() -> None:
    assert percentile([], 0.5) is None
    assert latency_summary([]) == {"count": 0, "p50": None, "p95": None, "p99": None, "max": None}


def test_latencies_are_in_milliseconds_by_the_phase_of_sending() -> None:
    found = latency_by_phase([(1.0, 0.001), (10.0, 5.0), (29.9, 0.5), (30.0, 0.002)], PHASES)
    assert found["before"]["max"] == 1.0
    assert (found["during"]["count"], found["during"]["max"]) == (2, 5000.0)
    assert found["after"]["max"] == 2.0


def test_everything_after_a_fault_without_recovery_is_during_the_fault() -> None:
    spans = Phases(start=0.0, fault=10.0, healed=20.0, recovered=None, end=40.0).spans()
    assert spans["during"] == (10.0, 40.0)
    assert spans["after"] == (40.0, 40.0)


def test_a_rate_counts_events_within_the_span() -> None:
    assert rate([0.0, 1.0, 1.5, 2.0], 1.0, 2.0) == 2.0
    assert rate([1.0], 1.0, 1.0) == 0.0


def test_a_bin_counts_exactly_the_events_within_it() -> None:
    assert binned([(0.0, 1.0), (0.5, 2.0), (1.0, 3.0), (-1.0, 9.0), (5.0, 9.0)], 0.0, 2.0, 1.0) == [[1.0, 2.0], [3.0]]


@pytest.mark.parametrize(("seconds", "width"), [(10, 0.1), (120, 0.1), (600, 0.5), (7200, 1.0)])
def test_bins_are_between_a_tenth_of_a_second_and_a_second(seconds: float, width: float) -> None:
    assert bin_width(seconds) == width


def test_recovery_is_the_first_good_sample_of_those_at_the_end() -> None:
    samples = [(1.0, True), (2.0, False), (3.0, True), (4.0, False), (5.0, True), (6.0, True)]
    assert stable_since(samples, 1.5) == 3.5


def test_good_samples_before_healing_do_not_count() -> None:
    assert stable_since([(1.0, True), (2.0, True)], 3.0) is None


def test_a_bad_last_sample_means_no_recovery() -> None:
    assert stable_since([(1.0, True), (2.0, False)], 0.0) is None
