"""Health of a Redis server: a write and a read, or a read alone, and the persistence that the settings ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from components.findings import finding
from components.routes import DIRECT, Route, host_and_port, patience

if TYPE_CHECKING:
    from redis import Redis

TIMEOUT = 2.0
"""Seconds to wait for one answer."""

HEALTH_KEY = "millrace:health"
"""Key that the health check writes and reads; it expires after a minute. No other key is touched."""


@dataclass(frozen=True)
class ServerState:
    """The state that a server reports (``INFO``).

    Args:
        role: ``master`` or ``slave``, as Redis calls them.
        used_memory: Bytes that the server has allocated.
        max_memory: Bytes that the server may use for data; 0 is no limit.
    """

    role: str
    used_memory: int
    max_memory: int


def server_state(address: str, password: str | None, *, route: Route = DIRECT) -> ServerState:
    """Ask a server for its role and memory.

    Args:
        address: ``host:port``.
        password: What ``AUTH`` needs, or None.
        route: How the server is reached.

    Raises:
        redis.exceptions.RedisError: The server cannot be reached, refuses the password, or does not serve yet.
    """
    client: Any = connection(address, password, route)
    try:
        memory, replication = client.info("memory"), client.info("replication")
    finally:
        client.close()
    return ServerState(replication["role"], int(memory["used_memory"]), int(memory["maxmemory"]))


def connection(address: str, password: str | None, route: Route) -> "Redis":
    """A client that connects when it is first used, and never tries again by itself."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    host, port = host_and_port(route.local(address))
    return Redis(
        host=host,
        port=port,
        password=password,
        socket_timeout=patience(route, TIMEOUT),
        socket_connect_timeout=patience(route, TIMEOUT),
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),  # callers check again; retries would only delay the finding
    )


def redis_url(address: str, password: str | None, *, user: str = "") -> str:
    """The address in the form that clients read.

    Args:
        address: ``host:port``.
        password: What ``AUTH`` needs, or None.
        user: Whose password it is; empty is the server's default user.
    """
    login = "" if password is None else f"{quote(user, safe='')}:{quote(password, safe='')}@"
    return f"redis://{login}{address}/0"


def findings(
    *,
    member: str,
    address: str,
    password: str | None,
    append_only: bool,
    save: Sequence[str],
    logs: Mapping[str, str],
    writes: bool,
    route: Route = DIRECT,
) -> list[str]:
    """What is wrong with the server; empty if it is healthy. Never contains the password.

    Args:
        member: The member's name.
        address: ``host:port``.
        password: What ``AUTH`` needs, or None.
        append_only: Whether the append-only file must be on.
        save: Snapshot rules that must be in force, each "seconds changes".
        logs: For each member the command that shows its logs.
        writes: Whether to write a key before it is read.
        route: How the server is reached.
    """
    from redis.exceptions import AuthenticationError, RedisError

    client: Any = connection(address, password, route)
    try:
        if writes:
            client.set(HEALTH_KEY, "healthy", ex=60)
        value = client.get(HEALTH_KEY)
        persistence = client.info("persistence")
        rules = str(client.config_get("save").get("save", ""))
    except AuthenticationError:
        return [finding(member, seen="it refused the password", expected="the stack's password", logs=logs)]
    except RedisError as error:
        why = route.trouble(address) or str(error).replace(route.local(address), address)
        tried, expected = ("a write and a read", "both to work") if writes else ("a read", "it to work")
        return [finding(member, seen=f"{tried} at {address} failed ({why})", expected=expected, logs=logs)]
    finally:
        client.close()
    found: list[str] = []
    if writes and value != "healthy":
        found.append(finding(member, seen=f"a key read back as {value!r}", expected="'healthy'", logs=logs))
    if bool(int(persistence["aof_enabled"])) != append_only:
        actual, wanted = ("off", "on") if append_only else ("on", "off")
        found.append(finding(member, seen=f"the append-only file is {actual}", expected=wanted, logs=logs))
    if rules != " ".join(save):
        found.append(finding(member, seen=f'snapshot rules "{rules}"', expected=f'"{" ".join(save)}"', logs=logs))
    return found
