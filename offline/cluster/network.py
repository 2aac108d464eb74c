"""The nodes' network, and the host's routes to their pods."""

import ipaddress
import json
import subprocess
from collections.abc import Iterable, Mapping

from offline.cluster.layout import GATEWAY, LABEL, NETWORK, NODE_SUBNET, NODES, POD_SUBNET
from offline.steps import SetupError, run, succeeds


def make_network() -> None:
    """Make the network, and the host's routes to each node's pods.

    Raises:
        SetupError: Something else on this machine has the addresses.
    """
    if found := taken(_routes()):
        raise SetupError(
            f"the test cluster needs {NODE_SUBNET} and {POD_SUBNET}, and this machine has routes there: "
            f"{', '.join(found)}; remove what holds them (`ip route`, `docker network ls`)"
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


def taken(routes: Iterable[Mapping[str, str]]) -> list[str]:
    """The routes, as `ip -json route` shows them, that overlap with the cluster's addresses."""
    needed = [ipaddress.ip_network(NODE_SUBNET), ipaddress.ip_network(POD_SUBNET)]
    found = []
    for route in routes:
        if route["dst"] != "default" and any(ipaddress.ip_network(route["dst"]).overlaps(one) for one in needed):
            found.append(f"{route['dst']} on {route.get('dev', '?')}")
    return found


def _routes() -> list[dict[str, str]]:
    done = subprocess.run(["ip", "-4", "-json", "route", "show"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"the routes of this machine cannot be read: {done.stderr.strip()}")
    return json.loads(done.stdout)
