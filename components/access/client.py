"""Users, rights and quotas of Kafka, and users of Redis: reads them, and changes them in batches."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from components.access.rules import ANY_NAME, Operation, Resource, Right
from components.access.safety import AccessPlan, ObservedUser
from components.access.scram import ITERATIONS, new_salt, salted_password
from components.errors import AccessError, count
from components.kafka.client import batches

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from redis import Redis

_ANY_NAME = 2
"""Match type of DescribeClientQuotas: entities with any name (KIP-546)."""

_SHA_512 = 2
"""SCRAM-SHA-512 in the protocol (KIP-554)."""

_NO_SUCH_USER = 91
"""RESOURCE_NOT_FOUND: a user that is to be removed is gone already."""

# Kafka


def observe_users(client: "KafkaAdminClient", names: Collection[str] | None) -> dict[str, ObservedUser]:
    """Read users as the cluster has them.

    Args:
        client: An admin client of the platform's user.
        names: The users to read, those that the cluster does not know too; None for all that it knows: who has a
            password, a right or a limit.

    Raises:
        kafka.errors.KafkaError: They cannot be read.
    """
    existing, rights, quotas = _existing(client, names), _rights(client), _quotas(client)
    if names is None:
        names = existing | rights.keys() | quotas.keys()
    return {
        name: ObservedUser(
            exists=name in existing,
            rights=frozenset(rights.get(name, ())),
            quota=quotas.get(name, {}),
        )
        for name in sorted(names)
    }


def _existing(client: "KafkaAdminClient", names: Collection[str] | None) -> set[str]:
    """The users that have a password, of some or of all."""
    from kafka.errors import for_code
    from kafka.protocol.admin import DescribeUserScramCredentialsRequest

    found: set[str] = set()
    asked = [None] if names is None else [[(name,) for name in batch] for batch in batches(sorted(names))]
    for users in asked:
        answer = _ask_controller(client, DescribeUserScramCredentialsRequest(users=users))
        if answer.error_code:
            raise for_code(answer.error_code)(answer.error_message or "users cannot be read")
        for result in answer.results:
            if result.error_code not in (0, _NO_SUCH_USER):
                raise for_code(result.error_code)(result.error_message or f"user {result.user} cannot be read")
        found |= {
            result.user
            for result in answer.results
            if any(info.mechanism == _SHA_512 for info in result.credential_infos or ())
        }
    return found


def _rights(client: "KafkaAdminClient") -> dict[str, set[Right]]:
    """The rights of all users, by name: what is allowed from any host."""
    from kafka.admin import (
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )

    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    bindings, _ = client.describe_acls(ACLFilter(None, "*", ACLOperation.ANY, ACLPermissionType.ALLOW, anything))
    found: dict[str, set[Right]] = {}
    for binding in bindings:
        kind, _, name = binding.principal.partition(":")
        if kind == "User" and (right := _right_of(binding)) is not None:
            found.setdefault(name, set()).add(right)
    return found


def _right_of(binding: Any) -> Right | None:
    """A binding as a right; None for kinds of resources and operations that no declaration makes."""
    pattern = binding.resource_pattern
    text = f"{_word(binding.operation)} {_word(pattern.resource_type)} {pattern.resource_name}"
    if pattern.pattern_type.name == "PREFIXED":
        text += "*"
    elif pattern.resource_name.endswith("*") and pattern.resource_name != ANY_NAME:
        return None  # a group's name may end so, and is no prefix
    try:
        return Right.parse(text)
    except ValueError:
        return None


def _word(kind: Any) -> str:
    """``DESCRIBE_CONFIGS`` as ``describe-configs``."""
    return str(kind.name).lower().replace("_", "-")


def _quotas(client: "KafkaAdminClient") -> dict[str, dict[str, float]]:
    """The limits of all users, by name; not those of users with one client id."""
    from kafka.errors import for_code
    from kafka.protocol.admin.client_quotas import DescribeClientQuotasRequest

    answer = _send(client, DescribeClientQuotasRequest(components=[("user", _ANY_NAME, None)], strict=True))
    if answer.error_code:
        raise for_code(answer.error_code)(answer.error_message)
    return {
        entry.entity[0].entity_name: {value.key: value.value for value in entry.values}
        for entry in answer.entries or ()
        if entry.entity[0].entity_name is not None  # None is the default of all users
    }


def _send(client: "KafkaAdminClient", request: Any, node: int | None = None) -> Any:
    """Send a request that kafka-python has, but no method for, to any broker or to one."""
    return client._manager.run(client._manager.send, request, node)  # pyright: ignore[reportPrivateUsage]


def _ask_controller(client: "KafkaAdminClient", request: Any) -> Any:
    """Send a request that only the controller answers: it alone reads and changes users."""
    return _send(client, request, node=client.describe_cluster()["controller_id"])


def apply_users(client: "KafkaAdminClient", plan: AccessPlan, passwords: Mapping[str, str]) -> None:
    """Make the changes of a plan, in its order. Can be repeated with a new plan after it was interrupted.

    Args:
        client: An admin client of the platform's user.
        plan: What to change.
        passwords: The passwords of the users that get one.

    Raises:
        AccessError: The cluster refused a change.
        kafka.errors.KafkaError: The cluster cannot be changed now.
    """
    _set_passwords(client, {name: passwords[name] for name in plan.set_passwords})
    _change_quotas(client, plan)
    _grant(client, plan.grant)
    _revoke(client, plan.revoke)
    _remove(client, plan.remove)


def _set_passwords(client: "KafkaAdminClient", passwords: Mapping[str, str]) -> None:
    for batch in batches(passwords.items()):
        salts = {name: new_salt() for name, _ in batch}
        users = [
            (name, _SHA_512, ITERATIONS, salts[name], salted_password(password, salts[name]))
            for name, password in batch
        ]
        _alter_users(client, "passwords", upsertions=users)


def _remove(client: "KafkaAdminClient", names: Sequence[str]) -> None:
    for batch in batches(names):
        _alter_users(client, "removal", deletions=[(name, _SHA_512) for name in batch])


def _alter_users(
    client: "KafkaAdminClient", what: str, *, upsertions: Sequence[Any] = (), deletions: Sequence[Any] = ()
) -> None:
    """Change users. kafka-python's own method asks any broker, and takes an error without a message for success."""
    from kafka.errors import NotControllerError, for_code
    from kafka.protocol.admin import AlterUserScramCredentialsRequest

    request = AlterUserScramCredentialsRequest(deletions=[*deletions], upsertions=[*upsertions])
    answer = _ask_controller(client, request)
    codes = {entry.error_code for entry in answer.results}
    if NotControllerError.errno in codes:
        raise NotControllerError("the controller moved while users were changed")
    _raise_refusals(
        what,
        {
            entry.user: entry.error_message or for_code(entry.error_code).__name__
            for entry in answer.results
            if entry.error_code and entry.error_code != _NO_SUCH_USER
        },
    )


