"""A network partition: a member and all other members cannot reach each other, while clients still reach it."""

from dataclasses import dataclass
from typing import Any

from ops.drills.faults.containers import addresses_of, container_of, engine, helper_obstacles, run_helper
from ops.errors import UnreachableError
from ops.platform import Platform

# A blackhole route drops all packets to a peer, replies included, so neither side can talk to the other.
_CUT = 'for peer in "$@"; do ip route replace blackhole "$peer/32"; done'
_HEAL = "ip route show type blackhole | while read -r _ peer _; do ip route del blackhole $peer; done"


@dataclass(frozen=True)
class NetworkPartition:
    """Adds blackhole routes to all peers in the network namespace of a member's container.

    A short-lived helper container joins that namespace and changes its routes; the member's container stays unchanged.
    The routes vanish with the namespace, so a restart of the container heals the partition.

    Args:
        platform: The platform.
        member: The member to cut off.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is cut off from all other members (blackhole routes); clients still reach it"

    def obstacles(self) -> list[str]:
        """Why no helper can run, if so."""
        return helper_obstacles(self.platform)

    def inject(self) -> None:
        """Cut the member off from brokers and ensemble.

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
        """Remove all blackhole routes of the namespace: nothing else adds any."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            if container.status == "running":
                run_helper(client, self.platform, ["sh", "-euc", _HEAL], **_in_network_of(container))
            else:
                container.start()


def _in_network_of(container: Any) -> dict[str, Any]:
    return {"network_mode": f"container:{container.id}", "cap_add": ["NET_ADMIN"]}
