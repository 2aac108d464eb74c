"""The joint between components and targets: a component says *what* runs, a target says *how*.

A :class:`Workload` is ``replicas`` like servers with identity. What differs from member to member stands in
``command`` and ``env`` as placeholders that every target fills in:

    $(ORDINAL)          0, 1, 2, …
    $(HOST)             the name by which the platform's other members reach this one
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pulumi

from components.naming import member_name
from components.outside import Outside
from components.safety import Safety

CLIENTS = "clients"
"""Who may connect to a port, beside workloads by name: the applications that the platform serves."""

ANYONE = "anyone"
"""Who may connect to a port: whoever reaches it."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port that a member listens on.

    Args:
        name: Lower-case word.
        number: Port inside the container.
        reached_by: Names of the workloads that connect to it, :data:`CLIENTS` or :data:`ANYONE`.
        outside: How clients outside reach it, or None for a port inside the target's network only.
    """

    name: str
    number: int
    reached_by: Sequence[str] = ()
    outside: Outside | None = None


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
        start_period: Time that a member may take to serve after its start.
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
        size: Bytes of a member's volume, where a target gives each its own.
        lifetime: Workloads whose storage names the same lifetime share its fate: a target makes and removes it
            as one thing. ZooKeeper and Kafka do, because a broker whose data outlives its ensemble's refuses to
            start (InconsistentClusterIdException).
        protect: Whether destroying it is refused.
    """

    path: str
    size: int
    lifetime: str
    protect: bool = False


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a member may use.

    Args:
        memory: Limit in bytes.
        cpu: Processor time kept free for it, as Kubernetes writes it: ``500m``, ``2``.
        cpu_limit: Processor time that it may take at most, or None for no limit.
    """

    memory: int
    cpu: str
    cpu_limit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """``replicas`` like servers with identity, independent of where they run."""

    name: str
    image: str
    replicas: int
    command: Sequence[str]
    """Program and arguments; arguments alone where ``entry_point`` says so."""
    resources: Resources
    stop_grace: timedelta
    readiness: Probe
    ports: Sequence[Port]
    user: int
    """Numeric id of user and group that the server runs as and that own its data."""
    outgoing: Sequence[int] = ()
    """Ports that it connects to on servers that are not the platform's, wherever they are."""
    storage: Storage | None = None
    """None for a server that keeps nothing."""
    entry_point: bool = False
    """Whether the image's own entry point is what runs, and ``command`` its arguments."""
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    files: Sequence[File] = ()
    safety: type[Safety] = Safety
    """The subject's rules for stopping and removing members."""
    zone_file: str | None = None
    """Path of a file in which a target that knows failure domains writes the member's, before the member starts."""

    @property
    def members(self) -> list[str]:
        """The members' names, by ordinal."""
        return [member_name(self.name, ordinal) for ordinal in range(self.replicas)]

    @property
    def exposed(self) -> Mapping[str, Outside]:
        """How clients outside reach the exposed ports, by the ports' names."""
        return {port.name: port.outside for port in self.ports if port.outside is not None}

    @property
    def client_port(self) -> Port:
        """The port for clients inside the target's network: the first in the list."""
        return self.ports[0]

    def outside_addresses(self) -> list[str]:
        """``host:port`` of each member for clients outside, by ordinal; empty where no port is exposed."""
        return [outside.address(ordinal) for outside in self.exposed.values() for ordinal in range(self.replicas)]
