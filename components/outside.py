"""How clients outside a target's own network reach a port of a member."""

from dataclasses import dataclass

ANY_ADDRESS = "0.0.0.0"
"""Binds a port to all addresses of a machine."""

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Outside:
    """How clients outside the target's own network reach a port.

    Args:
        host: Host that clients connect to; ``{ordinal}`` in it stands for the member's number.
        port: Port of member 0.
        step: Difference between the ports of one member and the next; 0 if each has a host of its own.
        kind: ``hostPort`` on Docker, ``nodePort`` or ``loadBalancer`` on Kubernetes.
    """

    host: str
    port: int
    step: int = 1
    kind: str = "hostPort"

    def number(self, ordinal: int) -> int:
        """The port of a member."""
        return self.port + ordinal * self.step

    def address(self, ordinal: int) -> str:
        """``host:port`` of a member."""
        return f"{self.host.replace('{ordinal}', str(ordinal))}:{self.number(ordinal)}"
