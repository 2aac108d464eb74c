"""What an application may do, from what it declares: Kafka's rights and quotas, and Redis' access rules."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, cast, get_args

from components.errors import nearest
from components.kafka.files import BROKER_USER
from components.redis.files import password_rule
from components.topics.rules import INTERNAL_PREFIX, MAX_NAME_LENGTH

Resource = Literal["topic", "group", "transactional-id", "cluster"]
Operation = Literal[
    "read",
    "write",
    "create",
    "delete",
    "alter",
    "describe",
    "cluster-action",
    "describe-configs",
    "alter-configs",
    "idempotent-write",
    "all",
]

CLUSTER = "kafka-cluster"
"""The name of the one resource of the kind ``cluster`` (org.apache.kafka.common.resource.Resource)."""

PLATFORM_USER = "millrace-platform"
"""The user of `pulumi up` and ops: topics, checks, users of applications."""

EXPORTER_USER = "millrace-exporter"
"""The user of the metrics exporter, which only looks."""

RESERVED_USERS = frozenset({BROKER_USER, PLATFORM_USER, EXPORTER_USER, "default"})
"""Users that no application may have: the platform's own, and Redis' own."""

ANY_NAME = "*"
"""The name that means every resource of a kind (org.apache.kafka.common.resource.ResourcePattern)."""

_APP = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")
_RESOURCE_NAME = re.compile(r"[a-zA-Z0-9._-]*")
_KEY_START = re.compile(r"[A-Za-z0-9_.:/{-]")
_REDIS_COMMANDS = (
    "+@all",
    "-@admin",
    "-@dangerous",
    # Redis gives the names of all keys to whoever may use these, whatever keys that user has.
    *("-scan", "-randomkey"),
    # Functions and scripts are the whole server's; FCALL and EVAL stay, and obey the rights to keys.
    *("-function", "-script|flush", "-script|kill"),
)
_IMPLIED: Mapping[Operation, tuple[Operation, ...]] = {
    "describe": ("read", "write", "delete", "alter"),
    "describe-configs": ("alter-configs",),
}
"""Operations that give another one too (org.apache.kafka.server.authorizer and AclEntry, Kafka 3.9)."""

LIMITS: Mapping[str, str] = {
    "produce": "producer_byte_rate",
    "consume": "consumer_byte_rate",
    "requestPercent": "request_percentage",
}
"""Kafka's key of each limit, by its name in a declaration."""

_DECLARED: Mapping[str, tuple[Operation, Resource]] = {
    "produces": ("write", "topic"),
    "consumes": ("read", "topic"),
    "groups": ("read", "group"),
    "transactions": ("write", "transactional-id"),
}
"""What each part of a declaration gives."""


def gives(held: str, asked: str) -> bool:
    """Whether a right to one operation is a right to another: who may read may describe, too."""
    return held == asked or any(held in by for implied, by in _IMPLIED.items() if implied == asked)


@dataclass(frozen=True, order=True)
class Right:
    """One thing that a user may do in Kafka, from any host.

    Args:
        operation: What.
        resource: On what kind of resource.
        name: The resource's name, or what its name starts with, or :data:`ANY_NAME`.
        prefixed: Whether every resource is meant whose name starts so.
    """

    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{self.operation} {self.resource} {self.name}{'*' if self.prefixed else ''}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what :meth:`__str__` wrote.

        Raises:
            ValueError: It is no right.
        """
        operation, _, rest = text.partition(" ")
        resource, _, name = rest.partition(" ")
        if operation not in get_args(Operation) or resource not in get_args(Resource) or not name:
            raise ValueError(f'"{text}" is no right')
        kinds = cast("tuple[Operation, Resource]", (operation, resource))
        return cls(*kinds, name) if name == ANY_NAME else cls(*kinds, name.removesuffix("*"), name.endswith("*"))

    def allows(self, operation: str, resource: str, name: str) -> bool:
        """Whether it lets its user do something."""
        named = name.startswith(self.name) if self.prefixed else self.name in (ANY_NAME, name)
        given = self.operation == "all" or gives(self.operation, operation)
        return given and self.resource == resource and named


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How much a user may take from each broker; None is no limit.

    Args:
        produce: Bytes per second that it writes.
        consume: Bytes per second that it reads.
        request_percent: Share of a broker's request threads, in percent of one thread.
    """

    produce: int | None = None
    consume: int | None = None
    request_percent: int | None = None

    def by_key(self) -> dict[str, float]:
        """The limits by Kafka's keys."""
        limits = zip(LIMITS.values(), (self.produce, self.consume, self.request_percent), strict=True)
        return {key: float(value) for key, value in limits if value is not None}


