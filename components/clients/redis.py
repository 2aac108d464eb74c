"""Health of a Redis server: a write, a read, and the persistence that was asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.clients.findings import finding, host_and_port
from components.clients.routes import DIRECT, Route, patience

TIMEOUT = 2.0
"""Seconds for one answer."""


def findings(
    *,
    member: str,
    address: str,
    password: str | None,
    append_only: bool,
    save: Sequence[str],
    logs: Mapping[str, str],
    route: Route = DIRECT,
) -> list[str]:
    """What is wrong with the server; nothing where it is well. Never holds the password.

    Args:
        member: The member's name.
        address: ``host:port``.
        password: What ``AUTH`` needs, or None.
        append_only: Whether the append-only file must be on.
        save: Snapshot rules that must be in force, each "seconds changes".
        logs: For each member the command that shows its logs.
        route: How the server is reached.
    """
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import AuthenticationError, RedisError
    from redis.retry import Retry

    nearby = route.local(address)
    host, port = host_and_port(nearby)
    client: Any = Redis(
        host=host,
        port=port,
        password=password,
        socket_timeout=patience(route, TIMEOUT),
        socket_connect_timeout=patience(route, TIMEOUT),
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),  # whoever asks looks again; tries with pauses would only delay what is found
    )
    try:
        client.set("millrace:health", "well", ex=60)
        value = client.get("millrace:health")
        persistence = client.info("persistence")
        rules = str(client.config_get("save").get("save", ""))
    except AuthenticationError:
        return [finding(member, seen="it refused the password", expected="the stack's password", logs=logs)]
    except RedisError as error:
        why = route.trouble(address) or str(error).replace(nearby, address)
        seen = f"a write and a read at {address} failed ({why})"
        return [finding(member, seen=seen, expected="both to work", logs=logs)]
    finally:
        client.close()
    found: list[str] = []
    if value != "well":
        found.append(finding(member, seen=f"a key read back as {value!r}", expected="'well'", logs=logs))
    if bool(int(persistence["aof_enabled"])) != append_only:
        wanted = "on" if append_only else "off"
        found.append(finding(member, seen="the append-only file is not so", expected=wanted, logs=logs))
    if rules != " ".join(save):
        found.append(finding(member, seen=f'snapshot rules "{rules}"', expected=f'"{" ".join(save)}"', logs=logs))
    return found
