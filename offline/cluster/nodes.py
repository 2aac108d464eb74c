"""The nodes: Docker containers, each with its own containerd and kubelet."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from offline.cluster import binaries, storage
from offline.cluster.certificates import PKI
from offline.cluster.layout import GATEWAY, KUBECONFIG, LABEL, NETWORK, NODES, POD_SUBNET, SOURCES, STATE, Node
from offline.images import build, built_from, ensure_base
from offline.steps import CACHE, digest, run, step

IMAGE = "millrace/node:bookworm"
PAUSE = "millrace/pause:local"

MOUNTED = STATE / "node"
ARCHIVES = CACHE / "node-images"
"""Image archives that the nodes import."""


def ensure_node_images() -> None:
    """Build the node image and the pause image if they are missing or out of date."""
    for image, folder in ((IMAGE, SOURCES / "node"), (PAUSE, SOURCES / "pause")):
        sources = digest(folder)
        if built_from(image) != sources:
            ensure_base()
            with step(f"building {image}"):
                build(image, folder, sources)


def start_nodes() -> None:
    """Start the node containers; they connect to the API server once it runs."""
    MOUNTED.mkdir(parents=True, exist_ok=True)
    ARCHIVES.mkdir(exist_ok=True)
    shutil.copy2(KUBECONFIG, MOUNTED / "kubeconfig")
    shutil.copy2(PKI / "ca.crt", MOUNTED / "ca.crt")
    (MOUNTED / "kubelet.json").write_text(json.dumps(kubelet_config(), indent=2))
    for node in NODES:
        run(["docker", "run", "--detach", f"--label={LABEL}={fingerprint()}", *container(node)], log="nodes")


def container(node: Node) -> list[str]:
    """The arguments of `docker run` for a node."""
    variables = {
        "ZONE": node.zone,
        "POD_CIDR": node.pods,
        "PODS_CIDR": POD_SUBNET,
        "ROUTES": " ".join(f"{other.pods}={other.address}" for other in NODES if other != node),
        "VOLUMES": " ".join(storage.folders()),
        "PAUSE": PAUSE,
    }
    return [
        *[f"--name={node.name}", f"--hostname={node.name}", f"--network={NETWORK}", f"--ip={node.address}"],
        # Not --privileged: it needs CAP_SYS_RESOURCE, which the host may lack.
        *["--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined"],
        *["--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined"],
        *["--device-cgroup-rule=a *:* rwm", "--cgroupns=private"],
        *(["--device=/dev/kmsg"] if Path("/dev/kmsg").exists() else []),
        *[f"--env={name}={value}" for name, value in variables.items()],
        *["--volume=/var", "--tmpfs=/run"],
        *[f"--volume={MOUNTED}:/etc/kube:ro", f"--volume={ARCHIVES}:/images:ro"],
        f"--volume={binaries.kube()}:/usr/local/bin/kube:ro",
        IMAGE,
    ]


def kubelet_config() -> dict[str, object]:
    """The kubelets' configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": "/etc/kube/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [GATEWAY],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "failSwapOn": False,
        # A node counts as dead after 16 s without a lease renewal; kubelets renew after a quarter of that.
        "nodeLeaseDurationSeconds": 16,
        # The nodes share the host's disk: a full disk must not evict pods or remove images.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }


def fingerprint() -> str:
    """A hash of the nodes' configuration and sources: a different one recreates the cluster."""
    parts = [[container(node) for node in NODES], kubelet_config(), digest(SOURCES / "node"), storage.manifests()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def all_running() -> bool:
    """Whether every node container runs with this checkout's configuration."""
    shown = f'{{{{.Names}}}} {{{{.Label "{LABEL}"}}}}'
    listing = ["docker", "ps", "--filter", f"label={LABEL}", "--format", shown]
    lines = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.split("\n")
    return {f"{node.name} {fingerprint()}" for node in NODES} <= set(lines)


def remove_nodes() -> None:
    """Remove all node containers with their volumes, including stopped ones and those of other checkouts."""
    listing = ["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}"]
    found = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.split()
    if found:
        run(["docker", "rm", "--force", "--volumes", *found], log="nodes")
