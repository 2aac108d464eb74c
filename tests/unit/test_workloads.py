"""What runs: commands, files, ports, storage and probes of each server.

Proof limit: that a target runs it so, and that the servers then serve, is shown by the integration tests.
"""

import os
import re
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.kafka.component import internal_bootstrap
from components.kafka.files import log4j_properties, start_script
from components.naming import member_name
from components.outside import Outside
from components.properties import render_properties
from components.server import java_environment
from components.stack_file.settings import Settings, load_settings
from components.workload import ANYONE, CLIENTS, Port, Probe, Resources, Storage, Workload
from tests.unit.regenerate_golden import STACKS, rendered, settings_of, workloads_of

MIB = 1024**2
GIB = 1024**3
SERVERS = ("zookeeper", "kafka", "redis")
CLUSTER = {"target": "kubernetes", "profile": "production", "kubernetes": {"context": "test"}}
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


def here(port: int) -> Outside:
    """What clients on this machine are told."""
    return Outside(host="127.0.0.1", port=port, step=1, kind="hostPort")


# Commands, environment and files


def test_zookeeper_starts_through_the_script_with_its_number_and_name() -> None:
    item = workload("zookeeper")
    assert list(item.command) == ["bash", "/etc/millrace/start-zookeeper.sh", "$(ORDINAL)", "$(HOST)"]
    assert item.user == 1000, "the image's own user, by number: no target lets a server run as root"


def test_a_broker_starts_through_the_script_with_its_number_and_name() -> None:
    item = workload("kafka")
    assert list(item.command) == ["bash", "/etc/millrace/start-kafka.sh", "$(ORDINAL)", "$(HOST)"]
    assert item.user == 1000, "the image's own user, by number: no target lets a server run as root"


def test_brokers_alone_ask_for_their_zone_in_a_file_outside_their_configuration() -> None:
    assert {name: workload(name).zone_file for name in SERVERS} == {
        "zookeeper": None,
        "kafka": "/run/millrace/zone",
        "redis": None,
    }


def test_redis_starts_with_its_file_and_not_as_root() -> None:
    item = workload("redis")
    assert list(item.command) == ["redis-server", "/etc/millrace/redis.conf"]
    assert item.user == 999
    assert item.env == {}


@pytest.mark.parametrize(
    ("name", "heap", "own"),
    [("zookeeper", "256m", "-Dzookeeper.fastleader.maxNotificationInterval=2000 "), ("kafka", "512m", "")],
)
def test_a_java_servers_environment_is_what_the_start_scripts_read(name: str, heap: str, own: str) -> None:
    assert workload(name).env == {
        "EXTRA_ARGS": "",
        "KAFKA_HEAP_OPTS": f"-Xms{heap} -Xmx{heap}",
        "KAFKA_JVM_PERFORMANCE_OPTS": "-Djava.security.properties=/etc/millrace/java.security "
        f"{own}-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
        f"-XX:SharedArchiveFile=/opt/kafka/{name}.jsa",
        "KAFKA_LOG4J_OPTS": "-Dlog4j.configuration=file:/etc/millrace/log4j.properties",
        "LOG_DIR": "/tmp",  # noqa: S108  in the container
    }


def test_jvm_options_of_the_stack_file_stand_after_what_they_may_change() -> None:
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
            [f"/etc/millrace/{name}" for name in (*JAVA, "server.properties", "start-kafka.sh")],
        ),
        ("redis", ["/etc/millrace/redis.conf"]),
    ],
)
def test_every_file_stands_where_the_server_looks_for_it(name: str, paths: list[str]) -> None:
    item = workload(name)
    assert sorted(contents(item)) == paths
    assert not any(file.secret for file in item.files)
    named = " ".join([*item.command, *item.env.values(), *map(str, contents(item).values())])
    assert all(path in named for path in paths), "a file that nothing reads is a mistake"


