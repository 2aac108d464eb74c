"""The provider of users of Redis, called as the engine calls it.

Source: components/access/provider.py, components/access/redis_users.py.
Proof limit: the server is a fake; tests/integration/test_redis_users.py asks a real one.
"""

from typing import Any

import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from components.access import provider, redis_users
from components.access.provider import RedisUsersProvider
from components.access.redis_users import rights_of
from components.access.rules import AppSpec, redis_rights
from components.dynamic import Props
from components.redis.files import password_rule
from tests.unit.dynamic import VIA, from_engine, shown, take_detour, unknown

pytestmark = pytest.mark.usefixtures("_traceback_limit")

PROVIDER = RedisUsersProvider()
BILLING = AppSpec(name="billing", redis=["billing:*"])
SHOP = AppSpec(name="shop", redis=["shop:*"])
NO_KEYS = AppSpec(name="other", produces=["orders"])


def inputs(*apps: AppSpec, **changed: Any) -> Props:
    users = rights_of(apps)
    return from_engine(
        {
            "setName": "redis-users",
            "address": "127.0.0.1:16379",
            "password": "own-0123",
            "users": users,
            "passwords": {user: f"pass-{user}" for user in users},
            "ownServer": False,
            "adopt": False,
            "deadline": 5,
            "trigger": {},
            "route": None,
            **changed,
        }
    )


class Server:
    """A server with users. It writes rights in its own words, in another order after each start."""

    def __init__(self) -> None:
        self.users = {"default": ["on", password_rule("own-0123"), "~*", "&*", "+@all"]}
        self.saved: dict[str, list[str]] = {}
        self.commands: list[str] = []
        self.failures: dict[str, list[Exception]] = {}
        self.turned = False
        self.routes: list[Any] = []

    def connection(self, address: str, password: str, route: Any) -> "Server":
        assert (address, password) == ("127.0.0.1:16379", "own-0123")
        self.routes.append(route)
        return self

    def close(self) -> None:
        pass

    def execute_command(self, _acl: str, command: str, *arguments: str) -> Any:
        """Failures come before a command, or after it where its answer is lost."""
        before = self.failures.get(command)
        if before and not isinstance(before[0], NoAnswer):
            raise before.pop(0)
        answer = self._run(command, *arguments)
        if before:
            raise before.pop(0)
        return answer

    def _run(self, command: str, *arguments: str) -> Any:
        if command == "LIST":
            return [self._line(name, rules) for name, rules in self.users.items()]
        self.commands.append(" ".join([command, *arguments[:1]]))
        if command == "SETUSER":
            name, reset, *rules = arguments
            assert reset == "reset"
            self.users[name] = rules
        for name in arguments if command == "DELUSER" else ():
            self.users.pop(name, None)
        if command == "SAVE":
            self.saved = dict(self.users)
        return "OK"

    def _line(self, name: str, rules: list[str]) -> str:
        words = ["sanitize-payload", *(rule for rule in rules if rule != "-@admin")]
        return " ".join(["user", name, *(reversed(words) if self.turned else words)])

    def restart(self) -> None:
        self.users, self.turned = dict(self.saved), not self.turned

    def lets_in(self, user: str, password: str) -> bool:
        return password_rule(password) in self.users.get(user, [])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    fake = Server()
    monkeypatch.setattr(redis_users, "connection", fake.connection)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return fake


def created(*apps: AppSpec, **changed: Any) -> Props:
    """The state after ``create``."""
    outs = PROVIDER.create(inputs(*apps, **changed)).outs
    assert outs is not None
    return from_engine(outs)


def updated(olds: Props, *apps: AppSpec, **changed: Any) -> Props:
    """The state after ``update``."""
    outs = PROVIDER.update("id", olds, inputs(*apps, **changed)).outs
    assert outs is not None
    return from_engine(outs)


# ------------------------------------------------------------------------------------------------------------- applying


