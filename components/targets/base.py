"""What a target offers to components. A target knows workloads, never a component by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pulumi

from components.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a workload's members are to each other, so that a target can change them safely.

    Args:
        kind: ``zookeeper``, ``kafka``, ``redis`` or ``server``, which is one that needs no others: which rules hold;
            see :mod:`components.providers.rolls`.
        addresses: ``host:port`` of each member as this program's own clients reach it, by name.
        deadline: Seconds that a changed member may take to be back.
    """

    kind: str
    addresses: Mapping[str, str]
    deadline: float


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The variables that applications read.

    Args:
        plain: Variables that anyone may see.
        secret: Variables with a password in them; all are secret outputs.
    """

    plain: Mapping[str, str]
    secret: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What became of a workload.

    Args:
        identities: For each member something that changes whenever the member is made anew.
        made: What has made the members; they need not serve yet.
        settled: What has seen that all members serve, after a change too.
        storage: What holds the data, if there is any; resources that live in the data are gone with it.
    """

    identities: Mapping[str, pulumi.Output[str]]
    made: Sequence[pulumi.Resource]
    settled: Sequence[pulumi.Resource]
    storage: pulumi.Resource | None


class Target(Protocol):
    """Where a platform runs."""

    def host(self, workload: str, ordinal: int) -> str:
        """The name by which members of the platform reach this member."""
        ...

    def addresses(self, workload: Workload) -> list[str]:
        """``host:port`` of each member, by ordinal, as this program's own clients reach it over :meth:`route`."""
        ...

    def route(self) -> Mapping[str, Any] | None:
        """How this program's own clients get to the members; see :mod:`components.clients.routes`."""
        ...

    def logs_command(self, member: str) -> str:
        """The command that shows a member's logs."""
        ...

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Find out, before anything is registered, whether these workloads can run here.

        Raises:
            PreflightError: With every reason why not.
        """
        ...

    def prepare(self, workloads: Sequence[Workload], parent: pulumi.Resource) -> None:
        """Declare what these workloads share; called once, before the first is deployed."""
        ...

    def deploy(
        self, workload: Workload, parent: pulumi.Resource, cluster: Cluster, *, after: Sequence[Deployment] = ()
    ) -> Deployment:
        """Declare a workload's resources as children of ``parent``; its members change one at a time.

        They change when those in ``after`` have settled, and are removed before them.
        """
        ...

    def publish(self, environment: Environment, parent: pulumi.Resource) -> Mapping[str, pulumi.Input[str]]:
        """Hand the variables to applications where the target can; return stack outputs that only this target has."""
        ...