@dataclass(frozen=True, kw_only=True)
class AppSpec:
    """What one application declares. A name that ends with ``*`` means all that start so.

    Args:
        name: The application's name.
        produces: Topics that it writes to.
        consumes: Topics that it reads from.
        groups: Consumer groups that it is in.
        transactions: Transactional ids of its producers.
        redis: Patterns of its keys and channels.
        quota: What it may take of each broker.
        generation: Number of its user; a new one has a new password.
        keep_previous: Whether the user before stays.
    """

    name: str
    produces: Sequence[str] = ()
    consumes: Sequence[str] = ()
    groups: Sequence[str] = ()
    transactions: Sequence[str] = ()
    redis: Sequence[str] = ()
    quota: Quota = field(default_factory=Quota)
    generation: int = 1
    keep_previous: bool = True

    @property
    def user(self) -> str:
        """The user that it connects as."""
        return user_name(self.name, self.generation)

    @property
    def users(self) -> list[str]:
        """All its users: the one to connect as, and the one before if that stays."""
        previous = self.keep_previous and self.generation > 1
        return [self.user, *([user_name(self.name, self.generation - 1)] if previous else [])]

    def rights(self) -> list[Right]:
        """What its users may do in Kafka, sorted.

        Reading and writing let a user describe, too; writing to any topic lets it write idempotently (KIP-679).
        """
        parts = {
            "produces": self.produces,
            "consumes": self.consumes,
            "groups": self.groups,
            "transactions": self.transactions,
        }
        return sorted({_right(*_DECLARED[part], name) for part, names in parts.items() for name in names})


def _right(operation: Operation, resource: Resource, pattern: str) -> Right:
    return Right(operation, resource, pattern.removesuffix("*"), pattern.endswith("*"))


def as_declared(rights: Iterable[Right]) -> tuple[dict[str, list[str]], list[Right]]:
    """What an application declares to have these rights: the inverse of :meth:`AppSpec.rights`.

    Returns:
        The names in each part of the declaration, such as ``produces``; and the rights that no part gives.
    """
    parts = {given: part for part, given in _DECLARED.items()}
    found: dict[str, list[str]] = {part: [] for part in _DECLARED}
    others: list[Right] = []
    for right in sorted(rights):
        if part := parts.get((right.operation, right.resource)):
            found[part].append(f"{right.name}{'*' if right.prefixed else ''}")
        else:
            others.append(right)
    return found, others


def user_name(app: str, generation: int) -> str:
    """The user of an application: its name, and from the second password on a number."""
    return app if generation == 1 else f"{app}-{generation}"


def redis_rights(patterns: Sequence[str]) -> list[str]:
    """What an application's users may do in Redis, as arguments of ``ACL SETUSER``.

    Its keys and channels, and no commands that are dangerous, show others' keys or end others' scripts.

    Args:
        patterns: Patterns of keys and channels.
    """
    return [*(f"{kind}{pattern}" for kind in "~&" for pattern in sorted(patterns)), *_REDIS_COMMANDS]


def redis_rules(rights: Sequence[str], password: str) -> list[str]:
    """The arguments of ``ACL SETUSER`` that describe a user completely, so that nothing else of it stays.

    Args:
        rights: What it may do: :func:`redis_rights`.
        password: Its password; only the hash is in the result.
    """
    return ["reset", "on", password_rule(password), *rights]


# The platform's own users

OWN_RIGHTS: Mapping[str, Sequence[Right]] = {
    PLATFORM_USER: (
        Right("alter", "cluster", CLUSTER),  # users and rights of applications, moves of replicas, elections
        Right("alter-configs", "cluster", CLUSTER),  # quotas, throttles of moves
        Right("create", "topic", ANY_NAME),
        Right("delete", "topic", ANY_NAME),
        Right("alter", "topic", ANY_NAME),  # more partitions
        Right("alter-configs", "topic", ANY_NAME),
        Right("read", "topic", ANY_NAME),  # the gate's record, `ops consume`, backups
        Right("write", "topic", ANY_NAME),
        Right("read", "group", ANY_NAME),  # resets and backups of offsets
        Right("delete", "group", ANY_NAME),
    ),
    EXPORTER_USER: (
        Right("describe", "topic", ANY_NAME),
        Right("describe", "group", ANY_NAME),
    ),
}
"""What the platform's users may do, the least that works. What one operation implies is not listed; see
:data:`_IMPLIED`. They are written to ZooKeeper before the first broker starts."""