def test_users_are_created_with_their_passwords_and_keys_and_saved(server: Server) -> None:
    result = PROVIDER.create(inputs(BILLING, SHOP, NO_KEYS))
    assert result.id == "127.0.0.1:16379/redis-users"
    assert sorted(server.saved) == ["billing", "default", "shop"], "who declares no keys has no user"
    assert server.users["billing"] == ["on", password_rule("pass-billing"), *redis_rights(["billing:*"])]
    known = {key: value for key, value in (result.outs or {}).items() if key != "passwords"}
    assert "pass-billing" not in str(known)
    assert password_rule("pass-billing") not in str(known), "no hash is in the plain part of the state"


def test_an_update_changes_only_what_differs_and_always_saves(server: Server) -> None:
    state = created(BILLING, SHOP)
    server.commands.clear()
    server.restart()
    state = updated(state, AppSpec(name="billing", redis=["billing:*", "rates"]), SHOP)
    assert server.commands == ["SETUSER billing", "SAVE"]
    assert "~rates" in server.users["billing"]
    server.commands.clear()
    updated(state, AppSpec(name="billing", redis=["billing:*", "rates"]), SHOP)
    assert server.commands == ["SAVE"]


def test_a_changed_password_is_the_only_one(server: Server) -> None:
    updated(created(BILLING), BILLING, passwords={"billing": "new"})
    assert server.lets_in("billing", "new")
    assert not server.lets_in("billing", "pass-billing")


def test_a_new_generation_comes_beside_the_user_before_and_then_replaces_it(server: Server) -> None:
    second = AppSpec(name="billing", redis=["billing:*"], generation=2)
    alone = AppSpec(name="billing", redis=["billing:*"], generation=2, keep_previous=False)
    state = updated(created(BILLING), second)
    assert server.lets_in("billing", "pass-billing")
    assert server.lets_in("billing-2", "pass-billing-2")
    updated(state, alone)
    assert sorted(server.users) == ["billing-2", "default"]


def test_users_that_left_and_the_whole_set_are_removed_and_no_others(server: Server) -> None:
    state = created(BILLING, SHOP)
    server.users["stranger"] = ["on", "~*"]
    state = updated(state, BILLING)
    assert sorted(server.users) == ["billing", "default", "stranger"]
    PROVIDER.delete("id", state)
    assert sorted(server.saved) == ["default", "stranger"]
    PROVIDER.delete("id", state)


def test_users_of_others_are_refused_before_any_change(server: Server) -> None:
    server.users["shop"] = ["on", password_rule("theirs"), "~shop:1"]
    for attempt in (lambda: PROVIDER.create(inputs(BILLING, SHOP)), lambda: updated({}, BILLING, SHOP)):
        assert shown(attempt).splitlines()[-2:] == [
            "Error: users exist already and are not this stack's: shop; nothing was changed",
            "  - rename the applications, or remove these users and their rights (kafka-configs.sh, kafka-acls.sh, "
            "ACL DELUSER); in a program of your own, `adopt` takes them over",
        ]
    assert server.commands == []
    PROVIDER.create(inputs(BILLING, SHOP, adopt=True))
    assert server.lets_in("shop", "pass-shop")
    assert not server.lets_in("shop", "theirs")


@pytest.mark.parametrize("state", [{}, {"users": {}, "passwords": {}, "known": {}}], ids=["create", "update"])
def test_users_that_a_killed_update_made_are_known_by_their_passwords(server: Server, state: Props) -> None:
    created(BILLING)
    server.saved.clear()  # it was killed before it saved them
    if state:
        updated(state, BILLING)
    else:
        created(BILLING)
    assert "billing" in server.saved


def test_users_in_data_that_was_kept_are_taken_over_if_they_may_do_no_more(server: Server) -> None:
    created(BILLING)
    server.users["shop"] = ["on", password_rule("lost"), "~shop:*", "~other:*"]
    passwords = {"billing": "other", "shop": "other"}
    refused = shown(lambda: created(BILLING, SHOP, ownServer=True, passwords=passwords))
    assert "not this stack's: shop;" in refused
    created(BILLING, ownServer=True, passwords={"billing": "other"})
    assert server.lets_in("billing", "other")


