"""The brokers' server.properties.

Source: components/kafka/files.py.
Proof limit: that a broker accepts the file is shown by the integration tests.
"""

import javaproperties
import pytest

from components.kafka.files import SecureFiles, login_properties, own_client_properties, server_properties
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


SECURED = SecureFiles(keystore="/tls/kafka.pem", truststore="/tls/ca.pem", login="/tls/login.properties")


def test_secured_brokers_encrypt_and_authenticate_on_every_listener() -> None:
    section = loaded({"kafka": {"internalPort": 30000}}).kafka
    plain = server_properties(section, "a:2181", exposed=True)
    secured = server_properties(section, "a:2181", exposed=True, secured=SECURED)
    login = "${file:/tls/login.properties:login}"
    assert {key: value for key, value in secured.items() if plain.get(key) != value} == {
        "allow.everyone.if.no.acl.found": "false",
        "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
        "config.providers": "file",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "listener.name.external.scram-sha-512.sasl.jaas.config": login,
        "listener.name.internal.scram-sha-512.sasl.jaas.config": login,
        "listener.security.protocol.map": "INTERNAL:SASL_SSL,EXTERNAL:SASL_SSL,LOCAL:PLAINTEXT",
        "listeners": "INTERNAL://:30000,EXTERNAL://:9092,LOCAL://127.0.0.1:9091",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "ssl.keystore.location": "/tls/kafka.pem",
        "ssl.keystore.type": "PEM",
        "ssl.truststore.location": "/tls/ca.pem",
        "ssl.truststore.type": "PEM",
        "super.users": "User:millrace",
    }
    assert plain.keys() <= secured.keys()


@pytest.mark.parametrize("key", ["allow.everyone.if.no.acl.found", "super.users", "authorizer.class.name"])
def test_no_configuration_opens_what_is_secured(key: str) -> None:
    section = loaded({"kafka": {"config": {key: "User:ANONYMOUS"}}}).kafka
    entries = server_properties(section, "a:2181", exposed=False, secured=SECURED)
    assert entries[key] != "User:ANONYMOUS"


def test_the_brokers_password_is_in_a_file_of_its_own() -> None:
    entries = javaproperties.loads(login_properties('pass"word'))
    assert entries == {
        "login": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="millrace" password="pass\\"word";'
    }


@pytest.mark.parametrize("stack", STACKS)
def test_broker_specific_values_are_not_in_the_shared_file(stack: str) -> None:
    entries = javaproperties.loads(rendered(stack)["server.properties"])
    own = {"broker.id", "node.id", "log.dirs", "log.dir", "advertised.listeners", "broker.rack"}
    assert not own & set(entries), "the start script passes these to each broker"


def test_tools_log_in_as_the_brokers_do_with_a_file_that_has_no_secret() -> None:
    files = SecureFiles(keystore="/etc/k.pem", truststore="/etc/t.pem", login="/etc/login.properties")
    lines = own_client_properties(files).splitlines()
    assert "sasl.jaas.config=${file:/etc/login.properties:login}" in lines
    assert "ssl.truststore.location=/etc/t.pem" in lines
    assert "security.protocol=SASL_SSL" in lines
    assert not any("k.pem" in line for line in lines), "the brokers' key is no business of a client"
