"""How this machine reaches the addresses of members: directly, or through the Kubernetes API."""

import socket
from typing import NotRequired, Protocol, TypedDict

TUNNEL_SECONDS = 10.0
"""Seconds for a first answer through the Kubernetes API, which may be far away."""


class RouteProps(TypedDict):
    """A route through the Kubernetes API, as resources and the output ``operations`` hold it."""

    context: str
    """The kubeconfig's context."""
    namespace: str
    """The namespace of the pods."""
    hosts: list[str]
    """DNS names of all pods that may be reached."""
    kubeconfig: NotRequired[str | None]
    """Path of the kubeconfig; the default one if absent or None."""


def host_and_port(address: str) -> tuple[str, int]:
    """``"127.0.0.1:9092"`` as its two parts."""
    host, _, port = address.rpartition(":")
    return host, int(port)


class Route(Protocol):
    """How addresses of members are reached from here. Messages always name the member's own address."""

    @property
    def proxy_url(self) -> str | None:
        """Proxy for clients that speak SOCKS5 (kafka-python); None if they connect directly."""
        ...

    def local(self, address: str) -> str:
        """The ``host:port`` to connect to for clients without SOCKS support (kazoo, redis)."""
        ...

    def connect(self, address: str, timeout: float) -> socket.socket:
        """A connection to a member.

        Args:
            address: ``host:port`` of the member.
            timeout: Seconds to connect, and the timeout of the returned socket.

        Raises:
            ConnectionRefusedError: Nothing listens at the address.
            OSError: It cannot be reached.
        """
        ...

    def trouble(self, address: str) -> str | None:
        """Why the last connection to a member failed; None if the error itself says all."""
        ...


class DirectRoute:
    """Addresses are reached as they are."""

    proxy_url: str | None = None

    def local(self, address: str) -> str:
        """The address itself."""
        return address

    def connect(self, address: str, timeout: float) -> socket.socket:
        """A TCP connection."""
        return socket.create_connection(host_and_port(address), timeout=timeout)

    def trouble(self, address: str) -> str | None:
        """None: the error itself says all."""
        return None


DIRECT = DirectRoute()
"""The route of everything that runs on this machine's Docker."""


def patience(route: Route, seconds: float) -> float:
    """The timeout for what takes ``seconds`` directly; longer through the Kubernetes API, which may be far away."""
    return max(seconds, TUNNEL_SECONDS) if route.proxy_url else seconds


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes of a connection.

    Raises:
        EOFError: It was closed before.
        OSError: It broke, or nothing came in time.
    """
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError("the connection was closed in the middle of a message")
        data += chunk
    return data
