"""Dynamic resources that stop and remove the members of a workload safely on Docker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi
from pulumi.dynamic import Resource

from components.inputs import secret_of
from components.safety import Safety, reference
from components.targets.docker.provider import MemberExitProvider, MemberGateProvider, MemberSetProvider


@dataclass(frozen=True, kw_only=True)
class MembersArgs:
    """The members of a workload, as inputs of a resource.

    Args:
        safety: The rules of the members.
        addresses: ``host:port`` of each member, by name.
        logs: For each member the command that shows its logs.
        deadline: Seconds that a member may take to join, to leave or to be back.
        login: How the rules log in to the members, or None.
    """

    safety: type[Safety]
    addresses: Mapping[str, pulumi.Input[str]]
    logs: Mapping[str, pulumi.Input[str]]
    deadline: float
    login: Mapping[str, pulumi.Input[str]] | None = None

    def props(self) -> dict[str, object]:
        """The members as properties of a resource."""
        return {
            "safety": reference(self.safety),
            "members": dict(self.addresses),
            "logs": dict(self.logs),
            "deadline": self.deadline,
            "login": None if self.login is None else secret_of(self.login),
        }

    def upto(self, member: str) -> "MembersArgs":
        """The same with this member and those before it alone."""
        names = [*self.addresses]
        kept = names[: names.index(member) + 1]
        addresses = {name: self.addresses[name] for name in kept}
        return replace(self, addresses=addresses, logs={name: self.logs[name] for name in kept})


@dataclass(frozen=True, kw_only=True)
class MemberGateArgs:
    """Inputs of a :class:`MemberGate`.

    Args:
        members: All members.
        stops: The member that is stopped next, or None.
        returns: The member that was started just before, or None.
        changed: Members that changed before, and so serve at their declared addresses.
        containers: Name of each member's container on the engine.
        trigger: Values that change when the gate must check again.
    """

    members: MembersArgs
    stops: str | None
    returns: str | None
    changed: Sequence[str]
    containers: Mapping[str, str]
    trigger: Mapping[str, pulumi.Input[str]]


class MemberGate(Resource, module="millrace", name="MemberGate"):
    """Waits until a member may be stopped, or until it is back.

    Args:
        name: The resource's name.
        args: What to check.
        opts: Resource options.
    """

    def __init__(self, name: str, args: MemberGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            **args.members.props(),
            "stops": args.stops,
            "returns": args.returns,
            "changed": list(args.changed),
            "containers": dict(args.containers),
            "trigger": dict(args.trigger),
        }
        super().__init__(MemberGateProvider(), name, props, opts)


class MemberSet(Resource, module="millrace", name="MemberSet"):
    """The members of a workload: a change that removes a member is refused while the member is still needed.

    Args:
        workload: The workload's name.
        members: Its members.
        opts: Resource options.
    """

    def __init__(self, workload: str, members: MembersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {"workload": workload, **members.props()}
        super().__init__(MemberSetProvider(), f"{workload}-members", props, opts)


class MemberExit(Resource, module="millrace", name="MemberExit"):
    """A member that can leave: deleting it releases the member, just before its container is deleted.

    Members leave from the last one on, so those before it stay.

    Args:
        member: The member.
        members: The members up to this one, in their order.
        opts: Resource options.
    """

    def __init__(self, member: str, members: MembersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(MemberExitProvider(), f"{member}-leaves", {"member": member, **members.props()}, opts)
