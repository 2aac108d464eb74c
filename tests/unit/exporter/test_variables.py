"""The exporter's variables: valid values, and the messages for invalid ones.

Source: exporter/settings.py.
"""

from pathlib import Path

import pytest

from components.errors import SettingsError
from exporter.settings import load, metrics_port

VALID = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka-0:29092,kafka-1:29092",
    "KAFKA_BROKERS": "kafka-0=kafka-0:29092, kafka-1=kafka-1:29092",
    "ZOOKEEPER_MEMBERS": "zookeeper-0=zookeeper-0:2181",
    "REDIS_MEMBERS": "redis-0=redis-0:6379",
}


def problems(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environment)
    return list(caught.value.problems)


def test_members_are_read_by_name_and_the_rest_has_defaults() -> None:
    settings = load(VALID)
    assert settings.brokers == {"kafka-0": "kafka-0:29092", "kafka-1": "kafka-1:29092"}
    assert settings.bootstrap == "kafka-0:29092,kafka-1:29092"
    assert (settings.interval, settings.port) == (30, 9090)
    assert settings.redis_password_file is None
    assert settings.minimum_in_sync is None


def test_every_variable_can_be_set() -> None:
    optional = {"REDIS_PASSWORD_FILE": "/run/password", "METRICS_PORT": "9191", "MINIMUM_IN_SYNC": "2"}
    settings = load(VALID | optional)
    assert settings.redis_password_file == Path("/run/password")
    assert (settings.port, settings.minimum_in_sync) == (9191, 2)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("1500ms", 1.5), ("45", 45), ("2.5", 2.5), ("1", 1), ("", 30)]
)
def test_an_interval_is_a_duration_or_a_number_of_seconds(text: str, seconds: float) -> None:
    assert load(VALID | {"KAFKA_HEALTH_CHECK_INTERVAL": text}).interval == seconds


@pytest.mark.parametrize("text", ["soon", "0", "-5s", "999ms", "1.2.3", "nan", "inf", "30 seconds"])
def test_an_invalid_or_too_short_interval_is_rejected(text: str) -> None:
    (problem,) = problems(VALID | {"KAFKA_HEALTH_CHECK_INTERVAL": text})
    assert problem.startswith(f'KAFKA_HEALTH_CHECK_INTERVAL is "{text}"; must be a duration of at least a second')


def test_all_mistakes_are_reported_at_once() -> None:
    wrong = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka-0",
        "KAFKA_BROKERS": "first=kafka-0:29092",
        "ZOOKEEPER_MEMBERS": "zookeeper-0:2181",
        "REDIS_MEMBERS": "redis-0=a:1,redis-0=b:1",
        "METRICS_PORT": "70000",
        "MINIMUM_IN_SYNC": "none",
    }
    assert problems(wrong) == [
        'KAFKA_BOOTSTRAP_SERVERS has "kafka-0"; must be host:port',
        'KAFKA_BROKERS has "first"; a broker\'s name must end in its id, such as kafka-0',
        'ZOOKEEPER_MEMBERS has "zookeeper-0:2181"; must be like name-0=host:port,name-1=host:port',
        "REDIS_MEMBERS names redis-0 twice",
        'METRICS_PORT is "70000"; must be a port from 1 to 65535',
        'MINIMUM_IN_SYNC is "none"; must be a number of replicas, 1 or more',
    ]


def test_missing_variables_are_named() -> None:
    assert problems({}) == [f"{name} is not set" for name in VALID]


def test_the_probe_uses_the_port_of_the_metrics() -> None:
    assert metrics_port({}) == 9090
    assert metrics_port({"METRICS_PORT": "9191"}) == 9191
    with pytest.raises(SettingsError, match="METRICS_PORT"):
        metrics_port({"METRICS_PORT": "http"})
