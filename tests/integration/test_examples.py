"""The examples on a real engine, run as a reader runs them: two folders below the one with the virtual environment."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka.admin import ConfigResource, ConfigResourceType

from components.topics.client import observe
from components.topics.safety import ObservedTopic
from tests.integration.stacks import PREFIX, PROJECT, Checkout, left_on_engine, ports_of, running_members, standing
from tests.integration.traffic import admin, consume, produce

PORTS = ports_of("examples")
SERVERS = [f"127.0.0.1:{PORTS.kafka}"]
DAY_MS = 86_400_000


class Example(Checkout):
    """A copy of an example with the tests' project name, in a folder named after its stack."""

    def __init__(self, root: Path, example: str, name: str, **config: Any) -> None:
        folder = root / "examples" / name
        shutil.copytree(PROJECT / "examples" / example, folder, ignore=shutil.ignore_patterns("Pulumi.*.yaml"))
        file, project = folder / "Pulumi.yaml", PREFIX.rstrip("-")
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "name": project}))
        super().__init__(folder, name, {f"{project}:{key}": value for key, value in config.items()}, project)

    def edit(self, old: str, new: str) -> None:
        """Change the program as the example's README describes."""
        program = self.folder / "__main__.py"
        text = program.read_text()
        assert text.count(old) == 1
        program.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with only the virtual environment, in which setup has installed the components."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    return folder


@pytest.fixture(scope="module")
def broker(root: Path) -> Iterator[Example]:
    example = Example(root, "docker-topics", "docker-topics", kafkaPort=PORTS.kafka, zookeeperPort=PORTS.zookeeper)
    with standing(example):
        yield example
    assert left_on_engine(example.platform) == []


def observed(*names: str) -> dict[str, ObservedTopic]:
    with admin(SERVERS) as client:
        return observe(client, names)


def test_docker_topics_starts_a_broker_that_clients_can_use(broker: Example) -> None:
    outputs = broker.outputs()
    assert outputs["bootstrapServers"] == SERVERS[0]
    assert sorted(outputs["topics"]) == ["customers", "orders"]
    assert "1 of 1 broker" in outputs["health"]
    assert running_members(broker.platform) == ["kafka-0", "zookeeper-0"]
    produce(SERVERS, "orders", [b"first"])
    assert consume(SERVERS, "orders") == [b"first"]


def test_a_second_up_of_docker_topics_changes_nothing(broker: Example) -> None:
    assert broker.up().changed() == {}


def test_a_taken_port_is_reported_before_anything_is_created(root: Path, broker: Example) -> None:
    second = Example(root, "docker-topics", "second", kafkaPort=PORTS.kafka, zookeeperPort=PORTS.zookeeper)
    try:
        refused = second.up(check=False)
        assert refused.code != 0
        assert f"{PORTS.kafka}" in refused.output
        assert "Traceback" not in refused.output
        assert left_on_engine(second.platform) == []
    finally:
        second.destroy()


def test_topics_only_manages_only_its_own_topic_on_a_foreign_broker(root: Path, broker: Example) -> None:
    topics = Example(root, "topics-only", "topics-only", bootstrapServers=SERVERS[0])
    with standing(topics):
        assert topics.outputs()["topics"].keys() == {"invoices"}
        assert topics.up().changed() == {}

        topics.edit("partitions=2", "partitions=4")
        assert topics.up().changed() == {"update": ["topics"]}
        assert observed("invoices")["invoices"].partitions == 4

        with admin(SERVERS) as client:
            manual = ConfigResource(ConfigResourceType.TOPIC, "invoices", {"retention.ms": "60000"})
            client.alter_configs([manual])
        assert topics.change("refresh").changed() == {"update": ["topics"]}
        assert topics.up().changed() == {"update": ["topics"]}
        assert observed("invoices")["invoices"].config == {"retention.ms": str(30 * DAY_MS)}

        refused = topics.change("destroy", check=False)
        assert "the set topics would be deleted with its topics and their records: invoices" in refused.output
        topics.edit("topics=topics", "topics=topics, delete_with_set=True")
        topics.up()
        topics.change("destroy")
        assert observed("invoices", "orders", "customers").keys() == {"orders", "customers"}

        same = {"num_partitions": 4, "replication_factor": 1, "configs": {"retention.ms": str(30 * DAY_MS)}}
        with admin(SERVERS) as client:
            client.create_topics({"invoices": same}, wait_for_metadata=True)
        refused = topics.up(check=False)
        assert "exist already and are not this stack's: invoices" in refused.output, "another stack may delete it later"
        assert "Traceback" not in refused.output
    assert consume(SERVERS, "orders") == [b"first"], "other topics keep their records"
