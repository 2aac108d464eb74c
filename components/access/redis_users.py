"""Users of Redis: reads those of one set, makes them as declared, and says what a change means.

A server writes rights in its own words. So what it says of a user right after it was set is kept, and drift is what
differs from that.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.access.client import observe_redis_users, set_redis_users
from components.access.rules import AppSpec, redis_rights, redis_rules
from components.access.safety import refuse_foreign, user_lines
from components.errors import AccessError
from components.redis.client import connection
from components.redis.files import password_rule
from components.routes import DIRECT, Route
from components.waiting import wait_until

if TYPE_CHECKING:
    from redis import Redis

_PLACES = ("~", "%", "&", "(")
"""How a rule on keys or channels starts, or a group of rules."""


@dataclass(frozen=True, kw_only=True)
class RedisUserSpec:
    """One user as declared.

    Args:
        rights: What it may do, as arguments of ``ACL SETUSER``.
        password: Its password.
        known: The user in the server's words when it was last set to these rights; None if it was not.
    """

    rights: Sequence[str]
    password: str = field(repr=False)
    known: str | None = None

    def is_as_set(self, line: str) -> bool:
        """Whether the server has it as it was last set, with its password."""
        return self.known == in_words(line) and self.lets_in(line)

    def lets_in(self, line: str) -> bool:
        """Whether its password is the one that the server takes."""
        return [part for part in _parts(line) if part.startswith("#")] == [password_rule(self.password)]

    def covers(self, line: str) -> bool:
        """Whether the server lets the user use no key and no channel beyond the declared ones."""
        return {part for part in _parts(line) if part.startswith(_PLACES)} <= set(self.rights)


def in_words(line: str) -> str:
    """A user as the server writes it, without hashes of passwords, and in an order that stays the same.

    Redis 7.0 orders commands by a table that each start of the server mixes anew.
    """
    return " ".join(sorted(part for part in _parts(line) if not part.startswith("#")))


def _parts(line: str) -> list[str]:
    """The parts of a line of ``ACL LIST``: ``user NAME PART…``."""
    return line.split(" ")[2:]


@dataclass(frozen=True, kw_only=True)
class RedisUserServer:
    """A server whose users are managed.

    Args:
        address: ``host:port``.
        password: The password of the platform's own user.
        route: How it is reached.
        deadline: Seconds to wait for its answer.
        report: Called with a line of progress.
    """

    address: str
    password: str = field(repr=False)
    route: Route = DIRECT
    deadline: float
    report: Callable[[str], None]

    def ask(self, work: "Callable[[Redis], None]") -> None:
        """Do something with the server; again until the deadline while it does not answer. It may be done twice.

        Raises:
            AccessError: The server refused.
            UnhealthyError: It did not answer before the deadline.
        """

        def attempt() -> list[str]:
            from redis.exceptions import AuthenticationError, RedisError, ResponseError

            client = connection(self.address, self.password, self.route)
            try:
                work(client)
            except AuthenticationError as error:
                raise AccessError(f"Redis at {self.address} refuses the password of the platform's own user") from error
            except ResponseError as error:
                raise AccessError(f"Redis at {self.address} refuses to manage users", [self._why(error)]) from error
            except (RedisError, OSError) as error:  # it is away, still loads its data, or its answer was lost
                return [f"Redis: users could not be read or changed ({self._why(error)}); expected an answer"]
            finally:
                client.close()
            return []

        wait_until(attempt, what="Redis", deadline=self.deadline, report=self.report, state="ready for users")

    def _why(self, error: Exception) -> str:
        return self.route.trouble(self.address) or str(error).replace(self.route.local(self.address), self.address)


def rights_of(apps: Sequence[AppSpec]) -> dict[str, list[str]]:
    """What each user of the applications may do; applications without keys have no user here."""
    return {
        user: redis_rights(app.redis)
        for app in sorted(apps, key=lambda app: app.name)
        if app.redis
        for user in app.users
    }


def redis_change_lines(old: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]) -> list[str]:
    """A change of what users may do, one line for each user; none restarts a server."""
    lines = user_lines("redis", old, new)
    for name in sorted(old.keys() & new.keys()):
        parts = [f"+ {right}" for right in new[name] if right not in old[name]]
        parts += [f"- {right}" for right in old[name] if right not in new[name]]
        if parts:
            lines.append(f"redis: {name}: {'; '.join(parts)}")
    return lines


def make_users(
    server: RedisUserServer,
    declared: Mapping[str, RedisUserSpec],
    *,
    owned: Collection[str],
    own_server: bool,
    adopt: bool,
) -> dict[str, str]:
    """Make a server's users as declared, and save them, so that they outlive a restart. Others are left alone.

    Args:
        server: The server.
        declared: The users that must exist, by name.
        owned: The users that the set has; those that are no longer declared are removed.
        own_server: Whether the server belongs to the same stack.
        adopt: Whether users that others made are taken over.

    Returns:
        Each declared user in the server's words.

    Raises:
        AccessError: Somebody else has a declared user, or the server refused.
        UnhealthyError: The server did not answer before the deadline.
    """
    made: dict[str, str] = {}

    def work(client: "Redis") -> None:
        found = observe_redis_users(client)
        if not adopt:
            refuse_foreign(foreign_redis_users(declared, found, owned, own_server=own_server))
        stale = {name: spec for name, spec in declared.items() if not spec.is_as_set(found.get(name, ""))}
        rules = {name: redis_rules(spec.rights, spec.password) for name, spec in stale.items()}
        # Saved even if nothing changes: a run that was killed may have changed users and not saved them.
        set_redis_users(client, rules, remove=sorted(set(owned) - declared.keys()))
        made.update({name: in_words(line) for name, line in observe_redis_users(client).items() if name in declared})

    server.ask(work)
    return made


def foreign_redis_users(
    declared: Mapping[str, RedisUserSpec], found: Mapping[str, str], owned: Collection[str], *, own_server: bool
) -> list[str]:
    """Declared users that somebody else made: they exist, and the set does not have them.

    A user with the declared password is what a killed update left: passwords are random, and nobody else has them.

    Args:
        declared: The declared users.
        found: All users of the server, as it writes them.
        owned: Users that the set has already.
        own_server: Whether the server belongs to the same stack. Then users with no key and no channel beyond the
            declared ones are the set's too: the server's data may outlive the stack's state.
    """
    return [
        name
        for name, spec in sorted(declared.items())
        if name in found
        and name not in owned
        and not spec.lets_in(found[name])
        and not (own_server and spec.covers(found[name]))
    ]


def read_users(server: RedisUserServer, declared: Mapping[str, RedisUserSpec]) -> dict[str, list[str]]:
    """What the declared users may do, those that exist: as declared, or in the server's words if somebody changed it.

    Raises:
        AccessError: The server refused.
        UnhealthyError: The server did not answer before the deadline.
    """
    found: dict[str, str] = {}
    server.ask(lambda client: found.update(observe_redis_users(client)))
    return {name: _seen(spec, found[name]) for name, spec in sorted(declared.items()) if name in found}


def _seen(spec: RedisUserSpec, line: str) -> list[str]:
    if spec.is_as_set(line):
        return list(spec.rights)
    words = in_words(line).split(" ")
    return words if spec.lets_in(line) else [*words, "(another password)"]
