"""The tunnel to pods: SOCKS5 requests, and data in both directions over WebSocket frames of a fake node.

Source: components/targets/kubernetes/tunnel.py.
Proof limit: the node and the API server imitate those of Kubernetes 1.33; only the tests on a real cluster show
that real ones answer so.
"""

import base64
import hashlib
import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.errors import ClusterError
from components.kafka import client as kafka
from components.kafka.health import unreachable
from components.redis import client as redis
from components.routes import DIRECT
from components.targets import routes
from components.targets.kubernetes import relay
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.port_forward import PodConnection, PodRefused, PortForward
from components.targets.kubernetes.socks import FAILED, REFUSED, UNREACHABLE_HOST
from components.targets.kubernetes.tunnel import Tunnel
from components.targets.routes import open_route as route
from components.zookeeper import client as zookeeper

HOST = "kafka-0.kafka.prod.svc.cluster.local"
OTHER = "kafka-1.kafka.prod.svc.cluster.local"
ECHO, REFUSING, SILENT, GREETING, LEAVING, LATE, ABSENT, FORBIDDEN, MORTAL, DEAF, ONCE = range(9000, 9011)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
REFUSED_WORDS = "error forwarding port 9001: dial tcp4 127.0.0.1:9001: connect: connection refused"


def frame(payload: bytes, opcode: int = BINARY, *, final: bool = True) -> bytes:
    """A frame as servers send it: without a mask."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
    return bytes([opcode | (0x80 if final else 0)]) + length + payload


class Node:
    """The far end of one connection: a node and the pod behind it."""

    def __init__(self, end: socket.socket, port: int) -> None:
        self.end, self.port = end, port
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def take(self) -> None:
        port = self.port.to_bytes(2, "little")
        refusal = frame(b"\1" + REFUSED_WORDS.encode()) if self.port == REFUSING else b""
        self.end.sendall(frame(b"\0" + port) + frame(b"\1" + port) + refusal)

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self.end.recv(size - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return bytes(data)

    def receive(self) -> tuple[int, bytes]:
        first, second = self.exactly(2)
        assert second & 0x80, "a client's frames must be masked"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8))
        mask, payload = self.exactly(4), self.exactly(size)
        key = int.from_bytes((mask * (size // 4 + 1))[:size])
        return first & 0x0F, (int.from_bytes(payload) ^ key).to_bytes(size)

    def run(self) -> None:
        with self.end:
            try:
                self.play()
            except (EOFError, OSError):
                return

    def play(self) -> None:
        self.take()
        if self.port == REFUSING:
            return
        if self.port == GREETING:
            self.end.sendall(frame(b"\0hello") + frame(b"", CLOSE))
            return
        if self.port == LEAVING:
            self.receive_data()
            self.end.sendall(frame(b"\0" + b"x" * 500_000))
            return
        if self.port == LATE:
            self.receive_data()
            self.end.sendall(frame(b"\0part") + frame(b"\1lost connection to pod"))
            threading.Event().wait(30)
        while True:
            opcode, payload = self.receive()
            if opcode == CLOSE:
                return
            if opcode == PING and self.port != DEAF:
                self.end.sendall(frame(payload, PONG))
                if self.port == MORTAL:
                    threading.Event().wait(30)
            if opcode == BINARY and self.port not in (SILENT, MORTAL):
                assert payload[:1] == b"\0"
                self.end.sendall(frame(payload))

    def receive_data(self) -> bytes:
        while True:
            opcode, payload = self.receive()
            if opcode == BINARY:
                return payload[1:]


class Dialed:
    """Dials fake nodes, and records the requests."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.nodes: list[Node] = []

    def __call__(self, pod: str, port: int) -> PodConnection:
        self.asked.append((pod, port))
        if port == ABSENT:
            raise PodRefused('pods "kafka-0" not found', UNREACHABLE_HOST)
        if port == FORBIDDEN:
            raise PodRefused("pods/portforward is forbidden", FAILED)
        if port == ONCE and self.asked.count((pod, port)) == 1:
            raise PodRefused("not yet", REFUSED)
        ours, theirs = socket.socketpair()
        self.nodes.append(Node(theirs, port))
        connection = PodConnection(ours)
        try:
            connection.settle(timeout=5, grace=0.02)
        except PodRefused:
            connection.close()
            raise
        return connection