def test_a_name_that_is_missing_is_looked_for_again_at_once() -> None:
    for name in ("zookeeper", "kafka"):
        cache = contents(workload(name))["/etc/millrace/java.security"]
        assert cache == "networkaddress.cache.negative.ttl=0\nnetworkaddress.cache.ttl=5\n"


def test_the_logging_configuration_is_the_given_one() -> None:
    for name in ("zookeeper", "kafka"):
        logging = contents(workload(name))["/etc/millrace/log4j.properties"]
        assert logging == render_properties(log4j_properties())


START = "/opt/kafka/bin/kafka-server-start.sh"


def started(
    tmp_path: Path,
    outside: Outside | None,
    *arguments: str,
    zone: str | None = None,
    data: str = "/var/lib/kafka/data",
) -> subprocess.CompletedProcess[str]:
    """Run a broker's start script with a server in place of Kafka's that prints its arguments, each on a line."""
    server, zone_file = tmp_path / "server", tmp_path / "zone"
    server.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    server.chmod(0o755)
    if zone is not None:
        zone_file.write_text(zone)
    script = start_script("/etc/millrace/server.properties", data, str(zone_file), 29092, outside)
    assert script.count(START) == 1
    file = tmp_path / "start-kafka.sh"
    file.write_text(script.replace(START, str(server)))
    return subprocess.run(["bash", str(file), *arguments], capture_output=True, text=True, check=False)


def overrides(listeners: str, *, ordinal: int, rack: str | None = None) -> list[str]:
    """The arguments that a broker's server must get."""
    return [
        "/etc/millrace/server.properties",
        *("--override", f"broker.id={ordinal}"),
        *("--override", f"log.dirs=/var/lib/kafka/data/kafka-{ordinal}"),
        *("--override", f"advertised.listeners={listeners}"),
        *(("--override", f"broker.rack={rack}") if rack is not None else ()),
    ]


@pytest.mark.parametrize(
    ("outside", "ordinal", "external"),
    [
        (None, 0, ""),
        (None, 2, ""),
        (here(9092), 0, ",EXTERNAL://127.0.0.1:9092"),
        (here(19092), 2, ",EXTERNAL://127.0.0.1:19094"),
        (Outside(host="h.example", port=30092, kind="nodePort"), 1, ",EXTERNAL://h.example:30093"),
        (Outside(host="h.example", port=30092, kind="nodePort"), 12, ",EXTERNAL://h.example:30104"),
        (Outside(host="n-{ordinal}.example", port=30092, kind="nodePort"), 2, ",EXTERNAL://n-2.example:30094"),
        (Outside(host="{ordinal}.example", port=9094, step=0, kind="loadBalancer"), 0, ",EXTERNAL://0.example:9094"),
        (Outside(host="k-{ordinal}", port=9094, step=0, kind="loadBalancer"), 2, ",EXTERNAL://k-2:9094"),
    ],
)
@pytest.mark.parametrize("rack", [None, "eu-1a"])
def test_a_broker_gets_its_identity_from_its_start_script(
    tmp_path: Path, outside: Outside | None, ordinal: int, external: str, rack: str | None
) -> None:
    host = f"kafka-{ordinal}.kafka.streaming.svc.cluster.local"
    done = started(tmp_path, outside, str(ordinal), host, zone=rack)
    assert done.stderr == ""
    assert done.stdout.splitlines() == overrides(f"INTERNAL://{host}:29092{external}", ordinal=ordinal, rack=rack)
    if outside is not None:
        assert external == f",EXTERNAL://{outside.address(ordinal)}", "what clients are told is what brokers advertise"


@pytest.mark.parametrize("zone", ["", "\n"], ids=["empty", "a line end"])
def test_a_broker_of_a_node_without_a_zone_has_no_rack(tmp_path: Path, zone: str) -> None:
    done = started(tmp_path, None, "0", "kafka-0", zone=zone)
    assert done.stdout.splitlines() == overrides("INTERNAL://kafka-0:29092", ordinal=0)


