"""Dynamic resources that stop and remove the members of a workload safely on Docker."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.safety import Safety, reference
from components.targets.docker.provider import MemberGateProvider, MemberSetProvider


@dataclass(frozen=True, kw_only=True)
class MemberGateArgs:
    """Inputs of a :class:`MemberGate`.

    Args:
        safety: The rules of the members.
        stops: The member that is stopped next, or None.
        returns: The member that was started before, or None.
        members: ``host:port`` of each member, by name.
        containers: Name of each member's container on the engine.
        deadline: Seconds to wait.
        trigger: Values that change when the gate must check again.
        logs: For each member the command that shows its logs.
        password: What the rules need to add and remove members, or None.
    """

    safety: type[Safety]
    stops: str | None
    returns: str | None
    members: Mapping[str, pulumi.Input[str]]
    containers: Mapping[str, str]
    deadline: float
    trigger: Mapping[str, pulumi.Input[str]]
    logs: Mapping[str, pulumi.Input[str]]
    password: pulumi.Input[str] | None


class MemberGate(Resource, module="millrace", name="MemberGate"):
    """Waits until one member is back, then until the next one may be stopped.

    Args:
        name: The resource's name.
        args: What to check.
        opts: Resource options.
    """

    def __init__(self, name: str, args: MemberGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "safety": reference(args.safety),
            "stops": args.stops,
            "returns": args.returns,
            "members": dict(args.members),
            "containers": dict(args.containers),
            "deadline": args.deadline,
            "trigger": dict(args.trigger),
            "logs": dict(args.logs),
            "password": args.password,
        }
        super().__init__(MemberGateProvider(), name, props, opts)


class MemberSet(Resource, module="millrace", name="MemberSet"):
    """The members of a workload: a change that removes a member is refused while the member is still needed.

    Args:
        workload: The workload's name.
        safety: The rules of the members.
        members: ``host:port`` of each member, by name.
        logs: For each member the command that shows its logs.
        deadline: Seconds that a member may take to leave.
        password: What the rules need to remove members, or None.
        opts: Resource options.
    """

    def __init__(
        self,
        workload: str,
        safety: type[Safety],
        members: Mapping[str, pulumi.Input[str]],
        logs: Mapping[str, pulumi.Input[str]],
        deadline: float,
        password: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, object] = {
            "workload": workload,
            "safety": reference(safety),
            "members": dict(members),
            "logs": dict(logs),
            "deadline": deadline,
            "password": password,
        }
        super().__init__(MemberSetProvider(), f"{workload}-members", props, opts)
