"""A member that the other members cannot reach, and it not them, while clients outside still can."""

from dataclasses import dataclass
from typing import Any

from ops.drills.faults.containers import addresses_of, container_of, engine, helper_obstacles, run_helper
from ops.errors import UnreachableError
from ops.platform import Platform

# A blackhole route drops what the member sends to a peer, answers to what the peer sent too; so both directions end.
_CUT = 'for peer in "$@"; do ip route replace blackhole "$peer/32"; done'
_MEND = "ip route show type blackhole | while read -r _ peer _; do ip route del blackhole $peer; done"


@dataclass(frozen=True)
class NetworkPartition:
    """Blackhole routes to all peers in the network namespace of a member's container.

    A helper container joins that namespace, changes routes and ends; the member's own container is left as it is. The
    routes go with the namespace, so a container that restarts is healed.

    Args:
        platform: The platform.
        member: The member that is cut off.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is cut from all other members (blackhole routes); clients still reach it"

    def obstacles(self) -> list[str]:
        """The helpers' image may be missing."""
        return helper_obstacles(self.platform)

    def inject(self) -> None:
        """Cut the member from brokers and ensemble.

        Raises:
            UnreachableError: No peer has an address.
        """
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            peers = [
                address
                for peer in (*self.platform.zookeeper, *self.platform.brokers)
                if peer != self.member
                for address in addresses_of(container_of(client, self.platform, peer))
            ]
            if not peers:
                raise UnreachableError(f"no other member of {self.platform.name} has an address")
            run_helper(client, self.platform, ["sh", "-euc", _CUT, "sh", *peers], **_in_network_of(container))

    def heal(self) -> None:
        """Remove all blackhole routes of the namespace: nobody else makes any in there."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            if container.status == "running":
                run_helper(client, self.platform, ["sh", "-euc", _MEND], **_in_network_of(container))
            else:
                container.start()


def _in_network_of(container: Any) -> dict[str, Any]:
    return {"network_mode": f"container:{container.id}", "cap_add": ["NET_ADMIN"]}
