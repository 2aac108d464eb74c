"""Dynamic resources that stop and remove the members of a workload safely on Docker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.safety import Safety, reference
from components.targets.docker.provider import MemberExitProvider, MemberGateProvider, MemberSetProvider


@dataclass(frozen=True, kw_only=True)
class MemberGateArgs:
    """Inputs of a :class:`MemberGate`.

    Args:
        safety: The rules of the members.
        stops: The member that is stopped next, or None.
        returns: The member that was started just before, or None.
        changed: Members that changed before, and so serve at their declared addresses.
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
    changed: Sequence[str]
    members: Mapping[str, pulumi.Input[str]]
    containers: Mapping[str, str]
    deadline: float
    trigger: Mapping[str, pulumi.Input[str]]
    logs: Mapping[str, pulumi.Input[str]]
    password: pulumi.Input[str] | None


class MemberGate(Resource, module="millrace", name="MemberGate"):
    """Waits until a member may be stopped, or until it is back.

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
            "changed": list(args.changed),
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


class MemberExit(Resource, module="millrace", name="MemberExit"):
    """A member that can leave: deleting it releases the member, just before its container is deleted.

    Members leave from the last one on, so those before it stay.

    Args:
        safety: The rules of the members.
        members: ``host:port`` of the members up to this one, by name, in their order.
        logs: For each of them the command that shows its logs.
        deadline: Seconds that the member may take to leave.
        password: What the rules need to remove members, or None.
        opts: Resource options.
    """

    def __init__(
        self,
        safety: type[Safety],
        members: Mapping[str, pulumi.Input[str]],
        logs: Mapping[str, pulumi.Input[str]],
        deadline: float,
        password: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        member = [*members][-1]
        props: dict[str, object] = {
            "member": member,
            "safety": reference(safety),
            "members": dict(members),
            "logs": dict(logs),
            "deadline": deadline,
            "password": password,
        }
        super().__init__(MemberExitProvider(), f"{member}-leaves", props, opts)
