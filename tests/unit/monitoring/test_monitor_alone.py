"""The monitoring component in a program without a platform.

Source: components/monitoring/component.py.
Proof limit: mocks replace the engine; nothing is created.
"""

from typing import Any

import pytest
import yaml

from components.kafka.component import KafkaCluster, KafkaClusterArgs
from components.kafka.settings import KafkaSettings
from components.monitoring.component import Monitor, MonitorArgs, MonitorImages
from components.monitoring.settings import MonitorSettings
from components.redis.component import RedisServer, RedisServerArgs
from components.redis.settings import RedisSettings
from components.targets.docker.target import DockerTarget
from components.topics.rules import TopicSpec
from components.zookeeper.component import ZooKeeperEnsemble, ZooKeeperEnsembleArgs
from tests.unit.mocks import CONTAINER, CREDENTIALS, GENERATED_PASSWORD, MONITOR_GATE, Run, declared_by
from tests.unit.monitoring.samples import files

IMAGES = MonitorImages(exporter="own/exporter:1", prometheus="own/prometheus:1", grafana="own/grafana:1")
EVERYTHING = MonitorSettings.of(enabled=True, prometheus={"enabled": True}, grafana={"enabled": True})


def monitored(redis: str = "light", **args: Any) -> Run:
    """An ensemble, a broker, a Redis server and their monitoring; no platform component."""

    def program() -> dict[str, object]:
        target = DockerTarget("own").prepare()
        watchers = ["exporter"]
        ensemble = ZooKeeperEnsemble(
            "zookeeper", ZooKeeperEnsembleArgs(target=target, image="own/kafka:1", clients=["kafka", *watchers])
        )
        settings = KafkaSettings.of()
        kafka = KafkaCluster(
            "kafka",
            KafkaClusterArgs(
                target=target, zookeeper=ensemble, settings=settings, image="own/kafka:1", clients=watchers
            ),
        )
        cache = RedisServer(
            "redis",
            RedisServerArgs(target=target, settings=RedisSettings.of(redis), image="own/redis:1", clients=watchers),
        )
        monitor = Monitor(
            "watch",
            MonitorArgs(
                platform="own", target=target, zookeeper=ensemble, kafka=kafka, redis=cache, images=IMAGES, **args
            ),
        )
        return {
            "metrics": monitor.metrics_url,
            "prometheus": monitor.prometheus_url,
            "grafana": monitor.grafana_url,
            "password": monitor.grafana_password,
            "addresses": monitor.addresses,
            "brokers": monitor.topology.brokers,
            "replicas": monitor.topology.replicas,
        }

    return declared_by(program)


@pytest.fixture(scope="module")
def whole() -> Run:
    topic = TopicSpec(name="orders", partitions=1, replication_factor=2)
    return monitored("ha", settings=EVERYTHING, topics=[topic])


def test_a_monitor_runs_only_the_exporter_by_default() -> None:
    run = monitored()
    assert run.names(CONTAINER) == ["exporter-0", "kafka-0", "redis-0", "zookeeper-0"]
    assert run.outputs == {
        "metrics": "http://127.0.0.1:9090/metrics",
        "prometheus": None,
        "grafana": None,
        "password": None,
        "addresses": {"exporter": "127.0.0.1:9090"},
        "brokers": 1,
        "replicas": 1,
    }
    assert run.names(CREDENTIALS) == ["zookeeper-super"]


def test_a_monitor_exports_its_servers_addresses(whole: Run) -> None:
    assert whole.outputs == {
        "metrics": "http://127.0.0.1:9090/metrics",
        "prometheus": "http://127.0.0.1:9091",
        "grafana": "http://127.0.0.1:3000",
        "password": GENERATED_PASSWORD,
        "addresses": {"exporter": "127.0.0.1:9090", "prometheus": "127.0.0.1:9091", "grafana": "127.0.0.1:3000"},
        "brokers": 1,
        "replicas": 2,
    }
    assert whole.secret_outputs == {"password"}
    registered = {type_: values for type_, _, values in whole.registered_outputs}
    assert registered["millrace:index:Monitor"] == {"metricsUrl": "http://127.0.0.1:9090/metrics"}


def test_servers_gate_and_password_are_a_monitors_children(whole: Run) -> None:
    children = {(item.type.rpartition(":")[2], item.name) for item in whole.resources if item.parent == "watch"}
    assert children == {
        ("MetricsExporter", "exporter"),
        ("PrometheusServer", "prometheus"),
        ("GrafanaServer", "grafana"),
        ("MonitorGate", "monitor"),
        ("Credentials", "grafana-password"),
    }
    assert {whole.one(CONTAINER, f"{name}-0").parent for name in ("exporter", "grafana")} == {"exporter", "grafana"}


def test_the_gate_depends_only_on_its_servers(whole: Run) -> None:
    (gate,) = whole.of(MONITOR_GATE)
    assert gate.dependencies == {"exporter-0", "prometheus-0", "grafana-0"}
    assert (gate.inputs["platform"], gate.inputs["brokers"], gate.inputs["deadline"]) == ("own", 1, 180)


def test_the_exporter_logs_in_with_the_servers_own_password(whole: Run) -> None:
    assert files(whole.one(CONTAINER, "exporter-0")) == {"/etc/millrace/redis-password": GENERATED_PASSWORD}
    assert files(monitored().one(CONTAINER, "exporter-0")) == {}


def test_prometheus_scrapes_by_the_platforms_name(whole: Run) -> None:
    config = yaml.safe_load(files(whole.one(CONTAINER, "prometheus-0"))["/etc/millrace/prometheus.yml"])
    assert [job["job_name"] for job in config["scrape_configs"]] == ["own", "prometheus"]
    assert config["global"]["external_labels"] == {"platform": "own"}


def test_a_given_password_of_grafana_is_a_secret() -> None:
    run = monitored(settings=EVERYTHING, grafana_password="in plain text")
    assert run.outputs["password"] == "in plain text"
    assert "password" in run.secret_outputs
    assert run.names(CREDENTIALS) == ["zookeeper-super"]
