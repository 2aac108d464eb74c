"""What runs: commands, files, ports, storage and probes of each server.

Proof limit: that a target runs it so, and that the servers then serve, is shown by the integration tests.
"""

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.kafka import internal_bootstrap
from components.naming import member_name
from components.rendering.kafka import log4j_properties
from components.rendering.properties import render_properties
from components.server import java_environment
from components.settings import Settings, load_settings
from components.workload import Port, Probe, Storage, Workload
from tests.unit.regenerate_golden import STACKS, rendered, settings_of, workloads_of

MIB = 1024 * 1024
SERVERS = ("zookeeper", "kafka", "redis")
SHELL_SYNTAX = re.compile(r"[|<>;&`$*?~]")


def settings(declared: dict[str, Any] | None = None) -> Settings:
    """Settings of a stack file whose secrets are encrypted."""
    return load_settings(declared or {}, source="Pulumi.test.yaml", secret_keys=["redis"])


def workload(name: str, declared: dict[str, Any] | None = None) -> Workload:
    """One server of a stack file."""
    return workloads_of(settings(declared))[name]


def contents(item: Workload) -> dict[str, object]:
    """Files' texts by path."""
    return {file.path: file.content for file in item.files}


# Commands, environment and files


def test_zookeeper_starts_through_the_script_with_its_number() -> None:
    item = workload("zookeeper")
    assert list(item.command) == ["bash", "/etc/millrace/start-zookeeper.sh", "$(ORDINAL)"]
    assert item.user is None


def test_a_broker_starts_with_what_is_its_own_as_overrides() -> None:
    item = workload("kafka", {"kafka": {"internalPort": 30000}})
    assert list(item.command) == [
        "/opt/kafka/bin/kafka-server-start.sh",
        "/etc/millrace/server.properties",
        "--override",
        "broker.id=$(ORDINAL)",
        "--override",
        "log.dirs=/var/lib/kafka/data/kafka-$(ORDINAL)",
        "--override",
        "advertised.listeners=INTERNAL://$(HOST):30000,EXTERNAL://$(EXTERNAL_ADDRESS)",
    ]
    assert item.user is None


def test_redis_starts_with_its_file_and_not_as_root() -> None:
    item = workload("redis")
    assert list(item.command) == ["redis-server", "/etc/millrace/redis.conf"]
    assert item.user == "999"
    assert item.env == {}


@pytest.mark.parametrize(("name", "heap"), [("zookeeper", "256m"), ("kafka", "512m")])
def test_a_java_servers_environment_is_what_the_start_scripts_read(name: str, heap: str) -> None:
    assert workload(name).env == {
        "EXTRA_ARGS": "",
        "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
        "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
        f"-XX:SharedArchiveFile=/opt/kafka/{name}.jsa",
        "KAFKA_LOG4J_OPTS": "-Dlog4j.configuration=file:/etc/millrace/log4j.properties",
    }


def test_jvm_options_of_the_stack_file_stand_before_the_archive() -> None:
    env = java_environment(heap=100 * MIB, options=["-Xa", "-Xb"], archive="x", logging="/l")
    assert env["KAFKA_JVM_PERFORMANCE_OPTS"] == "-Xa -Xb -XX:SharedArchiveFile=/opt/kafka/x.jsa"
    assert java_environment(heap=MIB, options=[], archive="x", logging="/l")["KAFKA_JVM_PERFORMANCE_OPTS"] == (
        "-XX:SharedArchiveFile=/opt/kafka/x.jsa"
    )


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        (
            "zookeeper",
            ["/etc/millrace/log4j.properties", "/etc/millrace/start-zookeeper.sh", "/etc/millrace/zoo.cfg"],
        ),
        ("kafka", ["/etc/millrace/log4j.properties", "/etc/millrace/server.properties"]),
        ("redis", ["/etc/millrace/redis.conf"]),
    ],
)
def test_every_file_stands_where_the_server_looks_for_it(name: str, paths: list[str]) -> None:
    item = workload(name)
    assert sorted(contents(item)) == paths
    assert not any(file.secret for file in item.files)
    named = " ".join([*item.command, *item.env.values(), *map(str, contents(item).values())])
    assert all(path in named for path in paths), "a file that nothing reads is a mistake"


