"""Health of a ZooKeeper ensemble: roles by four-letter words, and a session that writes and reads."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from components.findings import finding
from components.routes import DIRECT, Route, patience

TIMEOUT = 2.0
"""Seconds to wait for one answer of one member."""


@dataclass(frozen=True)
class MemberState:
    """The state that one member reports.

    Args:
        listens: Whether anything accepts connections at the member's address.
        mode: ``standalone``, ``leader`` or ``follower``; None while it does not serve.
        synced_followers: Followers in sync, as a leader counts them; None from other members.
        data_size: Its own estimate of its data in bytes; None while it does not serve.
    """

    listens: bool
    mode: str | None = None
    synced_followers: int | None = None
    data_size: int | None = None


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
    return values.get("zk_server_state") in ("standalone", "follower") or "zk_synced_followers" in values


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
    expected = "standalone" if len(members) == 1 else "a leader or follower"
    for name, state in states.items():
        if not state.listens:
            seen = _no_answer(members[name], route)
            findings.append(finding(name, seen=seen, expected=f"a member that is {expected}", logs=logs))
        elif state.mode is None:
            findings.append(finding(name, seen="it serves no requests (no quorum)", expected=expected, logs=logs))
    leaders = [name for name, state in states.items() if state.mode == "leader"]
    if not findings and len(members) > 1:
        if len(leaders) != 1:
            findings.append(f"ZooKeeper: {len(leaders)} leaders; expected one")
        elif (synced := states[leaders[0]].synced_followers) != len(members) - 1:
            seen = f"the leader counts {synced} followers in sync"
            findings.append(finding(leaders[0], seen=seen, expected=str(len(members) - 1), logs=logs))
    return findings


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


def session_findings(addresses: list[str], *, route: Route = DIRECT) -> list[str]:
    """Open a session, write an ephemeral node, read it back, and remove it."""
    import logging

    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException
    from kazoo.handlers.threading import KazooTimeoutError

    quiet = logging.getLogger("kazoo")
    quiet.setLevel(logging.CRITICAL)
    client = KazooClient(hosts=",".join(map(route.local, addresses)), timeout=4.0, logger=quiet)
    try:
        client.start(timeout=patience(route, TIMEOUT))
        path = client.create("/millrace-health-", b"healthy", ephemeral=True, sequence=True)
        value, _ = client.get(path)
        client.delete(path)
        return [] if value == b"healthy" else [f"ZooKeeper: a node read back as {value!r}; expected b'healthy'"]
    except (KazooException, KazooTimeoutError) as error:
        reason = str(error) or type(error).__name__
        return [f"ZooKeeper: a session at {', '.join(addresses)} failed: {reason}; expected an ephemeral node"]
    finally:
        client.stop()
        client.close()


def summary(members: Mapping[str, str], *, route: Route = DIRECT) -> str:
    """The roles in one line: ``zookeeper-0 follower, zookeeper-1 leader``."""
    return ", ".join(f"{name} {state.mode}" for name, state in member_states(members, route=route).items())
