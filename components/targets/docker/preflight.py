"""Preflight checks of a Docker engine: whether it can run a platform.

They run before anything is created, because the engine's own errors come halfway through an update and leave
containers behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from components.errors import PreflightError
from components.quantities import format_size


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a platform needs of an engine.

    Args:
        platform: The platform's name; ports that its own containers publish count as free.
        bind_address: Address on this machine that ports are bound to.
        images: References of all images.
        ports: Ports on this machine that each container publishes, by the container's name.
        memory: Memory limit of each member in bytes, by the member's name.
    """

    platform: str
    bind_address: str
    images: Sequence[str]
    ports: Mapping[str, Sequence[int]]
    memory: Mapping[str, int]


class EngineProbe(Protocol):
    """What preflight asks an engine and its machine."""

    def ping(self) -> str | None:
        """Why the engine cannot be used, or None."""
        ...

    def missing_image(self, reference: str) -> str | None:
        """Why an image neither is on the engine nor can be pulled, or None."""
        ...

    def published_ports(self, address: str) -> Mapping[int, tuple[str, bool]]:
        """For each TCP port published on an address: the container's name, and whether it belongs to this platform."""
        ...

    def unusable_address(self, address: str) -> str | None:
        """Why no port can be bound to an address, or None."""
        ...

    def port_holder(self, address: str, port: int) -> str | None:
        """What else holds a port on this machine: a process, or "another program"; None where it is free."""
        ...

    def memory(self) -> int:
        """Bytes of memory of the engine's machine."""
        ...


def preflight(engine: EngineProbe, needs: Needs) -> None:
    """Check all needs and report everything that is missing at once.

    Raises:
        PreflightError: With every reason.
    """
    if reason := engine.ping():
        raise PreflightError("no Docker engine can be used; nothing was changed", [reason])
    problems = [reason for image in needs.images if (reason := engine.missing_image(image))]
    if reason := engine.unusable_address(needs.bind_address):
        problems.append(f"no port can be bound to {needs.bind_address} ({reason}). Set bindAddress to a local address")
    else:
        problems += _port_problems(engine, needs)
    total, available = sum(needs.memory.values()), engine.memory()
    if total > available:
        shares = ", ".join(f"{member} {format_size(limit)}" for member, limit in needs.memory.items())
        problems.append(
            f"the members' memory limits add up to {format_size(total)}, but the engine's machine has "
            f"{available // 1024**2}MiB: {shares}. Lower the memory and heap settings, or the replicas"
        )
    if problems:
        raise PreflightError("this machine cannot run the platform; nothing was changed", problems)


def _port_problems(engine: EngineProbe, needs: Needs) -> list[str]:
    published = engine.published_ports(needs.bind_address)
    problems: list[str] = []
    for container, ports in needs.ports.items():
        for port in ports:
            holder, own = published.get(port, ("", False))
            if own:
                continue  # ours: this update replaces it or moves it to a different port
            taken_by = f"container {holder}" if holder else engine.port_holder(needs.bind_address, port)
            if taken_by:
                problems.append(
                    f"port {port}, which {container} needs, is taken by {taken_by}. "
                    "Stop that, or set a different port in the stack file"
                )
    return problems
