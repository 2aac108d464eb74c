"""Faults that stop a member: it is killed, or shut down cleanly and started again."""

from dataclasses import dataclass

from ops.drills.faults import pods
from ops.drills.faults.containers import STOP_SECONDS, container_of, engine
from ops.platform import Platform


@dataclass(frozen=True)
class _StoppedContainer:
    """A container that is down until it is started.

    Args:
        platform: The platform.
        member: The member to stop.
    """

    platform: Platform
    member: str

    def obstacles(self) -> list[str]:
        """None: every engine can kill and restart a container."""
        return []

    def heal(self) -> None:
        """Start the container; does nothing if it runs."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).start()


class ContainerLoss(_StoppedContainer):
    """Kills a container with SIGKILL: its sessions stay open, it leads partitions, nothing is flushed.

    The engine counts that as a manual stop and does not restart the container.
    """

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is killed (SIGKILL) and kept down"

    def inject(self) -> None:
        """Kill the container."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).kill("SIGKILL")


class ContainerRestart(_StoppedContainer):
    """Restarts a container; healing starts it if the restart was interrupted after its stop."""

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is shut down cleanly and started again"

    def inject(self) -> None:
        """Restart the container; returns once its process runs again."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            # The engine's default of 10 s is too short for a broker's controlled shutdown.
            container.restart(timeout=container.attrs["Config"].get("StopTimeout") or STOP_SECONDS)


@dataclass(frozen=True)
class _DeletedPod:
    """A pod that its StatefulSet recreates.

    Args:
        platform: The platform.
        member: The member to stop.
    """

    platform: Platform
    member: str

    def obstacles(self) -> list[str]:
        """None, as long as the cluster answers."""
        return []

    def heal(self) -> None:
        """Do nothing: the StatefulSet's controller recreates the pod, even if this process is killed."""


class PodLoss(_DeletedPod):
    """Deletes a pod without a grace period. Its StatefulSet recreates it at once, so it is down only that long."""

    def describe(self) -> str:
        """What is broken."""
        return f"pod {self.member} is deleted without a grace period; its StatefulSet recreates it"

    def inject(self) -> None:
        """Delete the pod."""
        cluster = pods.cluster_of(self.platform)
        pod = pods.pod_of(cluster, self.platform, self.member)
        cluster.delete_pod(pods.namespace_of(self.platform), pod.name, pod.uid, grace_seconds=0)


class PodRestart(_DeletedPod):
    """Deletes a pod with its own grace period."""

    def describe(self) -> str:
        """What is broken."""
        return f"pod {self.member} is deleted with its own grace period; its StatefulSet recreates it"

    def inject(self) -> None:
        """Delete the pod; returns once it is gone."""
        cluster = pods.cluster_of(self.platform)
        pod = pods.pod_of(cluster, self.platform, self.member)
        cluster.delete_pod(pods.namespace_of(self.platform), pod.name, pod.uid)
        pods.wait_until_gone(cluster, self.platform, pod)