@pytest.fixture
def dialed() -> Dialed:
    return Dialed()


@pytest.fixture
def opened(dialed: Dialed) -> Iterator[Tunnel]:
    with Tunnel([HOST, OTHER], dialed) as made:
        yield made


def to_socks(opened: Tunnel) -> socket.socket:
    host, _, port = (opened.proxy_url or "").removeprefix("socks5h://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def request(host: str, port: int, command: int = 1) -> bytes:
    return bytes([5, command, 0, 3, len(host)]) + host.encode() + port.to_bytes(2)


def exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            break
        data += chunk
    return data


def everything(connection: socket.socket) -> bytes:
    data = bytearray()
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return bytes(data)


def socks(opened: Tunnel, host: str, port: int) -> socket.socket:
    """A connection to a host that the server accepted."""
    connection = to_socks(opened)
    connection.sendall(b"\5\1\0" + request(host, port))
    assert exactly(connection, 12) == b"\5\0" + b"\5\0\0\1" + bytes(6)
    return connection


def reply(opened: Tunnel, sent: bytes) -> bytes:
    """The server's whole answer to some bytes, until it closes the connection."""
    with to_socks(opened) as connection:
        connection.sendall(sent)
        return everything(connection)


def eventually(look: Callable[[], object], within: float = 5) -> bool:
    end = time.monotonic() + within
    while not look():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_a_name_connects_to_its_pod_in_both_directions(opened: Tunnel, dialed: Dialed) -> None:
    with socks(opened, HOST, ECHO) as connection:
        connection.sendall(b"ping")
        assert exactly(connection, 4) == b"ping"
    assert dialed.asked == [("kafka-0", ECHO)]


@pytest.mark.parametrize("host", [HOST.upper(), f"{HOST}.", f"{HOST.title()}."])
def test_names_ignore_case_and_a_trailing_dot(opened: Tunnel, dialed: Dialed, host: str) -> None:
    socks(opened, host, ECHO).close()
    assert dialed.asked == [("kafka-0", ECHO)]


@pytest.mark.parametrize(
    "host",
    [
        "kubernetes.default.svc",
        "kafka-0",
        "kafka-0.kafka.prod.svc",
        f"{HOST}..",
        f"x{HOST}",
        f"{HOST}.evil.example",
        "kafka-2.kafka.prod.svc.cluster.local",
        "127.0.0.1",
        "",
        "caf\xe9",
    ],
)
def test_any_other_name_is_refused_and_never_dialed(opened: Tunnel, dialed: Dialed, host: str) -> None:
    assert reply(opened, b"\5\1\0" + request(host, ECHO))[:4] == b"\5\0\5\2"
    assert dialed.asked == []


@pytest.mark.parametrize(
    ("port", "code"), [(REFUSING, 5), (ABSENT, 4), (FORBIDDEN, 1)], ids=["refused", "no pod", "forbidden"]
)
def test_an_unreachable_pod_is_reported_by_the_reply_code(opened: Tunnel, port: int, code: int) -> None:
    assert reply(opened, b"\5\1\0" + request(HOST, port)) == b"\5\0" + bytes([5, code, 0, 1]) + bytes(6)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"\5\1\0" + request(HOST, ECHO, command=2), b"\5\0\5\7"),
        (b"\5\1\0" + request(HOST, ECHO, command=3), b"\5\0\5\7"),
        (b"\5\1\0\5\1\0\1" + bytes(4) + b"\x23\x28", b"\5\0\5\10"),
        (b"\5\1\0\5\1\0\4" + bytes(16) + b"\x23\x28", b"\5\0\5\10"),
        (b"\5\1\0\5\1\0\x09" + bytes(30), b"\5\0\5\10"),
        (b"\5\1\2", b"\5\xff"),
        (b"\5\0", b"\5\xff"),
        (b"\4\1\x23\x28\1\2\3\4user\0", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\5\1\0\4\1\0\1" + bytes(6), b"\5\0"),
    ],
    ids=["bind", "udp", "ipv4", "ipv6", "unknown kind", "login", "no method", "socks4", "http", "wrong version"],
)
def test_any_request_except_connect_to_a_name_is_refused_as_the_standard_says(
    opened: Tunnel, dialed: Dialed, sent: bytes, answer: bytes
) -> None:
    assert reply(opened, sent)[:4] == answer
    assert dialed.asked == []


