"""Brokers in a program without a platform, on an ensemble of the same program or on an external one.

Source: components/kafka/component.py.
Proof limit: mocks replace the engine; nothing is created.
"""

from typing import Any

import javaproperties
import pulumi
import pytest

from components.kafka.component import KafkaCluster, KafkaClusterArgs
from components.kafka.settings import KafkaSettings
from components.targets.base import PreparedTarget, Target
from components.targets.docker.target import DockerTarget
from components.targets.kubernetes.addresses import ClusterOptions
from components.targets.kubernetes.target import KubernetesTarget
from components.zookeeper.component import ZooKeeperEnsemble, ZooKeeperEnsembleArgs
from tests.unit.mocks import CONFIG_MAP, CONTAINER, MEMBER_GATE, NETWORK_POLICY, Run, declared_by

FOREIGN = "zk-a.example:2181,zk-b.example:2181/kafka"


def docker() -> Target:
    return DockerTarget("own")


def cluster() -> Target:
    return KubernetesTarget("own", ClusterOptions(context="test", namespace="streaming"))


def brokers(target: PreparedTarget, zookeeper: ZooKeeperEnsemble | pulumi.Input[str], **args: Any) -> dict[str, object]:
    """Declare brokers; returns their outputs."""
    made = KafkaCluster("kafka", KafkaClusterArgs(target=target, zookeeper=zookeeper, image="own/kafka:1", **args))
    return {
        "brokers": made.brokers,
        "bootstrap": made.bootstrap_servers,
        "internal": made.internal_bootstrap_servers,
        "outside": made.outside_bootstrap_servers,
    }


def with_ensemble(target: Target, **args: Any) -> Run:
    def program() -> dict[str, object]:
        prepared = target.prepare()
        ensemble = ZooKeeperEnsemble("zookeeper", ZooKeeperEnsembleArgs(target=prepared, image="own/kafka:1"))
        return brokers(prepared, ensemble, **args)

    return declared_by(program)


def with_external(target: Target) -> Run:
    """Brokers on an external ensemble, known only by an output of a different resource."""
    return declared_by(lambda: brokers(target.prepare(), pulumi.Output.from_input(FOREIGN)))


def properties(run: Run, broker: str = "kafka-0") -> dict[str, str]:
    """The server.properties of a broker on Docker."""
    uploads = {upload["file"]: upload["content"] for upload in run.one(CONTAINER, broker).inputs["uploads"]}
    return javaproperties.loads(uploads["/etc/millrace/server.properties"])


def test_brokers_export_their_addresses() -> None:
    assert with_ensemble(docker(), settings=KafkaSettings.of("ha")).outputs == {
        "brokers": {f"kafka-{ordinal}": f"127.0.0.1:{19092 + ordinal}" for ordinal in range(3)},
        "bootstrap": "127.0.0.1:19092,127.0.0.1:19093,127.0.0.1:19094",
        "internal": "kafka-0:29092,kafka-1:29092,kafka-2:29092",
        "outside": "127.0.0.1:19092,127.0.0.1:19093,127.0.0.1:19094",
    }


def test_unexposed_brokers_on_kubernetes_have_no_external_address() -> None:
    host = "kafka-0.kafka.streaming.svc.cluster.local:29092"
    assert with_ensemble(cluster()).outputs == {
        "brokers": {"kafka-0": host},
        "bootstrap": host,
        "internal": host,
        "outside": "",
    }


def test_brokers_register_their_outputs() -> None:
    registered = {name: values for _, name, values in with_ensemble(docker()).registered_outputs}
    assert registered["kafka"] == {
        "brokers": {"kafka-0": "127.0.0.1:9092"},
        "bootstrapServers": "127.0.0.1:9092",
        "internalBootstrapServers": "kafka-0:29092",
    }


def test_brokers_depend_on_an_ensemble_of_the_same_program() -> None:
    run = with_ensemble(docker())
    assert "zookeeper-0" in run.one(CONTAINER, "kafka-0").dependencies
    assert properties(run)["zookeeper.connect"] == "zookeeper-0:2181"
    assert with_ensemble(docker(), settings=KafkaSettings.of("ha")).names(MEMBER_GATE)[-1] == "kafka-2-returned"


def test_brokers_register_with_an_external_ensemble() -> None:
    run = with_external(docker())
    assert properties(run)["zookeeper.connect"] == FOREIGN
    assert run.names(CONTAINER) == ["kafka-0"]
    assert run.outputs["bootstrap"] == "127.0.0.1:9092"


def test_brokers_on_kubernetes_get_the_external_ensemble_in_their_files() -> None:
    text = with_external(cluster()).one(CONFIG_MAP, "kafka-config").inputs["data"]["server.properties"]
    assert javaproperties.loads(text)["zookeeper.connect"] == FOREIGN


def ports_anywhere(run: Run) -> list[int]:
    """Ports that brokers may connect to at any address."""
    egress = run.one(NETWORK_POLICY, "kafka").inputs["spec"]["egress"]
    return [int(port["port"]) for rule in egress if "to" not in rule for port in rule["ports"]]


@pytest.mark.parametrize(("foreign", "ports"), [(True, [53, 53, 443, 6443, 2181]), (False, [53, 53, 443, 6443])])
def test_brokers_may_connect_outside_kubernetes_only_to_an_external_ensemble(foreign: bool, ports: list[int]) -> None:
    run = with_external(cluster()) if foreign else with_ensemble(cluster())
    assert ports_anywhere(run) == ports, "DNS and the API server, for zones, are always allowed"
