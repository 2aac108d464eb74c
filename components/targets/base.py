"""The interface of a target: what components ask of it. A target knows workloads, never a component by name.

Target                where a platform runs: names, addresses and preflight; declares no resources
└── prepare() ──► PreparedTarget    its shared resources are declared: deploys workloads
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, Protocol, TypedDict

import pulumi

from components.outside import Outside
from components.workload import Workload


class RouteInputs(TypedDict):
    """A route as input of a resource; providers receive it as :class:`components.routes.RouteProps`."""

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
        created: Resources that create the members, which need not serve yet.
        settled: Resources that wait until all members serve, after a change too.
        logs: For each member the command that shows its logs.
        storage: The resource that holds the data, or None; what is inside it, such as topics, is deleted with it.
    """

    identities: Mapping[str, pulumi.Output[str]]
    created: Sequence[pulumi.Resource]
    settled: Sequence[pulumi.Resource]
    logs: Mapping[str, pulumi.Input[str]]
    storage: pulumi.Resource | None


def with_dependencies_of(
    component: pulumi.ResourceOptions | None, child: pulumi.ResourceOptions
) -> pulumi.ResourceOptions:
    """A child's options, and what its component depends on: Pulumi does not pass that on to children.

    Args:
        component: The options that the component was given.
        child: The child's own options.
    """
    outer = pulumi.ResourceOptions(depends_on=None if component is None else component.depends_on)
    return pulumi.ResourceOptions.merge(outer, child)


class Addressing(Protocol):
    """Names and addresses of members; derived from settings, so a preview knows them."""

    def host(self, workload: str, ordinal: int) -> pulumi.Input[str]:
        """The name by which other members of the platform reach this member."""
        ...

    def addresses(self, workload: Workload) -> dict[str, pulumi.Input[str]]:
        """``host:port`` of each member, by name, as this program's own clients reach it over the route."""
        ...

    def outside(self, port: int, *, host: str | None = None, external: str = "none") -> Outside | None:
        """How clients outside the target's network reach a port.

        Args:
            port: Port of member 0.
            host: Host that clients connect to; ``{ordinal}`` in it stands for the member's number. None takes the
                address that Docker binds ports to, and loopback on Kubernetes.
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

    def route(self, workloads: Sequence[Workload] | None = None) -> RouteInputs | None:
        """How this program's own clients reach members; None for a direct route.

        Args:
            workloads: Whose members; None for all that are deployed so far. A resource whose route names members that
                it does not ask is updated whenever one of those comes or goes.
        """
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
        """Publish the variables for applications where the target can; return the stack outputs that only it has."""
        ...

    def hand_over(
        self, application: str, content: pulumi.Input[Mapping[str, str]], namespace: str | None, parent: pulumi.Resource
    ) -> None:
        """Hand an application what its clients need, where the target can; the stack's outputs have it everywhere.

        Args:
            application: Its name.
            content: Variables and files by name, a secret.
            namespace: Where its pods run; None is where the platform does.
            parent: The component that it belongs to.
        """
        ...


class Target(Addressing, Protocol):
    """Where a platform runs."""

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Check, before any resource is registered, whether these workloads can run here. Only this needs a network.

        Raises:
            PreflightError: With every reason why they cannot.
        """
        ...

    def prepare(self, parent: pulumi.Resource | None = None) -> PreparedTarget:
        """Declare the resources that all workloads share; called once for a platform.

        Args:
            parent: The component that the shared resources belong to; None for the stack itself.
        """
        ...
