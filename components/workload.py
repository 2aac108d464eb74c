"""The joint between components and targets: a component says *what* runs, a target says *how*.

A :class:`Workload` is ``replicas`` like servers with identity. What differs from member to member stands in
``command`` and ``env`` as placeholders that every target fills in:

    $(ORDINAL)          0, 1, 2, …
    $(HOST)             the name by which the platform's other members reach this one
    $(<NAME>_ADDRESS)   host:port by which clients outside reach the exposed port <NAME> of this member
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pulumi

from components.naming import member_name


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port that a member listens on.

    Args:
        name: Lower-case word; names the placeholder ``$(<NAME>_ADDRESS)``.
        number: Port inside the container.
        outside: Port on the target's outside of member 0 (each further member takes the next), or None for a
            port that only the platform's members reach.
        outside_host: Host that clients outside are told; only for exposed ports.
    """

    name: str
    number: int
    outside: int | None = None
    outside_host: str = "127.0.0.1"

    def outside_address(self, ordinal: int) -> str:
        """``host:port`` by which clients outside reach this port of a member.

        Raises:
            ValueError: The port is not exposed.
        """
        if self.outside is None:
            raise ValueError(f"port {self.name} is not exposed")
        return f"{self.outside_host}:{self.outside + ordinal}"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that every member has.

    Args:
        path: Absolute path inside the container.
        content: The text.
        secret: Whether the text is kept encrypted and out of plain configuration objects.
    """

    path: str
    content: pulumi.Input[str]
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A command that says by its exit status whether a member serves.

    Args:
        command: Program and arguments; run without a shell, so pipes need ``bash -c``.
        interval: Time between two runs.
        timeout: Time after which a run counts as failed.
        failures: Failed runs in a row that make the member unhealthy.
        start_period: Time after the start in which failures do not count.
    """

    command: Sequence[str]
    interval: timedelta = timedelta(seconds=5)
    timeout: timedelta = timedelta(seconds=5)
    failures: int = 3
    start_period: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Data that outlives a member's container.

    Args:
        path: Where it is mounted.
        lifetime: Workloads whose storage names the same lifetime share its fate: a target makes and removes it
            as one thing. ZooKeeper and Kafka do, because a broker whose data outlives its ensemble's refuses to
            start (InconsistentClusterIdException).
        protect: Whether destroying it is refused.
    """

    path: str
    lifetime: str
    protect: bool = False


@dataclass(frozen=True, kw_only=True)
class Workload:
    """``replicas`` like servers with identity, independent of where they run."""

    name: str
    image: str
    replicas: int
    command: Sequence[str]
    memory: int
    """Limit of a member, in bytes."""
    stop_grace: timedelta
    readiness: Probe
    ports: Sequence[Port]
    storage: Storage
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Sequence[File] = ()
    user: str | None = None
    """``uid`` or ``uid:gid``; None runs as the image's own user."""

    @property
    def members(self) -> list[str]:
        """The members' names, by ordinal."""
        return [member_name(self.name, ordinal) for ordinal in range(self.replicas)]

    def port(self, name: str) -> Port:
        """The port of that name.

        Raises:
            KeyError: There is none.
        """
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(f"workload {self.name} has no port {name}")

    def outside_addresses(self, port: str) -> list[str]:
        """``host:port`` of each member for clients outside, by ordinal."""
        return [self.port(port).outside_address(ordinal) for ordinal in range(self.replicas)]
