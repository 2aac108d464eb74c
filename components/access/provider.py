"""Dynamic providers of certificates, and of users with their rights and limits."""

import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.access.client import apply_users, observe_users
from components.access.redis_users import RedisUserServer, RedisUserSpec, make_users, read_users, redis_change_lines
from components.access.safety import (
    ObservedUser,
    UserSpec,
    change_lines,
    foreign_users,
    inputs_of,
    own_rights_of,
    plan_access,
    refusals,
    refuse_foreign,
    users_of,
)
from components.access.scram import users_are_written, write_users
from components.dynamic import Props, failures, in_order, is_known, plain_errors, progress
from components.errors import AccessError, ClusterError, UnhealthyError
from components.kafka.client import admin_client, any_listens
from components.kafka.health import unreachable
from components.kafka.security import security_of
from components.targets.routes import open_route
from components.waiting import wait_until

if TYPE_CHECKING:
    from components.access.certificates import CertificateSet, Pair, Wanted

READ_SECONDS = 5.0
"""Seconds for which a read tries again while no broker answers."""

_NOT_KNOWN_YET = "Kafka: the changed users are not known yet; expected them to be"
"""Every change ends with this, for a moment."""

_INPUTS = ("platform", "sign", "trust", "hosts", "lifetime")


class CertificatesProvider(ResourceProvider):
    """Makes certificates once and renews them in time; all that exists is in the state.

    What the state holds decides, so an update that was killed is repeated, and makes only what it had not.
    """

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """The authority that signs must be trusted, and have been trusted by all before it signs."""
        if not (is_known(news.get("sign")) and is_known(news.get("trust"))):
            return CheckResult(news, [])
        return CheckResult(news, failures(_signer_problems(_olds, news)))

    @plain_errors
    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Time alone is a change: a certificate that is due is renewed by the next ``up``. A preview says which."""
        if not all(is_known(_news.get(key)) for key in _INPUTS):
            return DiffResult(changes=True)
        lines = _planned(_olds, _news)
        for line in lines:
            progress(f"certificates: {line}")
        changed = any(_olds.get(key) != _news.get(key) for key in _INPUTS)
        return DiffResult(changes=bool(lines) or changed)

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create the authorities and all certificates."""
        return CreateResult(props["platform"], _made({}, props))

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Create what is new, changed or due; keep the rest."""
        return UpdateResult(_made(_olds, _news))


class BrokerUsersProvider(ResourceProvider):
    """Writes the platform's users and their rights to the ensemble before the brokers start."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Write them; a failed create is tried again by the next ``up``."""
        _write_users(props)
        return CreateResult("users", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Write those that are new or have another password."""
        _write_users(_news)
        return UpdateResult(_news)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Look once. If an ensemble that answers lacks a user, the next ``up`` writes all."""
        addresses = list(in_order(props["ensemble"]).values())
        rights = own_rights_of(props)
        found = users_are_written(addresses, props["passwords"], rights, route=open_route(props.get("route")))
        if found is False:
            progress("ZooKeeper lacks a user of the platform, or has another password or other rights of it")
            return ReadResult(None, {})
        return ReadResult(id_, props)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Another password or right, or an ensemble whose members may be new. Addresses alone change nothing there."""
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in ("passwords", "rights", "trigger")))


def _write_users(props: Props) -> None:
    write_users(
        list(in_order(props["ensemble"]).values()),
        props["passwords"],
        own_rights_of(props),
        deadline=float(props["deadline"]),
        report=progress,
        route=open_route(props.get("route")),
    )


def _signer_problems(old: Props, new: Props) -> list[str]:
    sign, trust = _number(new["sign"]), [*map(_number, new["trust"])]
    if sign not in trust:
        return [f"authority {sign} signs but is not trusted; trusted are {', '.join(trust)}"]
    known = old.get("trust")
    if known and is_known(known) and sign not in map(_number, known):
        return [
            f"authority {sign} would sign, but members do not trust it yet: trust it beside the one that signs, "
            "run `pulumi up`, then let it sign"
        ]
    signed = old.get("sign")
    if signed is not None and is_known(signed) and _number(signed) not in trust:
        return [
            f"authority {_number(signed)} signed what members still use: trust it beside {sign}, let {sign} sign, run "
            "`pulumi up`, then trust it no longer"
        ]
    return []


def _number(value: Any) -> str:
    """A number as text; the engine passes floats."""
    return str(int(value))


def _planned(olds: Props, news: Props) -> list[str]:
    from components.access.certificates import planned

    return planned(_set_of(olds), _wanted(news), datetime.now(UTC))


def _made(olds: Props, news: Props) -> Props:
    """The inputs with the certificates that they ask for."""
    from components.access.certificates import renewed

    made = renewed(_set_of(olds), _wanted(news), datetime.now(UTC))
    return {
        **news,
        "authorities": _outputs_of(made.authorities),
        "members": _outputs_of(made.members),
        "trusted": "".join(pair.certificate for pair in made.authorities.values()),
        "expires": {
            name: f"{pair.expires:%Y-%m-%d}"
            for name, pair in {**_named("authority ", made.authorities), **made.members}.items()
        },
    }


def _named(prefix: str, pairs: "Mapping[str, Pair]") -> "dict[str, Pair]":
    return {f"{prefix}{name}": pair for name, pair in pairs.items()}


def _outputs_of(pairs: "Mapping[str, Pair]") -> dict[str, dict[str, str]]:
    return {
        name: {"key": pair.key, "certificate": pair.certificate, "keystore": pair.keystore}
        for name, pair in pairs.items()
    }


def _set_of(olds: Props) -> "CertificateSet":
    """The certificates that the state holds."""
    from components.access.certificates import CertificateSet, Pair

    def pairs(name: str) -> "dict[str, Pair]":
        found: Mapping[str, Mapping[str, str]] = olds.get(name) or {}
        return {key: Pair(key=item["key"], certificate=item["certificate"]) for key, item in found.items()}

    return CertificateSet(authorities=pairs("authorities"), members=pairs("members"))


def _wanted(news: Props) -> "Wanted":
    from components.access.certificates import Wanted

    return Wanted(
        platform=news["platform"],
        sign=_number(news["sign"]),
        trust=[*map(_number, news["trust"])],
        hosts=news["hosts"],
        lifetime=timedelta(seconds=float(news["lifetime"])),
        made_since=_made_since(),
    )


def _made_since() -> datetime | None:
    """From when on a certificate must have been made, if somebody asked for new ones."""
    from components.access.certificates import RENEW

    asked = os.environ.get(RENEW)
    if not asked:
        return None
    try:
        return datetime.fromisoformat(asked).astimezone(UTC)
    except ValueError:
        raise AccessError(
            f'{RENEW} is "{asked}", which is no time; unset it, and use `python -m ops certificates renew`'
        ) from None


class AccessSetProvider(ResourceProvider):
    """Manages the users of one set, with their rights and limits, and touches no others."""

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what cannot be made, and say what changes, already in ``preview``."""
        if not is_known(news.get("users")):
            return CheckResult(news, [])
        new = users_of(news)
        if _olds and is_known(_olds.get("users")):
            for line in change_lines(users_of(_olds), new):
                progress(line)
        named = news["passwords"] if is_known(news.get("passwords")) else new
        return CheckResult(news, failures(refusals(new, named)))

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create the users; the next ``up`` retries a failed create.

        In a cluster of the same stack, users with no more than the declared rights are what a killed ``up`` left.
        """
        _apply(props, owned=(), passwords=users_of(props), resumed=bool(props.get("ownCluster")))
        return CreateResult(f"{props['bootstrap']}/{props['setName']}", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Change what differs, and remove users that left the declaration.

        The old inputs stay in the state until all is done, so after an interruption the next ``up`` goes on: users that
        it has made already are known as in :meth:`create`.
        """
        old, new = _olds["passwords"], _news["passwords"]
        changed = [name for name in new if new[name] != old.get(name)]
        _apply(_news, owned=old.keys(), passwords=changed, resumed=bool(_news.get("ownCluster")))
        return UpdateResult(_news)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Report the users as they are, so that a refresh shows drift and the next ``up`` corrects it.

        Passwords cannot be read, so the state keeps them; a user without one is drift, and still the set's. If no
        broker answers, all is kept as last known.
        """
        state = {key: value for key, value in props.items() if key != "__provider"}
        try:
            observed = _observed(props)
        except UnhealthyError as error:
            progress(f"users were not read: {error.problems[0]}; they are kept as last known")
            return ReadResult(id_, dict(state), dict(state))
        actual = {
            name: UserSpec(rights=user.rights, quota=user.quota) for name, user in observed.items() if user.exists
        }
        state["users"] = inputs_of(actual)
        return ReadResult(id_, dict(state), dict(state))

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Remove the set's users; those that are already gone are no error."""
        _apply({**_props, "users": {}, "passwords": {}}, owned=_props["passwords"].keys(), passwords=())


def _observed(props: Props) -> dict[str, ObservedUser]:
    """Read the set's users; try again for a few seconds.

    Raises:
        UnhealthyError: No broker answered.
    """
    from kafka.errors import KafkaError

    found: dict[str, ObservedUser] = {}

    def attempt() -> list[str]:
        try:
            route = open_route(props.get("route"))
            with admin_client(props["bootstrap"], route=route, security=security_of(props)) as client:
                found.update(observe_users(client, users_of(props)))
        except (KafkaError, OSError, ClusterError) as error:
            return [(str(error).splitlines() or [type(error).__name__])[0]]
        return []

    wait_until(attempt, what="Kafka", deadline=READ_SECONDS, report=_quiet)
    return found


def _apply(props: Props, owned: Collection[str], passwords: Collection[str], *, resumed: bool = False) -> None:
    """Make the cluster as declared; try again until the deadline while it does not answer or has not caught up.

    Args:
        props: What is declared.
        owned: The users that the set has.
        passwords: The users that get the declared password although they exist.
        resumed: Whether users that exist and have no more than the declared rights are the set's.
    """
    from kafka.errors import KafkaError

    bootstrap, brokers, logs = props["bootstrap"], in_order(props["brokers"]), props["logs"]
    route, security, declared = open_route(props.get("route")), security_of(props), users_of(props)
    leaving, ours, pending = sorted(set(owned) - declared.keys()), set(owned), set(passwords)

    def attempt() -> list[str]:
        if not any_listens(bootstrap, route=route):
            return unreachable(bootstrap, brokers, logs, route=route)
        try:
            with admin_client(bootstrap, route=route, security=security) as client:
                observed = observe_users(client, {*declared, *leaving})
                if not props["adopt"]:
                    refuse_foreign(foreign_users(declared, observed, sorted(ours), resumed=resumed))
                ours.update(declared)
                plan = plan_access(declared, observed, leaving=leaving, new_passwords=sorted(pending))
                if plan.is_empty:
                    return []
                apply_users(client, plan, props["passwords"])
                pending.clear()
        except KafkaError as error:
            return [f"Kafka: a change of users was interrupted ({error}); expected an answer"]
        # Another broker may answer next time, and learns of changes a moment later.
        return [_NOT_KNOWN_YET]

    wait_until(attempt, what="Kafka", deadline=float(props["deadline"]), report=_quiet_about_changes)


def _quiet_about_changes(line: str) -> None:
    if _NOT_KNOWN_YET not in line:
        progress(line)


class RedisUsersProvider(ResourceProvider):
    """Manages the users of one set in a Redis server, and touches no others.

    Beside the inputs, the state keeps ``known``: each user in the server's words when it was last set.
    """

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what cannot be made, and say what changes, already in ``preview``."""
        new = news.get("users")
        if not is_known(new):
            return CheckResult(news, [])
        if _olds and is_known(_olds.get("users")):
            for line in redis_change_lines(_olds["users"], news["users"]):
                progress(line)
        named = news["passwords"] if is_known(news.get("passwords")) else news["users"]
        return CheckResult(news, failures(refusals(news["users"], named)))

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create the users; the next ``up`` retries a failed create, and knows the users that it made."""
        return CreateResult(f"{props['address']}/{props['setName']}", _with_redis_users(props, {}))

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Change what differs, and remove users that left the declaration; after an interruption the next goes on."""
        return UpdateResult(_with_redis_users(_news, _olds))

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Report the users as they are, so that a refresh shows drift and the next ``up`` corrects it.

        If the server does not answer, all is kept as last known.
        """
        state = {key: value for key, value in props.items() if key != "__provider"}
        try:
            state["users"] = read_users(_redis_server(props, READ_SECONDS, _quiet), _redis_specs(props, props))
        except (AccessError, UnhealthyError) as error:
            progress(f"users of Redis were not read: {'; '.join(error.problems) or error}; they are kept as last known")
        inputs = {key: value for key, value in state.items() if key != "known"}
        return ReadResult(id_, state, inputs)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Remove the set's users; those that are already gone are no error."""
        _with_redis_users({**_props, "users": {}, "passwords": {}}, _props)


def _quiet(_line: str) -> None:
    """Report nothing."""


def _with_redis_users(props: Props, old: Props) -> Props:
    """Make the users as declared. Returns the inputs with each user in the server's words."""
    owned: Mapping[str, str] = old.get("passwords") or {}
    known = make_users(
        _redis_server(props, float(props["deadline"]), progress),
        _redis_specs(props, old),
        owned=owned.keys(),
        own_server=bool(props["ownServer"]),
        adopt=bool(props["adopt"]),
    )
    return {**props, "known": known}


def _redis_server(props: Props, deadline: float, report: Callable[[str], None]) -> RedisUserServer:
    route = open_route(props.get("route"))
    return RedisUserServer(
        address=props["address"], password=props["password"], route=route, deadline=deadline, report=report
    )


def _redis_specs(props: Props, old: Props) -> dict[str, RedisUserSpec]:
    """The declared users; those whose rights are still the old ones are known in the server's words."""
    before: Mapping[str, list[str]] = old.get("users") or {}
    known: Mapping[str, str] = old.get("known") or {}
    return {
        name: RedisUserSpec(
            rights=rights,
            password=props["passwords"][name],
            known=known.get(name) if before.get(name) == rights else None,
        )
        for name, rights in props["users"].items()
    }
