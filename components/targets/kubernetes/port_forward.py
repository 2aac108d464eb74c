"""One connection to a port of a pod, carried by a WebSocket of the Kubernetes API.

The API's port-forward speaks ``v4.channel.k8s.io``: each message starts with the number of its channel, 0 for bytes
both ways, 1 for an error as text. The first message of each channel is the port's number, sent when the node has
accepted the request and *before* it connects inside the pod; if nothing listens there, channel 1 says so. There is no
message for the end of one direction: either side ends both by closing the WebSocket.
"""

import json
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit

from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException

from components.errors import ClusterError
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.socks import FAILED, REFUSED, UNREACHABLE_HOST, UNREACHABLE_NETWORK

_http: Any = import_module("websocket._http")
ProxyError: type[Exception] = _http.ProxyError
"""python-socks' error, which websocket-client does not wrap; a class of its own where the package is absent."""

DIAL_SECONDS = 10.0
"""Seconds for the API server and the pod's node to accept a connection."""

SETTLE_SECONDS = 0.05
"""Seconds that a node gets to report that nothing listens on a port, once it has accepted the request."""

_SUBPROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_CHUNK = 64 * 1024
_LONGEST_MESSAGE = 64 * 1024 * 1024


class PodRefused(ConnectionRefusedError):
    """No connection to a pod's port was made.

    Args:
        why: The reason as text.
        reply: The reason as a reply code of SOCKS5.
    """

    def __init__(self, why: str, reply: int) -> None:
        super().__init__(why)
        self.reply = reply


class PodConnection:
    """Bytes to and from a pod's port; only :meth:`settle` blocks.

    Args:
        sock: Connected to the API server, with the WebSocket's handshake done.
        clock: Monotonic seconds.

    Attributes:
        ended: Whether nothing more comes, because the pod, its node or the API server closed.
        refusal: The node's reason why it could not make or keep the connection; empty while it could.
        last_received: When anything last arrived, by the clock.
        answers_pings: Whether a ping was ever answered.
    """

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        sock.setblocking(False)
        self.ended = False
        self.refusal = ""
        self.last_received = clock()
        self.answers_pings = False
        self._sock = sock
        self._clock = clock
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._arrived = bytearray()
        self._announced = {_DATA: 2, _ERROR: 2}  # bytes of the port's number that each channel has yet to send
        self._channel = _DATA

    def fileno(self) -> int:
        """For ``select.poll``."""
        return self._sock.fileno()

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._outgoing)

    @property
    def buffered(self) -> bool:
        """Whether there is more to receive that no poll reports, because TLS has already read it."""
        return isinstance(self._sock, ssl.SSLSocket) and not self.ended and self._sock.pending() > 0

    def send(self, data: bytes) -> None:
        """Queue bytes for the pod."""
        self._queue(bytes([_DATA]) + data, ABNF.OPCODE_BINARY)

    def ping(self) -> None:
        """Queue a ping, which the pod's node answers; :attr:`last_received` shows whether it did."""
        self._queue(b"", ABNF.OPCODE_PING)

    def _queue(self, payload: bytes, opcode: int) -> None:
        self._outgoing += ABNF.create_frame(payload, opcode).format()

    def flush(self) -> None:
        """Send as much of the queue as possible without blocking."""
        try:
            while self._outgoing and not self.ended:
                sent = self._sock.send(self._outgoing[:_CHUNK])
                del self._outgoing[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.ended = True

    def receive(self) -> bytes:
        """The pod's bytes that have arrived; empty where there are none, or where it :attr:`ended`."""
        self._read()
        arrived = bytes(self._arrived)
        self._arrived.clear()
        return arrived

    def _read(self) -> None:
        try:
            while not self.ended and len(self._arrived) < 4 * _CHUNK:
                chunk = self._sock.recv(_CHUNK)
                if not chunk:
                    self.ended = True
                self.last_received = self._clock()
                self._incoming += chunk
                for opcode, payload in self._frames():
                    self._take(opcode, payload)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.ended = True

    def _frames(self) -> Generator[tuple[int, bytes]]:
        """Opcode and payload of each complete frame received. A server does not mask its frames."""
        buffer = self._incoming
        while len(buffer) >= 2:
            size = {126: 2, 127: 8}.get(buffer[1], 0)
            start = 2 + size
            length = int.from_bytes(buffer[2:start]) if size else buffer[1]
            if buffer[1] > 127 or length > _LONGEST_MESSAGE:
                self.ended = True
                return
            if len(buffer) < start + length:
                return
            opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + length])
            del buffer[: start + length]
            yield opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == ABNF.OPCODE_CLOSE:
            self.ended = True
        elif opcode == ABNF.OPCODE_PING:
            self._queue(payload, ABNF.OPCODE_PONG)
        elif opcode == ABNF.OPCODE_PONG:
            self.answers_pings = True
        elif payload:
            if opcode != ABNF.OPCODE_CONT:
                self._channel, payload = payload[0], payload[1:]
            self._deliver(payload)

    def _deliver(self, payload: bytes) -> None:
        header = min(self._announced.get(self._channel, 0), len(payload))
        if header:
            self._announced[self._channel] -= header
            payload = payload[header:]
        if self._channel == _DATA:
            self._arrived += payload
        elif payload:
            self.refusal += payload.decode(errors="replace")
            self.ended = True

    def settle(self, timeout: float = DIAL_SECONDS, grace: float = SETTLE_SECONDS) -> None:
        """Wait until the node has accepted the port, and a moment longer for it to report that nothing listens there.

        A later refusal ends the connection as soon as it arrives.

        Args:
            timeout: Seconds for the node to accept.
            grace: Seconds for a refusal after that.

        Raises:
            PodRefused: The node refused, closed or did not answer.
        """
        end = self._clock() + timeout
        accepted = False
        while not self._arrived:
            if not accepted and not any(self._announced.values()):
                accepted, end = True, min(end, self._clock() + grace)
            left = end - self._clock()
            if self.ended or left <= 0:
                break
            poll = select.poll()
            poll.register(self, select.POLLIN)
            if self.buffered or poll.poll(left * 1000):
                self._read()
        if self.refusal:
            raise PodRefused(self.refusal, REFUSED)
        if not self._arrived and (self.ended or not accepted):
            why = "its node closed the connection" if self.ended else f"its node did not answer within {timeout:.0f} s"
            raise PodRefused(why, UNREACHABLE_HOST)

    def close(self) -> None:
        """Send a close frame if that does not block, and close."""
        if not self._outgoing:
            self._queue(b"", ABNF.OPCODE_CLOSE)
            self.ended = False
            self.flush()
        self.ended = True
        self._sock.close()


