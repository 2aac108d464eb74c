"""How clients outside a target's own network reach a port of a member."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
        source_ranges: Networks that a load balancer admits; none are all.
        annotations: Annotations of the Services on Kubernetes.
    """

    host: str
    port: int
    step: int = 1
    kind: str = "hostPort"
    # No container is made from these, so they are left out of what its digest is made from.
    source_ranges: Sequence[str] = field(default=(), repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def number(self, ordinal: int) -> int:
        """The port of a member."""
        return self.port + ordinal * self.step

    def address(self, ordinal: int) -> str:
        """``host:port`` of a member."""
        return f"{self.host.replace('{ordinal}', str(ordinal))}:{self.number(ordinal)}"
