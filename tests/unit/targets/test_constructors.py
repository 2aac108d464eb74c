"""No component's constructor opens a connection, on either target; it only declares resources.

Source: components/*/component.py.
"""

import socket
import subprocess
from collections.abc import Callable, Mapping

import pulumi
import pytest

from components.health.component import HealthGate, HealthGateArgs, KafkaCheck, RedisCheck
from components.kafka.component import KafkaCluster, KafkaClusterArgs
from components.kafka.settings import KafkaSettings
from components.monitoring.component import Monitor, MonitorArgs
from components.platform import StreamingPlatform, StreamingPlatformArgs
from components.redis.component import RedisServer, RedisServerArgs
from components.stack_file.images import choose_images
from components.stack_file.settings import Settings
from components.targets.base import Target
from components.targets.docker.target import DockerTarget
from components.targets.kubernetes.addresses import ClusterOptions
from components.targets.kubernetes.target import KubernetesTarget
from components.topics.component import TopicSet, TopicSetArgs
from components.topics.rules import TopicSpec
from components.zookeeper.component import ZooKeeperEnsemble, ZooKeeperEnsembleArgs
from components.zookeeper.settings import ZooKeeperSettings
from tests.unit.mocks import declared_by, settings_of

NAME = "millrace-own"


def docker() -> Target:
    return DockerTarget(NAME)  # with the engine of DOCKER_HOST, as in the program


def kubernetes() -> Target:
    return KubernetesTarget(
        NAME, ClusterOptions(context="no-such-context", namespace="own", kubeconfig="/no/such/file")
    )


def parts(target: Target) -> None:
    """Every component on its own, with three members where possible."""
    prepared = target.prepare()
    ensemble = ZooKeeperEnsemble(
        "zookeeper", ZooKeeperEnsembleArgs(target=prepared, settings=ZooKeeperSettings.of(replicas=3))
    )
    brokers = KafkaCluster(
        "kafka", KafkaClusterArgs(target=prepared, zookeeper=ensemble, settings=KafkaSettings.of(replicas=3))
    )
    redis = RedisServer("redis", RedisServerArgs(target=prepared))
    topics = TopicSet(
        "topics",
        TopicSetArgs(
            bootstrap=brokers.bootstrap_servers,
            topics=[TopicSpec(name="jobs", partitions=1, replication_factor=3, config={}, protect=False)],
            brokers=brokers.brokers,
            route=prepared.route(),
        ),
    )
    gate = HealthGate(
        "health",
        HealthGateArgs(
            platform=NAME,
            zookeeper=ensemble.members,
            kafka=KafkaCheck(bootstrap=brokers.bootstrap_servers, brokers=brokers.brokers),
            redis=RedisCheck(member=redis.member, address=redis.address),
            route=prepared.route(),
        ),
        pulumi.ResourceOptions(depends_on=[topics]),
    )
    Monitor(
        "monitor",
        MonitorArgs(platform=NAME, target=prepared, zookeeper=ensemble, kafka=brokers, redis=redis, gate_after=[gate]),
    )


def platform_of(settings: Settings) -> Callable[[Target], None]:
    def declare(target: Target) -> None:
        StreamingPlatform(
            NAME, StreamingPlatformArgs(settings=settings, images=choose_images(settings, {}), target=target)
        )

    return declare


@pytest.fixture
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets can be created, since the event loop needs them, but cannot connect; no program can be started."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a constructor must not talk to anyone")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("_no_connections")
def test_the_guard_refuses_connections() -> None:
    with socket.socket() as probe, pytest.raises(AssertionError, match="must not talk"):
        probe.connect(("127.0.0.1", 9))


@pytest.mark.usefixtures("_no_connections")
@pytest.mark.parametrize("target", [docker, kubernetes])
@pytest.mark.parametrize(
    "declare",
    [
        parts,
        platform_of(settings_of("dev", images="local", monitor={"enabled": True})),
        platform_of(settings_of("staging")),
    ],
    ids=["parts", "dev", "staging"],
)
def test_no_constructor_connects_to_anything(declare: Callable[[Target], None], target: Callable[[], Target]) -> None:
    def program() -> Mapping[str, object]:
        declare(target())
        return {}

    types = {item.type for item in declared_by(program).resources}
    assert {
        "millrace:index:ZooKeeperEnsemble",
        "millrace:index:KafkaCluster",
        "millrace:index:RedisServer",
        "millrace:index:Monitor",
        "pulumi-python:dynamic/millrace:TopicSet",
        "pulumi-python:dynamic/millrace:HealthGate",
    } <= types
