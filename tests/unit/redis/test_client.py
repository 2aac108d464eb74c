"""The health check of a Redis server.

Source: components/redis/client.py.
Proof limit: a stand-in client answers; the tests on real stacks check real servers.
"""

from typing import Any

import pytest
from redis.exceptions import BusyLoadingError

from components.redis import client as redis


class Client:
    """Answers as a server that keeps an append-only file; records the commands."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.value: str | None = None
        self.loading = False

    def set(self, key: str, value: str, *, ex: int) -> None:
        assert (key, ex) == (redis.HEALTH_KEY, 60)
        self.asked.append("set")
        self.value = value

    def get(self, _key: str) -> str | None:
        self.asked.append("get")
        if self.loading:
            raise BusyLoadingError("Redis is loading the dataset in memory")
        return self.value

    def info(self, _section: str) -> dict[str, int]:
        self.asked.append("info")
        return {"aof_enabled": 1}

    def config_get(self, _key: str) -> dict[str, str]:
        self.asked.append("config get")
        return {"save": ""}

    def close(self) -> None:
        pass


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setattr(redis, "connection", lambda *_: made)
    return made


def findings(*, writes: bool, append_only: bool = True) -> list[str]:
    expected: dict[str, Any] = {"append_only": append_only, "save": [], "logs": {}, "password": None}
    return redis.findings(member="redis-0", address="127.0.0.1:1", writes=writes, **expected)


@pytest.mark.parametrize("writes", [True, False])
def test_a_server_is_written_to_only_where_asked(writes: bool, client: Client) -> None:
    assert findings(writes=writes) == []
    assert client.asked == [*(["set"] if writes else []), "get", "info", "config get"]


def test_without_a_write_other_persistence_is_found_too(client: Client) -> None:
    assert findings(writes=False, append_only=False) == ["redis-0: the append-only file is on; expected off"]


@pytest.mark.parametrize(("writes", "tried"), [(True, "a write and a read"), (False, "a read")])
def test_a_server_that_does_not_serve_is_reported(writes: bool, tried: str, client: Client) -> None:
    client.loading = True
    (line,) = findings(writes=writes)
    assert line.startswith(f"redis-0: {tried} at 127.0.0.1:1 failed (Redis is loading the dataset in memory)")
