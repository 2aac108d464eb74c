"""A restore is rolled back in steps that are retried; what cannot be removed is listed.

Source: ops/backup/restore/journal.py.
"""

import pytest
from kafka.errors import NotCoordinatorError

from ops.backup.restore import undo
from ops.backup.restore.journal import Journal
from ops.errors import OpsError
from tests.unit.ops.test_drill_faults import platform

JOURNAL = Journal(archive="/a/backup.tar", made="now", created=["own"], groups=["readers"])


class Steps:
    """Replaces the steps; the one for groups fails several times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.done: list[str] = []

    def groups(self, *_: object) -> None:
        self.done.append("groups")
        if self.done.count("groups") <= self.failures:
            raise NotCoordinatorError("busy")

    def delete(self, *_: object) -> None:
        self.done.append("topics")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only in sleep."""
    now = [0.0]
    monkeypatch.setattr(undo.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(undo.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def use(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setattr(undo, "_groups", steps.groups)
    monkeypatch.setattr(undo, "_delete", steps.delete)
    return steps


@pytest.mark.usefixtures("clock")
def test_only_failed_steps_are_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = use(Steps(failures=2), monkeypatch)
    undo.roll_back(platform(), JOURNAL)
    assert steps.done == ["groups", "topics", "groups", "groups"]


@pytest.mark.usefixtures("clock")
def test_steps_that_never_succeed_are_listed_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = use(Steps(failures=1000), monkeypatch)
    with pytest.raises(OpsError, match="still holds parts of the restore") as raised:
        undo.roll_back(platform(), JOURNAL)
    assert len(raised.value.problems) == 1
    assert "offsets of groups readers" in raised.value.problems[0]
    assert "busy" in raised.value.problems[0]
    assert steps.done.count("topics") == 1
