"""The users of a cluster beside those that are declared: what each may do, and how it differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from components.access.client import observe_users
from components.access.rules import LIMITS, OWN_RIGHTS, AppSpec, Right, as_declared
from components.access.safety import AccessPlan, ObservedUser, UserSpec, plan_access, user_specs
from components.kafka.files import BROKER_USER
from ops.access.declared import app_of

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


class Kind(StrEnum):
    """Whose user it is."""

    APP = "app"
    """An application's of the stack file."""
    PLATFORM = "platform"
    """The platform's own."""
    UNDECLARED = "undeclared"
    """Nobody's that the stack file knows."""


@dataclass(frozen=True, kw_only=True)
class User:
    """One user.

    Args:
        name: Its name.
        kind: Whose it is.
        app: The application that has it.
        observed: What the brokers hold.
        beyond: Rights and limits that it has and the stack file does not declare, one line each.
        missing: What the stack file declares and the brokers do not hold.
    """

    name: str
    kind: Kind
    app: str | None = None
    observed: ObservedUser = field(default_factory=lambda: ObservedUser(exists=False))
    beyond: Sequence[str] = ()
    missing: Sequence[str] = ()

    @property
    def is_super(self) -> bool:
        """Whether rights neither help nor bind it."""
        return self.name == BROKER_USER

    @property
    def problem(self) -> str | None:
        """What is wrong with it; None if all is as declared. Undeclared users are others' business."""
        if self.kind is Kind.UNDECLARED:
            return None
        if not self.observed.exists:
            return f"user {self.name} is declared, and no broker knows it"
        drift = {"has, and does not declare": self.beyond, "declares, and lacks": self.missing}
        parts = [f"{what}: {', '.join(lines)}" for what, lines in drift.items() if lines]
        return f"user {self.name} {'; '.join(parts)}" if parts else None

    def to_json(self) -> dict[str, Any]:
        """Stable keys for programs."""
        parts, others = as_declared(self.observed.rights)
        return {
            "user": self.name,
            "kind": self.kind.value,
            "app": self.app,
            "exists": self.observed.exists,
            **parts,
            "otherRights": [*map(str, others)],
            "quota": {name: self.observed.quota[key] for name, key in LIMITS.items() if key in self.observed.quota},
            "beyond": [*self.beyond],
            "missing": [*self.missing],
        }


def read_users(client: "KafkaAdminClient", apps: Sequence[AppSpec]) -> list[User]:
    """All users: the platform's, the applications', and those that the cluster has besides.

    Args:
        client: An admin client of the platform's user.
        apps: The applications of the stack file.
    """
    return judge_users(observe_users(client, None), apps)


def judge_users(observed: Mapping[str, ObservedUser], apps: Sequence[AppSpec]) -> list[User]:
    """Compare what a cluster has with what is declared.

    Args:
        observed: All users that the cluster knows, by name.
        apps: The applications of the stack file.
    """
    absent = ObservedUser(exists=False)
    own = {name: UserSpec(rights=frozenset(rights)) for name, rights in OWN_RIGHTS.items()}
    declared = {**own, **user_specs(apps)}
    users = [User(name=BROKER_USER, kind=Kind.PLATFORM, observed=observed.get(BROKER_USER, absent))]
    for name, spec in declared.items():
        found, app = observed.get(name, absent), app_of(name, apps)
        beyond, missing = _drift(name, spec, found)
        users.append(
            User(
                name=name,
                kind=Kind.PLATFORM if name in own else Kind.APP,
                app=None if app is None else app.name,
                observed=found,
                beyond=beyond,
                missing=missing,
            )
        )
    others = sorted(observed.keys() - declared.keys() - {BROKER_USER})
    return users + [User(name=name, kind=Kind.UNDECLARED, observed=observed[name]) for name in others]


def _drift(name: str, spec: UserSpec, found: ObservedUser) -> tuple[list[str], list[str]]:
    """What ``up`` would take back from a user, and what it would give it."""
    plan = plan_access({name: spec}, {name: found})
    beyond = [_spelled(right) for _, right in plan.revoke] + _limits_beyond(plan, name, found.quota)
    missing = [_spelled(right) for _, right in plan.grant]
    missing += limit_lines(plan.set_quota.get(name, {}))
    return beyond, missing


def _limits_beyond(plan: AccessPlan, name: str, actual: Mapping[str, float]) -> list[str]:
    """Limits that are not declared, or have another value than the declared one."""
    keys = [*plan.reset_quota.get(name, ()), *plan.set_quota.get(name, {})]
    return limit_lines({key: actual[key] for key in keys if key in actual})


def _spelled(right: Right) -> str:
    """A right as the stack file says it, ``produces orders``; as Kafka says it where no declaration gives it."""
    parts, _ = as_declared([right])
    return next((f"{part} {names[0]}" for part, names in parts.items() if names), str(right))


def right_lines(rights: frozenset[Right]) -> list[str]:
    """Rights as the stack file says them, one line for each part: ``produces orders, invoices-*``."""
    parts, others = as_declared(rights)
    return [f"{part} {', '.join(names)}" for part, names in parts.items() if names] + [*map(str, others)]


def limit_lines(quota: Mapping[str, float]) -> list[str]:
    """Limits as the stack file says them: ``produce 5.0MiB/s``, ``requestPercent 50``."""
    from ops.console import size

    names = {key: name for name, key in LIMITS.items()}
    return [
        f"{names.get(key, key)} {size(int(value))}/s"
        if key.endswith("byte_rate")
        else f"{names.get(key, key)} {value:g}"
        for key, value in sorted(quota.items())
    ]
