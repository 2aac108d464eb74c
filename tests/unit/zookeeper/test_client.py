"""The client of ensembles: members' states over real sockets, from small servers that answer like members.

Source: components/zookeeper/client.py.
Proof limit: the answers imitate those of ZooKeeper 3.8; only the tests on a real engine show that an ensemble
answers so, and that a session writes and reads.
"""

import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socket import socket
from threading import Event, Thread

import pytest

from components.zookeeper import client as zookeeper
from components.zookeeper.client import MemberState, member_state, restart_findings, role_findings, summary

NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
DEAF, SILENT, HANGING = "nothing listens", "it closes without an answer", "it never answers"


def mntr(mode: str, **values: object) -> str:
    lines = {"zk_version": "3.8.4-9316c2a, built on 2024-02-12", "zk_server_state": mode, **values}
    return "".join(f"{key}\t{value}\n" for key, value in lines.items())


STANDALONE = mntr("standalone")
FOLLOWER = mntr("follower")


def leader(synced: object) -> str:
    return mntr("leader", zk_learners=synced, zk_synced_followers=synced)


class Member(socketserver.ThreadingTCPServer):
    """A server on a free loopback port that answers only ``mntr``, with a text."""

    daemon_threads = True

    def __init__(self, answer: str, *, pieces: int = 1, stays_open: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answer = answer
        self.pieces = pieces
        self.stays_open = stays_open
        self.words: list[bytes] = []
        self.over = Event()
        self.thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def end(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Answer(socketserver.BaseRequestHandler):
    server: Member

    def handle(self) -> None:
        self.server.words.append(self.request.recv(16))
        if self.server.answer == HANGING:
            self.server.over.wait(10)
        elif self.server.answer != SILENT:
            answer = self.server.answer.encode()
            size = max(len(answer) // self.server.pieces, 1)
            for start in range(0, len(answer), size):
                self.request.sendall(answer[start : start + size])
                time.sleep(0.005 if self.server.pieces > 1 else 0)
        if self.server.stays_open:
            self.server.over.wait(10)


@pytest.fixture
def ensemble() -> Iterator[Callable[..., dict[str, str]]]:
    """Starts members ``zookeeper-0``, ``zookeeper-1``, … with these answers; returns their addresses by name."""
    with ExitStack() as stack:

        def start(answer: str) -> str:
            if answer == DEAF:
                held = stack.enter_context(socket())
                held.bind(("127.0.0.1", 0))  # reserved, so that no other program listens on it
                return f"127.0.0.1:{held.getsockname()[1]}"
            member = Member(answer)
            stack.callback(member.end)
            return member.address

        yield lambda *answers: {f"zookeeper-{ordinal}": start(answer) for ordinal, answer in enumerate(answers)}


def logs(members: dict[str, str]) -> dict[str, str]:
    return {name: f"docker logs p-{name}" for name in members}


def role_lines(members: dict[str, str]) -> list[str]:
    """The findings with each member's address as ``<address>``."""
    return _plain(role_findings(members, logs(members)), members)


def restart_lines(name: str, members: dict[str, str]) -> list[str]:
    return _plain(restart_findings(name, members, logs(members)), members)


def _plain(lines: list[str], members: dict[str, str]) -> list[str]:
    for address in members.values():
        lines = [line.replace(address, "<address>") for line in lines]
    return lines


# --------------------------------------------------------------------------------------------------- one member


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (STANDALONE, MemberState(listens=True, mode="standalone")),
        (FOLLOWER, MemberState(listens=True, mode="follower")),
        (leader(2), MemberState(listens=True, mode="leader", synced_followers=2)),
        (leader("2.0"), MemberState(listens=True, mode="leader", synced_followers=2)),
        (leader(0), MemberState(listens=True, mode="leader", synced_followers=0)),
        (NOT_SERVING, MemberState(listens=True)),
        (DEAF, MemberState(listens=False)),
        (SILENT, MemberState(listens=False)),
        ("mntr is not executed because it is not in the whitelist.\n", MemberState(listens=True)),
    ],
)
def test_a_members_state_is_read_from_its_answer(
    answer: str, state: MemberState, ensemble: Callable[..., dict[str, str]]
) -> None:
    assert member_state(ensemble(answer)["zookeeper-0"]) == state


def test_a_member_that_never_answers_exists_but_does_not_serve(
    ensemble: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zookeeper, "TIMEOUT", 0.1)
    assert member_state(ensemble(HANGING)["zookeeper-0"]) == MemberState(listens=True)


def test_a_long_answer_is_read_completely(ensemble: Callable[..., dict[str, str]]) -> None:
    answer = "".join(f"zk_filler_{number}\t{'x' * 100}\n" for number in range(5000)) + leader(2)
    assert member_state(ensemble(answer)["zookeeper-0"]) == MemberState(True, "leader", 2)


@pytest.mark.parametrize("answer", [STANDALONE, FOLLOWER, leader(12)])
def test_an_answer_is_complete_before_the_member_closes(answer: str) -> None:
    member = Member(answer, pieces=len(answer), stays_open=True)
    start = time.monotonic()
    try:
        found = member_state(member.address)
    finally:
        member.end()
    assert found.mode is not None
    assert found.synced_followers == (12 if found.mode == "leader" else None), (
        "a number is not parsed before it is complete"
    )
    assert time.monotonic() - start < zookeeper.TIMEOUT, "the API's port-forward reports the end one second late"


def test_a_member_is_asked_only_for_its_role() -> None:
    member = Member(FOLLOWER)
    try:
        member_state(member.address)
    finally:
        member.end()
    assert member.words == [b"mntr"], "the platform's whitelist allows no other commands"


# --------------------------------------------------------------------------------------------------------- roles


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([STANDALONE], id="standalone"),
        pytest.param([FOLLOWER, leader(2), FOLLOWER], id="three"),
        pytest.param([leader("4.0"), FOLLOWER, FOLLOWER, FOLLOWER, FOLLOWER], id="five"),
    ],
)
def test_an_ensemble_with_one_leader_and_all_others_in_sync_is_healthy(
    answers: list[str], ensemble: Callable[..., dict[str, str]]
) -> None:
    assert role_lines(ensemble(*answers)) == []


