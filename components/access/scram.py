"""What brokers find in ZooKeeper from their first start on: the platform's users, with what these and probes may do.

Kafka's protocol writes both too, but needs a broker that runs.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from components.access.rules import ANY_NAME, CLUSTER, Resource, Right
from components.errors import AccessError
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

_NODES: Mapping[Resource, str] = {"topic": "Topic", "group": "Group", "cluster": "Cluster"}
"""The folder below ``/kafka-acl`` with the rights on resources of a kind (kafka.zk.ResourceTypeZNode)."""

_NAMES: Mapping[Resource, str] = {"topic": ANY_NAME, "group": ANY_NAME, "cluster": CLUSTER}
"""The resources on which the platform's users have rights."""

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
    rights: Mapping[str, Collection[Right]],
    *,
    deadline: float,
    report: Callable[[str], None],
    route: Route = DIRECT,
) -> list[str]:
    """Write users with their rights, and what probes may read, to an ensemble. Can be repeated.

    Brokers that run take all of it over at once.

    Args:
        addresses: ``host:port`` of each member.
        passwords: Each user's password.
        rights: What each user may do, on all topics, all groups or the cluster; a super user needs none.
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
            for kind in _NODES:
                _write_rights(client, kind, rights)
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
    """Write one user if it differs; another writer between read and write is an error, and all is tried again.

    Brokers are told in any case, since an attempt before may have ended between the two.
    """
    changed = _set(client, f"/config/users/{user}", lambda node: with_credential(node, password))
    change = json.dumps({"version": 2, "entity_path": f"users/{user}"}).encode()
    _tell(client, "/config/changes/config_change_", change)
    return changed


def _set(client: "KazooClient", path: str, wanted: Callable[[bytes | None], bytes | None]) -> bool:
    """Set a node to what it should hold, if it does not; returns whether it did not."""
    from kazoo.exceptions import NoNodeError

    try:
        node, stat = client.get(path)
    except NoNodeError:
        client.create(path, wanted(None) or b"", makepath=True)
        return True
    value = wanted(node)
    if value is not None:
        client.set(path, value, version=stat.version)
    return value is not None


def _tell(client: "KazooClient", path: str, change: bytes) -> None:
    """Tell brokers that run what changed."""
    client.ensure_path(path.rpartition("/")[0])
    client.create(path, change, sequence=True)


def with_rights(node: bytes | None, kind: Resource, rights: Mapping[str, Collection[Right]]) -> bytes | None:
    """The rights on the resources of a kind, with those of the platform's users and of probes.

    Args:
        node: What the node holds, or None if there is none. Others' rights stay; these users have no further ones.
        kind: The kind of resource.
        rights: What each user may do.

    Returns:
        What it must hold; None if it has the rights already.

    Raises:
        AccessError: It cannot be read, so it is left as it is.
    """
    try:
        found: list[dict[str, str]] = list(json.loads(node)["acls"]) if node else []
    except (ValueError, KeyError, TypeError):
        raise AccessError(
            f"the rights in ZooKeeper's node {_path(kind)} cannot be read; nothing was changed",
            ["read it with zookeeper-shell.sh; remove it if brokers cannot read it either, then run `pulumi up`"],
        ) from None
    wanted = [_entry(user, right) for user in sorted(rights) for right in rights[user] if right.resource == kind]
    wanted += [_PROBES] if kind == "topic" else []
    principals = {_principal(user) for user in rights}
    others = [entry for entry in found if entry["principal"] not in principals and entry != _PROBES]
    missing = [entry for entry in wanted if entry not in found]
    if node is not None and not missing and len(found) == len(others) + len(wanted):
        return None
    return json.dumps({"version": 1, "acls": [*others, *wanted]}).encode()


def _principal(user: str) -> str:
    return f"User:{user}"


def _entry(user: str, right: Right) -> dict[str, str]:
    """A right as Kafka writes it (kafka.security.authorizer.AclEntry)."""
    operation = "".join(word.capitalize() for word in right.operation.split("-"))
    return {"principal": _principal(user), "permissionType": "Allow", "operation": operation, "host": "*"}


def _path(kind: Resource) -> str:
    return f"/kafka-acl/{_NODES[kind]}/{_NAMES[kind]}"


def _write_rights(client: "KazooClient", kind: Resource, rights: Mapping[str, Collection[Right]]) -> None:
    """Write the rights on the resources of a kind, and tell brokers, like :func:`_write`."""
    _set(client, _path(kind), lambda node: with_rights(node, kind, rights))
    _tell(client, "/kafka-acl-changes/acl_changes_", f"{_NODES[kind]}:{_NAMES[kind]}".encode())


def users_are_written(
    addresses: Sequence[str],
    passwords: Mapping[str, str],
    rights: Mapping[str, Collection[Right]],
    *,
    route: Route = DIRECT,
) -> bool | None:
    """Whether an ensemble has the users with these passwords and rights; None if it does not answer."""
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError

    client = _client(addresses, route)
    try:
        client.start(timeout=patience(route, _CONNECT_SECONDS))
        nodes = {user: client.get(f"/config/users/{user}")[0] for user in passwords}
        right = all(with_rights(client.get(_path(kind))[0], kind, rights) is None for kind in _NODES)
        return right and all(with_credential(nodes[user], password) is None for user, password in passwords.items())
    except NoNodeError:
        return False
    except (KazooException, KazooTimeoutError, AccessError):
        return None
    finally:
        client.stop()
        client.close()
