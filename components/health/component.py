"""The health gate as a resource: ``up`` ends when the servers are healthy, or fails with the reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import pulumi
from pulumi.dynamic import Resource

from components.health.provider import HealthGateProvider
from components.kafka.component import KafkaCluster, KafkaLogin
from components.redis.component import RedisServer
from components.targets.base import RouteInputs


@dataclass(frozen=True, kw_only=True)
class KafkaCheck:
    """What the gate checks of Kafka.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: Address that each broker must advertise, by name.
        login: Who asks; None where brokers ask for nothing.
    """

    bootstrap: pulumi.Input[str]
    brokers: pulumi.Input[Mapping[str, str]]
    login: KafkaLogin | None = None

    @classmethod
    def of(cls, cluster: KafkaCluster) -> Self:
        """Every broker of a cluster."""
        return cls(bootstrap=cluster.bootstrap_servers, brokers=cluster.brokers, login=cluster.login)


@dataclass(frozen=True, kw_only=True)
class RedisCheck:
    """What the gate checks of Redis.

    Args:
        member: The server's name.
        address: ``host:port``.
        password: The password that clients need, or None.
        append_only: Whether the append-only file must be on.
        save: Snapshot rules that must be in force, each "seconds changes".
    """

    member: str
    address: pulumi.Input[str]
    password: pulumi.Input[str] | None = None
    append_only: bool = False
    save: Sequence[str] = ()

    @classmethod
    def of(cls, server: RedisServer) -> Self:
        """A server and the persistence in its settings."""
        return cls(
            member=server.member,
            address=server.address,
            password=server.password,
            append_only=server.settings.append_only,
            save=server.settings.save,
        )


@dataclass(frozen=True, kw_only=True)
class HealthGateArgs:
    """Arguments of a :class:`HealthGate`; a part that is None is not checked.

    Args:
        platform: The platform's name.
        zookeeper: Address of each ensemble member, by name.
        kafka: What to check of Kafka.
        redis: What to check of Redis.
        deadline: Seconds within which everything must be healthy.
        trigger: Values that change when the platform does; the gate checks again when one of them changes.
        logs: For each member the command that shows its logs.
        route: How this program's clients reach the members, from a prepared target; None if directly.
    """

    platform: str
    zookeeper: pulumi.Input[Mapping[str, str]] | None = None
    kafka: KafkaCheck | None = None
    redis: RedisCheck | None = None
    deadline: float = 180
    trigger: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    logs: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    route: RouteInputs | None = None


class HealthGate(Resource, module="millrace", name="HealthGate"):
    """Waits until ZooKeeper, Kafka and Redis are healthy; after the deadline the update fails with the findings.

    Args:
        name: The resource's name.
        args: What to check.
        opts: Resource options.
    """

    summary: pulumi.Output[str]
    """The state of each part when the platform last changed, with timings."""

    def __init__(self, name: str, args: HealthGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "platform": args.platform,
            "zookeeper": args.zookeeper,
            "kafka": _kafka_props(args.kafka),
            "redis": _redis_props(args.redis),
            "deadline": args.deadline,
            "trigger": dict(args.trigger),
            "logs": dict(args.logs),
            "route": args.route,
            "summary": None,
        }
        super().__init__(HealthGateProvider(), name, props, opts)


def _kafka_props(check: KafkaCheck | None) -> dict[str, object] | None:
    if check is None:
        return None
    security = None if check.login is None else check.login.as_input()
    return {"bootstrap": check.bootstrap, "brokers": check.brokers, "security": security}


def _redis_props(check: RedisCheck | None) -> dict[str, object] | None:
    if check is None:
        return None
    return {
        "member": check.member,
        "address": check.address,
        "password": check.password,
        "appendOnly": check.append_only,
        "save": list(check.save),
    }
