"""A tunnel to pods for clients on this machine: a SOCKS5 server on loopback, and listeners for clients without SOCKS.

Every connection opens its own connection to the pod that the host's first label names, so the next connection reaches
a pod that was replaced. Only the given hosts can be reached, and only from this machine.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

from components.errors import ClusterError
from components.findings import host_and_port
from components.targets.kubernetes import socks
from components.targets.kubernetes.port_forward import PodConnection, PodRefused
from components.targets.kubernetes.relay import relay

Dial = Callable[[str, int], PodConnection]
"""Connects to a port of a pod, or raises ``PodRefused``."""

HANDSHAKE_SECONDS = 10.0
"""Seconds for each part of a client's SOCKS5 request."""

CLOSE_SECONDS = 3.0
"""Seconds that :meth:`Tunnel.close` waits for connections to end."""


class Tunnel:
    """The route to pods through the Kubernetes API.

    Args:
        hosts: Names that may be reached; the first label of each is its pod's name.
        dial: Connects to a port of a pod.
    """

    def __init__(self, hosts: Iterable[str], dial: Dial) -> None:
        self._pods = {_normalized(host): _normalized(host).partition(".")[0] for host in hosts}
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
        """URL of the SOCKS5 server, which resolves names itself."""
        return self._socks

    def local(self, address: str) -> str:
        """``host:port`` of a listener on this machine whose connections all go to one address; opened once.

        Raises:
            ClusterError: The address may not be reached.
        """
        self._pod(address)
        with self._lock:
            if address not in self._listeners:

                def serve(client: socket.socket) -> None:
                    relay(client, self._open(address), self._closing)

                self._listeners[address] = self._listen(serve)
            return self._listeners[address]

    def connect(self, address: str, timeout: float) -> socket.socket:
        """A connection to a member, established when this returns.

        Raises:
            PodRefused: The API server, the node or the pod refused.
            ClusterError: The address may not be reached.
        """
        pod = self._open(address)
        ours, theirs = socket.socketpair()
        ours.settimeout(timeout)
        self._start(theirs, lambda client: relay(client, pod, self._closing))
        return ours

    def trouble(self, address: str) -> str | None:
        """Why the last connection to a member failed, or None."""
        return self._troubles.get(_normalized(address))

    def close(self) -> None:
        """End all listeners and connections."""
        if self._closing.is_set():
            return
        self._closing.set()
        with contextlib.suppress(OSError):  # the acceptor may have closed the other end already
            self._wake.send(b"x")
        self._acceptor.join(CLOSE_SECONDS)
        self._wake.close()
        with self._lock:
            clients = dict(self._clients)
        for client in clients.values():
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + CLOSE_SECONDS
        for thread in clients:
            thread.join(max(end - time.monotonic(), 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _pod(self, address: str) -> str:
        pod = self._pods.get(_normalized(host_and_port(address)[0]))
        if pod is None:
            raise ClusterError(f"{address} is not a member of this stack", [f"its members are {', '.join(self._pods)}"])
        return pod

    def _open(self, address: str) -> PodConnection:
        """Connect to the pod, and remember the reason if that fails."""
        pod, port = self._pod(address), host_and_port(address)[1]
        try:
            connection = self._dial(pod, port)
        except PodRefused as error:
            self._troubles[_normalized(address)] = str(error)
            raise
        self._troubles.pop(_normalized(address), None)
        return connection

    def _listen(self, serve: Callable[[socket.socket], None]) -> str:
        """Listen on a new port of this machine and serve its connections; returns its ``host:port``."""
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
                    except OSError:  # the client is gone already, or no file descriptor is left
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
        host, port, refusal = socks.read_request(client)
        if not refusal and _normalized(host) not in self._pods:
            refusal = socks.NOT_ALLOWED
        if refusal:
            socks.refuse(client, refusal)
            return
        try:
            pod = self._open(f"{host}:{port}")
        except PodRefused as error:
            socks.refuse(client, error.reply)
            return
        try:
            client.sendall(socks.reply(socks.GRANTED))
        except OSError:
            pod.close()
            raise
        relay(client, pod, self._closing)


def _normalized(host: str) -> str:
    """A host, or ``host:port``, in the form in which names are compared."""
    name, colon, port = host.partition(":")
    return f"{name.removesuffix('.').lower()}{colon}{port}"
