"""The interface between components and targets: a component says *what* runs, a target says *how*.

A :class:`Workload` is a set of equal servers, each with an identity. What differs from member to member is written in
``command`` and ``env`` as placeholders that every target fills in:

    $(ORDINAL)          0, 1, 2, …
    $(HOST)             the name by which the platform's other members reach this one

A workload that is :attr:`~Workload.founded` gets a variable from the target: :data:`FOUNDERS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pulumi

from components.inputs import lift
from components.naming import member_name
from components.outside import Outside
from components.safety import Safety

CLIENTS = "clients"
"""Who may connect to a port, besides named workloads: the applications that the platform serves."""

ANYONE = "anyone"
"""Who may connect to a port: everyone who can reach it."""


FOUNDERS = "FOUNDERS"
"""The variable that says how many members, from ordinal 0 on, may found their group. Where a member can lose its volume
alone, it exists only until the group does: such a member must find the others again."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port that a member listens on.

    Args:
        name: Lower-case word.
        number: Port inside the container.
        reached_by: Names of the workloads that connect to it, :data:`CLIENTS` or :data:`ANYONE`.
        outside: How clients outside reach it, or None for a port that only the target's network reaches.
    """

    name: str
    number: int
    reached_by: Sequence[str] = ()
    outside: Outside | None = None


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that every member gets.

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
    """A command whose exit status says whether a member serves.

    Args:
        command: Program and arguments; run without a shell, so pipes need ``bash -c``.
        interval: Time between two runs.
        timeout: Time after which a run counts as failed.
        failures: Failed runs in a row that make the member unhealthy.
        start_period: Time that a member may take until it serves after its start.
    """

    command: Sequence[str]
    interval: timedelta = timedelta(seconds=5)
    timeout: timedelta = timedelta(seconds=5)
    failures: int = 3
    start_period: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class CatchUp:
    """A command that succeeds once a member has everything that it missed while it was away.

    Kubernetes runs it after each start until it has succeeded once, and calls the member Ready only then, so that a
    disruption budget counts it as away until then. It never restarts a member because of it. Docker does not run it:
    nothing but ``up`` stops members there, and its gates ask the same from outside.

    Args:
        command: Program and arguments; run without a shell. What it prints after ``not yet: `` is shown as the reason.
        interval: Time between two runs.
        timeout: Time after which a run counts as failed.
    """

    command: Sequence[str]
    interval: timedelta = timedelta(seconds=2)
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Data that outlives a member's container.

    Args:
        path: Where it is mounted.
        size: Bytes of a member's volume, if a target gives each its own.
        lifetime: A target creates and removes the storage of all workloads with the same lifetime together.
            ZooKeeper and Kafka share one, because a broker whose data outlives its ensemble's refuses to start
            (InconsistentClusterIdException).
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
        memory: Memory limit in bytes.
        cpu: CPU request, as Kubernetes writes it: ``500m``, ``2``.
        cpu_limit: CPU limit, or None for no limit.
    """

    memory: int
    cpu: str
    cpu_limit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Equal servers, each with an identity, independent of where they run."""

    name: str
    image: str
    replicas: int
    command: Sequence[str]
    """Program and arguments; arguments alone if ``entry_point`` is set."""
    resources: Resources
    stop_grace: timedelta
    readiness: Probe
    ports: Sequence[Port]
    user: int
    """Numeric id of user and group that the server runs as and that own its data."""
    outgoing: Sequence[int] = ()
    """Ports that it connects to on servers outside the platform."""
    storage: Storage | None = None
    """None for a server without data."""
    entry_point: bool = False
    """Whether the image's own entry point runs, with ``command`` as its arguments."""
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    files: Sequence[File] = ()
    catch_up: CatchUp | None = None
    """What must succeed once after each start before a member counts as serving; None if answering is enough."""
    safety: type[Safety] = Safety
    """The server's rules for stopping and removing members."""
    founded: bool = False
    """Whether its members must know whether they are the first ones; see :data:`FOUNDERS`."""
    login: Mapping[str, pulumi.Input[str]] | None = None
    """How the rules log in to the members, or None if members ask for nothing."""
    zone_file: str | None = None
    """File into which a target that knows the member's failure domain writes it before the member starts."""

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
        """``host:port`` of each member for clients outside, by ordinal; empty if no port is exposed."""
        return [outside.address(ordinal) for outside in self.exposed.values() for ordinal in range(self.replicas)]


def internal_addresses(
    workload: Workload, host: Callable[[str, int], pulumi.Input[str]]
) -> dict[str, pulumi.Input[str]]:
    """``host:port`` of each member's port for clients inside the target's network, by name.

    Args:
        workload: The workload.
        host: Gives the name by which other members reach a member.
    """
    port = workload.client_port.number
    return {
        member: lift(lambda known: f"{known[0]}:{port}", [host(workload.name, ordinal)])
        for ordinal, member in enumerate(workload.members)
    }