class PortForward:
    """Opens connections to pods of one namespace, each by its own request to the API.

    Args:
        access: Address and credentials of the API server.
        namespace: The pods' namespace.
    """

    def __init__(self, access: Access, namespace: str) -> None:
        self._access = access
        self._namespace = namespace

    def __call__(self, pod: str, port: int) -> PodConnection:
        """Connect to a port of a pod.

        Raises:
            PodRefused: The API server, the node or the pod refuses the connection, or does not answer.
        """
        try:
            try:
                connection = PodConnection(self._handshake(pod, port))
            except WebSocketBadStatusException as error:
                if error.status_code != 401:
                    raise
                self._access.reload()
                connection = PodConnection(self._handshake(pod, port))
        except WebSocketBadStatusException as error:
            raise _refused_by_api(error, pod) from error
        except ClusterError as error:
            raise PodRefused(str(error), FAILED) from error
        except (WebSocketException, ProxyError, OSError) as error:
            why = f"the Kubernetes API at {self._access.configuration.host} does not answer: {error}"
            raise PodRefused(why, UNREACHABLE_NETWORK) from error
        try:
            connection.settle()
        except PodRefused as error:
            connection.close()
            raise _refused_by_node(error, pod, port) from error
        return connection

    def _handshake(self, pod: str, port: int) -> socket.socket:
        configuration = self._access.configuration
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod}/portforward?ports={port}"
        tls = {"context": self._access.tls, "server_hostname": configuration.tls_server_name}
        opened = WebSocket(sockopt=_keepalive(), sslopt=tls)
        opened.connect(
            "ws" + configuration.host.removeprefix("http") + path,
            timeout=DIAL_SECONDS,
            header=[f"{name}: {value}" for name, value in self._access.headers().items()],
            subprotocols=[_SUBPROTOCOL],
            suppress_origin=True,
            redirect_limit=0,
            **self._proxy(),
        )
        if opened.sock is None:
            raise WebSocketException("no connection")
        return opened.sock

    def _proxy(self) -> dict[str, object]:
        """Settings of the proxy in front of the API server; empty without one."""
        if not self._access.configuration.proxy:
            return {}
        proxy = urlsplit(self._access.configuration.proxy)
        is_socks = proxy.scheme.startswith("socks")
        settings: dict[str, object] = {
            "http_proxy_host": proxy.hostname,
            "http_proxy_port": proxy.port or (1080 if is_socks else 80),
            "proxy_type": proxy.scheme if is_socks else "http",
            "http_proxy_timeout": DIAL_SECONDS,
        }
        if proxy.username:
            settings["http_proxy_auth"] = (unquote(proxy.username), unquote(proxy.password or ""))
        return settings


def _keepalive() -> list[tuple[int, int, int]]:
    """Socket options by which the system notices within 15 s that the other end of an idle connection is gone."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for name, value in {"TCP_KEEPIDLE": 6, "TCP_KEEPALIVE": 6, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}.items():
        if hasattr(socket, name):  # macOS has the first option under the second name
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _refused_by_api(error: WebSocketBadStatusException, pod: str) -> PodRefused:
    try:
        said = str(json.loads(error.resp_body or b"")["message"])
    except (ValueError, KeyError, TypeError):
        said = (error.resp_body or b"").decode(errors="replace").strip() or f"HTTP status {error.status_code}"
    denied = error.status_code in (401, 403)
    return PodRefused(
        f"the Kubernetes API does not forward a port of {pod}: {said}", FAILED if denied else UNREACHABLE_HOST
    )


def _refused_by_node(error: PodRefused, pod: str, port: int) -> PodRefused:
    said = str(error)
    if "connection refused" in said.lower():
        return PodRefused(f"nothing listens on port {port} of {pod}", REFUSED)
    return PodRefused(f"port {port} of {pod} cannot be reached: {said}", error.reply)
