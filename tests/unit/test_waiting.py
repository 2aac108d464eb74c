"""Waits until something is healthy, on a clock that advances only in sleep.

Source: components/waiting.py.
Proof limit: neither time nor sleeping is real.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat

import pytest

from components.errors import UnhealthyError
from components.waiting import FIRST_PAUSE, LONGEST_PAUSE, wait_until


class Waiting:
    """One wait with a fake clock; ``looks`` are the findings of consecutive checks."""

    def __init__(self, looks: Iterable[Sequence[str]], *, deadline: float = 60, look_seconds: float = 0) -> None:
        self.looks = iter(looks)
        self.deadline = deadline
        self.look_seconds = look_seconds
        self.now = 1000.0  # a monotonic clock starts at any value
        self.looked = 0
        self.reports: list[str] = []
        self.pauses: list[float] = []

    def look(self) -> Sequence[str]:
        self.looked += 1
        assert self.looked < 1000, "the wait did not end"
        self.now += self.look_seconds
        return next(self.looks)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def run(self, what: str = "Kafka") -> float:
        return wait_until(
            self.look,
            what=what,
            deadline=self.deadline,
            report=self.reports.append,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    def fail(self) -> UnhealthyError:
        with pytest.raises(UnhealthyError) as caught:
            self.run()
        return caught.value


def until_healthy(findings: Sequence[str], times: int) -> Iterable[Sequence[str]]:
    return chain(repeat(findings, times), [[]])


def test_an_immediately_healthy_state_is_neither_reported_nor_waited_for() -> None:
    waiting = Waiting([[]])
    assert waiting.run() == 0
    assert (waiting.looked, waiting.reports, waiting.pauses) == (1, [], [])


def test_the_elapsed_time_is_returned() -> None:
    waiting = Waiting(until_healthy(["starting"], 3), look_seconds=2)
    assert waiting.run() == pytest.approx(4 * 2 + 0.05 + 0.1 + 0.2)


def test_pauses_double_from_the_first_to_the_longest() -> None:
    waiting = Waiting(until_healthy(["starting"], 8))
    waiting.run()
    assert waiting.pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])
    assert (waiting.pauses[0], waiting.pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)


def test_each_change_of_the_findings_is_reported_once() -> None:
    looks = [["a"], ["a"], ["b"], ["b"], ["b"], ["a"], []]
    waiting = Waiting(looks)
    waiting.run()
    assert waiting.reports == ["waiting for Kafka: a", "waiting for Kafka: b", "waiting for Kafka: a"]


@pytest.mark.parametrize("sequence", [list, tuple])
def test_findings_in_any_kind_of_sequence_are_compared_by_their_text(
    sequence: Callable[[list[str]], Sequence[str]],
) -> None:
    waiting = Waiting([sequence(["a"]), sequence(["a"]), sequence([])])
    waiting.run()
    assert waiting.reports == ["waiting for Kafka: a"]


def test_a_change_after_the_first_finding_is_reported_too() -> None:
    waiting = Waiting([["a"], ["a", "b"], ["a", "b", "c"], []])
    waiting.run()
    assert waiting.reports == [
        "waiting for Kafka: a",
        "waiting for Kafka: a (and 1 more)",
        "waiting for Kafka: a (and 2 more)",
    ]


@pytest.mark.parametrize(
    ("finding", "report"),
    [
        ("kafka-0: it is not there; expected it", "waiting for Kafka: kafka-0: it is not there; expected it"),
        ("Kafka: no controller; expected one", "waiting for Kafka: no controller; expected one"),
        ("kafka-0: it is away\nlook at: docker logs x", "waiting for Kafka: kafka-0: it is away"),
    ],
)
def test_a_report_is_one_line_that_names_the_subject_once(finding: str, report: str) -> None:
    waiting = Waiting([[finding], []])
    waiting.run()
    assert waiting.reports == [report]


def test_a_missed_deadline_is_an_error_with_the_last_findings() -> None:
    waiting = Waiting(chain([["old"]], repeat(["kafka-0: gone\nlook at: logs", "kafka-1: gone"])), deadline=3)
    error = waiting.fail()
    assert error.headline == "Kafka is not healthy after 3 s (2 findings)"
    assert error.problems == ("kafka-0: gone\nlook at: logs", "kafka-1: gone")
    assert str(error) == (
        "Kafka is not healthy after 3 s (2 findings)\n  - kafka-0: gone\n    look at: logs\n  - kafka-1: gone"
    )


def test_a_single_finding_is_counted_in_the_singular() -> None:
    assert Waiting(repeat(["gone"]), deadline=1).fail().headline == "Kafka is not healthy after 1 s (1 finding)"


def test_the_last_pause_ends_at_the_deadline() -> None:
    waiting = Waiting(repeat(["gone"]), deadline=2.0)
    waiting.fail()
    assert sum(waiting.pauses) == pytest.approx(2.0)
    assert waiting.now == pytest.approx(1002.0), "the wait never exceeds its timeout"
    assert waiting.looked == len(waiting.pauses) + 1, "the last check is at the deadline"


def test_a_state_that_becomes_healthy_exactly_at_the_deadline_is_healthy() -> None:
    waiting = Waiting([["gone"], []], deadline=FIRST_PAUSE)
    assert waiting.run() == pytest.approx(FIRST_PAUSE)


@pytest.mark.parametrize("deadline", [0, -1])
def test_a_timeout_of_0_still_checks_once(deadline: float) -> None:
    assert Waiting([[]], deadline=deadline).run() == 0, "a healthy state needs no time"
    waiting = Waiting([["gone"]], deadline=deadline)
    assert waiting.fail().headline == "Kafka is not healthy after 0 s (1 finding)"
    assert (waiting.looked, waiting.pauses, waiting.reports) == (1, [], [])


def test_a_check_that_runs_past_the_deadline_is_the_last() -> None:
    waiting = Waiting(repeat(["slow"]), deadline=5, look_seconds=8)
    assert waiting.fail().headline == "Kafka is not healthy after 8 s (1 finding)"
    assert waiting.looked == 1


def test_an_error_in_a_check_ends_the_wait() -> None:
    def look() -> list[str]:
        raise ValueError("broken check")

    with pytest.raises(ValueError, match="broken check"):
        wait_until(look, what="Kafka", deadline=60, report=print, clock=lambda: 0, sleep=pytest.fail)
