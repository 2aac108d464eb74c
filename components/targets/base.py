"""What a target offers to components. A target knows workloads, never a component by name.

Target                where a platform runs: names and addresses, and preflight; declares nothing
└── prepare() ──► PreparedTarget    the same with its shared resources declared: deploys workloads
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, Protocol, TypedDict

import pulumi

from components.outside import Outside
from components.workload import Workload


class RouteInputs(TypedDict):
    """A route as an input of a resource; providers get it as :class:`components.routes.RouteProps`."""

    context: str
    namespace: pulumi.Input[str]
    hosts: Sequence[pulumi.Input[str]]
    kubeconfig: NotRequired[str]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The variables that applications read.

    Args:
        plain: Variables that anyone may see.
        secret: Variables with a password in them; all are secret outputs.
    """

    plain: Mapping[str, pulumi.Input[str]]
    secret: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The resources of a deployed workload.

    Args:
        identities: For each member a value that changes whenever the member is replaced.
        made: Resources that create the members, which need not serve yet.
        settled: Resources that wait until all members serve, after a change too.
        logs: For each member the command that shows its logs.
        storage: The resource that holds the data, if there is any; whatever lives in the data is deleted with it.
    """

    identities: Mapping[str, pulumi.Output[str]]
    made: Sequence[pulumi.Resource]
    settled: Sequence[pulumi.Resource]
    logs: Mapping[str, pulumi.Input[str]]
    storage: pulumi.Resource | None


class Addressing(Protocol):
    """Names and addresses of members; derived from settings, so that a preview knows them."""

    def host(self, workload: str, ordinal: int) -> pulumi.Input[str]:
        """The name by which other members of the platform reach this member."""
        ...

    def addresses(self, workload: Workload) -> list[pulumi.Input[str]]:
        """``host:port`` of each member, by ordinal, as this program's own clients reach it over the route."""
        ...

    def outside(self, port: int, *, host: str = "127.0.0.1", external: str = "none") -> Outside | None:
        """How clients outside the target's network reach a port.

        Args:
            port: Port of member 0.
            host: Host that clients are told; ``{ordinal}`` in it stands for the member's number.
            external: On Kubernetes ``none``, ``nodePort`` or ``loadBalancer``; Docker publishes every port.

        Returns:
            None where clients outside cannot reach it.
        """
        ...

    def logs_command(self, member: str) -> pulumi.Input[str]:
        """The command that shows a member's logs."""
        ...


class PreparedTarget(Addressing, Protocol):
    """A target whose shared resources are declared."""

    def route(self) -> RouteInputs | None:
        """How this program's own clients reach the members that were deployed; None for directly."""
        ...

    def deploy(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        *,
        deadline: float,
        after: Sequence[Deployment] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> Deployment:
        """Declare a workload's resources as children of ``parent``; its members change one at a time.

        Args:
            workload: What runs.
            parent: The component that the resources belong to.
            deadline: Seconds that a changed member may take to be back.
            after: Deployments that change before this one and are removed after it.
            opts: Options of the component; what it depends on, its members depend on.
        """
        ...

    def publish(self, environment: Environment, parent: pulumi.Resource) -> Mapping[str, pulumi.Input[str]]:
        """Hand the variables to applications where the target can; return stack outputs that only this target has."""
        ...


class Target(Addressing, Protocol):
    """Where a platform runs."""

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Ask, before anything is registered, whether these workloads can run here. The only call that needs a network.

        Raises:
            PreflightError: With every reason why not.
        """
        ...

    def prepare(self, parent: pulumi.Resource | None = None) -> PreparedTarget:
        """Declare what all workloads share; called once for a platform.

        Args:
            parent: The component that the shared resources belong to; None for the stack itself.
        """
        ...
