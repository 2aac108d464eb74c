"""The pods of a platform on Kubernetes, found as the platform's own program finds them."""

from typing import Any

from components.clients.cluster import Cluster, Pod, connect
from ops.errors import UnreachableError
from ops.platform import Platform

INSTANCE_LABEL = "app.kubernetes.io/instance"
"""Label on every pod: the platform it belongs to."""

NAME_LABEL = "app.kubernetes.io/name"
"""Label on every pod: its workload, such as ``kafka``."""


def cluster_of(platform: Platform) -> Cluster:
    """The cluster that the platform's members are reached by.

    Raises:
        ClusterError: The API server does not answer.
    """
    via = _via(platform)
    return connect(via.get("kubeconfig"), via["context"])


def namespace_of(platform: Platform) -> str:
    """The namespace of the platform's pods."""
    return str(_via(platform)["namespace"])


def pod_of(cluster: Cluster, platform: Platform, member: str) -> Pod:
    """A member's pod.

    Raises:
        UnreachableError: There is none now.
    """
    labels = {INSTANCE_LABEL: platform.name, NAME_LABEL: member.rpartition("-")[0]}
    for pod in cluster.pods(namespace_of(platform), labels):
        if pod.name == member:
            return pod
    raise UnreachableError(f"there is no pod {member} of platform {platform.name}")


def _via(platform: Platform) -> Any:
    if platform.via is None:
        raise UnreachableError(f"stack {platform.stack} does not say how its cluster is reached; run `pulumi up`")
    return platform.via