def test_a_zone_of_several_words_is_one_argument(tmp_path: Path) -> None:
    done = started(tmp_path, None, "0", "kafka-0", zone='a zone * "$1"')
    assert done.stdout.splitlines()[-1] == 'broker.rack=a zone * "$1"'


@pytest.mark.parametrize("arguments", [(), ("0",)], ids=["neither ordinal nor host", "no host"])
def test_a_broker_without_an_identity_is_not_started(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = started(tmp_path, here(9092), *arguments)
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_brokers_start_script_replaces_itself_with_the_server(tmp_path: Path) -> None:
    """Signals must reach the server: a shell between would leave it no time for a controlled shutdown."""
    (tmp_path / "server").write_text("")
    script = start_script("/c", "/d", "/z", 1, None)
    (tmp_path / "start.sh").write_text(script.replace(START, "sh -c 'echo $PPID; echo $$' #"))
    with subprocess.Popen(
        ["bash", str(tmp_path / "start.sh"), "0", "kafka-0"], stdout=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None
        parent, own = done.stdout.read().split()
    assert (int(parent), int(own)) == (os.getpid(), done.pid)


def test_the_brokers_start_script_is_the_one_of_the_workloads_own_values() -> None:
    item = workload("kafka", {"profile": "ha", "kafka": {"internalPort": 30000, "port": 19192}})
    assert contents(item)["/etc/millrace/start-kafka.sh"] == start_script(
        "/etc/millrace/server.properties", item.storage.path, str(item.zone_file), 30000, here(19192)
    )
    inside = workload("kafka", CLUSTER)
    assert contents(inside)["/etc/millrace/start-kafka.sh"] == start_script(
        "/etc/millrace/server.properties", item.storage.path, str(item.zone_file), 29092, None
    )


def test_brokers_find_every_zookeeper_member_by_name() -> None:
    text = rendered("staging")["server.properties"]
    assert "zookeeper.connect=zookeeper-0:2181,zookeeper-1:2181,zookeeper-2:2181\n" in text


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", SERVERS)
def test_only_placeholders_that_every_target_fills_in_are_used(stack: str, name: str) -> None:
    item = workloads_of(settings_of(stack))[name]
    used = {found for text in [*item.command, *item.env.values()] for found in re.findall(r"\$\((\w+)\)", text)}
    assert used <= {"ORDINAL", "HOST"}
    assert not re.search(r"\$\([A-Z_]+\)", " ".join(item.readiness.command)), "probes are not filled in"


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


# Ports


def ports_of(name: str, outside: Outside | None) -> list[Port]:
    """The ports of a server that is reached so from outside."""
    external = Port(name="external", number=9092, reached_by=[ANYONE], outside=outside)
    return {
        "zookeeper": [
            Port(name="client", number=2181, reached_by=["kafka"], outside=outside),
            Port(name="follower", number=2888, reached_by=["zookeeper"]),
            Port(name="election", number=3888, reached_by=["zookeeper"]),
        ],
        "kafka": [
            Port(name="internal", number=29092, reached_by=["kafka", CLIENTS]),
            *([external] if outside is not None else []),
        ],
        "redis": [Port(name="client", number=6379, reached_by=[CLIENTS], outside=outside)],
    }[name]


@pytest.mark.parametrize(("name", "outside"), [("zookeeper", 12181), ("kafka", 19092), ("redis", 16379)])
def test_ports_inside_are_fixed_and_those_outside_are_the_settings(name: str, outside: int) -> None:
    assert list(workload(name, {"profile": "ha"}).ports) == ports_of(name, here(outside))


@pytest.mark.parametrize("name", SERVERS)
def test_no_port_is_exposed_on_a_cluster_unless_that_is_asked_for(name: str) -> None:
    item = workload(name, CLUSTER)
    assert list(item.ports) == ports_of(name, None)
    assert item.exposed == {}
    assert item.outside_addresses() == []


@pytest.mark.parametrize(
    ("kafka", "outside", "addresses"),
    [
        (
            {"external": "nodePort", "advertisedHost": "nodes.example"},
            Outside(host="nodes.example", port=30092, step=1, kind="nodePort"),
            ["nodes.example:30092", "nodes.example:30093", "nodes.example:30094"],
        ),
        (
            {"external": "nodePort", "advertisedHost": "node-{ordinal}.example", "port": 31000},
            Outside(host="node-{ordinal}.example", port=31000, step=1, kind="nodePort"),
            ["node-0.example:31000", "node-1.example:31001", "node-2.example:31002"],
        ),
        (
            {"external": "loadBalancer", "advertisedHost": "kafka-{ordinal}.example", "port": 9094},
            Outside(host="kafka-{ordinal}.example", port=9094, step=0, kind="loadBalancer"),
            ["kafka-0.example:9094", "kafka-1.example:9094", "kafka-2.example:9094"],
        ),
    ],
)
def test_brokers_alone_are_exposed_on_a_cluster(kafka: dict[str, Any], outside: Outside, addresses: list[str]) -> None:
    items = workloads_of(settings({**CLUSTER, "kafka": kafka}))
    assert {name: dict(item.exposed) for name, item in items.items()} == {
        "zookeeper": {},
        "kafka": {"external": outside},
        "redis": {},
    }
    assert list(items["kafka"].ports) == ports_of("kafka", outside)
    assert items["kafka"].outside_addresses() == addresses, "each load balancer has a host of its own, nodes are shared"


@pytest.mark.parametrize(("name", "port"), [("zookeeper", 2181), ("kafka", 29092), ("redis", 6379)])
@pytest.mark.parametrize("stack", STACKS)
def test_clients_inside_take_the_first_port(stack: str, name: str, port: int) -> None:
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
def test_each_member_takes_the_next_port_outside(stack: str, name: str, port: str, addresses: list[str]) -> None:
    item = workloads_of(settings_of(stack))[name]
    assert list(item.exposed) == [port]
    assert item.outside_addresses() == addresses


def test_clients_outside_are_told_the_advertised_host() -> None:
    item = workload("kafka", {"kafka": {"advertisedHost": "kafka.example", "port": 9000}})
    assert item.outside_addresses() == ["kafka.example:9000"]


def test_members_of_the_platform_reach_brokers_by_name() -> None:
    item = workload("kafka", {"profile": "ha"})
    assert internal_bootstrap(item, member_name) == "kafka-0:29092,kafka-1:29092,kafka-2:29092"
    moved = workload("kafka", {"profile": "ha", "kafka": {"internalPort": 30000}})
    assert internal_bootstrap(moved, member_name) == "kafka-0:30000,kafka-1:30000,kafka-2:30000"


# Storage


@pytest.mark.parametrize("protect", [True, False])
def test_zookeeper_and_kafka_share_one_storage_lifetime_and_redis_has_its_own(protect: bool) -> None:
    sizes = {"zookeeper": {"storage": "5GiB"}, "kafka": {"storage": "70GiB"}}
    items = workloads_of(settings({"protect": protect, **sizes}))
    shared = {"path": "/var/lib/kafka/data", "lifetime": "streaming", "protect": protect}
    assert items["zookeeper"].storage == Storage(size=5 * GIB, **shared)
    assert items["kafka"].storage == Storage(size=70 * GIB, **shared), (
        "a broker whose data outlives its ensemble's refuses to start"
    )
    assert items["redis"].storage == Storage(path="/data", size=10 * GIB, lifetime="redis", protect=protect)


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
    assert f'"log.dirs={path}/kafka-$1"' in str(contents(items["kafka"])["/etc/millrace/start-kafka.sh"])
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
    listener.close()
    assert not succeeds(kafka_probe(port))
    assert not succeeds(zookeeper_probe(port))


def kafka_probe(port: int) -> list[str]:
    """Kafka's probe with the port that a test listens on."""
    return list(workload("kafka", {"kafka": {"internalPort": port}}).readiness.command)


def broker(server: socket.socket, respond: Callable[[socket.socket], None]) -> tuple[threading.Thread, list[bytes]]:
    """Read one client's request as a broker does, by its length; then respond, and wait for the client to leave."""
    requests: list[bytes] = []

    def serve() -> None:
        client, _ = server.accept()
        with client:
            client.settimeout(10)
            (length,) = struct.unpack(">i", client.recv(4, socket.MSG_WAITALL))
            requests.append(client.recv(length, socket.MSG_WAITALL))
            with suppress(ConnectionError):  # a probe that has seen enough leaves without reading the rest
                respond(client)
                client.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, requests


def api_versions(*, error: int = 0, correlation: int = 1) -> bytes:
    """A broker's answer to ApiVersions: an error and the versions of three requests."""
    versions = [(0, 0, 9), (3, 0, 12), (18, 0, 3)]
    body = struct.pack(">ihi", correlation, error, len(versions))
    body += b"".join(struct.pack(">hhh", *version) for version in versions)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        pytest.param(api_versions(), True, id="serves"),
        pytest.param(api_versions(error=35), False, id="unsupported-version"),
        pytest.param(api_versions(error=-1), False, id="unknown-error"),
        pytest.param(api_versions(error=256), False, id="error-in-the-high-byte"),
        pytest.param(api_versions(correlation=2), False, id="the-answer-to-another-request"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", False, id="another-protocol"),
        pytest.param(b"\0" * 64, False, id="zeros"),
        pytest.param(bytes.fromhex("0000000100000000000100000000000100000000"), False, id="the-pattern-further-on"),
        pytest.param(b"\n" * 64, False, id="line-ends"),
    ],
)
def test_kafkas_probe_asks_for_api_versions_and_fails_on_any_other_answer(
    listener: socket.socket, answer: bytes, healthy: bool
) -> None:
    thread, requests = broker(listener, lambda client: client.sendall(answer))
    assert succeeds(kafka_probe(listener.getsockname()[1])) is healthy
    thread.join()
    assert requests == [struct.pack(">hhih", 18, 0, 1, -1)], "ApiVersions, version 0, correlation 1, no client id"


def test_kafkas_probe_reads_an_answer_that_comes_in_pieces(listener: socket.socket) -> None:
    def respond(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in api_versions():
            client.sendall(bytes([byte]))
            threading.Event().wait(0.01)

    thread, _ = broker(listener, respond)
    assert succeeds(kafka_probe(listener.getsockname()[1]))
    thread.join()


@pytest.mark.parametrize("sent", [b"", api_versions()[:9]], ids=["at-once", "in-the-middle-of-an-answer"])
def test_kafkas_probe_fails_where_a_broker_hangs_up(listener: socket.socket, sent: bytes) -> None:
    def respond(client: socket.socket) -> None:
        client.sendall(sent)
        client.shutdown(socket.SHUT_RDWR)

    thread, _ = broker(listener, respond)
    assert not succeeds(kafka_probe(listener.getsockname()[1]))
    thread.join()


@pytest.mark.parametrize("sent", [b"", api_versions()[:9]], ids=["nothing", "a-part-of-an-answer"])
def test_kafkas_probe_never_succeeds_while_a_broker_is_silent(listener: socket.socket, sent: bytes) -> None:
    """The open port of a broker that still loads its log; the target ends the probe at its timeout."""
    thread, _ = broker(listener, lambda client: client.sendall(sent))
    probe = subprocess.Popen(kafka_probe(listener.getsockname()[1]), start_new_session=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            probe.wait(timeout=1)
    finally:
        os.killpg(probe.pid, signal.SIGKILL)
        probe.wait()
    thread.join()


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
