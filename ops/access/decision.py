"""Whether a user may do something, as brokers decide it from the ACLs that they hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from components.access.rules import CLUSTER, gives
from ops.backup.archive.model import Acl

_ANY = "*"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One thing that a user may want to do.

    Args:
        operation: What: ``write``.
        resource: On what kind of resource: ``topic``, ``group``, ``transactional-id``, ``cluster``.
        name: The resource's name.
    """

    operation: str
    resource: str
    name: str

    def __str__(self) -> str:
        return f"{self.operation} {self.resource} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What brokers decide.

    Args:
        allowed: Whether the user may do it from any host.
        allowed_by: The ACLs that allow it.
        denied_by: The ACLs that deny it, which count more.
    """

    allowed: bool
    allowed_by: Sequence[Acl] = ()
    denied_by: Sequence[Acl] = ()


def decide(user: str, asked: Asked, acls: Iterable[Acl]) -> Verdict:
    """Decide as Kafka's ``AclAuthorizer`` does: a refusal that matches counts more than any permission.

    Args:
        user: Who asks; no super user, who needs no ACL.
        asked: What it wants to do.
        acls: All ACLs of the cluster.
    """
    wanted = [asked]
    if (asked.operation, asked.resource) == ("create", "topic"):
        # A right to create on the cluster is one to create any topic (KafkaApis.handleCreateTopicsRequest).
        wanted.append(Asked(operation="create", resource="cluster", name=CLUSTER))
    own = of_user(user, acls)
    denied = [acl for acl in own if acl.permission == "DENY" and _denies(acl, asked)]
    allowed = [acl for acl in own if acl.permission == "ALLOW" and any(_allows(acl, item) for item in wanted)]
    everywhere = any(acl.host == _ANY for acl in allowed)
    return Verdict(allowed=everywhere and not denied, allowed_by=allowed, denied_by=denied)


def of_user(user: str, acls: Iterable[Acl]) -> list[Acl]:
    """The ACLs that count for a user: its own, and those of everyone."""
    return [acl for acl in acls if acl.principal in (f"User:{user}", f"User:{_ANY}")]


def _allows(acl: Acl, asked: Asked) -> bool:
    held = word(acl.operation)
    return (held == "all" or gives(held, asked.operation)) and _covers(acl, asked)


def _denies(acl: Acl, asked: Asked) -> bool:
    """Unlike a permission, a refusal implies no other."""
    return word(acl.operation) in ("all", asked.operation) and _covers(acl, asked)


def _covers(acl: Acl, asked: Asked) -> bool:
    if word(acl.resource) != asked.resource:
        return False
    if acl.pattern == "PREFIXED":
        return asked.name.startswith(acl.name)
    return acl.name in (asked.name, _ANY)


def word(name: str) -> str:
    """``TRANSACTIONAL_ID`` as the stack file's rules spell it: ``transactional-id``."""
    return name.lower().replace("_", "-")


def acl_text(acl: Acl) -> str:
    """An ACL in one line: ``allow write topic orders* for User:billing from any host``."""
    prefixed = "*" if acl.pattern == "PREFIXED" else ""
    name = "of any name" if (acl.pattern, acl.name) == ("LITERAL", _ANY) else f"{acl.name}{prefixed}"
    host = "any host" if acl.host == _ANY else acl.host
    what = f"{word(acl.permission)} {word(acl.operation)} {word(acl.resource)} {name}"
    return f"{what} for {acl.principal} from {host}"


def acl_json(acl: Acl) -> dict[str, Any]:
    """Stable keys for programs."""
    return {
        "permission": word(acl.permission),
        "operation": word(acl.operation),
        "resource": word(acl.resource),
        "name": acl.name,
        "prefixed": acl.pattern == "PREFIXED",
        "principal": acl.principal,
        "host": acl.host,
    }
