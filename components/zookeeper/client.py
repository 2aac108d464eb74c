"""Health and members of a ZooKeeper ensemble: roles by four-letter words, everything else in a session."""

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from components.findings import finding
from components.routes import DIRECT, Route, patience

if TYPE_CHECKING:
    from kazoo.client import KazooClient

CLIENT_PORT = 2181
FOLLOWER_PORT = 2888
ELECTION_PORT = 3888

ADMIN = "super"
"""ZooKeeper's name of the account that may change the ensemble's members."""

TIMEOUT = 2.0
"""Seconds to wait for one answer of one member."""


@dataclass(frozen=True)
class MemberState:
    """The state that one member reports.

    Args:
        listens: Whether anything accepts connections at the member's address.
        mode: ``leader``, ``follower`` or ``observer``; None while it does not serve.
        synced_followers: Followers in sync, as a leader counts them; None from other members.
        voters: Members with a vote, as a leader counts them; None from other members.
        data_size: Its own estimate of its data in bytes; None while it does not serve.
    """

    listens: bool
    mode: str | None = None
    synced_followers: int | None = None
    data_size: int | None = None
    voters: int | None = None


def member_state(address: str, *, route: Route = DIRECT) -> MemberState:
    """Ask one member for its role (``mntr``); the answer has none while there is no quorum."""
    try:
        answer = _ask(address, b"mntr", route)
    except ConnectionRefusedError:
        return MemberState(listens=False)
    except OSError:
        return MemberState(listens=True)
    values = _values(answer)
    return MemberState(
        listens=bool(answer),
        mode=values.get("zk_server_state"),
        synced_followers=_whole(values.get("zk_synced_followers")),
        data_size=_whole(values.get("zk_approximate_data_size")),
        voters=_whole(values.get("zk_quorum_size")),
    )


def _whole(value: str | None) -> int | None:
    """A number of ``mntr``, which may be written ``2.0``."""
    return None if value is None else int(float(value))


def member_states(members: Mapping[str, str], *, route: Route = DIRECT) -> dict[str, MemberState]:
    """Ask all members in parallel, so that one that hangs does not delay the others.

    Args:
        members: Address of each member, by name.
        route: How members are reached.
    """
    with ThreadPoolExecutor(len(members)) as pool:
        return dict(zip(members, pool.map(partial(member_state, route=route), members.values()), strict=True))


def _values(answer: str) -> dict[str, str]:
    """The values in the complete lines of an answer to ``mntr``, the last of which may still be on its way."""
    lines = answer.split("\n")[:-1]
    return dict(line.split("\t", 1) for line in lines if "\t" in line)


def _is_complete(answer: str) -> bool:
    """Whether an answer to ``mntr`` already has all values that :func:`member_state` reads."""
    values = _values(answer)
    last = {"zk_synced_followers", "zk_quorum_size"}
    return values.get("zk_server_state") in ("follower", "observer") or last <= values.keys()


def _ask(address: str, word: bytes, route: Route) -> str:
    answer = ""
    with route.connect(address, TIMEOUT) as connection:
        connection.sendall(word)
        # The member closes the connection after its answer, but the Kubernetes API passes that on only a second later.
        while not _is_complete(answer):
            chunk = connection.recv(65536)
            if not chunk:
                break
            answer += chunk.decode(errors="replace")
    return answer


def role_findings(members: Mapping[str, str], logs: Mapping[str, str], *, route: Route = DIRECT) -> list[str]:
    """What is wrong with the members' roles: one leader, all others its followers in sync.

    Args:
        members: Address of each member, by name.
        logs: For each member the command that shows its logs.
        route: How members are reached.
    """
    states = member_states(members, route=route)
    findings: list[str] = []
    expected = "a leader" if len(members) == 1 else "a leader or follower"
    for name, state in states.items():
        if not state.listens:
            seen = _no_answer(members[name], route)
            findings.append(finding(name, seen=seen, expected=f"a member that is {expected}", logs=logs))
        elif state.mode is None:
            findings.append(finding(name, seen="it serves no requests (no quorum)", expected=expected, logs=logs))
    if findings or [state.mode for state in states.values()] == ["standalone"]:  # one that no other can join
        return findings
    leaders = [name for name, state in states.items() if state.mode == "leader"]
    if len(leaders) != 1:
        return [f"ZooKeeper: {len(leaders)} leaders; expected one"]
    return _leader_findings(leaders[0], states[leaders[0]], len(members), logs)


def _leader_findings(name: str, leader: MemberState, members: int, logs: Mapping[str, str]) -> list[str]:
    """What the leader misses: followers that are in sync, or votes."""
    if leader.synced_followers != members - 1:
        seen = f"the leader counts {leader.synced_followers} followers in sync"
        return [finding(name, seen=seen, expected=str(members - 1), logs=logs)]
    if leader.voters != members:
        seen = f"the leader counts {leader.voters} members with a vote"
        return [finding(name, seen=seen, expected=str(members), logs=logs)]
    return []


def _no_answer(address: str, route: Route) -> str:
    trouble = route.trouble(address)
    return f"nothing answers at {address}" + (f" ({trouble})" if trouble else "")


