"""What a target offers to components. A target knows workloads, never a component by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pulumi

from components.workload import Workload

GateMaker = Callable[[str, pulumi.Output[str], pulumi.ResourceOptions], pulumi.Resource]
"""Makes the resource that must succeed after a member changed and before the next one is touched.

Called with the member's name, its identity, and options with parent and dependencies set.
"""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What became of a workload.

    Args:
        identities: For each member something that changes whenever the member is made anew.
        resources: What later resources wait for.
        storage: What holds the data; resources that live in the data are gone with it.
    """

    identities: Mapping[str, pulumi.Output[str]]
    resources: Sequence[pulumi.Resource] = field(default_factory=tuple[pulumi.Resource, ...])
    storage: pulumi.Resource


class Target(Protocol):
    """Where a platform runs."""

    def host(self, workload: str, ordinal: int) -> str:
        """The name by which members of the platform reach this member."""
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
        self,
        workload: Workload,
        parent: pulumi.Resource,
        *,
        after: Sequence[pulumi.Resource] = (),
        gate: GateMaker | None = None,
    ) -> Deployment:
        """Declare a workload's resources as children of ``parent``.

        They are made and changed later than those in ``after``, and removed earlier. Where a gate is given, members
        are changed one at a time, each after the gate of the one before.
        """
        ...

    def outputs(self) -> Mapping[str, pulumi.Input[str]]:
        """Stack outputs that only this target has, by name."""
        ...
