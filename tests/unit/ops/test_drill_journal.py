"""What a killed drill leaves, and how it is healed; Ctrl-C never interrupts healing.

Source: ops/drills/journal.py, ops/drills/session.py.
"""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ops.drills import faults, journal
from ops.drills.interruption import Interruption
from ops.drills.journal import Journal
from ops.drills.session import Session
from ops.errors import RefusedError, UnreachableError
from ops.platform import Platform
from tests.unit.ops.test_drill_faults import platform

GONE = 2**22 + 1
"""Id of no process: above Linux' maximum."""


class Fault:
    """Records the calls of its methods."""

    def __init__(self, *, inject: BaseException | None = None, heal: BaseException | None = None) -> None:
        self.done: list[str] = []
        self._inject, self._heal = inject, heal

    def describe(self) -> str:
        return "broken"

    def obstacles(self) -> list[str]:
        return []

    def inject(self) -> None:
        self.done.append("inject")
        if self._inject:
            raise self._inject

    def heal(self) -> None:
        self.done.append("heal")
        if self._heal:
            raise self._heal


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)


def use(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> Fault:
    def make(kind: str, found: Platform, member: str) -> Fault:
        assert (kind, member) == ("loss", "kafka-1")
        return fault

    monkeypatch.setattr(faults, "make", make)
    monkeypatch.setattr(faults, "remove_helpers", lambda found: fault.done.append("remove helpers"))
    return fault


def session(interruption: Any) -> Session:
    entry = Journal(stack="test", drill="broker-loss")
    return Session(platform(), entry, interruption, lambda _: None)


def test_the_journal_lists_a_fault_only_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = use(Fault(), monkeypatch)
    with Interruption() as interruption, session(interruption).broken("loss", "kafka-1"):
        left = journal.read("test")
        assert left is not None
        assert left.broken == [("loss", "kafka-1")]
        assert left.process == os.getpid()
    assert fault.done == ["inject", "heal"]
    left = journal.read("test")
    assert left is not None
    assert left.empty


def test_a_fault_that_fails_halfway_is_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = use(Fault(inject=UnreachableError("the engine is gone")), monkeypatch)
    with (
        pytest.raises(UnreachableError),
        Interruption() as interruption,
        session(interruption).broken("loss", "kafka-1"),
    ):
        pass
    assert fault.done == ["inject", "heal"]


def test_what_could_not_be_healed_stays_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Fault(heal=UnreachableError("the engine is gone")), monkeypatch)
    with (
        pytest.raises(UnreachableError),
        Interruption() as interruption,
        session(interruption).broken("loss", "kafka-1"),
    ):
        pass
    left = journal.read("test")
    assert left is not None
    assert left.broken == [("loss", "kafka-1")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_wait_and_heals_and_a_second_one_changes_nothing(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Fault):
        def heal(self) -> None:
            os.kill(os.getpid(), number)
            super().heal()

    fault = use(Interrupted(), monkeypatch)
    before = signal.getsignal(number)
    with Interruption() as interruption:
        broken = session(interruption)

        def drill() -> None:
            with broken.broken("loss", "kafka-1"):
                os.kill(os.getpid(), number)
                broken.pause("waiting", 60)

        with pytest.raises(KeyboardInterrupt):
            drill()
        assert fault.done == ["inject", "heal"]
    assert signal.getsignal(number) == before


def test_after_a_signal_nothing_more_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = use(Fault(), monkeypatch)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), session(interruption).broken("loss", "kafka-1"):
            pass
    assert fault.done == []


def test_a_killed_drill_is_healed_and_its_journal_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = use(Fault(), monkeypatch)
    removed: list[str] = []
    monkeypatch.setattr(journal, "delete_topic", lambda found, topic: removed.append(topic))
    Journal(stack="test", drill="broker-loss", process=GONE, topic="own", broken=[("loss", "kafka-1")]).write()
    with pytest.raises(RefusedError, match="drill heal"):
        journal.refuse_unfinished("test")
    assert len(journal.heal(platform())) == 2
    assert (fault.done, removed) == (["remove helpers", "heal"], ["own"])
    assert journal.read("test") is None
    journal.refuse_unfinished("test")
    assert journal.heal(platform()) == []


def test_a_journal_stays_while_its_faults_cannot_be_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Fault(heal=UnreachableError("the engine is gone")), monkeypatch)
    Journal(stack="test", drill="broker-loss", process=GONE, broken=[("loss", "kafka-1")]).write()
    with pytest.raises(UnreachableError):
        journal.heal(platform())
    assert journal.read("test") is not None


def test_a_running_drill_is_neither_joined_nor_healed_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_is_running", lambda process: True)
    Journal(stack="test", drill="broker-loss", process=1, broken=[("loss", "kafka-1")]).write()
    with pytest.raises(RefusedError, match="one at a time"):
        journal.refuse_unfinished("test")
    with pytest.raises(RefusedError, match="still runs"):
        journal.heal(platform())


def test_a_journal_is_of_one_stack_only() -> None:
    Journal(stack="other", drill="broker-loss", process=GONE).write()
    journal.refuse_unfinished("test")


def test_a_process_that_does_not_exist_is_no_running_drill() -> None:
    assert not journal._is_running(GONE)
