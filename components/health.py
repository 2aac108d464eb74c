"""Health gates: ``up`` ends when the platform is well, or says what is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.providers.health import HealthGateProvider


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
        route: How this program's clients get to the members; see :mod:`components.clients.routes`.
    """

    platform: str
    zookeeper: Mapping[str, str]
    bootstrap: str
    brokers: Mapping[str, str]
    redis: RedisCheck
    deadline: float
    trigger: Mapping[str, pulumi.Input[str]]
    logs: Mapping[str, str]
    route: Mapping[str, Any] | None


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
            "route": args.route,
            "summary": None,
        }
        super().__init__(HealthGateProvider(), name, props, opts)
