"""A member is stopped as an operator would, with all the time that it needs, and started again."""

from dataclasses import dataclass

from ops.drills.faults import pods
from ops.drills.faults.containers import STOP_SECONDS, container_of, engine
from ops.platform import Platform


@dataclass(frozen=True)
class ContainerRestart:
    """A container's restart.

    Args:
        platform: The platform.
        member: The member that restarts.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is stopped in its own time and started again"

    def obstacles(self) -> list[str]:
        """Nothing: every engine can restart a container."""
        return []

    def inject(self) -> None:
        """Restart it; returns as soon as its process runs again."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            # The engine's own default would be 10 s, too few for a broker to hand over its partitions.
            container.restart(timeout=container.attrs["Config"].get("StopTimeout") or STOP_SECONDS)

    def heal(self) -> None:
        """Start it where a restart was cut short between stop and start."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).start()


@dataclass(frozen=True)
class PodRestart:
    """A pod deleted with its own grace; its StatefulSet makes another.

    Args:
        platform: The platform.
        member: The member that restarts.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"pod {self.member} is deleted with its own grace; its StatefulSet makes another"

    def obstacles(self) -> list[str]:
        """Nothing, as long as the cluster answers."""
        return []

    def inject(self) -> None:
        """Delete the pod; returns when it is gone."""
        cluster = pods.cluster_of(self.platform)
        pod = pods.pod_of(cluster, self.platform, self.member)
        cluster.delete_pod(pods.namespace_of(self.platform), pod.name, pod.uid)
        pods.await_end(cluster, self.platform, pod)

    def heal(self) -> None:
        """Nothing: the StatefulSet's controller mends it."""
