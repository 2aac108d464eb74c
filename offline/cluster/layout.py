"""Names, addresses and folders of the test cluster."""

from dataclasses import dataclass

from offline.steps import CACHE, PROJECT

SOURCES = PROJECT / "offline" / "cluster"
STATE = CACHE / "cluster"
"""Everything that one cluster's life leaves on disk, but for the nodes' volumes."""

KUBECONFIG = STATE / "kubeconfig"
CONTEXT = "millrace-test"

LABEL = "millrace.cluster"
"""On every node container; its value is a hash over what the cluster was made from."""

NETWORK = "millrace-nodes"
"""The nodes' network in the Docker engine."""

NODE_SUBNET = "172.30.0.0/24"
GATEWAY = "172.30.0.1"
"""The host on the nodes' network: API server and DNS listen here, and nowhere else."""

POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
"""The API server's Service: the first address of the Services' subnet."""

API_PORT = 6443


@dataclass(frozen=True)
class Node:
    """One node, alone in its zone."""

    number: int

    @property
    def name(self) -> str:
        """The container's, the host's and the Kubernetes node's name."""
        return f"millrace-node-{self.number}"

    @property
    def zone(self) -> str:
        """What the node's zone label says."""
        return f"zone-{self.number}"

    @property
    def address(self) -> str:
        """Where the other nodes and the host reach it."""
        return f"172.30.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        """The subnet of its pods."""
        return f"10.244.{self.number}.0/24"


NODES = (Node(1), Node(2), Node(3))
