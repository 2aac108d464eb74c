"""How addresses of members are reached from this machine: directly, or by way of the Kubernetes API."""

import atexit
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from components.clients.findings import host_and_port

TUNNEL_SECONDS = 10.0
"""Seconds for a first answer by way of the Kubernetes API, which may be far away."""


class Route(Protocol):
    """How addresses of members are reached from here. Messages always name the member's own address."""

    @property
    def proxy_url(self) -> str | None:
        """For clients that speak SOCKS5 (kafka-python); None where they connect directly."""
        ...

    def local(self, address: str) -> str:
        """The ``host:port`` to connect to for clients that speak no SOCKS (kazoo, redis)."""
        ...

    def connect(self, address: str, timeout: float) -> socket.socket:
        """A connection to a member.

        Args:
            address: ``host:port`` of the member.
            timeout: Seconds for an answer, now and in the socket that is returned.

        Raises:
            ConnectionRefusedError: Nothing listens at the address.
            OSError: It cannot be reached.
        """
        ...

    def trouble(self, address: str) -> str | None:
        """Why the last connection to a member was not made, where the way there knows."""
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
        """Nothing that the error itself does not say."""
        return None


DIRECT = DirectRoute()
"""The route of everything that runs on this machine's Docker."""


def patience(route: Route, seconds: float) -> float:
    """Seconds to wait for what takes ``seconds`` directly: the way through the Kubernetes API may be a long one."""
    return max(seconds, TUNNEL_SECONDS) if route.proxy_url else seconds


_tunnels: dict[str, Any] = {}
_making = threading.Lock()


def route(via: Mapping[str, Any] | None) -> Route:
    """The route that a resource's properties describe.

    Args:
        via: None for a direct route; else ``kubeconfig`` (a path, or None for the default one), ``context``,
            ``namespace``, and ``hosts``: the names of all pods that may be reached. Equal ones share a tunnel, which
            lives as long as the process.

    Raises:
        ClusterError: The kubeconfig or its context cannot be used.
    """
    if via is None:
        return DIRECT
    from components.clients.kubeconfig import Access
    from components.clients.port_forward import PortForward
    from components.clients.tunnel import Tunnel

    key = json.dumps({name: via.get(name) for name in ("kubeconfig", "context", "namespace", "hosts")})
    with _making:
        if key not in _tunnels:
            dial = PortForward(Access(via.get("kubeconfig"), via["context"]), via["namespace"])
            tunnel = Tunnel(via["hosts"], dial)
            atexit.register(tunnel.close)
            _tunnels[key] = tunnel
        return _tunnels[key]
