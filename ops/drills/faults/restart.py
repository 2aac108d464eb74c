"""Restart of a member with a clean shutdown."""

from dataclasses import dataclass

from ops.drills.faults import pods
from ops.drills.faults.containers import STOP_SECONDS, container_of, engine
from ops.platform import Platform


@dataclass(frozen=True)
class ContainerRestart:
    """Restarts a container.

    Args:
        platform: The platform.
        member: The member to restart.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is shut down cleanly and started again"

    def obstacles(self) -> list[str]:
        """None: every engine can restart a container."""
        return []

    def inject(self) -> None:
        """Restart the container; returns once its process runs again."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            # The engine's default of 10 s is too short for a broker's controlled shutdown.
            container.restart(timeout=container.attrs["Config"].get("StopTimeout") or STOP_SECONDS)

    def heal(self) -> None:
        """Start the container if the restart was interrupted after its stop."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).start()


@dataclass(frozen=True)
class PodRestart:
    """Deletes a pod with its own grace period; its StatefulSet recreates it.

    Args:
        platform: The platform.
        member: The member to restart.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"pod {self.member} is deleted with its own grace period; its StatefulSet recreates it"

    def obstacles(self) -> list[str]:
        """None, as long as the cluster answers."""
        return []

    def inject(self) -> None:
        """Delete the pod; returns once it is gone."""
        cluster = pods.cluster_of(self.platform)
        pod = pods.pod_of(cluster, self.platform, self.member)
        cluster.delete_pod(pods.namespace_of(self.platform), pod.name, pod.uid)
        pods.wait_until_gone(cluster, self.platform, pod)

    def heal(self) -> None:
        """Do nothing: the StatefulSet's controller recreates the pod."""