def test_the_logging_configuration_is_the_given_one() -> None:
    for name in ("zookeeper", "kafka"):
        logging = contents(workload(name))["/etc/millrace/log4j.properties"]
        assert logging == render_properties(log4j_properties())


def test_brokers_find_every_zookeeper_member_by_name() -> None:
    text = rendered("staging")["server.properties"]
    assert "zookeeper.connect=zookeeper-0:2181,zookeeper-1:2181,zookeeper-2:2181\n" in text


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", SERVERS)
def test_only_placeholders_that_every_target_fills_in_are_used(stack: str, name: str) -> None:
    item = workloads_of(settings_of(stack))[name]
    known = {"ORDINAL", "HOST", *(f"{port.name.upper()}_ADDRESS" for port in item.ports if port.outside is not None)}
    used = {found for text in [*item.command, *item.env.values()] for found in re.findall(r"\$\((\w+)\)", text)}
    assert used <= known
    assert not re.search(r"\$\([A-Z_]+\)", " ".join(item.readiness.command)), "probes are not filled in"


# Sizes, names and images


@pytest.mark.parametrize(
    ("stack", "name", "replicas", "memory", "grace"),
    [
        ("dev", "zookeeper", 1, 512, 10),
        ("dev", "kafka", 1, 1024, 30),
        ("dev", "redis", 1, 256, 10),
        ("staging", "zookeeper", 3, 512, 20),
        ("staging", "kafka", 3, 1024, 120),
        ("staging", "redis", 1, 512, 10),
    ],
)
def test_members_memory_and_grace_come_from_the_settings(
    stack: str, name: str, replicas: int, memory: int, grace: int
) -> None:
    item = workloads_of(settings_of(stack))[name]
    assert item.name == name
    assert item.image == f"{name}:test"
    assert item.members == [f"{name}-{ordinal}" for ordinal in range(replicas)]
    assert item.memory == memory * MIB
    assert item.stop_grace == timedelta(seconds=grace)


# Ports


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("zookeeper", [Port(name="client", number=2181, outside=12181)]),
        (
            "kafka",
            [
                Port(name="internal", number=29092),
                Port(name="external", number=9092, outside=19092, outside_host="127.0.0.1"),
            ],
        ),
        ("redis", [Port(name="client", number=6379, outside=16379)]),
    ],
)
def test_ports_inside_are_fixed_and_those_outside_are_the_settings(name: str, ports: list[Port]) -> None:
    assert list(workload(name, {"profile": "ha"}).ports) == ports


@pytest.mark.parametrize(
    ("stack", "name", "port", "addresses"),
    [
        ("dev", "zookeeper", "client", ["127.0.0.1:2181"]),
        ("dev", "kafka", "external", ["127.0.0.1:9092"]),
        ("dev", "redis", "client", ["127.0.0.1:6379"]),
        ("staging", "zookeeper", "client", ["127.0.0.1:12181", "127.0.0.1:12182", "127.0.0.1:12183"]),
        ("staging", "kafka", "external", ["127.0.0.1:19092", "127.0.0.1:19093", "127.0.0.1:19094"]),
        ("staging", "redis", "client", ["127.0.0.1:16379"]),
    ],
)
def test_each_member_takes_the_next_port_outside(stack: str, name: str, port: str, addresses: list[str]) -> None:
    assert workloads_of(settings_of(stack))[name].outside_addresses(port) == addresses


def test_clients_outside_are_told_the_advertised_host() -> None:
    item = workload("kafka", {"kafka": {"advertisedHost": "kafka.example", "port": 9000}})
    assert item.outside_addresses("external") == ["kafka.example:9000"]


