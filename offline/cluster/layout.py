"""Names, addresses and folders of the test cluster."""

from dataclasses import dataclass

from offline.steps import CACHE, PROJECT

SOURCES = PROJECT / "offline" / "cluster"
STATE = CACHE / "cluster"
"""All files of one cluster, except the nodes' volumes."""

KUBECONFIG = STATE / "kubeconfig"
CONTEXT = "millrace-test"

LABEL = "millrace.cluster"
"""Label of every node container; its value is a hash of the node's configuration."""

NETWORK = "millrace-nodes"
"""The nodes' Docker network."""

NODE_SUBNET = "172.30.0.0/24"
GATEWAY = "172.30.0.1"
"""The host's address on the nodes' network; the API server and DNS listen only here."""

POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
"""Cluster IP of the API server's Service: the first address of the Service subnet."""

API_PORT = 6443


@dataclass(frozen=True)
class Node:
    """One node; each has its own zone."""

    number: int

    @property
    def name(self) -> str:
        """Name of the container, its host name, and name of the Kubernetes node."""
        return f"millrace-node-{self.number}"

    @property
    def zone(self) -> str:
        """Value of the node's zone label."""
        return f"zone-{self.number}"

    @property
    def address(self) -> str:
        """Its IP address on the nodes' network."""
        return f"172.30.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        """Its pod subnet."""
        return f"10.244.{self.number}.0/24"


NODES = (Node(1), Node(2), Node(3))
