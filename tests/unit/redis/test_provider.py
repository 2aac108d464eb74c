"""The provider of the passwords that a Redis server accepts.

Source: components/redis/provider.py, components/redis/passwords.py.
Proof limit: a stand-in client answers; the tests on real servers change passwords under clients.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as NoConnection

from components.dynamic import Props
from components.errors import UnhealthyError
from components.redis import passwords
from components.redis.files import password_conf, password_rule
from components.redis.passwords import accepted_after
from components.redis.provider import RedisPasswordsProvider
from components.routes import DirectRoute
from tests.unit.dynamic import from_engine, shown, unknown


def props(password: str, *, accept_previous: bool = True, **rest: Any) -> Props:
    return {
        "member": "redis-0",
        "address": "127.0.0.1:1",
        "password": password,
        "acceptPrevious": accept_previous,
        "deadline": 0.0,
        "route": None,
        **rest,
    }


class Server:
    """A server that accepts some passwords, and the rules that it was given."""

    def __init__(self, accepted: Sequence[str], *, answers: bool = True) -> None:
        self.accepted = list(accepted)
        self.answers = answers
        self.rules: list[str] = []

    def connection(self, _address: str, password: str, _route: object) -> Any:
        server = self

        class Client:
            def execute_command(self, *words: str) -> None:
                if not server.answers:
                    raise NoConnection("it hangs")
                if password not in server.accepted:
                    raise AuthenticationError("WRONGPASS")
                assert words[:3] == ("ACL", "SETUSER", "default")
                server.rules.append(words[3])

            def close(self) -> None:
                pass

        return Client()


@pytest.mark.parametrize(
    ("before", "password", "keep", "after"),
    [
        (["a"], "a", True, ["a"]),
        (["a"], "b", True, ["b", "a"]),
        (["b", "a"], "c", True, ["c", "b"]),
        (["b", "a"], "b", True, ["b", "a"]),
        (["b", "a"], "a", True, ["a", "b"]),
        (["b", "a"], "b", False, ["b"]),
        (["a"], "b", False, ["b"]),
    ],
)
def test_a_server_accepts_the_password_in_use_and_at_most_one_before_it(
    before: list[str], password: str, keep: bool, after: list[str]
) -> None:
    assert accepted_after(before, password, keep_previous=keep) == after


def test_a_new_server_accepts_one_password() -> None:
    outs = RedisPasswordsProvider().create(props("a")).outs
    assert outs is not None
    assert outs["accepted"] == ["a"]


@pytest.mark.parametrize(
    ("accepted", "news", "line"),
    [
        (["a"], props("a"), None),
        (["b", "a"], props("b"), None),
        (["a"], props("a", accept_previous=False), None),
        (["a"], props("b"), "the new and the previous password are both accepted, until redis.acceptPreviousPassword"),
        (["a"], props("b", accept_previous=False), "only the new password is accepted after the restart"),
        (["b", "a"], props("b", accept_previous=False), "the previous password is no longer accepted"),
    ],
)
def test_a_preview_says_which_passwords_the_server_will_accept(
    accepted: list[str], news: Props, line: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    olds = from_engine(props(accepted[0], accepted=accepted))
    assert RedisPasswordsProvider().diff("redis-0", olds, from_engine(news)).changes is (line is not None)
    printed = capsys.readouterr().err
    assert (line or "") in printed
    assert bool(printed) is (line is not None)


def test_a_password_that_is_not_known_yet_is_a_change() -> None:
    olds = props("a", accepted=["a"])
    assert RedisPasswordsProvider().diff("redis-0", olds, props("") | {"password": unknown()}).changes


@pytest.mark.parametrize("running", [["a"], ["b", "a"], ["b"]], ids=["before", "killed in between", "after"])
def test_a_running_server_accepts_the_new_password_before_its_file_changes(
    running: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(running)
    monkeypatch.setattr(passwords, "connection", server.connection)
    outs = RedisPasswordsProvider().update("redis-0", props("a", accepted=["a"]), props("b")).outs
    assert outs is not None
    assert outs["accepted"] == ["b", "a"]
    assert server.rules == [password_rule("b")]


def test_a_server_that_started_from_an_older_file_accepts_the_new_password(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(["a"])
    monkeypatch.setattr(passwords, "connection", server.connection)
    RedisPasswordsProvider().update("redis-0", props("b", accepted=["b", "a"]), props("c"))
    assert server.rules == [password_rule("c")]


def test_a_server_with_another_password_gets_its_new_one_when_it_restarts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(passwords, "connection", Server(["by hand"]).connection)
    RedisPasswordsProvider().update("redis-0", props("a", accepted=["a"]), props("b"))
    assert "none of the stack's passwords" in capsys.readouterr().err


def test_a_server_that_does_not_run_is_not_waited_for_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_self: DirectRoute, address: str, timeout: float) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(DirectRoute, "connect", refuse)
    monkeypatch.setattr(passwords, "connection", Server([], answers=False).connection)
    RedisPasswordsProvider().update("redis-0", props("a", accepted=["a"]), props("b"))
    assert "Redis does not run" in capsys.readouterr().err


def test_a_server_that_hangs_keeps_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(_self: DirectRoute, address: str, timeout: float) -> Any:
        raise TimeoutError

    monkeypatch.setattr(DirectRoute, "connect", hang)
    monkeypatch.setattr(passwords, "connection", Server(["a"], answers=False).connection)
    update = RedisPasswordsProvider().update
    with pytest.raises(UnhealthyError):
        update.__wrapped__(RedisPasswordsProvider(), "redis-0", props("a", accepted=["a"]), props("b"))
    text = shown(lambda: update("redis-0", props("a", accepted=["a"]), props("b")))
    assert "not ready to accept the new password" in text
    assert "Traceback" not in text


def test_the_file_of_two_passwords_gives_one_user_both_hashes() -> None:
    a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    b = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
    assert password_conf(["b", "a"]) == f"user default on ~* &* +@all #{b} #{a}\n"
