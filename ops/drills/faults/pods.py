"""The pods of a platform on Kubernetes, found as the platform's own program finds them."""

from typing import Any

from components.targets.kubernetes.client import Cluster, Pod, connect
from components.waiting import wait_until
from ops.console import say
from ops.errors import UnreachableError
from ops.platform import Platform

INSTANCE_LABEL = "app.kubernetes.io/instance"
"""Label on every pod: the platform it belongs to."""

NAME_LABEL = "app.kubernetes.io/name"
"""Label on every pod: its workload, such as ``kafka``."""

END_SECONDS = 180
"""Seconds that a deleted pod may take to end: the longest grace of a profile is 120, and its node has to tell."""


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
    for pod in cluster.pods(namespace_of(platform), _labels(platform, member)):
        if pod.name == member:
            return pod
    raise UnreachableError(f"there is no pod {member} of platform {platform.name}")


def await_end(cluster: Cluster, platform: Platform, pod: Pod) -> None:
    """Wait until a pod that was deleted is gone: until then it serves, and replicas on it are still in sync.

    Raises:
        UnhealthyError: It is still there after :data:`END_SECONDS`.
    """

    def look() -> list[str]:
        pods = cluster.pods(namespace_of(platform), _labels(platform, pod.name))
        there = any(other.uid == pod.uid for other in pods)
        return [f"{pod.name}: it is stopping; expected it to be gone"] if there else []

    wait_until(look, what=pod.name, deadline=END_SECONDS, report=say, state="gone")


def _labels(platform: Platform, member: str) -> dict[str, str]:
    return {INSTANCE_LABEL: platform.name, NAME_LABEL: member.rpartition("-")[0]}


def _via(platform: Platform) -> Any:
    if platform.via is None:
        raise UnreachableError(f"stack {platform.stack} does not say how its cluster is reached; run `pulumi up`")
    return platform.via
