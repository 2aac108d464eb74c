"""The gate that says that the platform is watched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.providers.monitor import MonitorGateProvider


@dataclass(frozen=True, kw_only=True)
class MonitorGateArgs:
    """Inputs of a :class:`MonitorGate`.

    Args:
        platform: The platform's name.
        exporter: ``host:port`` of the exporter.
        brokers: Number of brokers that it must see.
        ready: For each further server by member ``host:port/path``, which answers 200 once it serves.
        deadline: Seconds until all serve.
        trigger: Changes when a monitoring server does; the gate checks again when it changes.
        logs: For each member the command that shows its logs.
        route: How this program's clients get to the members; see :mod:`components.clients.routes`.
    """

    platform: str
    exporter: str
    brokers: int
    ready: Mapping[str, str]
    deadline: float
    trigger: Mapping[str, pulumi.Input[str]]
    logs: Mapping[str, str]
    route: Mapping[str, Any] | None


class MonitorGate(Resource, module="millrace", name="MonitorGate"):
    """Waits until the exporter has seen every broker and the other servers answer, and fails with what is not so."""

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
