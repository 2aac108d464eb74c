"""A platform's pods on Kubernetes, found by the labels that the platform sets."""

from typing import Any

from components.targets.kubernetes.client import Cluster, Pod, connect
from components.waiting import wait_until
from ops.console import say
from ops.errors import UnreachableError
from ops.platform import Platform

INSTANCE_LABEL = "app.kubernetes.io/instance"
"""Label of every pod; its value is the platform's name."""

NAME_LABEL = "app.kubernetes.io/name"
"""Label of every pod; its value is the workload, such as ``kafka``."""

TERMINATION_SECONDS = 180
"""Seconds for a deleted pod to terminate: the longest grace period of a profile is 120, and its node has to report."""


def cluster_of(platform: Platform) -> Cluster:
    """A client of the platform's cluster.

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
        UnreachableError: There is none, or the stack does not say how its cluster is reached.
    """
    for pod in cluster.pods(namespace_of(platform), _labels(platform, member)):
        if pod.name == member:
            return pod
    raise UnreachableError(f"there is no pod {member} of platform {platform.name}")


def wait_until_gone(cluster: Cluster, platform: Platform, pod: Pod) -> None:
    """Wait until a deleted pod is gone: until then it serves, and its replicas stay in sync.

    Raises:
        UnhealthyError: It still exists after :data:`TERMINATION_SECONDS`.
    """

    def remaining() -> list[str]:
        pods = cluster.pods(namespace_of(platform), _labels(platform, pod.name))
        exists = any(other.uid == pod.uid for other in pods)
        return [f"{pod.name}: it is terminating; expected it to be gone"] if exists else []

    wait_until(remaining, what=pod.name, deadline=TERMINATION_SECONDS, report=say, state="gone")


def _labels(platform: Platform, member: str) -> dict[str, str]:
    return {INSTANCE_LABEL: platform.name, NAME_LABEL: member.rpartition("-")[0]}


def _via(platform: Platform) -> Any:
    if platform.via is None:
        raise UnreachableError(f"stack {platform.stack} does not say how its cluster is reached; run `pulumi up`")
    return platform.via
