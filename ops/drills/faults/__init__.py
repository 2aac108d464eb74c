"""Faults: each can be injected into a running platform and healed, whatever happened in between.

Its kind and member alone define a fault, so another process can heal it if this one is killed.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from ops.drills.faults import containers
from ops.drills.faults.disk import FullDisk
from ops.drills.faults.partition import NetworkPartition
from ops.drills.faults.stops import ContainerLoss, ContainerRestart, PodLoss, PodRestart
from ops.errors import RefusedError
from ops.platform import Platform


class Fault(Protocol):
    """A fault of one member."""

    def describe(self) -> str:
        """What is broken, for the user: ``kafka-1 is killed and kept down``."""
        ...

    def obstacles(self) -> list[str]:
        """Why the fault cannot be injected here, and how to change that; empty if it can."""
        ...

    def inject(self) -> None:
        """Inject the fault.

        Raises:
            UnreachableError: The engine or the cluster does not answer; :meth:`heal` cleans up a partial injection.
        """
        ...

    def heal(self) -> None:
        """Remove the fault; does not wait until the member serves again.

        Does nothing if nothing is broken, and may be called after a failed injection.

        Raises:
            UnreachableError: The engine or the cluster does not answer.
        """
        ...


def member_loss(platform: Platform, member: str) -> Fault:
    """A member dies at once, without a clean shutdown; on Docker it stays down until healed.

    Args:
        platform: The platform.
        member: The member: ``kafka-1``.
    """
    return PodLoss(platform, member) if platform.on_kubernetes else ContainerLoss(platform, member)


def member_restart(platform: Platform, member: str) -> Fault:
    """A member is shut down cleanly and started again."""
    return PodRestart(platform, member) if platform.on_kubernetes else ContainerRestart(platform, member)


def network_partition(platform: Platform, member: str) -> Fault:
    """A member is cut off from all other members while clients still reach it.

    Raises:
        RefusedError: The platform is on Kubernetes.
    """
    if platform.on_kubernetes:
        raise RefusedError("a network partition needs a container's network namespace; it is for Docker only")
    return NetworkPartition(platform, member)


def full_disk(platform: Platform, member: str) -> Fault:
    """A broker's writes fail as on a full disk.

    Raises:
        RefusedError: The platform is on Kubernetes.
    """
    if platform.on_kubernetes:
        raise RefusedError("a full disk is emulated by resource limits of a container's process; it is for Docker only")
    return FullDisk(platform, member)


KINDS: Mapping[str, Callable[[Platform, str], Fault]] = {
    "loss": member_loss,
    "restart": member_restart,
    "network-partition": network_partition,
    "full-disk": full_disk,
}
"""Constructors of faults by kind."""


def make(kind: str, platform: Platform, member: str) -> Fault:
    """A fault of one of :data:`KINDS`.

    Args:
        kind: Its kind.
        platform: The platform.
        member: The member to break.

    Raises:
        RefusedError: The kind is for Docker only, and the platform is on Kubernetes.
    """
    return KINDS[kind](platform, member)


def remove_helpers(platform: Platform) -> None:
    """Remove the helper containers of a killed drill; on Kubernetes there are none."""
    if not platform.on_kubernetes:
        containers.remove_helpers(platform)