def test_an_internal_port_has_no_address_outside() -> None:
    with pytest.raises(ValueError, match=r"^port internal is not exposed$"):
        workload("kafka").outside_addresses("internal")
    with pytest.raises(ValueError, match=r"^port p is not exposed$"):
        Port(name="p", number=1).outside_address(0)


def test_an_unknown_port_is_named() -> None:
    with pytest.raises(KeyError, match="workload redis has no port metrics"):
        workload("redis").port("metrics")


def test_members_of_the_platform_reach_brokers_by_name() -> None:
    item = workload("kafka", {"profile": "ha"})
    assert internal_bootstrap(item, member_name) == "kafka-0:29092,kafka-1:29092,kafka-2:29092"


# Storage


@pytest.mark.parametrize("protect", [True, False])
def test_zookeeper_and_kafka_share_one_storage_lifetime_and_redis_has_its_own(protect: bool) -> None:
    items = workloads_of(settings({"protect": protect}))
    shared = Storage(path="/var/lib/kafka/data", lifetime="streaming", protect=protect)
    assert items["zookeeper"].storage == shared
    assert items["kafka"].storage == shared, "a broker whose data outlives its ensemble's refuses to start"
    assert items["redis"].storage == Storage(path="/data", lifetime="redis", protect=protect)


def test_a_protected_topic_protects_the_storage_that_it_lives_in_and_no_other() -> None:
    items = workloads_of(settings({"topics": [{"name": "a", "protect": True}, {"name": "b"}]}))
    assert {name: item.storage.protect for name, item in items.items()} == {
        "zookeeper": True,
        "kafka": True,
        "redis": False,
    }


def test_each_members_data_is_a_folder_of_its_own_in_the_storage() -> None:
    items = workloads_of(settings())
    script = str(contents(items["zookeeper"])["/etc/millrace/start-zookeeper.sh"])
    path = items["kafka"].storage.path
    assert f"data={path}/zookeeper-$1\n" in script
    assert f"log.dirs={path}/kafka-$(ORDINAL)" in items["kafka"].command
    assert "dir /data\n" in str(contents(items["redis"])["/etc/millrace/redis.conf"])


# Secrets


def test_redis_without_a_password_includes_no_file() -> None:
    assert "include" not in str(contents(workload("redis"))["/etc/millrace/redis.conf"])


def test_a_redis_password_stands_in_no_plain_part_of_the_workload() -> None:
    item = workload("redis", {"redis": {"authentication": True, "password": "hunter2"}})
    assert "hunter2" not in repr(item)
    assert "include /etc/millrace/redis-password.conf\n" in str(contents(item)["/etc/millrace/redis.conf"])


# Probes


@pytest.mark.parametrize(
    ("name", "declared", "probe"),
    [
        (
            "zookeeper",
            {},
            Probe(
                command=[
                    "bash",
                    "-c",
                    "exec 3<>/dev/tcp/127.0.0.1/2181; printf srvr >&3; grep -q ^Mode: <&3",
                ],
                start_period=timedelta(seconds=30),
            ),
        ),
        (
            "kafka",
            {"kafka": {"internalPort": 30000}},
            Probe(command=["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/30000"], start_period=timedelta(seconds=120)),
        ),
        (
            "redis",
            {},
            Probe(command=["sh", "-c", "redis-cli ping | grep -q PONG"], start_period=timedelta(seconds=30)),
        ),
        (
            "redis",
            {"redis": {"authentication": True}},
            Probe(
                command=[
                    "sh",
                    "-c",
                    'REDISCLI_AUTH="$(cat /etc/millrace/redis-password)" redis-cli ping | grep -q PONG',
                ],
                start_period=timedelta(seconds=30),
            ),
        ),
    ],
)
def test_a_probe_asks_the_server_itself(name: str, declared: dict[str, Any], probe: Probe) -> None:
    assert workload(name, declared).readiness == probe


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", SERVERS)
def test_a_probe_with_shell_syntax_runs_in_a_shell(stack: str, name: str) -> None:
    """Run without a shell, a pipe is an argument and the program before it succeeds whatever the server says."""
    command = workloads_of(settings_of(stack))[name].readiness.command
    if any(SHELL_SYNTAX.search(argument) for argument in command):
        assert len(command) == 3
        assert command[0] in ("bash", "sh")
        assert command[1] == "-c"
        assert command[0] == "bash" or "/dev/tcp/" not in command[2], "only bash knows /dev/tcp"
    assert not {"|", ">", "<", "||", "&&", ";"} & set(command)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def answering(server: socket.socket, answer: bytes) -> threading.Thread:
    """Answer one client of ZooKeeper's four-letter word, and hang up."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            assert client.recv(4) == b"srvr"
            client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def succeeds(command: list[str], **environment: str) -> bool:
    """Whether a probe's command says that its server serves."""
    done = subprocess.run(command, env=environment or None, capture_output=True, timeout=20, check=False)
    return done.returncode == 0


