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
from kazoo.handlers.threading import KazooTimeoutError

from components.zookeeper import client as zookeeper
from components.zookeeper.client import (
    Joining,
    MembershipError,
    MemberState,
    change_voters,
    member_state,
    restart_findings,
    role_findings,
    summary,
    voters,
)

NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
DEAF, SILENT, HANGING = "nothing listens", "it closes without an answer", "it never answers"


def mntr(mode: str, **values: object) -> str:
    lines = {"zk_version": "3.8.4-9316c2a, built on 2024-02-12", "zk_server_state": mode, **values}
    return "".join(f"{key}\t{value}\n" for key, value in lines.items())


FOLLOWER = mntr("follower")
OBSERVER = mntr("observer")


def leader(synced: object, voters: object = None) -> str:
    """A leader's answer; without ``voters``, it and its followers in sync are all that have a vote."""
    size = int(float(str(synced))) + 1 if voters is None else voters
    return mntr("leader", zk_learners=synced, zk_synced_followers=synced, zk_quorum_size=size)


ALONE = leader(0)


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
        (FOLLOWER, MemberState(listens=True, mode="follower")),
        (OBSERVER, MemberState(listens=True, mode="observer")),
        (leader(2), MemberState(listens=True, mode="leader", synced_followers=2, voters=3)),
        (leader("2.0", "3.0"), MemberState(listens=True, mode="leader", synced_followers=2, voters=3)),
        (leader(0), MemberState(listens=True, mode="leader", synced_followers=0, voters=1)),
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


def test_a_server_outside_any_ensemble_is_healthy_alone_and_not_beside_others(
    ensemble: Callable[..., dict[str, str]],
) -> None:
    standalone = mntr("standalone")
    assert role_lines(ensemble(standalone)) == []
    assert role_lines(ensemble(standalone, standalone)) == ["ZooKeeper: 0 leaders; expected one"]


def test_a_member_that_never_answers_exists_but_does_not_serve(
    ensemble: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zookeeper, "TIMEOUT", 0.1)
    assert member_state(ensemble(HANGING)["zookeeper-0"]) == MemberState(listens=True)


def test_a_long_answer_is_read_completely(ensemble: Callable[..., dict[str, str]]) -> None:
    answer = "".join(f"zk_filler_{number}\t{'x' * 100}\n" for number in range(5000)) + leader(2)
    expected = MemberState(listens=True, mode="leader", synced_followers=2, voters=3)
    assert member_state(ensemble(answer)["zookeeper-0"]) == expected


@pytest.mark.parametrize("answer", [OBSERVER, FOLLOWER, leader(12)])
def test_an_answer_is_complete_before_the_member_closes(answer: str) -> None:
    member = Member(answer, pieces=len(answer), stays_open=True)
    start = time.monotonic()
    try:
        found = member_state(member.address)
    finally:
        member.end()
    assert found.mode is not None
    counts = (12, 13) if found.mode == "leader" else (None, None)
    assert (found.synced_followers, found.voters) == counts, "a number is not parsed before it is complete"
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
        pytest.param([ALONE], id="one"),
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
                "zookeeper-0: nothing answers at <address>; expected a member that is a leader\n"
                "look at: docker logs p-zookeeper-0"
            ],
            id="the-only-one-is-away",
        ),
        pytest.param(
            [NOT_SERVING],
            ["zookeeper-0: it serves no requests (no quorum); expected a leader\nlook at: docker logs p-zookeeper-0"],
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
            [ALONE, ALONE, ALONE], ["ZooKeeper: 3 leaders; expected one"], id="members-that-do-not-know-each-other"
        ),
        pytest.param(
            [leader(2, voters=2), FOLLOWER, OBSERVER],
            ["zookeeper-0: the leader counts 2 members with a vote; expected 3\nlook at: docker logs p-zookeeper-0"],
            id="a-member-without-a-vote",
        ),
        pytest.param(
            [leader(2, voters=4), FOLLOWER, FOLLOWER],
            ["zookeeper-0: the leader counts 4 members with a vote; expected 3\nlook at: docker logs p-zookeeper-0"],
            id="a-vote-of-a-member-that-left",
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


# --------------------------------------------------------------------------------------------- members with a vote


class Session:
    """A session that holds ``/zookeeper/config`` and keeps what was asked of it."""

    def __init__(self, config: str, error: Exception | None = None) -> None:
        self.config = config
        self.error = error
        self.asked: list[object] = []

    def start(self, timeout: float) -> None:
        if self.error:
            raise self.error

    def get(self, path: str) -> tuple[bytes, None]:
        assert path == "/zookeeper/config"
        return self.config.encode(), None

    def add_auth(self, scheme: str, credential: str) -> None:
        self.asked.append((scheme, credential))

    def reconfig(self, joining: str | None, leaving: str | None, new_members: str | None) -> None:
        self.asked.append((joining, leaving, new_members))

    def stop(self) -> None:
        self.asked.append("stopped")

    close = stop


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Session]:
    """Replaces the client's sessions by one."""

    def replace(*servers: str, error: Exception | None = None) -> Session:
        made = Session("\n".join([*servers, "version=100000000"]), error)
        monkeypatch.setattr("kazoo.client.KazooClient", lambda **_options: made)
        return made

    return replace


ONE = "server.1=zookeeper-0:2888:3888:participant;0.0.0.0:2181"
FIRST_OF_CLUSTER = "server.1=zookeeper-0.zookeeper.streaming.svc.cluster.local:2888:3888:participant;0.0.0.0:2181"


def test_members_with_a_vote_are_read_from_the_ensembles_own_list(session: Callable[..., Session]) -> None:
    session(ONE, "server.3=zookeeper-2:2888:3888:participant;2181", "server.4=zookeeper-3:2888:3888:observer;2181")
    assert voters(["127.0.0.1:1"]) == {1: "zookeeper-0:2888:3888", 3: "zookeeper-2:2888:3888"}


@pytest.mark.parametrize(
    ("present", "entry"),
    [
        (ONE, "server.2=zookeeper-1:2888:3888:participant;2181"),
        (
            FIRST_OF_CLUSTER,
            "server.2=zookeeper-1.zookeeper.streaming.svc.cluster.local:2888:3888:participant;2181",
        ),
    ],
)
def test_a_member_joins_under_a_name_like_the_others(present: str, entry: str, session: Callable[..., Session]) -> None:
    made = session(present)
    change_voters(["127.0.0.1:1"], "secret", joins=Joining(name="zookeeper-1", number=2))
    assert made.asked == [("digest", "super:secret"), (entry, None, None), "stopped", "stopped"]


def test_a_member_leaves_by_its_id(session: Callable[..., Session]) -> None:
    made = session(ONE)
    change_voters(["127.0.0.1:1"], "secret", leaves=3)
    assert made.asked == [("digest", "super:secret"), (None, "3", None), "stopped", "stopped"]


def test_an_ensemble_that_does_not_answer_is_unknown_and_the_password_stays_out_of_it(
    session: Callable[..., Session],
) -> None:
    made = session(error=KazooTimeoutError("Connection time-out"))
    with pytest.raises(MembershipError, match=r"^Connection time-out$"):
        voters(["127.0.0.1:1"])
    with pytest.raises(MembershipError) as error:
        change_voters(["127.0.0.1:1"], "secret", leaves=3)
    assert "secret" not in str(error.value)
    assert made.asked == ["stopped"] * 4, "a session that failed is closed too"
