"""Background work ends with its block, and never fails silently.

Source: ops/drills/background.py.
"""

import threading

import pytest

from ops.drills.background import Background


class Counting(Background):
    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__("counting")
        self.counted = 0
        self.begun = threading.Event()
        self._raised = failure

    def _work(self) -> None:
        while not self._stop.wait(0.001):
            self.counted += 1
            self.begun.set()
            if self._raised is not None:
                raise self._raised


def test_it_works_until_its_block_ends() -> None:
    with Counting() as counting:
        assert counting.begun.wait(5)
    assert "counting" not in [thread.name for thread in threading.enumerate()]
    assert counting.counted


def test_its_failure_is_raised_at_the_end_of_its_block() -> None:
    with pytest.raises(OSError, match="the broker is gone"), Counting(OSError("the broker is gone")) as counting:
        assert counting.begun.wait(5)


def fail_beside(work: Background, error: Exception) -> None:
    with work:
        raise error


def test_a_failure_of_the_block_has_precedence() -> None:
    with pytest.raises(ValueError, match="beside"):
        fail_beside(Counting(OSError("within")), ValueError("beside"))
