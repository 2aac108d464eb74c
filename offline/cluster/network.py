"""The nodes' network, and the host's routes to their pods."""

import ipaddress
import json
import subprocess
from collections.abc import Iterable, Mapping

from offline.cluster.layout import GATEWAY, LABEL, NETWORK, NODE_SUBNET, NODES, POD_SUBNET
from offline.steps import SetupError, run, succeeds


def make_network() -> None:
    """Create the network, and the host's routes to each node's pods.

    Raises:
        SetupError: The host already has routes to these addresses.
    """
    if found := overlapping(_routes()):
        raise SetupError(
            f"the test cluster needs {NODE_SUBNET} and {POD_SUBNET}, but this machine has routes there: "
            f"{', '.join(found)}; remove them (`ip route`, `docker network ls`)"
        )
    make = ["docker", "network", "create", f"--subnet={NODE_SUBNET}", f"--gateway={GATEWAY}", f"--label={LABEL}"]
    run([*make, NETWORK], log="nodes")
    for node in NODES:
        run(["ip", "route", "replace", node.pods, "via", node.address], log="nodes")


def remove_network() -> None:
    """Remove the routes and the network."""
    for node in NODES:
        succeeds("ip", "route", "delete", node.pods, "via", node.address)
    if succeeds("docker", "network", "inspect", NETWORK):
        run(["docker", "network", "rm", NETWORK], log="nodes")


def overlapping(routes: Iterable[Mapping[str, str]]) -> list[str]:
    """The routes, from `ip -json route`, that overlap with the cluster's addresses."""
    needed = [ipaddress.ip_network(NODE_SUBNET), ipaddress.ip_network(POD_SUBNET)]
    found = []
    for route in routes:
        if route["dst"] != "default" and any(ipaddress.ip_network(route["dst"]).overlaps(one) for one in needed):
            found.append(f"{route['dst']} on {route.get('dev', '?')}")
    return found


def _routes() -> list[dict[str, str]]:
    done = subprocess.run(["ip", "-4", "-json", "route", "show"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"cannot read the routes of this machine: {done.stderr.strip()}")
    return json.loads(done.stdout)
