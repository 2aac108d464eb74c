"""Workloads: commands, files, ports, storage and probes of each server.

Source: components/workload.py, components/*/component.py.
Proof limit: the integration tests show that a target runs them so, and that the servers then serve.
"""

import re
import socket
from datetime import timedelta
from typing import Any

import pytest

from components.server import java_environment, java_files
from components.workload import Probe, Resources, Storage
from tests.unit.regenerate_golden import STACKS, settings_of, workloads_of
from tests.unit.stack_files import loaded
from tests.unit.workloads import (
    CLUSTER,
    contents,
    kafka_probe,
    on_this_machine,
    ports_of,
    succeeds,
    workload,
    zookeeper_probe,
)

MIB = 1024**2
GIB = 1024**3
SERVERS = ("zookeeper", "kafka", "redis")
SHELL_SYNTAX = re.compile(r"[|<>;&`$*?~]")


def test_only_brokers_request_a_zone_file_outside_their_configuration() -> None:
    assert {name: workload(name).zone_file for name in SERVERS} == {
        "zookeeper": None,
        "kafka": "/run/millrace/zone",
        "redis": None,
    }


@pytest.mark.parametrize(
    ("name", "heap", "own"),
    [("zookeeper", "256m", "-Dzookeeper.fastleader.maxNotificationInterval=2000 "), ("kafka", "512m", "")],
)
def test_a_java_server_gets_the_variables_that_its_start_scripts_read(name: str, heap: str, own: str) -> None:
    assert workload(name).env == {
        "EXTRA_ARGS": "",
        "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
        "KAFKA_JVM_PERFORMANCE_OPTS": "-Djava.security.properties=/etc/millrace/java.security "
        f"{own}-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
        f"-XX:SharedArchiveFile=/opt/kafka/{name}.jsa",
        "KAFKA_LOG4J_OPTS": "-Dlog4j.configuration=file:/etc/millrace/log4j.properties",
        "LOG_DIR": "/tmp",  # noqa: S108  in the container
    }


def test_jvm_options_of_the_stack_file_come_after_the_options_they_may_override() -> None:
    names, shared = "-Djava.security.properties=/etc/millrace/java.security", "-XX:SharedArchiveFile=/opt/kafka/x.jsa"
    env = java_environment(heap=100 * MIB, options=["-Xa", "-Xb"], archive="x")
    assert env["KAFKA_JVM_PERFORMANCE_OPTS"] == f"{names} -Xa -Xb {shared}"
    assert java_environment(heap=MIB, options=[], archive="x")["KAFKA_JVM_PERFORMANCE_OPTS"] == f"{names} {shared}"


JAVA = ("java.security", "log4j.properties")


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        (
            "zookeeper",
            [f"/etc/millrace/{name}" for name in (*JAVA, "start-zookeeper.sh", "zoo.cfg")],
        ),
        (
            "kafka",
            [f"/etc/millrace/{name}" for name in ("caught-up.sh", *JAVA, "server.properties", "start-kafka.sh")],
        ),
        ("redis", ["/etc/millrace/redis.conf", "/etc/millrace/start-redis.sh"]),
    ],
)
def test_every_file_is_where_the_server_looks_for_it(name: str, paths: list[str]) -> None:
    item = workload(name)
    assert sorted(contents(item)) == paths
    assert not any(file.secret for file in item.files)
    catch_up = item.catch_up.command if item.catch_up else []
    named = " ".join([*item.command, *catch_up, *item.env.values(), *map(str, contents(item).values())])
    assert all(path in named for path in paths), "an unused file is a mistake"


def test_a_failed_name_lookup_is_not_cached() -> None:
    for name in ("zookeeper", "kafka"):
        cache = contents(workload(name))["/etc/millrace/java.security"]
        assert cache == "networkaddress.cache.negative.ttl=0\nnetworkaddress.cache.ttl=5\n"


def test_a_given_logging_configuration_is_used() -> None:
    for name in ("zookeeper", "kafka"):
        logging = contents(workload(name))["/etc/millrace/log4j.properties"]
        assert logging in [file.content for file in java_files()]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", SERVERS)
def test_only_placeholders_that_every_target_replaces_are_used(stack: str, name: str) -> None:
    item = workloads_of(settings_of(stack))[name]
    used = {found for text in [*item.command, *item.env.values()] for found in re.findall(r"\$\((\w+)\)", text)}
    assert used <= {"ORDINAL", "HOST"}
    assert not re.search(r"\$\([A-Z_]+\)", " ".join(item.readiness.command)), "placeholders in probes are not replaced"


# Sizes, names and images


@pytest.mark.parametrize(
    ("stack", "name", "replicas", "memory", "cpu", "cpu_limit", "grace"),
    [
        ("dev", "zookeeper", 1, 512, "250m", None, 10),
        ("dev", "kafka", 1, 1024, "250m", None, 30),
        ("dev", "redis", 1, 256, "250m", None, 10),
        ("staging", "zookeeper", 3, 512, "250m", None, 20),
        ("staging", "kafka", 3, 1024, "250m", None, 120),
        ("staging", "redis", 1, 512, "250m", None, 10),
        ("prod", "zookeeper", 3, 1024, "250m", "1", 30),
        ("prod", "kafka", 3, 4096, "500m", "2", 120),
        ("prod", "redis", 1, 512, "100m", "500m", 30),
    ],
)
def test_members_resources_and_grace_come_from_the_settings(
    stack: str, name: str, replicas: int, memory: int, cpu: str, cpu_limit: str | None, grace: int
) -> None:
    item = workloads_of(settings_of(stack))[name]
    assert item.name == name
    assert item.image == f"{name}:test"
    assert item.members == [f"{name}-{ordinal}" for ordinal in range(replicas)]
    assert item.resources == Resources(memory=memory * MIB, cpu=cpu, cpu_limit=cpu_limit)
    assert item.stop_grace == timedelta(seconds=grace)