def restart_findings(
    name: str, members: Mapping[str, str], logs: Mapping[str, str], *, route: Route = DIRECT
) -> list[str]:
    """Why the next member must not restart yet after ``name`` did.

    While a majority of members does not run at all, as in a first start, there is no quorum to protect.
    """
    states = member_states(members, route=route)
    listening = sum(state.listens for state in states.values())
    if not states[name].listens:
        seen = _no_answer(members[name], route)
        return [finding(name, seen=seen, expected="a member that listens", logs=logs)]
    if states[name].mode is None and listening > len(members) // 2:
        return [finding(name, seen="it has not joined the quorum yet", expected="leader or follower", logs=logs)]
    return []


@contextmanager
def _session(addresses: Sequence[str], route: Route) -> Generator["KazooClient"]:
    """A session with one of the members.

    Raises:
        KazooException: ZooKeeper refused a request.
        KazooTimeoutError: No member answered in time.
    """
    import logging

    from kazoo.client import KazooClient

    quiet = logging.getLogger("kazoo")
    quiet.setLevel(logging.CRITICAL)
    client = KazooClient(hosts=",".join(map(route.local, addresses)), timeout=4.0, logger=quiet)
    try:
        client.start(timeout=patience(route, TIMEOUT))
        yield client
    finally:
        client.stop()
        client.close()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def session_findings(addresses: list[str], *, route: Route = DIRECT) -> list[str]:
    """Open a session, write an ephemeral node, read it back, and remove it."""
    from kazoo.exceptions import KazooException
    from kazoo.handlers.threading import KazooTimeoutError

    try:
        with _session(addresses, route) as client:
            path = client.create("/millrace-health-", b"healthy", ephemeral=True, sequence=True)
            value, _ = client.get(path)
            client.delete(path)
    except (KazooException, KazooTimeoutError) as error:
        where = ", ".join(addresses)
        return [f"ZooKeeper: a session at {where} failed: {_reason(error)}; expected an ephemeral node"]
    return [] if value == b"healthy" else [f"ZooKeeper: a node read back as {value!r}; expected b'healthy'"]


class MembershipError(Exception):
    """The ensemble's list of members could not be read or changed now; it may work later."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """A member that gets a vote.

    Args:
        name: The member; the first label of its host name.
        number: Its id.
    """

    name: str
    number: int


def voters(addresses: Sequence[str], *, route: Route = DIRECT) -> dict[int, str]:
    """The members that have a vote: their ids and how the others reach them (``zookeeper-0:2888:3888``).

    Args:
        addresses: Members to ask.
        route: How they are reached.

    Raises:
        MembershipError: None of them answered.
    """
    with _membership(addresses, route) as client:
        return _voters(client)


def change_voters(
    addresses: Sequence[str],
    password: str,
    *,
    joins: Joining | None = None,
    leaves: int | None = None,
    route: Route = DIRECT,
) -> None:
    """Give one member a vote, or take one out of the ensemble; ZooKeeper refuses what would cost the quorum.

    Args:
        addresses: Members to ask.
        password: The password of :data:`ADMIN`.
        joins: The member that gets a vote.
        leaves: The id of the member that is taken out.
        route: How members are reached.

    Raises:
        MembershipError: It was not changed, or that is not known.
    """
    with _membership(addresses, route) as client:
        client.add_auth("digest", f"{ADMIN}:{password}")
        entry = None if joins is None else _entry(joins, _voters(client))
        client.reconfig(joining=entry, leaving=None if leaves is None else str(leaves), new_members=None)


@contextmanager
def _membership(addresses: Sequence[str], route: Route) -> Generator["KazooClient"]:
    from kazoo.exceptions import KazooException
    from kazoo.handlers.threading import KazooTimeoutError

    try:
        with _session(addresses, route) as client:
            yield client
    except (KazooException, KazooTimeoutError) as error:
        raise MembershipError(_reason(error)) from None


def _voters(client: "KazooClient") -> dict[int, str]:
    """The list that ZooKeeper keeps: a line ``server.1=zookeeper-0:2888:3888:participant;0.0.0.0:2181`` for each."""
    content, _ = client.get("/zookeeper/config")
    found: dict[int, str] = {}
    for line in content.decode().splitlines():
        key, _, value = line.partition("=")
        address, _, role = value.partition(";")[0].rpartition(":")
        if key.startswith("server.") and role == "participant":
            found[int(key.removeprefix("server."))] = address
    return found


def _entry(joins: Joining, present: Mapping[int, str]) -> str:
    """A member as ZooKeeper writes it; its host differs from the others' in the first label."""
    host = next(iter(present.values())).partition(":")[0]
    domain = host.partition(".")[2]
    host = f"{joins.name}.{domain}" if domain else joins.name
    return f"server.{joins.number}={host}:{FOLLOWER_PORT}:{ELECTION_PORT}:participant;{CLIENT_PORT}"


def summary(members: Mapping[str, str], *, route: Route = DIRECT) -> str:
    """The roles in one line: ``zookeeper-0 follower, zookeeper-1 leader``."""
    return ", ".join(f"{name} {state.mode}" for name, state in member_states(members, route=route).items())