def zookeeper_probe(port: int) -> list[str]:
    """ZooKeeper's probe with the port that a test listens on."""
    *shell, script = workload("zookeeper").readiness.command
    assert "/2181;" in script
    return [*shell, script.replace("/2181;", f"/{port};")]


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"Zookeeper version: 3.8.4\nMode: standalone\nNode count: 5\n", True),
        (b"Zookeeper version: 3.8.4\nMode: follower\n", True),
        (b"This ZooKeeper instance is not currently serving requests\n", False),
        (b"srvr is not executed because it is not in the whitelist.\n", False),
        (b"", False),
    ],
)
def test_zookeepers_probe_fails_where_a_member_has_no_quorum(
    listener: socket.socket, answer: bytes, healthy: bool
) -> None:
    thread = answering(listener, answer)
    assert succeeds(zookeeper_probe(listener.getsockname()[1])) is healthy
    thread.join()


def test_probes_over_a_port_fail_where_nothing_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    kafka = list(workload("kafka", {"kafka": {"internalPort": port}}).readiness.command)
    assert succeeds(kafka)
    listener.close()
    assert not succeeds(kafka)
    assert not succeeds(zookeeper_probe(port))


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ("PONG", True),
        ("", False),
        ("NOAUTH Authentication required.", False),
        ("LOADING Redis is loading the dataset in memory", False),
        ("Could not connect to Redis at 127.0.0.1:6379: Connection refused", False),
    ],
)
def test_redis_probe_fails_on_any_other_answer_than_pong(tmp_path: Path, answer: str, healthy: bool) -> None:
    """redis-cli ends with status 0 after some errors too, so only its answer tells."""
    client = tmp_path / "redis-cli"
    client.write_text(f'#!/bin/sh\necho "{answer}"\n')
    client.chmod(0o755)
    command = list(workload("redis").readiness.command)
    assert succeeds(command, PATH=f"{tmp_path}:/usr/bin:/bin") is healthy


@pytest.mark.parametrize(("kept", "healthy"), [("s3cret with \"quotes' and $HOME", True), ("another", False)])
def test_redis_probe_logs_in_with_the_password_of_the_file(tmp_path: Path, kept: str, healthy: bool) -> None:
    (tmp_path / "password").write_text(kept)
    (tmp_path / "expected").write_text("s3cret with \"quotes' and $HOME")
    client = tmp_path / "redis-cli"
    client.write_text(f'#!/bin/sh\n[ "$REDISCLI_AUTH" = "$(cat {tmp_path}/expected)" ] && echo PONG || echo NOAUTH\n')
    client.chmod(0o755)
    *shell, script = workload("redis", {"redis": {"authentication": True}}).readiness.command
    command = [*shell, script.replace("/etc/millrace/redis-password", str(tmp_path / "password"))]
    assert succeeds(command, PATH=f"{tmp_path}:/usr/bin:/bin") is healthy
