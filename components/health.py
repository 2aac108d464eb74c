"""Health gates: ``up`` ends when the platform is well, or says what is not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import Resource

from components.providers.health import HealthGateProvider, MemberGateProvider
from components.targets.base import GateMaker


@dataclass(frozen=True, kw_only=True)
class RedisCheck:
    """What the health gate needs to know of Redis."""

    member: str
    address: str
    password: pulumi.Input[str] | None
    append_only: bool
    save: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class HealthGateArgs:
    """Inputs of a :class:`HealthGate`.

    Args:
        platform: The platform's name.
        zookeeper: Address of each ensemble member, by name.
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: Address that each broker advertises, by name.
        redis: What to check of Redis.
        deadline: Seconds to become healthy.
        trigger: Anything that changes when the platform does; the gate checks again when it changes.
        logs: For each member the command that shows its logs.
    """

    platform: str
    zookeeper: Mapping[str, str]
    bootstrap: str
    brokers: Mapping[str, str]
    redis: RedisCheck
    deadline: float
    trigger: Mapping[str, pulumi.Input[str]]
    logs: Mapping[str, str]


class HealthGate(Resource, module="millrace", name="HealthGate"):
    """Waits until ZooKeeper, Kafka and Redis are well, and fails the update with what is not."""

    summary: pulumi.Output[str]
    """What was found when the platform last changed, with timings."""

    def __init__(self, name: str, args: HealthGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        redis = {
            "member": args.redis.member,
            "address": args.redis.address,
            "password": args.redis.password,
            "appendOnly": args.redis.append_only,
            "save": list(args.redis.save),
        }
        props: dict[str, object] = {
            "platform": args.platform,
            "zookeeper": dict(args.zookeeper),
            "bootstrap": args.bootstrap,
            "brokers": dict(args.brokers),
            "redis": redis,
            "deadline": args.deadline,
            "trigger": dict(args.trigger),
            "logs": dict(args.logs),
            "summary": None,
        }
        super().__init__(HealthGateProvider(), name, props, opts)


@dataclass(frozen=True, kw_only=True)
class MemberGateArgs:
    """Inputs of a :class:`MemberGate`.

    Args:
        kind: ``zookeeper`` (the member has joined the quorum) or ``kafka`` (the broker is registered and no
            partition is under-replicated).
        member: The member that must be back.
        members: Address of each member, by name.
        deadline: Seconds to come back.
        trigger: Changes when the member does.
        logs: For each member the command that shows its logs.
    """

    kind: str
    member: str
    members: Mapping[str, str]
    deadline: float
    trigger: pulumi.Input[str]
    logs: Mapping[str, str]


class MemberGate(Resource, module="millrace", name="MemberGate"):
    """Waits until one member is back in its cluster, so that a change rolls members one at a time."""

    def __init__(self, name: str, args: MemberGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "kind": args.kind,
            "member": args.member,
            "members": dict(args.members),
            "deadline": args.deadline,
            "trigger": args.trigger,
            "logs": dict(args.logs),
        }
        super().__init__(MemberGateProvider(), name, props, opts)


def gates_between(
    kind: str, suffix: str, members: Mapping[str, str], deadline: float, logs_command: Callable[[str], str]
) -> GateMaker | None:
    """What makes the gates between a workload's members, or None where there is only one member.

    Args:
        kind: See :class:`MemberGateArgs`.
        suffix: End of the gates' names, after the member's.
        members: Address of each member, by name.
        deadline: Seconds that a changed member may take to be back.
        logs_command: Tells the command that shows a member's logs.
    """
    if len(members) == 1:
        return None

    def gate(member: str, identity: pulumi.Output[str], options: pulumi.ResourceOptions) -> pulumi.Resource:
        args = MemberGateArgs(
            kind=kind,
            member=member,
            members=members,
            deadline=deadline,
            trigger=identity,
            logs={member: logs_command(member)},
        )
        return MemberGate(f"{member}-{suffix}", args, options)

    return gate