# What is wrong with a declaration


def app_name_problem(name: str) -> str | None:
    """What is wrong with an application's name; None if it is legal."""
    if name in RESERVED_USERS:
        return f'"{name}" is a user of the platform; choose a different name'
    if not _APP.fullmatch(name):
        return "must start with a letter and have lower-case letters, digits and dashes, 50 characters at most"
    return None


def pattern_problem(pattern: str, *, topic: bool = False) -> str | None:
    """What is wrong with the name or prefix of topics, groups or transactional ids; None if it is legal."""
    name = pattern.removesuffix("*")
    if not name:
        return 'names nothing; "*" alone would be all of them. Name a prefix, as in "orders-*"'
    if "*" in name:
        return 'has "*" before its end; Kafka knows names and prefixes only'
    if len(name) > MAX_NAME_LENGTH:
        return f"has {len(name)} characters; at most {MAX_NAME_LENGTH} are allowed"
    if not _RESOURCE_NAME.fullmatch(name):
        return 'has characters other than letters, digits, ".", "_" and "-"'
    if topic and (name.startswith(INTERNAL_PREFIX) or (pattern.endswith("*") and INTERNAL_PREFIX.startswith(name))):
        return f'covers names that start with "{INTERNAL_PREFIX}", which are kept for internal topics'
    return None


def key_problem(pattern: str) -> str | None:
    """What is wrong with a pattern of Redis keys; None if it is legal."""
    if not (pattern.isascii() and pattern.isprintable() and " " not in pattern):
        return "has spaces or characters that are not printable ASCII"
    if not _KEY_START.match(pattern):
        return 'starts with a wildcard, which would be all keys; start with a name, as in "billing:*"'
    return None


def app_problems(app: AppSpec) -> list[str]:
    """What is wrong between the parts of one declaration, one line each."""
    problems: list[str] = []
    if app.consumes and not app.groups:
        problems.append(f'consumes without groups: name those that it is in, such as groups: ["{app.name}*"]')
    if app.transactions and not app.produces:
        problems.append("transactions without produces: a transaction writes to topics")
    if not (app.produces or app.consumes or app.groups or app.redis):
        problems.append("declares nothing: set produces, consumes, groups or redis")
    return problems


def set_problems(apps: Sequence[AppSpec]) -> list[str]:
    """What is wrong between applications: names and users that two would have, one line each."""
    problems = [
        f'application "{name}" is declared twice'
        for name, times in Counter(app.name for app in apps).items()
        if times > 1
    ]
    owners: dict[str, str] = {}
    for app in apps:
        for user in app.users:
            if (owner := owners.setdefault(user, app.name)) != app.name:
                problems.append(f'applications "{owner}" and "{app.name}" would both have the user "{user}"')
    return problems


def undeclared_topics(apps: Iterable[AppSpec], topics: Collection[str]) -> list[str]:
    """Topics that applications name and nobody declares, one line each: a slip of the pen gives rights to nothing."""
    return [
        f'{app.name}: topic "{name}" is not declared in this stack.{nearest(name, topics)}'
        for app in apps
        for name in sorted({*app.produces, *app.consumes})
        if not name.endswith("*") and name not in topics
    ]


# What a missing right needs

_FIELDS: Mapping[tuple[str, str], str] = {
    ("write", "topic"): "produces",
    ("read", "topic"): "consumes",
    ("describe", "topic"): "consumes",
    ("read", "group"): "groups",
    ("describe", "group"): "groups",
    ("write", "transactional-id"): "transactions",
    ("describe", "transactional-id"): "transactions",
    ("idempotent-write", "cluster"): "produces",
}


def missing_right(user: str, operation: str, resource: str, name: str, apps: Sequence[AppSpec]) -> str:
    """Says which right is missing, and the line of the stack file that would give it.

    Args:
        user: Who tried.
        operation: What: ``write``.
        resource: The kind of resource: ``topic``.
        name: Its name.
        apps: The applications that are declared.
    """
    what = f"User:{user} may not {operation} {resource} {name}"
    position = next((number for number, app in enumerate(apps) if user in app.users), None)
    if position is None:
        known = nearest(user, [app.user for app in apps])
        return f"{what}: no application of this stack file has the user {user}.{known}"
    part = _FIELDS.get((operation, resource))
    if part is None:
        return f"{what}: no application may; only the platform's own user does that"
    return f'{what}; to allow it, add "{name}" to apps[{position}].{part} (application {apps[position].name})'
