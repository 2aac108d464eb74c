"""Fake clients of servers; the test decides what the servers answer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from components.dynamic import Props
from components.kafka import client as kafka
from components.kafka import health as kafka_health
from components.kafka.client import ClusterState, Partition
from components.kafka.security import Security
from components.redis import client as redis
from components.routes import Route
from components.zookeeper import client as zookeeper

WELL = ClusterState(
    brokers={0: "127.0.0.1:19092", 1: "127.0.0.1:19093"},
    controller=1,
    partitions=[Partition("t", number, 0, (0, 1), (0, 1)) for number in range(4)],
)


class Servers:
    """Fake clients of servers in the state that a test sets; healthy by default."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = WELL
        self.listens = True
        self.deaf: set[str] = set()
        self.answers = True
        self.roles: list[str] = []
        self.session: list[str] = []
        self.round_trip: list[str] = []
        self.redis: list[str] = []
        self.calls: list[str] = []
        self.redis_asked: list[Props] = []
        self.routes: list[Route] = []
        monkeypatch.setattr(zookeeper, "role_findings", lambda members, logs, *, route: self._called("roles", route))
        monkeypatch.setattr(zookeeper, "session_findings", lambda members, *, route: self._called("session", route))
        monkeypatch.setattr(zookeeper, "summary", self._summary)
        for module in (kafka, kafka_health):
            monkeypatch.setattr(module, "any_listens", self._any_listens)
            monkeypatch.setattr(module, "accepts", self._accepts)
            monkeypatch.setattr(module, "admin_client", self._client)
            monkeypatch.setattr(module, "cluster_state", lambda client: self.cluster)
        monkeypatch.setattr(
            kafka_health, "round_trip_findings", lambda *_, route, security: self._called("round_trip", route)
        )
        monkeypatch.setattr(redis, "findings", self._redis)

    def _called(self, name: str, route: Route) -> list[str]:
        self.calls.append(name)
        self.routes.append(route)
        return getattr(self, name)

    def _summary(self, members: Mapping[str, str], *, route: Route) -> str:
        self.routes.append(route)
        return ", ".join(f"{name} standalone" for name in members)

    def _any_listens(self, bootstrap: str, *, route: Route) -> bool:
        self.routes.append(route)
        return self.listens

    def _accepts(self, address: str, *, route: Route) -> bool:
        return address not in self.deaf

    @contextmanager
    def _client(self, bootstrap: str, *, route: Route, security: Security | None) -> Iterator[object]:
        self.routes.append(route)
        if not self.answers:
            raise KafkaConnectionError
        yield object()

    def _redis(self, *, route: Route, **asked: Any) -> list[str]:
        self.routes.append(route)
        self.redis_asked.append(asked)
        return self.redis
