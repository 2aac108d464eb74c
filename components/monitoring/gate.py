"""The resource by which ``up`` waits until the monitoring servers see the platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi.dynamic import Resource

from components.monitoring.provider import MonitorGateProvider
from components.targets.base import RouteInputs


@dataclass(frozen=True, kw_only=True)
class MonitorGateArgs:
    """Arguments of a :class:`MonitorGate`.

    Args:
        platform: The platform's name.
        exporter: ``host:port`` of the exporter.
        brokers: Number of brokers that it must see.
        ready: For each further server, by member, ``host:port/path`` of a page that answers 200 once it serves.
        deadline: Seconds until all serve.
        trigger: Values that change when a monitoring server is replaced; the gate then checks again.
        logs: For each member the command that shows its logs.
        route: How this program's clients reach the members, from a prepared target; None for a direct route.
    """

    platform: str
    exporter: pulumi.Input[str]
    brokers: int
    ready: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    deadline: float = 180
    trigger: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    logs: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    route: RouteInputs | None = None


class MonitorGate(Resource, module="millrace", name="MonitorGate"):
    """Waits until the exporter has seen every broker and the other servers answer, and fails with the findings.

    Args:
        name: The resource's name.
        args: What to check.
        opts: Resource options.
    """

    def __init__(self, name: str, args: MonitorGateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "platform": args.platform,
            "exporter": args.exporter,
            "brokers": args.brokers,
            "ready": dict(args.ready),
            "deadline": args.deadline,
            "trigger": dict(args.trigger),
            "logs": dict(args.logs),
            "route": args.route,
        }
        super().__init__(MonitorGateProvider(), name, props, opts)
