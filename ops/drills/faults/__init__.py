"""Faults that can be injected into a running platform, and healed whatever happened in between.

Every fault is named by what kind it is and which member it strikes; nothing else is needed to heal it, so that another
process can do so after this one was killed.
"""

from collections.abc import Callable, Mapping

from ops.drills.faults import containers
from ops.drills.faults.base import Fault
from ops.drills.faults.disk import FullDisk
from ops.drills.faults.loss import ContainerLoss, PodLoss
from ops.drills.faults.partition import NetworkPartition
from ops.drills.faults.restart import ContainerRestart, PodRestart
from ops.errors import RefusedError
from ops.platform import Platform

__all__ = [
    "KINDS",
    "Fault",
    "broker_loss",
    "full_disk",
    "make",
    "member_loss",
    "member_restart",
    "network_partition",
    "remove_helpers",
]


def member_loss(platform: Platform, member: str) -> Fault:
    """A member dies at once, without a word to the others, and is kept down until healed where that can be had.

    Args:
        platform: The platform.
        member: The member: ``kafka-1``.
    """
    return PodLoss(platform, member) if platform.on_kubernetes else ContainerLoss(platform, member)


def broker_loss(platform: Platform, broker: str) -> Fault:
    """A broker dies; see :func:`member_loss`."""
    return member_loss(platform, broker)


def member_restart(platform: Platform, member: str) -> Fault:
    """A member is stopped in its own time and started again."""
    return PodRestart(platform, member) if platform.on_kubernetes else ContainerRestart(platform, member)


def network_partition(platform: Platform, member: str) -> Fault:
    """A member is cut from all other members while clients still reach it.

    Raises:
        RefusedError: The platform is on Kubernetes.
    """
    if platform.on_kubernetes:
        raise RefusedError("a network partition needs the network namespace of a container; it is for Docker only")
    return NetworkPartition(platform, member)


def full_disk(platform: Platform, member: str) -> Fault:
    """A broker's writes fail as on a full disk.

    Raises:
        RefusedError: The platform is on Kubernetes.
    """
    if platform.on_kubernetes:
        raise RefusedError("a full disk is emulated by limits of a container's process; it is for Docker only")
    return FullDisk(platform, member)


KINDS: Mapping[str, Callable[[Platform, str], Fault]] = {
    "loss": member_loss,
    "restart": member_restart,
    "network-partition": network_partition,
    "full-disk": full_disk,
}
"""How a fault is made from the name of its kind."""


def make(kind: str, platform: Platform, member: str) -> Fault:
    """A fault by the name of its kind, one of :data:`KINDS`."""
    return KINDS[kind](platform, member)


def remove_helpers(platform: Platform) -> None:
    """Remove what the faults of a killed drill ran beside the members; on Kubernetes they run nothing."""
    if not platform.on_kubernetes:
        containers.remove_helpers(platform)
