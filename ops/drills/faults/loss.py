"""Loss of a member without a clean shutdown: its sessions stay open, it leads partitions, nothing is flushed."""

from dataclasses import dataclass

from ops.drills.faults import pods
from ops.drills.faults.containers import container_of, engine
from ops.platform import Platform


@dataclass(frozen=True)
class ContainerLoss:
    """Kills a container with SIGKILL. The engine counts that as a manual stop and does not restart it.

    Args:
        platform: The platform.
        member: The member to kill.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is killed (SIGKILL) and kept down"

    def obstacles(self) -> list[str]:
        """None: every engine can kill a container."""
        return []

    def inject(self) -> None:
        """Kill the container."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).kill("SIGKILL")

    def heal(self) -> None:
        """Start the container; does nothing if it runs."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).start()


@dataclass(frozen=True)
class PodLoss:
    """Deletes a pod without a grace period. Its StatefulSet recreates it at once, so it is down only that long.

    Args:
        platform: The platform.
        member: The member to kill.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"pod {self.member} is deleted without a grace period; its StatefulSet recreates it"

    def obstacles(self) -> list[str]:
        """None, as long as the cluster answers."""
        return []

    def inject(self) -> None:
        """Delete the pod."""
        cluster = pods.cluster_of(self.platform)
        pod = pods.pod_of(cluster, self.platform, self.member)
        cluster.delete_pod(pods.namespace_of(self.platform), pod.name, pod.uid, grace_seconds=0)

    def heal(self) -> None:
        """Do nothing: the StatefulSet's controller recreates the pod, even if this process is killed."""
