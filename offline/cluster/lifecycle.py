"""The cluster as a whole: start, removal and health."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from offline.cluster import binaries, control_plane, network, nodes, processes, storage
from offline.cluster.certificates import make_certificates, write_kubeconfig
from offline.cluster.kubectl import kubectl
from offline.cluster.layout import NODES, STATE
from offline.cluster.node_images import ensure_imported
from offline.steps import SetupError, install_packages, step

_READY_SECONDS = 120
_COMPLETE = STATE / "complete"
"""Created after a complete start: an interrupted one may leave a cluster without volumes."""


def ensure_cluster() -> None:
    """Start the cluster unless it is healthy; remains of a broken one are removed first.

    Raises:
        SetupError: It cannot be started; the text says what to do.
    """
    _check_host()
    binaries.ensure_binaries()
    nodes.ensure_node_images()
    if not healthy():
        remove_cluster()
        with step("starting the test cluster"):
            _start()
    ensure_imported()


def remove_cluster() -> None:
    """Remove the cluster's processes, nodes, volumes, network, routes and files; keep builds in the cache."""
    processes.stop_all()
    nodes.remove_nodes()
    network.remove_network()
    shutil.rmtree(STATE, ignore_errors=True)


def healthy() -> bool:
    """Whether everything runs with this checkout's settings, and all nodes are ready."""
    return _COMPLETE.exists() and control_plane.all_running() and nodes.all_running() and _nodes_ready()


def _check_host() -> None:
    if os.geteuid() != 0:
        raise SetupError("the test cluster needs root: it adds routes, and its nodes mount file systems")
    programs = {"ip": "iproute2", "openssl": "openssl"}
    if missing := [package for program, package in programs.items() if not shutil.which(program)]:
        install_packages(*missing)


def _start() -> None:
    STATE.mkdir(mode=0o700, parents=True)
    make_certificates()
    write_kubeconfig()
    network.make_network()
    control_plane.start_api()
    nodes.start_nodes()
    with ThreadPoolExecutor(1) as pool:
        images = pool.submit(ensure_imported)
        control_plane.start_controllers()
        storage.make_volumes()
        _wait_for_nodes()
        images.result()
    _COMPLETE.touch()


def _wait_for_nodes() -> None:
    end = time.monotonic() + _READY_SECONDS
    while not _nodes_ready():
        if time.monotonic() > end:
            raise SetupError(
                f"the nodes are not ready after {_READY_SECONDS} s; see `docker logs {NODES[0].name}` and "
                f"`docker exec {NODES[0].name} tail /var/log/kubelet.log`"
            )
        time.sleep(0.5)


def _nodes_ready() -> bool:
    """Whether the API server answers and reports all nodes ready."""
    try:
        items = json.loads(kubectl("get", "nodes", "-o", "json", "--request-timeout=5s"))["items"]
    except SetupError:
        return False
    return ready_nodes(items) == {node.name for node in NODES}


def ready_nodes(items: list[dict[str, Any]]) -> set[str]:
    """Names of the ready nodes in a list from the API server."""
    return {
        item["metadata"]["name"]
        for item in items
        if any(one["type"] == "Ready" and one["status"] == "True" for one in item["status"]["conditions"])
    }
