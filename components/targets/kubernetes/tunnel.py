"""A way to pods for clients on this machine: a SOCKS5 server on loopback, and listeners for clients without SOCKS.

Every connection opens one of its own to the pod that the host's first label names, so a pod that was replaced is
reached again by the next connection. Only the hosts that were named can be reached, and only from this machine.
"""

import contextlib
import select
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

from components.errors import ClusterError
from components.findings import host_and_port
from components.targets.kubernetes.port_forward import FAILED, PodConnection, PodRefused

Dial = Callable[[str, int], PodConnection]
"""Connects to a port of a pod, or raises ``PodRefused``."""

HANDSHAKE_SECONDS = 10.0
"""Seconds for a client to say where it wants to go."""

PING_SECONDS = 5.0
DEAD_SECONDS = 14.0
"""Seconds between questions to a pod's node, and without any answer until the connection counts as dead."""

LINGER_SECONDS = 3.0
"""Seconds without a byte after which a connection ends whose client has sent its last: the API cannot pass on that
end, and most clients that send it are gone altogether."""

CLOSE_SECONDS = 3.0
"""Seconds that :meth:`Tunnel.close` waits for connections to end."""

_VERSION, _CONNECT, _NO_AUTHENTICATION = 5, 1, 0
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_GRANTED, _NOT_ALLOWED, _NO_SUCH_COMMAND, _NO_SUCH_ADDRESS_TYPE = 0, 2, 7, 8
_NO_METHOD = 0xFF
_CHUNK = 64 * 1024
_FULL = 256 * 1024
"""Bytes that wait in one direction before its source is read on."""


