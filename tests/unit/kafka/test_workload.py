"""The workload of brokers: command, start script, ports and probe.

Source: components/kafka/component.py, components/kafka/files.py.
Proof limit: the integration tests show that a target runs it so, and that the brokers then serve.
"""

import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from components.kafka.component import internal_bootstrap
from components.kafka.files import start_script
from components.naming import member_name
from components.outside import Outside
from tests.unit.regenerate_golden import rendered, workloads_of
from tests.unit.stack_files import loaded
from tests.unit.workloads import CLUSTER, contents, kafka_probe, on_this_machine, ports_of, succeeds, workload


def test_a_broker_starts_through_the_script_with_its_ordinal_and_host() -> None:
    item = workload("kafka")
    assert list(item.command) == ["bash", "/etc/millrace/start-kafka.sh", "$(ORDINAL)", "$(HOST)"]
    assert item.user == 1000, "the image's own user, by number: no target lets a server run as root"


START = "/opt/kafka/bin/kafka-server-start.sh"


def started(
    tmp_path: Path,
    outside: Outside | None,
    *arguments: str,
    zone: str | None = None,
    data: str = "/var/lib/kafka/data",
) -> subprocess.CompletedProcess[str]:
    """Run a broker's start script with a fake server that prints each argument on a line."""
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
    """The arguments that a broker's server must receive."""
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
        (on_this_machine(9092), 0, ",EXTERNAL://127.0.0.1:9092"),
        (on_this_machine(19092), 2, ",EXTERNAL://127.0.0.1:19094"),
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
        assert external == f",EXTERNAL://{outside.address(ordinal)}", (
            "the exported addresses are those that brokers advertise"
        )


@pytest.mark.parametrize("zone", ["", "\n"], ids=["empty", "a line end"])
def test_a_broker_on_a_node_without_a_zone_has_no_rack(tmp_path: Path, zone: str) -> None:
    done = started(tmp_path, None, "0", "kafka-0", zone=zone)
    assert done.stdout.splitlines() == overrides("INTERNAL://kafka-0:29092", ordinal=0)


def test_a_zone_of_several_words_is_one_argument(tmp_path: Path) -> None:
    done = started(tmp_path, None, "0", "kafka-0", zone='a zone * "$1"')
    assert done.stdout.splitlines()[-1] == 'broker.rack=a zone * "$1"'


@pytest.mark.parametrize("arguments", [(), ("0",)], ids=["neither ordinal nor host", "no host"])
def test_a_broker_without_an_ordinal_or_host_is_not_started(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = started(tmp_path, on_this_machine(9092), *arguments)
    assert done.returncode != 0
    assert done.stdout == ""


def test_the_brokers_start_script_replaces_itself_with_the_server(tmp_path: Path) -> None:
    """Signals must reach the server: a shell in between would prevent a controlled shutdown."""
    (tmp_path / "server").write_text("")
    script = start_script("/c", "/d", "/z", 1, None)
    (tmp_path / "start.sh").write_text(script.replace(START, "sh -c 'echo $PPID; echo $$' #"))
    with subprocess.Popen(
        ["bash", str(tmp_path / "start.sh"), "0", "kafka-0"], stdout=subprocess.PIPE, text=True
    ) as done:
        assert done.stdout is not None
        parent, own = done.stdout.read().split()
    assert (int(parent), int(own)) == (os.getpid(), done.pid)


def test_the_start_script_holds_the_workloads_own_values() -> None:
    item = workload("kafka", {"profile": "ha", "kafka": {"internalPort": 30000, "port": 19192}})
    assert contents(item)["/etc/millrace/start-kafka.sh"] == start_script(
        "/etc/millrace/server.properties", item.storage.path, str(item.zone_file), 30000, on_this_machine(19192)
    )
    inside = workload("kafka", CLUSTER)
    assert contents(inside)["/etc/millrace/start-kafka.sh"] == start_script(
        "/etc/millrace/server.properties", item.storage.path, str(item.zone_file), 29092, None
    )


def test_brokers_find_every_zookeeper_member_by_name() -> None:
    text = rendered("staging")["server.properties"]
    assert "zookeeper.connect=zookeeper-0:2181,zookeeper-1:2181,zookeeper-2:2181\n" in text


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
def test_only_brokers_can_be_exposed_on_kubernetes(
    kafka: dict[str, Any], outside: Outside, addresses: list[str]
) -> None:
    items = workloads_of(loaded({**CLUSTER, "kafka": {**kafka, "allowInsecureExternal": True}}))
    assert {name: dict(item.exposed) for name, item in items.items()} == {
        "zookeeper": {},
        "kafka": {"external": outside},
        "redis": {},
    }
    assert list(items["kafka"].ports) == ports_of("kafka", outside)
    assert items["kafka"].outside_addresses() == addresses, "each load balancer has its own host; nodes are shared"


def test_clients_outside_get_the_advertised_host() -> None:
    item = workload("kafka", {"kafka": {"advertisedHost": "kafka.example", "port": 9000}})
    assert item.outside_addresses() == ["kafka.example:9000"]


def test_members_of_the_platform_reach_brokers_by_name() -> None:
    item = workload("kafka", {"profile": "ha"})
    assert internal_bootstrap(item, member_name) == "kafka-0:29092,kafka-1:29092,kafka-2:29092"
    moved = workload("kafka", {"profile": "ha", "kafka": {"internalPort": 30000}})
    assert internal_bootstrap(moved, member_name) == "kafka-0:30000,kafka-1:30000,kafka-2:30000"


def broker(server: socket.socket, respond: Callable[[socket.socket], None]) -> tuple[threading.Thread, list[bytes]]:
    """Read one client's request as a broker does, by its length; then respond, and wait for the client to leave."""
    requests: list[bytes] = []

    def serve() -> None:
        client, _ = server.accept()
        with client:
            client.settimeout(10)
            (length,) = struct.unpack(">i", client.recv(4, socket.MSG_WAITALL))
            requests.append(client.recv(length, socket.MSG_WAITALL))
            with suppress(ConnectionError):  # a probe may close the connection before it has read everything
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
        pytest.param(api_versions(correlation=2), False, id="the-answer-to-a-different-request"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", False, id="a-different-protocol"),
        pytest.param(b"\0" * 64, False, id="zeros"),
        pytest.param(
            bytes.fromhex("0000000100000000000100000000000100000000"), False, id="the-pattern-at-a-later-position"
        ),
        pytest.param(b"\n" * 64, False, id="line-ends"),
    ],
)
def test_kafkas_probe_requests_api_versions_and_fails_on_any_other_answer(
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
def test_kafkas_probe_fails_if_the_broker_closes_the_connection(listener: socket.socket, sent: bytes) -> None:
    def respond(client: socket.socket) -> None:
        client.sendall(sent)
        client.shutdown(socket.SHUT_RDWR)

    thread, _ = broker(listener, respond)
    assert not succeeds(kafka_probe(listener.getsockname()[1]))
    thread.join()


@pytest.mark.parametrize("sent", [b"", api_versions()[:9]], ids=["nothing", "a-part-of-an-answer"])
def test_kafkas_probe_never_succeeds_while_a_broker_is_silent(listener: socket.socket, sent: bytes) -> None:
    """A broker that still loads its logs has an open port but is silent; the target ends the probe at its timeout."""
    thread, _ = broker(listener, lambda client: client.sendall(sent))
    probe = subprocess.Popen(kafka_probe(listener.getsockname()[1]), start_new_session=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            probe.wait(timeout=1)
    finally:
        os.killpg(probe.pid, signal.SIGKILL)
        probe.wait()
    thread.join()
