"""The component of one monitoring server: a single member, which may be restarted at any time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from components.targets.base import Deployment, PreparedTarget
from components.workload import File, Workload


@dataclass(frozen=True, kw_only=True)
class MonitoringServerArgs:
    """Arguments of a :class:`MonitoringServer`.

    Args:
        target: Where it runs, from the target's ``prepare``.
        workload: What runs.
        secret_files: Further files, with secrets.
        deadline: Seconds that a changed server may take to be back.
    """

    target: PreparedTarget
    workload: Workload
    secret_files: Sequence[File] = ()
    deadline: float = 180


class MonitoringServer(pulumi.ComponentResource):
    """A server of one member.

    Args:
        kind: The last part of the component's type token.
        name: The resource's name.
        args: What runs and where.
        opts: Resource options.
    """

    address: pulumi.Output[str]
    """``host:port`` by which this program reaches it."""
    deployment: Deployment
    """Its resources."""

    def __init__(
        self, kind: str, name: str, args: MonitoringServerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(f"millrace:index:{kind}", name, None, opts)
        workload = replace(args.workload, files=[*args.workload.files, *args.secret_files])
        self.address = pulumi.Output.from_input(args.target.addresses(workload)[workload.members[0]])
        self.deployment = args.target.deploy(workload, self, deadline=args.deadline, opts=opts)
        self.register_outputs({"address": self.address})
