"""The health gate as a component, also of a part of a platform.

Source: components/health/component.py.
Proof limit: the servers' answers are fabricated.
"""

import re
from typing import Any

import pulumi
import pytest

from components.dynamic import Props
from components.health.component import HealthGate, HealthGateArgs, KafkaCheck, RedisCheck
from components.health.provider import HealthGateProvider, parts_of
from tests.unit.dynamic import from_engine
from tests.unit.health.servers import Servers
from tests.unit.mocks import HEALTH_GATE, SECRET_MARK, declared_by, masked

BROKERS = {"kafka-0": "127.0.0.1:19092", "kafka-1": "127.0.0.1:19093"}
KAFKA = {"bootstrap": "127.0.0.1:19092,127.0.0.1:19093", "brokers": BROKERS}
REDIS = {"member": "cache", "address": "127.0.0.1:6379", "appendOnly": False, "save": []}
PARTS: dict[str, tuple[str, Any, str]] = {
    "zookeeper": ("ZooKeeper", {"zookeeper-0": "127.0.0.1:2181"}, r"ZooKeeper: zookeeper-0 standalone \(\d\.\d s\)"),
    "kafka": ("Kafka", KAFKA, r"Kafka: 2 of 2 brokers, .*, acks=all record read back \(\d\.\d s\)"),
    "redis": ("Redis", REDIS, r"Redis: write and read, snapshots \(\d\.\d s\)"),
}


def gate(**args: Any) -> Any:
    """The inputs of a gate in a program without other resources."""
    run = declared_by(lambda: {"summary": HealthGate("health", HealthGateArgs(platform="own", **args)).summary})
    return masked(run.one(HEALTH_GATE, "health").inputs)


PLAIN = {"__provider": SECRET_MARK, "platform": "own", "deadline": 180, "trigger": {}, "logs": {}}


def test_a_gate_checks_the_given_parts() -> None:
    assert gate(zookeeper=pulumi.Output.from_input({"zookeeper-0": "127.0.0.1:2181"})) == {
        **PLAIN,
        "zookeeper": {"zookeeper-0": "127.0.0.1:2181"},
    }
    check = KafkaCheck(bootstrap=pulumi.Output.from_input(KAFKA["bootstrap"]), brokers=BROKERS)
    assert gate(kafka=check) == {**PLAIN, "kafka": KAFKA}
    assert gate(redis=RedisCheck(member="cache", address="127.0.0.1:6379")) == {**PLAIN, "redis": REDIS}


def test_a_password_makes_the_redis_check_a_secret() -> None:
    check = RedisCheck(member="cache", address="127.0.0.1:6379", password=pulumi.Output.secret("a-password"))
    assert gate(redis=check)["redis"] == SECRET_MARK


def props(**parts: Any) -> Props:
    """The provider's inputs: the engine omits inputs that are None."""
    return from_engine({"platform": "own", "deadline": 0, "trigger": {}, "logs": {}, **parts})


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_gate_with_one_part_checks_and_reports_only_that_part(part: str, servers: Servers) -> None:
    name, check, summary = PARTS[part]
    assert list(parts_of(props(**{part: check}), writes=True)) == [name]
    outs = HealthGateProvider().create(props(**{part: check})).outs
    assert outs is not None
    assert re.fullmatch(summary, outs["summary"])
    asked = {"zookeeper": ["roles", "session"], "kafka": ["round_trip"], "redis": []}
    assert servers.calls == asked[part]
    assert len(servers.redis_asked) == (part == "redis")


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_broken_server_outside_the_given_parts_is_ignored(part: str, servers: Servers) -> None:
    servers.roles = [] if part == "zookeeper" else ["zookeeper-0: away"]
    servers.listens = part == "kafka"
    servers.redis = [] if part == "redis" else ["cache: away"]
    given = props(**{part: PARTS[part][1]})
    assert HealthGateProvider().create(given).id == "own"
    assert HealthGateProvider().read("own", given).id == "own"


def test_a_gate_without_parts_passes() -> None:
    assert parts_of(props(), writes=True) == {}
    outs = HealthGateProvider().create(props()).outs
    assert outs is not None
    assert outs["summary"] == ""