@pytest.mark.parametrize("command", ["LIST", "SETUSER", "SAVE"])
@pytest.mark.parametrize("error", [BusyLoadingError("loading"), NoConnection("reset"), NoAnswer("timed out")])
def test_an_interrupted_change_goes_on(
    server: Server, command: str, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    server.failures = {command: [error]}
    created(BILLING, SHOP)
    assert sorted(server.saved) == ["billing", "default", "shop"]
    assert f"users could not be read or changed ({error})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AuthenticationError("WRONGPASS"), "refuses the password of the platform's own user"),
        (NoPermissionError("no"), "refuses to manage users\n  - no"),
        (ResponseError("not configured to use an ACL file"), "users\n  - not configured to use an ACL file"),
    ],
)
def test_a_refusal_is_said_at_once(server: Server, error: Exception, message: str) -> None:
    server.failures = {"SAVE": [error]}
    text = shown(lambda: PROVIDER.create(inputs(BILLING, deadline=600)))
    assert message in text
    assert "own-0123" not in text
    assert "pass-billing" not in text


def test_a_server_that_does_not_answer_fails_the_update(server: Server) -> None:
    server.failures = {"LIST": [NoConnection("refused")]}
    text = shown(lambda: PROVIDER.create(inputs(BILLING, deadline=0)))
    assert "Redis is not ready for users" in text
    assert "refused" in text


def test_the_server_is_reached_by_the_route(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    route = take_detour(monkeypatch, provider)
    PROVIDER.read("id", created(BILLING, route=VIA))
    assert set(server.routes) == {route}


# -------------------------------------------------------------------------------------------------------------- reading


def test_a_refresh_shows_drift_and_the_next_update_takes_it_back(server: Server) -> None:
    state = created(BILLING, SHOP)
    server.restart()
    assert PROVIDER.read("id", {**state, "__provider": "x"}).outs == state, "other words of the server are none"
    assert PROVIDER.read("id", state).inputs == inputs(BILLING, SHOP)
    server.users["billing"] = [*server.users["billing"], "~secret", password_rule("guessed")]
    del server.users["shop"]
    read = PROVIDER.read("id", state).outs or {}
    assert list(read["users"]) == ["billing"]
    assert {"~secret", "(another password)"} <= set(read["users"]["billing"])
    state = updated(from_engine(read), BILLING, SHOP)
    assert (PROVIDER.read("id", state).outs or {})["users"] == rights_of([BILLING, SHOP])
    assert not server.lets_in("billing", "guessed")
    assert server.lets_in("shop", "pass-shop")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NoConnection("lost"), "users could not be read or changed (lost); expected an answer"),
        (AuthenticationError("WRONGPASS"), "refuses the password of the platform's own user"),
    ],
)
def test_a_refresh_without_an_answer_keeps_everything(
    server: Server, error: Exception, reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = created(BILLING)
    monkeypatch.setattr(provider, "READ_SECONDS", 0.0)
    server.failures = {"LIST": [error]}
    assert PROVIDER.read("id", state).outs == state
    printed = capsys.readouterr().err
    assert reason in printed
    assert "they are kept as last known" in printed


# ------------------------------------------------------------------------------------------------------------- checking


def check(olds: Props, news: Props) -> list[str]:
    return [failure.reason for failure in PROVIDER.check(olds, news).failures or []]


def test_a_preview_refuses_and_says_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check({}, inputs(BILLING)) == []
    more = AppSpec(name="billing", redis=["rates"])
    assert check(inputs(BILLING), inputs(SHOP)) == check(inputs(BILLING), inputs(more)) == []
    assert capsys.readouterr().err.splitlines() == [
        "redis: creates user shop",
        "redis: removes user billing, which can no longer connect",
        "redis: billing: + ~rates; + &rates; - ~billing:*; - &billing:*",
    ]
    assert check({}, inputs(BILLING, passwords={})) == ['user "billing" has no password']
    taken = inputs(users={"default": []}, passwords={"default": "x"})
    assert check({}, taken) == ['"default" is a user of the platform and cannot be declared']


def test_what_is_unknown_is_no_mistake() -> None:
    news = inputs(BILLING)
    assert check({}, {**news, "passwords": unknown()}) == []
    assert check({}, {**news, "users": unknown()}) == []