@pytest.mark.parametrize(
    ("answers", "findings"),
    [
        pytest.param(
            [DEAF],
            [
                "zookeeper-0: nothing answers at <address>; expected a member that is standalone\n"
                "look at: docker logs p-zookeeper-0"
            ],
            id="the-only-one-is-away",
        ),
        pytest.param(
            [NOT_SERVING],
            ["zookeeper-0: it serves no requests (no quorum); expected standalone\nlook at: docker logs p-zookeeper-0"],
            id="the-only-one-does-not-serve",
        ),
        pytest.param(
            [FOLLOWER, leader(1), DEAF],
            [
                "zookeeper-2: nothing answers at <address>; expected a member that is a leader or follower\n"
                "look at: docker logs p-zookeeper-2"
            ],
            id="one-of-three-is-away",
        ),
        pytest.param(
            [NOT_SERVING, DEAF, DEAF],
            [
                "zookeeper-0: it serves no requests (no quorum); expected a leader or follower\n"
                "look at: docker logs p-zookeeper-0",
                "zookeeper-1: nothing answers at <address>; expected a member that is a leader or follower\n"
                "look at: docker logs p-zookeeper-1",
                "zookeeper-2: nothing answers at <address>; expected a member that is a leader or follower\n"
                "look at: docker logs p-zookeeper-2",
            ],
            id="no-quorum",
        ),
        pytest.param(
            [FOLLOWER, leader(1), FOLLOWER],
            ["zookeeper-1: the leader counts 1 followers in sync; expected 2\nlook at: docker logs p-zookeeper-1"],
            id="a-follower-out-of-sync",
        ),
        pytest.param([leader(1), leader(1), FOLLOWER], ["ZooKeeper: 2 leaders; expected one"], id="two-leaders"),
        pytest.param([FOLLOWER, FOLLOWER, FOLLOWER], ["ZooKeeper: 0 leaders; expected one"], id="no-leader"),
        pytest.param(
            [STANDALONE, STANDALONE, STANDALONE],
            ["ZooKeeper: 0 leaders; expected one"],
            id="members-that-do-not-know-each-other",
        ),
    ],
)
def test_wrong_roles_are_reported_by_member(
    answers: list[str], findings: list[str], ensemble: Callable[..., dict[str, str]]
) -> None:
    assert role_lines(ensemble(*answers)) == findings