def _raise_refusals(what: str, refused: Mapping[str, str]) -> None:
    if refused:
        lines = [f"{name}: {message}" for name, message in sorted(refused.items())]
        raise AccessError(f"the cluster refused the {what} of {count(len(lines), 'user')}", lines)


def _change_quotas(client: "KafkaAdminClient", plan: AccessPlan) -> None:
    from kafka.errors import for_code
    from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest

    changes: dict[str, list[tuple[str, float, bool]]] = {}
    for name, limits in plan.set_quota.items():
        changes.setdefault(name, []).extend((key, value, False) for key, value in sorted(limits.items()))
    for name, keys in plan.reset_quota.items():
        changes.setdefault(name, []).extend((key, 0.0, True) for key in keys)
    for batch in batches(sorted(changes.items())):
        entries = [([("user", name)], operations) for name, operations in batch]
        answer = _send(client, AlterClientQuotasRequest(entries=entries, validate_only=False))
        _raise_refusals(
            "limits",
            {
                entry.entity[0].entity_name: entry.error_message or for_code(entry.error_code).__name__
                for entry in answer.entries
                if entry.error_code
            },
        )


def _grant(client: "KafkaAdminClient", rights: Iterable[tuple[str, Right]]) -> None:
    for batch in batches(rights):
        answer = client.create_acls([_binding(name, right) for name, right in batch])
        if refused := answer["failed"]:
            raise refused[0](f"the cluster refused {count(len(refused), 'right')}, such as those of {batch[0][0]}")


def _revoke(client: "KafkaAdminClient", rights: Iterable[tuple[str, Right]]) -> None:
    for batch in batches(rights):
        for _, _, error in client.delete_acls([_binding(name, right) for name, right in batch]):
            if error.errno:
                raise error(f"the cluster refused to take back rights, such as those of {batch[0][0]}")


def _binding(name: str, right: Right) -> Any:
    """A right as kafka-python's ACL, which is also the filter that matches it alone."""
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePattern,
        ResourceType,
    )

    kind = ACLResourcePatternType.PREFIXED if right.prefixed else ACLResourcePatternType.LITERAL
    pattern = ResourcePattern(ResourceType[_constant(right.resource)], right.name, kind)
    return ACL(f"User:{name}", "*", ACLOperation[_constant(right.operation)], ACLPermissionType.ALLOW, pattern)


def _constant(word: Operation | Resource) -> str:
    return word.upper().replace("-", "_")


# Redis


def observe_redis_users(client: "Redis") -> dict[str, str]:
    """The users of a Redis server: the rule of each as the server writes it, by name. It has hashes of passwords.

    Raises:
        redis.exceptions.RedisError: They cannot be read.
    """
    lines = cast("list[str]", cast(Any, client).execute_command("ACL", "LIST"))
    return {line.split(" ", 2)[1]: line for line in lines}


def set_redis_users(client: "Redis", rules: Mapping[str, Sequence[str]], *, remove: Collection[str] = ()) -> None:
    """Set users completely, remove others, and save both in the server's file of users.

    Args:
        client: A client that may administrate.
        rules: The arguments of ``ACL SETUSER``, by user: :func:`components.access.rules.redis_rules`.
        remove: Users to remove; those that do not exist are no error.

    Raises:
        redis.exceptions.RedisError: The server refused or does not answer.
    """
    commands = cast(Any, client)
    for name, arguments in sorted(rules.items()):
        commands.execute_command("ACL", "SETUSER", name, *arguments)
    if remove:
        commands.execute_command("ACL", "DELUSER", *sorted(remove))
    commands.execute_command("ACL", "SAVE")