def test_a_request_may_arrive_byte_by_byte_followed_by_data(opened: Tunnel) -> None:
    with to_socks(opened) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\5\2\0\2" + request(HOST, ECHO) + b"early":
            connection.sendall(bytes([byte]))
        assert exactly(connection, 12)[:4] == b"\5\0\5\0"
        assert exactly(connection, 5) == b"early"


def test_a_client_that_disconnects_during_its_request_leaves_nothing_behind(opened: Tunnel, dialed: Dialed) -> None:
    whole = b"\5\1\0" + request(HOST, ECHO)
    for size in range(len(whole)):
        with to_socks(opened) as connection:
            connection.sendall(whole[:size])
    assert eventually(lambda: not threads("tunnel connection"))
    assert dialed.asked == []


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_large_data_arrives_complete_at_a_slow_client(opened: Tunnel) -> None:
    sent = os.urandom(6_000_000)
    with socks(opened, HOST, ECHO) as connection:
        writer = threading.Thread(target=connection.sendall, args=(sent,))
        writer.start()
        time.sleep(0.2)
        assert exactly(connection, len(sent)) == sent
        writer.join()


def test_a_client_that_closed_its_sending_side_still_gets_its_answer(
    opened: Tunnel, dialed: Dialed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LINGER_SECONDS", 0.3)
    with socks(opened, HOST, ECHO) as connection:
        connection.sendall(b"mntr")
        connection.shutdown(socket.SHUT_WR)
        start = time.monotonic()
        assert everything(connection) == b"mntr"
        assert time.monotonic() - start >= 0.3, "an answer may take a while"
    dialed.nodes[0].thread.join(5)
    assert not dialed.nodes[0].thread.is_alive(), "then the connection to the pod is closed"


def test_a_client_that_disconnects_ends_the_connection_to_the_pod(
    opened: Tunnel, dialed: Dialed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LINGER_SECONDS", 0.1)
    socks(opened, HOST, SILENT).close()
    dialed.nodes[0].thread.join(5)
    assert not dialed.nodes[0].thread.is_alive()


def test_the_last_data_of_a_pod_arrives_before_the_end(opened: Tunnel) -> None:
    with socks(opened, HOST, LEAVING) as connection:
        connection.sendall(b"go")
        time.sleep(0.2)
        assert len(everything(connection)) == 500_000
    with socks(opened, HOST, GREETING) as connection:
        assert everything(connection) == b"hello"


def test_a_late_error_ends_the_connection_at_once(opened: Tunnel) -> None:
    with socks(opened, HOST, LATE) as connection:
        connection.sendall(b"go")
        start = time.monotonic()
        assert everything(connection) == b"part"
        assert time.monotonic() - start < 2


def test_a_node_that_stops_answering_pings_counts_as_dead(opened: Tunnel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PING_SECONDS", 0.1)
    monkeypatch.setattr(relay, "DEAD_SECONDS", 1.0)
    with (
        socks(opened, HOST, MORTAL) as mortal,
        socks(opened, HOST, SILENT) as silent,
        socks(opened, HOST, DEAF) as deaf,
    ):
        start = time.monotonic()
        assert everything(mortal) == b""
        assert 0.5 < time.monotonic() - start < 10
        silent.settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent.recv(1)  # its node answers pings, so a silent connection is not dead
        deaf.sendall(b"there?")
        assert exactly(deaf, 6) == b"there?", "a connection on which pings are never forwarded must still work"


def test_a_hundred_concurrent_connections_do_not_mix(opened: Tunnel) -> None:
    connections = [socks(opened, host, ECHO) for host in (HOST, OTHER) for _ in range(50)]
    for number, connection in enumerate(connections):
        connection.sendall(f"{number:08}".encode() * 100)
    for number, connection in enumerate(connections):
        assert exactly(connection, 800) == f"{number:08}".encode() * 100
        connection.close()


def test_a_local_address_is_opened_once_and_connects_to_its_pod(opened: Tunnel, dialed: Dialed) -> None:
    first = opened.local(f"{HOST}:{ECHO}")
    assert opened.local(f"{HOST}:{ECHO}") == first
    assert opened.local(f"{OTHER}:{ECHO}") != first
    host, _, port = first.partition(":")
    assert host == "127.0.0.1"
    for word in (b"one", b"two"):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(word)
            assert exactly(connection, 3) == word
    assert dialed.asked == [("kafka-0", ECHO)] * 2, "every connection is a new request to the API"


def test_a_local_address_of_a_pod_that_refuses_closes_and_records_the_reason(opened: Tunnel) -> None:
    address = f"{HOST}:{ONCE}"
    host, _, port = opened.local(address).partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        assert everything(connection) == b""
    assert opened.trouble(address.upper()) == "not yet"
    opened.connect(address, 5).close()
    assert opened.trouble(address) is None, "a successful connection clears the reason"


def test_a_foreign_address_is_refused_with_a_message(opened: Tunnel, dialed: Dialed) -> None:
    for ask in (opened.local, lambda address: opened.connect(address, 1)):
        with pytest.raises(ClusterError, match="is not a member of this stack"):
            ask("kubernetes.default.svc:443")
    assert dialed.asked == []


def test_a_failed_connection_within_the_process_has_the_reason(opened: Tunnel) -> None:
    with pytest.raises(ConnectionRefusedError, match="connection refused") as refused:
        opened.connect(f"{HOST}:{REFUSING}", 5)
    assert isinstance(refused.value, PodRefused)
    with opened.connect(f"{HOST}:{ECHO}", 5) as connection:
        connection.sendall(b"well")
        assert exactly(connection, 4) == b"well"


def test_errors_of_clients_name_the_members_own_address_and_the_reason(opened: Tunnel) -> None:
    address = f"{HOST}:{ABSENT}"
    assert not kafka.any_listens(address, route=opened)
    assert kafka.any_listens(f"{address},{HOST}:{ECHO}", route=opened)
    assert unreachable(address, {"kafka-0": address}, {}, route=opened) == [
        f'kafka-0: no broker answers at {address} (pods "kafka-0" not found); expected an answer'
    ]
    (line,) = zookeeper.role_findings({"kafka-0": address}, {}, route=opened)
    assert f'nothing answers at {address} (pods "kafka-0" not found)' in line
    (line,) = redis.findings(
        member="kafka-0",
        address=address,
        password=None,
        append_only=False,
        save=[],
        logs={},
        writes=True,
        route=opened,
    )
    assert f"a write and a read at {address} failed" in line
    assert "127.0.0.1" not in line


def test_listeners_are_only_on_loopback(opened: Tunnel) -> None:
    names = [opened.local(f"{HOST}:{ECHO}"), (opened.proxy_url or "").removeprefix("socks5h://")]
    assert all(name.startswith("127.0.0.1:") for name in names)


def test_close_ends_all_listeners_and_connections(dialed: Dialed) -> None:
    threads_before, files_before = set(threading.enumerate()), open_files()
    opened = Tunnel([HOST], dialed)
    local = opened.local(f"{HOST}:{SILENT}").rpartition(":")[2]
    connections = [socks(opened, HOST, SILENT) for _ in range(5)]
    connections += [opened.connect(f"{HOST}:{SILENT}", 5), socket.create_connection(("127.0.0.1", int(local)), 5)]
    connections.append(to_socks(opened))  # it has not sent a request yet
    assert eventually(lambda: len(dialed.nodes) == 7)
    opened.close()
    opened.close()
    for connection in connections:
        assert everything(connection) == b""
        connection.close()
    for node in dialed.nodes:
        node.thread.join(5)
    with pytest.raises(ConnectionRefusedError):
        to_socks(opened)
    assert eventually(lambda: not set(threading.enumerate()) - threads_before)
    assert open_files() <= files_before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def connected() -> tuple[PodConnection, socket.socket]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    return PodConnection(ours), theirs


def test_frames_may_arrive_in_pieces_and_messages_in_several_frames() -> None:
    sent = frame(b"\0\x28\x23") + frame(b"\1\x28\x23") + frame(b"\0one", final=False) + frame(b"two", 0)
    sent += (
        frame(b"", PING) + frame(b"\0" + b"x" * 300) + frame(b"\0" + b"y" * 70_000) + frame(b"\0") + frame(b"", TEXT)
    )
    wanted = b"onetwo" + b"x" * 300 + b"y" * 70_000
    for size in (1, 2, 3, 7, 1000, len(sent)):
        connection, node = connected()
        got = b""
        for start in range(0, min(len(sent), 2000 if size < 7 else len(sent)), size):
            node.sendall(sent[start : start + size])
            got += connection.receive()
        assert wanted.startswith(got)
        assert len(got) > 300
        assert size < 7 or got == wanted
        assert not connection.ended
        node.close()
        connection.close()


def test_a_ping_is_answered_with_its_own_payload() -> None:
    connection, node = connected()
    node.sendall(frame(b"still there?", PING))
    assert connection.receive() == b""
    connection.flush()
    answer = exactly(node, 18)
    assert answer[0] == 0x80 | PONG
    assert bytes(byte ^ answer[2:6][index % 4] for index, byte in enumerate(answer[6:])) == b"still there?"
    connection.close()
    node.close()


@pytest.mark.parametrize("sent", [b"\x82\x81mask!", b"\x82\x7f" + b"\xff" * 8, frame(b"", CLOSE)])
def test_protocol_errors_and_close_frames_end_the_connection(sent: bytes) -> None:
    connection, node = connected()
    node.sendall(sent)
    assert connection.receive() == b""
    assert connection.ended
    connection.close()
    node.close()


def test_a_node_that_never_accepts_the_port_times_out() -> None:
    connection, node = connected()
    with pytest.raises(PodRefused, match="did not answer"):
        connection.settle(timeout=0.05)
    node.close()
    with pytest.raises(PodRefused, match="closed the connection"):
        connection.settle(timeout=5)
    connection.close()


class Server(socketserver.ThreadingTCPServer):
    """An API server that forwards ports of ``kafka-0`` to fake nodes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answers: list[tuple[int, str]] = []
        self.nodes: list[Node] = []

    def kubeconfig(self, folder: Path, **user: Any) -> str:
        server = f"http://127.0.0.1:{self.server_address[1]}/through/proxy"
        content = {
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "here", "user": "me"}}],
        }
        file = folder / "kubeconfig"
        file.write_text(json.dumps(content))
        return str(file)


class Handler(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.server.requests.append((first, headers))
        if self.server.answers:
            status, message = self.server.answers.pop(0)
            body = json.dumps({"kind": "Status", "message": message})
            self.request.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            return
        key = f"{headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()
        digest = hashlib.sha1(key, usedforsecurity=False).digest()
        self.request.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: "
            + base64.b64encode(digest)
            + b"\r\n\r\n"
        )
        port = int(first.split()[1].rpartition("=")[2])
        node = Node(self.request.dup(), port)
        self.server.nodes.append(node)
        node.thread.join()


@pytest.fixture
def api() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_pods_port_is_requested_with_the_contexts_credentials(api: Server, tmp_path: Path) -> None:
    dial = PortForward(Access(api.kubeconfig(tmp_path, token="t0ken"), "test"), "prod")
    connection = dial("kafka-0", ECHO)
    connection.send(b"well")
    connection.flush()
    assert eventually(lambda: connection.receive() == b"well")
    connection.close()
    ((first, headers),) = api.requests
    assert first == f"GET /through/proxy/api/v1/namespaces/prod/pods/kafka-0/portforward?ports={ECHO} HTTP/1.1"
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["sec-websocket-protocol"] == "v4.channel.k8s.io"


@pytest.mark.parametrize(
    ("status", "message", "reply", "words"),
    [
        (404, 'pods "kafka-0" not found', 4, 'does not forward a port of kafka-0: pods "kafka-0" not found'),
        (403, 'User "me" cannot create resource "pods/portforward"', 1, "cannot create resource"),
        (500, "pod is not running", 4, "pod is not running"),
        (302, "elsewhere", 3, "does not answer"),
    ],
)
def test_a_refusal_of_the_api_is_passed_on(
    api: Server, tmp_path: Path, status: int, message: str, reply: int, words: str
) -> None:
    api.answers.append((status, message))
    with pytest.raises(PodRefused, match=words) as refused:
        PortForward(Access(api.kubeconfig(tmp_path), "test"), "prod")("kafka-0", ECHO)
    assert refused.value.reply == reply


def test_refused_credentials_are_reloaded_once(api: Server, tmp_path: Path) -> None:
    file = api.kubeconfig(tmp_path, token="old")
    dial = PortForward(Access(file, "test"), "prod")
    api.kubeconfig(tmp_path, token="new")
    api.answers.append((401, "Unauthorized"))
    dial("kafka-0", ECHO).close()
    assert [headers["authorization"] for _, headers in api.requests] == ["Bearer old", "Bearer new"]
    api.answers += [(401, "Unauthorized"), (401, "Unauthorized")]
    with pytest.raises(PodRefused, match="Unauthorized"):
        dial("kafka-0", ECHO)
    Path(file).unlink()
    api.answers.append((401, "Unauthorized"))
    with pytest.raises(PodRefused, match="there is no kubeconfig"):
        dial("kafka-0", ECHO)


def test_a_closed_port_is_reported_with_port_and_pod(api: Server, tmp_path: Path) -> None:
    with pytest.raises(PodRefused, match=f"^nothing listens on port {REFUSING} of kafka-0$"):
        PortForward(Access(api.kubeconfig(tmp_path), "test"), "prod")("kafka-0", REFUSING)


def test_an_unreachable_api_is_reported_with_its_address(api: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    file = Path(api.kubeconfig(tmp_path))
    file.write_text(file.read_text().replace(str(api.server_address[1]), str(port)))
    with pytest.raises(PodRefused, match=f"http://127.0.0.1:{port}/through/proxy does not answer") as refused:
        PortForward(Access(str(file), "test"), "prod")("kafka-0", ECHO)
    assert refused.value.reply == 3


def test_without_a_route_description_connections_are_direct() -> None:
    assert route(None) is DIRECT
    assert DIRECT.proxy_url is None
    assert DIRECT.local("127.0.0.1:9092") == "127.0.0.1:9092"
    assert DIRECT.trouble("127.0.0.1:9092") is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        DIRECT.connect(address, 1).close()
    with pytest.raises(ConnectionRefusedError):
        DIRECT.connect(address, 1)


def test_equal_descriptions_share_one_tunnel(api: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Callable[[], None]] = []
    monkeypatch.setattr(routes, "atexit", SimpleNamespace(register=closed.append))
    monkeypatch.setattr(routes, "_tunnels", {})
    via = {"kubeconfig": api.kubeconfig(tmp_path), "context": "test", "namespace": "prod", "hosts": [HOST]}
    first = route(via)
    assert route({**via, "hosts": [HOST], "__provider": "ignored"}) is first
    second = route({**via, "hosts": [HOST, OTHER]})
    assert second is not first
    address = f"{HOST}:{ECHO}"
    with first.connect(address, 5) as connection:
        connection.sendall(b"well")
        assert exactly(connection, 4) == b"well"
    assert len(closed) == 2, "both close when the process ends"
    for close in closed:
        close()


def test_an_unusable_description_is_reported_at_once(api: Server, tmp_path: Path) -> None:
    via = {"kubeconfig": api.kubeconfig(tmp_path), "context": "absent", "namespace": "prod", "hosts": [HOST]}
    with pytest.raises(ClusterError, match='no context "absent"'):
        route(via)
