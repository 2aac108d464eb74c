"""What brokers must find in ZooKeeper when they first start: their own user, and what their probes may read.

Kafka's protocol writes both too, but needs a broker that runs.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from components.kafka.security import MECHANISM
from components.routes import DIRECT, Route, patience
from components.waiting import wait_until

if TYPE_CHECKING:
    from kazoo.client import KazooClient

ITERATIONS = 8192
"""Rounds of PBKDF2. Kafka's default is 4096, the least that it accepts (RFC 7677); passwords here are random, 192 bits,
so rounds add little, and each connection pays for them once."""

_PROBES = {"principal": "User:ANONYMOUS", "permissionType": "Allow", "operation": "Describe", "host": "127.0.0.1"}
"""Who has no user, and comes from inside a broker's container, may see which topics exist and which replicas are in
sync: what brokers' probes ask. No other listener lets anyone in without a user."""

_TOPICS = "/kafka-acl/Topic/*"
"""The node with the rights on all topics (kafka.zk.ResourceZNode)."""

_SALT_BYTES = 24
_SESSION_SECONDS = 4.0
_CONNECT_SECONDS = 5.0


def credential(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """What a broker stores of a password, as it writes it: ``salt=…,stored_key=…,server_key=…,iterations=…``.

    The password cannot be computed from it, but it lets its reader pose as the server (RFC 5802, section 9).

    Args:
        password: The password.
        salt: Random bytes; unset makes new ones.
        iterations: Rounds of PBKDF2.
    """
    salt = new_salt() if salt is None else salt
    salted = salted_password(password, salt, iterations)
    stored_key = hashlib.sha512(_hmac(salted, b"Client Key")).digest()
    parts = {"salt": salt, "stored_key": stored_key, "server_key": _hmac(salted, b"Server Key")}
    fields = [f"{name}={base64.b64encode(value).decode()}" for name, value in parts.items()]
    return ",".join([*fields, f"iterations={iterations}"])


def new_salt() -> bytes:
    """Random bytes for a password that is set anew."""
    return secrets.token_bytes(_SALT_BYTES)


def salted_password(password: str, salt: bytes, iterations: int = ITERATIONS) -> bytes:
    """What Kafka's protocol takes of a password: the broker derives from it what it stores."""
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha512")


def is_password_of(stored: str, password: str) -> bool:
    """Whether a stored credential is that of a password; False too if it cannot be read."""
    fields = {name: value for name, _, value in (part.partition("=") for part in stored.split(","))}
    try:
        salt, iterations = base64.b64decode(fields["salt"]), int(fields["iterations"])
    except (KeyError, ValueError):
        return False
    return iterations > 0 and hmac.compare_digest(credential(password, salt=salt, iterations=iterations), stored)


def with_credential(node: bytes | None, password: str) -> bytes | None:
    """A user's node in ZooKeeper with the credential of a password.

    Args:
        node: What it holds, or None if there is none. Other keys, such as quotas, stay.
        password: The user's password.

    Returns:
        What it must hold; None if it has the credential already.
    """
    config = _config_of(node)
    if is_password_of(config.get(MECHANISM, ""), password):
        return None
    return json.dumps({"version": 1, "config": {**config, MECHANISM: credential(password)}}).encode()


def _config_of(node: bytes | None) -> dict[str, str]:
    """The keys of a user's node; none if it cannot be read."""
    try:
        return dict(json.loads(node or b"{}")["config"])
    except (ValueError, TypeError, KeyError, IndexError):
        return {}


def write_users(
    addresses: Sequence[str],
    passwords: Mapping[str, str],
    *,
    deadline: float,
    report: Callable[[str], None],
    route: Route = DIRECT,
) -> list[str]:
    """Write users, and what probes may read, to an ensemble; brokers that run take them over at once. Can be repeated.

    Args:
        addresses: ``host:port`` of each member.
        passwords: Each user's password.
        deadline: Seconds to wait for the ensemble.
        report: Called with a line of progress.
        route: How members are reached.

    Returns:
        Names of the users that were new or had another password.

    Raises:
        UnhealthyError: The ensemble did not answer before the deadline.
    """
    changed: list[str] = []

    def attempt() -> list[str]:
        from kazoo.exceptions import KazooException
        from kazoo.handlers.threading import KazooTimeoutError

        client = _client(addresses, route)
        try:
            client.start(timeout=patience(route, _CONNECT_SECONDS))
            changed.extend(user for user in sorted(passwords) if _write(client, user, passwords[user]))
            _let_probes_read(client)
        except (KazooException, KazooTimeoutError) as error:
            return [f"ZooKeeper at {', '.join(addresses)}: {error or type(error).__name__}; expected to write users"]
        finally:
            client.stop()
            client.close()
        return []

    wait_until(attempt, what="ZooKeeper", deadline=deadline, report=report, state="ready for users")
    return changed


def _client(addresses: Sequence[str], route: Route) -> "KazooClient":
    import logging

    from kazoo.client import KazooClient

    quiet = logging.getLogger("kazoo")
    quiet.setLevel(logging.CRITICAL)
    return KazooClient(hosts=",".join(map(route.local, addresses)), timeout=_SESSION_SECONDS, logger=quiet)


def _write(client: "KazooClient", user: str, password: str) -> bool:
    """Write one user if it differs; another writer between read and write is an error, and all is tried again."""
    from kazoo.exceptions import NoNodeError

    path = f"/config/users/{user}"
    try:
        node, stat = client.get(path)
        wanted = with_credential(node, password)
        if wanted is None:
            return False
        client.set(path, wanted, version=stat.version)
    except NoNodeError:
        client.create(path, with_credential(None, password) or b"", makepath=True)
    client.ensure_path("/config/changes")
    change = json.dumps({"version": 2, "entity_path": f"users/{user}"}).encode()
    client.create("/config/changes/config_change_", change, sequence=True)
    return True


def with_probes(node: bytes | None) -> bytes | None:
    """The rights on all topics with that of probes.

    Args:
        node: What the node holds, or None if there is none. Others' rights stay.

    Returns:
        What it must hold; None if it has the right already.

    Raises:
        ValueError: It cannot be read, so it is left as it is.
    """
    rights = list(json.loads(node)["acls"]) if node else []
    return None if _PROBES in rights else json.dumps({"version": 1, "acls": [*rights, _PROBES]}).encode()


def _let_probes_read(client: "KazooClient") -> None:
    from kazoo.exceptions import NoNodeError

    try:
        node, stat = client.get(_TOPICS)
        wanted = with_probes(node)
        if wanted is None:
            return
        client.set(_TOPICS, wanted, version=stat.version)
    except NoNodeError:
        client.create(_TOPICS, with_probes(None) or b"", makepath=True)
    client.ensure_path("/kafka-acl-changes")
    client.create("/kafka-acl-changes/acl_changes_", b"Topic:*", sequence=True)


def users_are_written(addresses: Sequence[str], passwords: Mapping[str, str], *, route: Route = DIRECT) -> bool | None:
    """Whether an ensemble has the users with these passwords; None if it does not answer."""
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError

    client = _client(addresses, route)
    try:
        client.start(timeout=patience(route, _CONNECT_SECONDS))
        nodes = {user: client.get(f"/config/users/{user}")[0] for user in passwords}
        return all(with_credential(nodes[user], password) is None for user, password in passwords.items())
    except NoNodeError:
        return False
    except (KazooException, KazooTimeoutError):
        return None
    finally:
        client.stop()
        client.close()