@pytest.mark.parametrize(("name", "outside"), [("zookeeper", 12181), ("kafka", 19092), ("redis", 16379)])
def test_container_ports_are_fixed_and_published_ports_come_from_the_settings(name: str, outside: int) -> None:
    assert list(workload(name, {"profile": "ha"}).ports) == ports_of(name, on_this_machine(outside))


@pytest.mark.parametrize("name", SERVERS)
def test_no_port_is_exposed_on_kubernetes_unless_requested(name: str) -> None:
    item = workload(name, CLUSTER)
    assert list(item.ports) == ports_of(name, None)
    assert item.exposed == {}
    assert item.outside_addresses() == []


@pytest.mark.parametrize(("name", "port"), [("zookeeper", 2181), ("kafka", 29092), ("redis", 6379)])
@pytest.mark.parametrize("stack", STACKS)
def test_clients_inside_use_the_first_port(stack: str, name: str, port: int) -> None:
    assert workloads_of(settings_of(stack))[name].client_port.number == port


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
def test_each_member_is_published_at_the_next_port(stack: str, name: str, port: str, addresses: list[str]) -> None:
    item = workloads_of(settings_of(stack))[name]
    assert list(item.exposed) == [port]
    assert item.outside_addresses() == addresses


# Storage


@pytest.mark.parametrize("protect", [True, False])
def test_zookeeper_and_kafka_share_one_storage_lifetime_and_redis_has_its_own(protect: bool) -> None:
    sizes = {"zookeeper": {"storage": "5GiB"}, "kafka": {"storage": "70GiB"}}
    items = workloads_of(loaded({"protect": protect, **sizes}))
    shared = {"path": "/var/lib/kafka/data", "lifetime": "streaming", "protect": protect}
    assert items["zookeeper"].storage == Storage(size=5 * GIB, **shared)
    assert items["kafka"].storage == Storage(size=70 * GIB, **shared), (
        "a broker whose data outlives its ensemble's refuses to start"
    )
    assert items["redis"].storage == Storage(path="/data", size=10 * GIB, lifetime="redis", protect=protect)


def test_a_protected_topic_protects_only_the_storage_that_holds_it() -> None:
    items = workloads_of(loaded({"topics": [{"name": "a", "protect": True}, {"name": "b"}]}))
    assert {name: item.storage.protect for name, item in items.items()} == {
        "zookeeper": True,
        "kafka": True,
        "redis": False,
    }


def test_each_member_has_its_own_data_folder_in_the_storage() -> None:
    items = workloads_of(loaded())
    script = str(contents(items["zookeeper"])["/etc/millrace/start-zookeeper.sh"])
    path = items["kafka"].storage.path
    assert f"data={path}/zookeeper-$ordinal\n" in script
    assert f'"log.dirs={path}/kafka-$1"' in str(contents(items["kafka"])["/etc/millrace/start-kafka.sh"])
    assert "dir /data\n" in str(contents(items["redis"])["/etc/millrace/redis.conf"])


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
                start_period=timedelta(minutes=10),
            ),
        ),
        (
            "kafka",
            {"kafka": {"internalPort": 30000}},
            Probe(
                command=[
                    "bash",
                    "-c",
                    "exec 3<>/dev/tcp/127.0.0.1/30000; "
                    r"printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3; "
                    "head -c 10 <&3 | od -An -v -tx1 | grep -q '00 00 00 01 00 00$'",
                ],
                start_period=timedelta(minutes=30),
            ),
        ),
        (
            "redis",
            {},
            Probe(command=["sh", "-c", "redis-cli ping | grep -q PONG"], start_period=timedelta(minutes=10)),
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
                start_period=timedelta(minutes=10),
            ),
        ),
    ],
)
def test_a_probe_queries_the_server_itself(name: str, declared: dict[str, Any], probe: Probe) -> None:
    assert workload(name, declared).readiness == probe


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", SERVERS)
def test_a_probe_with_shell_syntax_runs_in_a_shell(stack: str, name: str) -> None:
    """Without a shell, a pipe is an argument, and the program before it succeeds whatever the server answers."""
    command = workloads_of(settings_of(stack))[name].readiness.command
    if any(SHELL_SYNTAX.search(argument) for argument in command):
        assert len(command) == 3
        assert command[0] in ("bash", "sh")
        assert command[1] == "-c"
        assert command[0] == "bash" or "/dev/tcp/" not in command[2], "only bash supports /dev/tcp"
    assert not {"|", ">", "<", "||", "&&", ";"} & set(command)


def test_probes_of_a_port_fail_if_nothing_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    assert not succeeds(kafka_probe(port))
    assert not succeeds(zookeeper_probe(port))
