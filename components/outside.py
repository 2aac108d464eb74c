"""How clients outside a target's own network reach a port of a member."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outside:
    """How clients outside the target's own network reach a port.

    Args:
        host: Host that they are told; ``{ordinal}`` in it stands for the member's number.
        port: Port of member 0.
        step: What each further member's port is higher; 0 where each has a host of its own.
        kind: ``hostPort`` on a machine of its own, ``nodePort`` or ``loadBalancer`` on a cluster.
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
