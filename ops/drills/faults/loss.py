"""A member dies at once: no goodbye to the ensemble, no hand-over of leadership, no flush."""

from dataclasses import dataclass

from ops.drills.faults import pods
from ops.drills.faults.containers import container_of, engine
from ops.platform import Platform


@dataclass(frozen=True)
class ContainerLoss:
    """SIGKILL to a container. The engine takes that for a stop by hand and leaves it down until it is started.

    Args:
        platform: The platform.
        member: The member that dies.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"{self.member} is killed (SIGKILL) and kept down"

    def obstacles(self) -> list[str]:
        """Nothing: every engine can kill a container."""
        return []

    def inject(self) -> None:
        """Kill it."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).kill("SIGKILL")

    def heal(self) -> None:
        """Start it; starting one that runs does nothing."""
        with engine(self.platform) as client:
            container_of(client, self.platform, self.member).start()


@dataclass(frozen=True)
class PodLoss:
    """A pod deleted without grace. Its StatefulSet makes another at once, so it is down only for as long as that takes.

    Args:
        platform: The platform.
        member: The member that dies.
    """

    platform: Platform
    member: str

    def describe(self) -> str:
        """What is broken."""
        return f"pod {self.member} is deleted without grace; its StatefulSet makes another"

    def obstacles(self) -> list[str]:
        """Nothing, as long as the cluster answers."""
        return []

    def inject(self) -> None:
        """Delete the pod with no seconds to end."""
        cluster = pods.cluster_of(self.platform)
        pod = pods.pod_of(cluster, self.platform, self.member)
        cluster.delete_pod(pods.namespace_of(self.platform), pod.name, pod.uid, grace_seconds=0)

    def heal(self) -> None:
        """Nothing: the StatefulSet's controller mends it, whatever becomes of this process."""
