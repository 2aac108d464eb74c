"""The provider of health gates, called as the engine calls it.

Source: components/health/provider.py.
Proof limit: the engine (calls, secrets, display of failures) and the servers are not real; the SDK's own message
conversion brings values into the engine's form.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

import pytest

from components.dynamic import Props
from components.errors import ClusterError
from components.health import provider as health_module
from components.health.provider import HealthGateProvider
from components.kafka.client import ClusterState
from components.routes import DIRECT, Route
from components.targets.kubernetes.client import Pod
from tests.unit.dynamic import VIA, from_engine, shown, take_detour, unhealthy
from tests.unit.health.servers import Servers


def health_gate(**changes: object) -> Props:
    members = ("zookeeper-0", "kafka-0", "kafka-1", "redis-0")
    props: Props = {
        "platform": "millrace-dev",
        "zookeeper": {"zookeeper-0": "127.0.0.1:12181"},
        "kafka": {
            "bootstrap": "127.0.0.1:19092,127.0.0.1:19093",
            "brokers": {"kafka-1": "127.0.0.1:19093", "kafka-0": "127.0.0.1:19092"},
        },
        "redis": {
            "member": "redis-0",
            "address": "127.0.0.1:16379",
            "password": "a-password",
            "appendOnly": True,
            "save": ["60 1000"],
        },
        "deadline": 0,
        "trigger": {},
        "logs": {member: f"docker logs p-{member}" for member in members},
    }
    return from_engine({**props, **changes})


SUMMARY = re.compile(
    r"ZooKeeper: zookeeper-0 standalone \(\d+\.\d s\)\n"
    r"Kafka: 2 of 2 brokers, controller kafka-1, 4 partitions in sync, acks=all record read back \(\d+\.\d s\)\n"
    r"Redis: write and read, append-only file \(\d+\.\d s\)"
)


def test_the_summary_of_a_healthy_platform_names_the_checks(servers: Servers) -> None:
    props = health_gate()
    result = HealthGateProvider().create(props)
    assert result.outs is not None
    assert SUMMARY.fullmatch(result.outs["summary"])
    assert result.id == "millrace-dev"
    assert {key: value for key, value in result.outs.items() if key != "summary"} == props
    assert sorted(servers.calls) == ["roles", "round_trip", "session"], "every client was used"


def test_an_update_returns_a_new_summary(servers: Servers) -> None:
    news = health_gate()
    result = HealthGateProvider().update("millrace-dev", {**news, "summary": "old"}, news)
    assert result.outs is not None
    assert SUMMARY.fullmatch(result.outs["summary"])
    assert set(result.outs) == {*news, "summary"}, "an update must return all outputs; the engine drops the others"


@pytest.fixture
def detour(monkeypatch: pytest.MonkeyPatch) -> Route:
    """The route of gates whose inputs describe one; it needs no cluster."""
    made = take_detour(monkeypatch, health_module)
    monkeypatch.setattr(health_module, "connect", lambda kubeconfig, context: Pods())
    return made


class Pods:
    """A cluster with the pods of a platform, and an unhealthy pod of a different one in the same namespace."""

    ready: ClassVar[dict[str, bool]] = {"kafka-0": True, "kafka-1": True, "kafka-9": False}

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        assert namespace == "n"
        assert selector == {"app.kubernetes.io/part-of": "millrace"}
        return [
            Pod(
                name=name,
                uid=name,
                node="node",
                phase="Running",
                ready=ready,
                deleting=False,
                revision="",
                zone=None,
                ip="",
                scheduled=True,
                reasons=() if ready else ("it cannot be scheduled",),
                unrecoverable=False,
            )
            for name, ready in self.ready.items()
        ]


def test_every_check_of_a_platform_uses_the_route_of_its_inputs(servers: Servers, detour: Route) -> None:
    HealthGateProvider().create(health_gate(route=VIA))
    HealthGateProvider().read("millrace-prod", health_gate(route=VIA))
    assert len(servers.routes) == 6 + 2 + 4, "roles, session, listening, client, round trip, Redis; and the summary"
    assert set(servers.routes) == {detour}


@pytest.mark.usefixtures("detour", "servers")
@pytest.mark.parametrize(
    ("ready", "line"),
    [
        ({"kafka-0": True}, "kafka-1: there is no pod; expected one that is ready"),
        ({"kafka-0": True, "kafka-1": False}, "kafka-1: it cannot be scheduled"),
    ],
)
def test_a_platform_with_an_unready_pod_is_unhealthy_even_if_it_serves(
    ready: dict[str, bool], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Pods, "ready", ready)
    assert unhealthy(HealthGateProvider, health_gate(route=VIA)).problems == (line,)
    assert HealthGateProvider().read("id", health_gate(route=VIA)).id is None
    assert line in capsys.readouterr().err


@pytest.mark.usefixtures("servers")
def test_a_platform_on_docker_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "connect", None)
    assert HealthGateProvider().create(health_gate()).outs is not None


def test_without_a_route_servers_are_reached_directly(servers: Servers, detour: Route) -> None:
    HealthGateProvider().create(health_gate())
    assert set(servers.routes) == {DIRECT}


@pytest.mark.parametrize("down", ["listens", "answers"])
def test_an_unreachable_cluster_is_reported_with_the_routes_reason(down: str, servers: Servers, detour: Route) -> None:
    setattr(servers, down, False)
    assert unhealthy(HealthGateProvider, health_gate(route=VIA)).problems == (
        "kafka-0: no broker answers at 127.0.0.1:19092,127.0.0.1:19093 (the pod is gone); expected an answer\n"
        "look at: docker logs p-kafka-0",
    )


@pytest.mark.parametrize("method", ["create", "read"])
def test_a_route_that_cannot_be_opened_is_reported_without_a_traceback(
    method: str, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def route(via: object) -> Route:
        raise ClusterError('the kubeconfig has no context "test"')

    monkeypatch.setattr(health_module, "open_route", route)
    arguments = [health_gate(route=VIA)] if method == "create" else ["id", health_gate(route=VIA)]
    assert shown(lambda: getattr(HealthGateProvider(), method)(*arguments)) == (
        'Error: the kubeconfig has no context "test"\n'
    )


def test_redis_without_an_append_only_file_keeps_snapshots(servers: Servers) -> None:
    cache = {"member": "redis-0", "address": "127.0.0.1:16379", "appendOnly": False, "save": []}
    outs = HealthGateProvider().create(health_gate(redis=cache)).outs
    assert outs is not None
    assert "Redis: write and read, snapshots (" in outs["summary"]
    (asked,) = servers.redis_asked
    assert asked["password"] is None, "a server without a password gets no password"


def test_redis_is_checked_with_its_password_against_the_declared_settings(servers: Servers) -> None:
    HealthGateProvider().create(health_gate())
    (asked,) = servers.redis_asked
    assert {key: value for key, value in asked.items() if key != "logs"} == {
        "writes": True,
        "member": "redis-0",
        "address": "127.0.0.1:16379",
        "password": "a-password",
        "append_only": True,
        "save": ["60 1000"],
    }


def test_an_unhealthy_member_is_reported_with_actual_and_expected_state_and_where_to_look(servers: Servers) -> None:
    servers.cluster = ClusterState(brokers={0: "127.0.0.1:19092"}, controller=0)
    assert shown(lambda: HealthGateProvider().create(health_gate())) == (
        "Error: Kafka did not become healthy within 0 s; what was created is still there\n"
        "  - kafka-1: broker 1 is not registered in the cluster; expected it to advertise 127.0.0.1:19093\n"
        "    look at: docker logs p-kafka-1\n"
    )
    assert "round_trip" not in servers.calls, "nothing is written to a broken cluster"


def test_all_unhealthy_parts_are_reported_together(servers: Servers) -> None:
    servers.roles = ["zookeeper-0: it is away; expected it"]
    servers.redis = ["redis-0: it refused the password; expected the stack's password"]
    servers.listens = False
    text = shown(lambda: HealthGateProvider().update("millrace-dev", {}, health_gate()))
    assert text == (
        "Error: ZooKeeper and Kafka and Redis did not become healthy within 0 s; what was created is still there\n"
        "  - zookeeper-0: it is away; expected it\n"
        "  - kafka-0: no broker answers at 127.0.0.1:19092,127.0.0.1:19093; expected an answer\n"
        "    look at: docker logs p-kafka-0\n"
        "  - redis-0: it refused the password; expected the stack's password\n"
    )
    assert "session" not in servers.calls, "no session is opened with an ensemble whose roles are wrong"


@pytest.mark.parametrize(
    ("attribute", "value", "line"),
    [
        ("session", ["ZooKeeper: a session failed"], "ZooKeeper: a session failed"),
        ("round_trip", ["Kafka: a record was not read back"], "Kafka: a record was not read back"),
        ("answers", False, "kafka-0: no broker answers at 127.0.0.1:19092,127.0.0.1:19093; expected an answer"),
        (
            "deaf",
            {"127.0.0.1:19093"},
            "kafka-1: it is registered, but nothing listens at 127.0.0.1:19093; expected a listener",
        ),
        ("redis", ["redis-0: a write failed"], "redis-0: a write failed"),
    ],
)
def test_any_single_failing_check_makes_the_platform_unhealthy(
    attribute: str, value: object, line: str, servers: Servers
) -> None:
    setattr(servers, attribute, value)
    error = unhealthy(HealthGateProvider, health_gate())
    assert "did not become healthy within 0 s" in error.headline
    assert [problem.splitlines()[0] for problem in error.problems] == [line]


def test_no_message_of_an_unhealthy_platform_contains_a_password(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.redis = ["redis-0: a write failed"]
    HealthGateProvider().read("millrace-dev", health_gate())
    text = str(unhealthy(HealthGateProvider, health_gate(deadline=0.06))) + "".join(capsys.readouterr())
    assert "redis-0: a write failed" in text
    assert "a-password" not in text


def test_a_refresh_of_a_healthy_platform_keeps_the_gate(servers: Servers) -> None:
    props = {**health_gate(), "summary": "as it was"}
    result = HealthGateProvider().read("millrace-dev", props)
    assert (result.id, result.outs) == ("millrace-dev", props)


def test_a_refresh_writes_to_no_server(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kafka.KafkaProducer", "kazoo.client.KazooClient"):
        monkeypatch.setattr(name, None)
    HealthGateProvider().read("millrace-dev", health_gate())
    assert servers.calls == ["roles"], "neither a session nor a record"
    assert [asked["writes"] for asked in servers.redis_asked] == [False]


@pytest.mark.parametrize("attribute", ["roles", "redis"])
def test_a_refresh_of_an_unhealthy_platform_removes_the_gate_from_the_state_and_says_why(
    attribute: str, servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    setattr(servers, attribute, ["it is away; expected it back"])
    result = HealthGateProvider().read("millrace-dev", health_gate())
    assert (result.id, result.outs) == (None, {}), "so that the next update checks again"
    assert capsys.readouterr().err == "it is away; expected it back\n"


def test_a_refresh_checks_every_part_before_it_removes_the_gate_from_the_state(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.roles, servers.listens, servers.redis = ["zookeeper-0: away"], False, ["redis-0: away"]
    HealthGateProvider().read("millrace-dev", health_gate())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines if not line.startswith("look at")] == [
        "zookeeper-0",
        "kafka-0",
        "redis-0",
    ]
