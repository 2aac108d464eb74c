"""The brokers' server.properties.

Source: components/kafka/files.py.
Proof limit: that a broker accepts the file is shown by the integration tests.
"""

import javaproperties
import pytest

from components.kafka.files import server_properties
from tests.unit.regenerate_golden import STACKS, rendered
from tests.unit.stack_files import loaded


def test_broker_settings_are_written_under_kafkas_keys() -> None:
    section = {
        "replicas": 3,
        "replicationFactor": 3,
        "minInSyncReplicas": 2,
        "internalPort": 30000,
        "retention": "36h",
        "retentionBytes": "1GiB",
        "segmentBytes": "16MiB",
        "numPartitions": 7,
        "autoCreateTopics": False,
        "uncleanLeaderElection": True,
        "compression": "zstd",
        "config": {"message.max.bytes": 2097152, "log.cleaner.enable": True},
    }
    entries = server_properties(loaded({"kafka": section}).kafka, "a:2181,b:2181", exposed=True)
    assert entries == {
        "auto.create.topics.enable": "false",
        "compression.type": "zstd",
        "controlled.shutdown.enable": "true",
        "default.replication.factor": "3",
        "delete.topic.enable": "true",
        "group.initial.rebalance.delay.ms": "0",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
        "listeners": "INTERNAL://:30000,EXTERNAL://:9092",
        "log.cleaner.enable": "true",
        "log.retention.bytes": "1073741824",
        "log.retention.ms": "129600000",
        "log.segment.bytes": "16777216",
        "message.max.bytes": "2097152",
        "min.insync.replicas": "2",
        "num.partitions": "7",
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
        "transaction.state.log.replication.factor": "3",
        "unclean.leader.election.enable": "true",
        "zookeeper.connect": "a:2181,b:2181",
        "zookeeper.connection.timeout.ms": "60000",
        "zookeeper.session.timeout.ms": "6000",
    }


def test_an_unexposed_broker_has_one_listener() -> None:
    section = loaded({"kafka": {"internalPort": 30000}}).kafka
    inside = server_properties(section, "a:2181", exposed=False)
    outside = server_properties(section, "a:2181", exposed=True)
    assert inside["listeners"] == "INTERNAL://:30000"
    assert inside["listener.security.protocol.map"] == "INTERNAL:PLAINTEXT"
    assert {key for key in outside if inside[key] != outside[key]} == {"listeners", "listener.security.protocol.map"}
    assert inside.keys() == outside.keys()


@pytest.mark.parametrize("stack", STACKS)
def test_broker_specific_values_are_not_in_the_shared_file(stack: str) -> None:
    entries = javaproperties.loads(rendered(stack)["server.properties"])
    own = {"broker.id", "node.id", "log.dirs", "log.dir", "advertised.listeners", "broker.rack"}
    assert not own & set(entries), "the start script passes these to each broker"
