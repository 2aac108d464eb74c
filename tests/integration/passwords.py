"""A client for each of several passwords of a Redis server, which tries again and again while the server changes."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from tests.integration.stacks import Stack, eventually

Address = Callable[[], tuple[str, int]]
"""Gives the host and port of the server."""


def give_password(stack: Stack, path: str, password: str) -> None:
    """Set an encrypted password in a stack file, as its user would."""
    stack.run("config", "set", "--stack", stack.name, "--secret", "--path", f"millrace:{path}", password, check=True)
    stack.config = yaml.safe_load((stack.folder / f"Pulumi.{stack.name}.yaml").read_text())["config"]


def accepts(address: Address, password: str) -> bool | None:
    """Whether the server accepts a password; None if it does not answer."""
    host, port = address()
    client: Any = Redis(
        host=host,
        port=port,
        password=password,
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return bool(client.ping())
    except AuthenticationError:
        return False
    except RedisError:
        return None
    finally:
        client.close()


class PasswordClients:
    """Tries each password in turn inside its ``with`` block.

    Args:
        address: Where the server is.
        passwords: The passwords, by a name for failures.
    """

    def __init__(self, address: Address, passwords: Mapping[str, str]) -> None:
        self._address = address
        self._passwords = passwords
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.samples: list[frozenset[str]] = []
        """Names of the passwords that were accepted, at each sample in which the server answered to all of them."""

    def __enter__(self) -> "PasswordClients":
        self._thread.start()
        eventually(lambda: bool(self.samples), what="a first sample")
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def now(self) -> frozenset[str]:
        """Names of the passwords that are accepted now."""
        found = {name: accepts(self._address, password) for name, password in self._passwords.items()}
        assert None not in found.values(), "the server does not answer"
        return frozenset(name for name, accepted in found.items() if accepted)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            found = {name: accepts(self._address, password) for name, password in self._passwords.items()}
            if None not in found.values():
                self.samples.append(frozenset(name for name, accepted in found.items() if accepted))


def change_password(stack: Stack, address: Address, readers: Callable[[], Mapping[str, str]]) -> None:
    """Change a stack's Redis password, then drop the previous one, with a client of each beside it.

    Args:
        stack: A stack that is up, with authentication.
        address: Where its server is.
        readers: For each member that reads the password a value that changes when it is replaced.
    """
    old, new = stack.outputs()["clientEnvironment"]["REDIS_PASSWORD"], f"new-{time.time_ns()}"
    before = readers()
    clients = PasswordClients(address, {"old": old, "new": new})
    give_password(stack, "redis.password", new)
    with clients:
        changed = stack.up()
        assert clients.now() == {"old", "new"}
    _assert_order(clients.samples, ["old"], ["old", "new"])
    assert "the new and the previous password are both accepted" in changed.output
    assert old not in changed.output + stack.state()
    assert new not in changed.output + stack.state()
    assert stack.outputs()["clientEnvironment"]["REDIS_PASSWORD"] == new
    after = readers()
    assert before.keys() == after.keys()
    assert not {*before.values()} & {*after.values()}, "every reader was replaced"
    assert stack.up().changed() == {}, "the previous password stays accepted without a change"
    assert clients.now() == {"old", "new"}

    clients = PasswordClients(address, {"old": old, "new": new})
    stack.set("redis.acceptPreviousPassword", False)
    with clients:
        changed = stack.up()
    assert "the previous password is no longer accepted" in changed.output
    _assert_order(clients.samples, ["old", "new"], ["new"])
    assert clients.now() == {"new"}
    assert readers()["exporter-0"] == after["exporter-0"], "its password is the same"


def _assert_order(samples: Sequence[frozenset[str]], *expected: Sequence[str]) -> None:
    """Fail unless the samples are these, one after the other; a password may be tried on both sides of a change."""
    seen = [sample for index, sample in enumerate(samples) if index == 0 or sample != samples[index - 1]]
    assert seen == [frozenset(names) for names in expected], seen