class Tunnel:
    """The route to pods through the Kubernetes API.

    Args:
        hosts: Names that may be reached; the first label of each is its pod's name.
        dial: Connects to a port of a pod.
    """

    def __init__(self, hosts: Iterable[str], dial: Dial) -> None:
        self._pods = {_normal(host): _normal(host).partition(".")[0] for host in hosts}
        self._dial = dial
        self._troubles: dict[str, str] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._clients: dict[threading.Thread, socket.socket] = {}
        self._listeners: dict[str, str] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._socks = f"socks5h://{self._listen(self._serve_socks)}"
        self._acceptor = threading.Thread(target=self._accept, name="tunnel", daemon=True)
        self._acceptor.start()

    @property
    def proxy_url(self) -> str | None:
        """The SOCKS5 server, which resolves names itself."""
        return self._socks

    def local(self, address: str) -> str:
        """A listener of this machine whose connections all go to one address; opened once.

        Raises:
            ClusterError: The address is none of those that may be reached.
        """
        self._pod(address)
        with self._lock:
            if address not in self._listeners:

                def serve(client: socket.socket) -> None:
                    relay(client, self._open(address), self._closing)

                self._listeners[address] = self._listen(serve)
            return self._listeners[address]

    def connect(self, address: str, timeout: float) -> socket.socket:
        """A connection to a member, made when this returns.

        Raises:
            PodRefused: The API, the node or the pod refused.
            ClusterError: The address is none of those that may be reached.
        """
        pod = self._open(address)
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        self._start(theirs, lambda client: relay(client, pod, self._closing))
        return ours

    def trouble(self, address: str) -> str | None:
        """Why the last connection to a member was not made."""
        return self._troubles.get(_normal(address))

    def close(self) -> None:
        """End all listeners and connections."""
        if self._closing.is_set():
            return
        self._closing.set()
        with contextlib.suppress(OSError):  # the acceptor may have seen it already, and closed the other end
            self._wake.send(b"x")
        self._acceptor.join(CLOSE_SECONDS)
        self._wake.close()
        with self._lock:
            open_ones = dict(self._clients)
        for client in open_ones.values():
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + CLOSE_SECONDS
        for thread in open_ones:
            thread.join(max(end - time.monotonic(), 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _pod(self, address: str) -> str:
        pod = self._pods.get(_normal(host_and_port(address)[0]))
        if pod is None:
            raise ClusterError(f"{address} is none of this stack's members", [f"they are {', '.join(self._pods)}"])
        return pod

    def _open(self, address: str) -> PodConnection:
        """Connect to the pod, and remember why that failed."""
        pod, port = self._pod(address), host_and_port(address)[1]
        try:
            connection = self._dial(pod, port)
        except PodRefused as error:
            self._troubles[_normal(address)] = str(error)
            raise
        self._troubles.pop(_normal(address), None)
        return connection

    def _listen(self, serve: Callable[[socket.socket], None]) -> str:
        """Serve the connections to a new port of this machine; returns its address."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, serve)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def _accept(self) -> None:
        """Accept on all listeners, until the tunnel closes."""
        while not self._closing.is_set():
            for key, _ in self._selector.select():
                if isinstance(key.fileobj, socket.socket) and key.data:
                    try:
                        client, _ = key.fileobj.accept()
                    except OSError:  # the client is gone again, or there is no file descriptor left
                        time.sleep(0.01)
                        continue
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._start(client, key.data)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    def _start(self, client: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        def run() -> None:
            try:
                with client, contextlib.suppress(OSError, EOFError):
                    serve(client)
            finally:
                with self._lock:
                    del self._clients[threading.current_thread()]

        thread = threading.Thread(target=run, name="tunnel connection", daemon=True)
        with self._lock:
            self._clients[thread] = client
        thread.start()

    def _serve_socks(self, client: socket.socket) -> None:
        client.settimeout(HANDSHAKE_SECONDS)
        host, port, refusal = _socks_request(client)
        if not refusal and _normal(host) not in self._pods:
            refusal = _NOT_ALLOWED
        if refusal:
            _refuse(client, refusal)
            return
        try:
            pod = self._open(f"{host}:{port}")
        except PodRefused as error:
            _refuse(client, error.reply)
            return
        try:
            client.sendall(_reply(_GRANTED))
        except OSError:
            pod.close()
            raise
        relay(client, pod, self._closing)


def _normal(host: str) -> str:
    """A name, or an address, as it is compared."""
    name, colon, port = host.partition(":")
    return f"{name.removesuffix('.').lower()}{colon}{port}"


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = client.recv(size - len(data))
        if not chunk:
            raise EOFError("the client left in the middle of its request")
        data += chunk
    return data


def _socks_request(client: socket.socket) -> tuple[str, int, int]:
    """Read a client's request (RFC 1928): host, port, and the reply code that refuses it, or 0.

    Raises:
        EOFError: The client left, or speaks something else.
    """
    version, methods = _exactly(client, 2)
    if version != _VERSION:
        raise EOFError("not SOCKS5")
    if _NO_AUTHENTICATION not in _exactly(client, methods):
        client.sendall(bytes([_VERSION, _NO_METHOD]))
        raise EOFError("the client wants to log in")
    client.sendall(bytes([_VERSION, _NO_AUTHENTICATION]))
    version, command, _, kind = _exactly(client, 4)
    if version != _VERSION:
        raise EOFError("not SOCKS5")
    if kind not in (_IPV4, _DOMAIN, _IPV6):
        return "", 0, _NO_SUCH_ADDRESS_TYPE
    size = {_IPV4: 4, _IPV6: 16}.get(kind) or _exactly(client, 1)[0]
    host = _exactly(client, size)
    port: int = struct.unpack(">H", _exactly(client, 2))[0]
    if command != _CONNECT:
        return "", 0, _NO_SUCH_COMMAND
    if kind != _DOMAIN:
        return "", 0, _NO_SUCH_ADDRESS_TYPE
    return host.decode("ascii", errors="replace"), port, 0


def _reply(code: int) -> bytes:
    return bytes([_VERSION, code, 0, _IPV4]) + bytes(6)


def _refuse(client: socket.socket, code: int) -> None:
    """Reply, and read what else the client sent: closing over unread bytes would take the reply from it."""
    client.sendall(_reply(code or FAILED))
    client.shutdown(socket.SHUT_WR)
    client.settimeout(1.0)
    while client.recv(_CHUNK):
        pass


def relay(client: socket.socket, pod: PodConnection, closing: threading.Event) -> None:
    """Pass bytes both ways until either side ends, then close the pod's connection.

    Args:
        client: The client's connection; its owner closes it.
        pod: The connection to the pod.
        closing: Set when everything has to end.
    """
    try:
        client.setblocking(False)
        _Relay(client, pod).run(closing)
    finally:
        pod.close()


class _Relay:
    """Bytes of one connection on their way; one thread does all, since TLS bears no two at a time."""

    def __init__(self, client: socket.socket, pod: PodConnection) -> None:
        self._client = client
        self._pod = pod
        self._to_client = bytearray(pod.receive())  # a pod may have spoken, and even ended, before its client is here
        self._client_ended = False
        self._client_gone = False
        self._moved = time.monotonic()
        self._pinged = 0.0

    def run(self, closing: threading.Event) -> None:
        while not closing.is_set() and not self._is_over():
            self._keep_alive()
            client, pod = self._wait()
            if client & (select.POLLIN | select.POLLHUP):
                self._read_client(hung_up=bool(client & select.POLLHUP))
            if client & (select.POLLERR | select.POLLNVAL):
                return
            if pod:
                self._to_client += self._pod.receive()
            self._pod.flush()
            self._write_client()

    def _is_over(self) -> bool:
        if self._pod.ended and not self._to_client:
            return True
        if self._client_gone and not self._pod.unsent:
            return True
        ending = self._pod.ended or self._client_ended
        return ending and time.monotonic() - self._moved > LINGER_SECONDS

    def _keep_alive(self) -> None:
        """Ask the pod's node for an answer now and then; give up where it ceased to give any."""
        now = time.monotonic()
        if len(self._to_client) >= _FULL:
            self._pod.heard = now  # nothing is read, so nothing can be heard
        if self._pod.answers_pings and now - self._pod.heard > DEAD_SECONDS:
            self._pod.ended = True
        elif now - self._pinged >= PING_SECONDS:
            self._pinged = now
            self._pod.ping()
            self._pod.flush()

    def _wait(self) -> tuple[int, int]:
        """Wait until something can be moved; the events of client and pod."""
        poll = select.poll()
        wants_client = select.POLLOUT if self._to_client else 0
        if not self._client_ended and not self._pod.ended and self._pod.unsent < _FULL:
            wants_client |= select.POLLIN
        if not self._client_gone:
            poll.register(self._client, wants_client)
        wants_pod = select.POLLOUT if self._pod.unsent else 0
        if len(self._to_client) < _FULL:
            wants_pod |= select.POLLIN
        if wants_pod and not self._pod.ended:
            poll.register(self._pod, wants_pod)
        until = self._pinged + PING_SECONDS
        if self._pod.ended or self._client_ended:
            until = min(until, self._moved + LINGER_SECONDS)
        more = self._pod.buffered and wants_pod & select.POLLIN
        wait = 0 if more else max(until - time.monotonic(), 0) * 1000 + 1
        events = dict(poll.poll(wait))
        pod = 0 if self._pod.ended else events.get(self._pod.fileno(), 0)
        return events.get(self._client.fileno(), 0), pod or (select.POLLIN if more else 0)

    def _read_client(self, *, hung_up: bool) -> None:
        """Read once; all that is left where the client is gone altogether."""
        try:
            while not self._client_ended:
                data = self._client.recv(_CHUNK)
                self._client_ended = not data
                if data:
                    self._moved = time.monotonic()
                    self._pod.send(data)
                if not hung_up:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self._client_ended = self._client_gone = True
        if hung_up:
            self._client_ended = self._client_gone = True
        if self._client_ended:
            self._moved = time.monotonic()

    def _write_client(self) -> None:
        try:
            while self._to_client:
                sent = self._client.send(self._to_client[:_CHUNK])
                del self._to_client[:sent]
                self._moved = time.monotonic()
        except BlockingIOError:
            pass
        except OSError:
            self._client_gone = True
            self._to_client.clear()
