"""Plans the changes of a set of users with their rights and quotas, and what a changed declaration means."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from components.access.rules import RESERVED_USERS, AppSpec, Right
from components.errors import AccessError


@dataclass(frozen=True, kw_only=True)
class UserSpec:
    """One user as declared, without its password.

    Args:
        rights: What it may do in Kafka.
        quota: Its limits, by Kafka's keys.
    """

    rights: frozenset[Right] = frozenset()
    quota: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, kw_only=True)
class ObservedUser:
    """A user as the cluster has it.

    Args:
        exists: Whether it has a password.
        rights: Its rights from any host; refusals, and rights from one host only, are others' work.
        quota: Its limits.
    """

    exists: bool
    rights: frozenset[Right] = frozenset()
    quota: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def is_absent(self) -> bool:
        """Whether the cluster knows nothing of it."""
        return not (self.exists or self.rights or self.quota)


@dataclass(frozen=True, kw_only=True)
class AccessPlan:
    """Changes in the order in which they are applied; each part may be empty.

    What lets a user in comes before what it may do, and in reverse when it leaves: at no moment is anything open to
    a user that is not declared.
    """

    set_passwords: tuple[str, ...] = ()
    set_quota: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])
    reset_quota: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    grant: tuple[tuple[str, Right], ...] = ()
    revoke: tuple[tuple[str, Right], ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to change."""
        return self == AccessPlan()


def plan_access(
    declared: Mapping[str, UserSpec],
    observed: Mapping[str, ObservedUser],
    *,
    leaving: Sequence[str] = (),
    new_passwords: Sequence[str] = (),
) -> AccessPlan:
    """Compare the declaration with the cluster. Users that are neither declared nor leaving are left alone.

    Args:
        declared: The users that must exist, by name.
        observed: These users and the leaving ones as the cluster has them.
        leaving: Users of the set that are no longer declared.
        new_passwords: Declared users whose password is to be set although they exist.
    """
    absent = ObservedUser(exists=False)
    now = {name: observed.get(name, absent) for name in {*declared, *leaving}}
    wanted = {name: declared.get(name, UserSpec()) for name in sorted(now)}
    grant = [(name, right) for name, spec in wanted.items() for right in sorted(spec.rights - now[name].rights)]
    revoke = [(name, right) for name, spec in wanted.items() for right in sorted(now[name].rights - spec.rights)]
    changed = {name: _limits(spec.quota, now[name].quota) for name, spec in wanted.items()}
    dropped = {name: tuple(sorted(now[name].quota.keys() - spec.quota.keys())) for name, spec in wanted.items()}
    return AccessPlan(
        set_passwords=tuple(name for name in sorted(declared) if not now[name].exists or name in new_passwords),
        set_quota={name: limits for name, limits in changed.items() if limits},
        reset_quota={name: keys for name, keys in dropped.items() if keys},
        grant=tuple(grant),
        revoke=tuple(revoke),
        remove=tuple(sorted(name for name in leaving if name not in declared and now[name].exists)),
    )


def _limits(declared: Mapping[str, float], actual: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in declared.items() if actual.get(key) != value}


def foreign_users(
    declared: Mapping[str, UserSpec], observed: Mapping[str, ObservedUser], owned: Sequence[str], *, resumed: bool
) -> list[str]:
    """Declared users that somebody else made: they exist, and the set does not have them.

    Args:
        declared: The declared users.
        observed: The users as the cluster has them.
        owned: Users that the set has already.
        resumed: Whether users with no right and no limit beyond the declared ones are what a killed update left.
    """
    return [
        name
        for name, spec in sorted(declared.items())
        if name not in owned and name in observed and not _is_left(spec, observed[name], resumed=resumed)
    ]


def _is_left(spec: UserSpec, user: ObservedUser, *, resumed: bool) -> bool:
    return user.is_absent or (resumed and user.rights <= spec.rights and user.quota.items() <= spec.quota.items())


def refuse_foreign(names: Collection[str]) -> None:
    """Refuse to change users that somebody else made.

    Raises:
        AccessError: There are some.
    """
    if names:
        raise AccessError(
            f"users exist already and are not this stack's: {', '.join(names)}; nothing was changed",
            [
                "rename the applications, or remove these users and their rights (kafka-configs.sh, kafka-acls.sh, "
                "ACL DELUSER); in a program of your own, `adopt` takes them over"
            ],
        )


# Inputs


def user_specs(apps: Sequence[AppSpec]) -> dict[str, UserSpec]:
    """The users of applications, by name."""
    return {
        user: UserSpec(rights=frozenset(app.rights()), quota=app.quota.by_key())
        for app in sorted(apps, key=lambda app: app.name)
        for user in app.users
    }


def inputs_of(users: Mapping[str, UserSpec]) -> dict[str, dict[str, Any]]:
    """The users as a resource's inputs, readable in the engine's diff."""
    return {
        name: {"rights": [str(right) for right in sorted(spec.rights)], "quota": dict(sorted(spec.quota.items()))}
        for name, spec in sorted(users.items())
    }


def users_of(props: Mapping[str, Any]) -> dict[str, UserSpec]:
    """The users of a resource's inputs: the inverse of :func:`inputs_of`."""
    declared = cast("Mapping[str, Mapping[str, Any]]", props.get("users") or {})
    return {
        name: UserSpec(
            rights=frozenset(map(Right.parse, user.get("rights") or ())),
            quota=_numbers(user.get("quota") or {}),
        )
        for name, user in sorted(declared.items())  # the engine does not keep the order of keys
    }


def own_rights_of(props: Mapping[str, Any]) -> dict[str, frozenset[Right]]:
    """The rights of the platform's users in a resource's inputs, by user."""
    declared = cast("Mapping[str, Sequence[str]]", props["rights"])
    return {user: frozenset(map(Right.parse, rights)) for user, rights in declared.items()}


def _numbers(quota: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in quota.items()}


def refusals(users: Mapping[str, object], passwords: Mapping[str, object]) -> list[str]:
    """Why a declaration of users is refused, one line for each reason."""
    reserved = sorted(users.keys() & RESERVED_USERS)
    without = sorted(users.keys() - passwords.keys())
    lines = [f'"{name}" is a user of the platform and cannot be declared' for name in reserved]
    return lines + [f'user "{name}" has no password' for name in without]


def change_lines(old: Mapping[str, UserSpec], new: Mapping[str, UserSpec]) -> list[str]:
    """A change of a set's declaration, one line for each user; none restarts a server."""
    lines = user_lines("access", old, new)
    for name in sorted(old.keys() & new.keys()):
        parts = [f"+ {right}" for right in sorted(new[name].rights - old[name].rights)]
        parts += [f"- {right}" for right in sorted(old[name].rights - new[name].rights)]
        if old[name].quota != new[name].quota:
            parts.append(f"limits {_quota_text(old[name].quota)} -> {_quota_text(new[name].quota)}")
        if parts:
            lines.append(f"access: {name}: {'; '.join(parts)}")
    return lines


def user_lines(where: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """The users that come and go with a change of a declaration, one line for each.

    Args:
        where: What the users are of, the start of each line.
        old: The users that were declared, by name.
        new: The users that are declared.
    """
    return [
        *(f"{where}: creates user {name}" for name in sorted(new.keys() - old.keys())),
        *(f"{where}: removes user {name}, which can no longer connect" for name in sorted(old.keys() - new.keys())),
    ]


def _quota_text(quota: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.0f}" for key, value in sorted(quota.items())) or "none"