def test_the_summary_names_each_members_role(ensemble: Callable[..., dict[str, str]]) -> None:
    members = ensemble(FOLLOWER, leader(2), FOLLOWER)
    assert summary(members) == "zookeeper-0 follower, zookeeper-1 leader, zookeeper-2 follower"


# ------------------------------------------------------------------------------------------- one member at a time


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([FOLLOWER, leader(2), FOLLOWER], id="it-follows"),
        pytest.param([leader(2), FOLLOWER, FOLLOWER], id="it-leads"),
        pytest.param([FOLLOWER, leader(1), DEAF], id="it-is-back-while-a-different-one-is-away"),
        pytest.param([NOT_SERVING, DEAF, DEAF], id="first-start-of-the-first-of-three"),
        pytest.param([NOT_SERVING, NOT_SERVING, DEAF, DEAF, DEAF], id="first-start-of-the-second-of-five"),
    ],
)
def test_the_next_member_may_change(answers: list[str], ensemble: Callable[..., dict[str, str]]) -> None:
    assert restart_lines("zookeeper-0", ensemble(*answers)) == []


@pytest.mark.parametrize(
    ("answers", "finding"),
    [
        pytest.param(
            [DEAF, leader(1), FOLLOWER],
            "zookeeper-0: nothing answers at <address>; expected a member that listens\n"
            "look at: docker logs p-zookeeper-0",
            id="it-does-not-exist-yet",
        ),
        pytest.param(
            [DEAF, DEAF, DEAF],
            "zookeeper-0: nothing answers at <address>; expected a member that listens\n"
            "look at: docker logs p-zookeeper-0",
            id="no-member-exists",
        ),
        pytest.param(
            [NOT_SERVING, leader(1), FOLLOWER],
            "zookeeper-0: it has not joined the quorum yet; expected leader or follower\n"
            "look at: docker logs p-zookeeper-0",
            id="it-has-not-joined",
        ),
        pytest.param(
            [NOT_SERVING, NOT_SERVING, DEAF],
            "zookeeper-0: it has not joined the quorum yet; expected leader or follower\n"
            "look at: docker logs p-zookeeper-0",
            id="a-majority-exists-so-a-quorum-must-form",
        ),
        pytest.param(
            [NOT_SERVING, NOT_SERVING, NOT_SERVING, DEAF, DEAF],
            "zookeeper-0: it has not joined the quorum yet; expected leader or follower\n"
            "look at: docker logs p-zookeeper-0",
            id="three-of-five-are-a-majority",
        ),
    ],
)
def test_the_next_member_has_to_wait(answers: list[str], finding: str, ensemble: Callable[..., dict[str, str]]) -> None:
    assert restart_lines("zookeeper-0", ensemble(*answers)) == [finding]


def test_only_the_changed_member_is_awaited(ensemble: Callable[..., dict[str, str]]) -> None:
    members = ensemble(NOT_SERVING, leader(1), FOLLOWER)
    assert restart_lines("zookeeper-1", members) == []
    assert len(restart_lines("zookeeper-0", members)) == 1
