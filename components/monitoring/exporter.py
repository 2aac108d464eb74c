"""The metrics exporter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pulumi

from components.monitoring.served import served_at
from components.outside import Outside
from components.rendering.promql import seconds
from components.server import USER, ServerArgs, resources_of
from components.settings import Settings
from components.targets.base import Deployment
from components.workload import CLIENTS, File, Port, Probe, Workload

NAME = "exporter"
PORT = 9090
"""Port inside the container."""

_PASSWORD = "/etc/millrace/redis-password"


def exporter_workload(
    settings: Settings,
    *,
    image: str,
    host: Callable[[str, int], str],
    servers: tuple[Workload, Workload, Workload],
    outside: Outside | None,
) -> Workload:
    """The exporter as a workload, all but the password's file.

    Args:
        settings: The stack file.
        image: Image reference.
        host: The target's name of a member, for the other members.
        servers: What it watches: ensemble, brokers, Redis.
        outside: How clients outside reach it, or None where they don't.
    """
    monitor = settings.monitor
    zookeeper, kafka, redis = (_addresses(server, host) for server in servers)
    password = {"REDIS_PASSWORD_FILE": _PASSWORD} if settings.redis.authentication else {}
    return Workload(
        name=NAME,
        image=image,
        replicas=1,
        command=["python3", "-m", "exporter"],
        env={
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(kafka.values()),
            "KAFKA_BROKERS": _spelled(kafka),
            "KAFKA_HEALTH_CHECK_INTERVAL": seconds(int(monitor.interval.total_seconds())),
            "METRICS_PORT": str(PORT),
            "MINIMUM_IN_SYNC": str(settings.kafka.min_in_sync_replicas),
            "REDIS_MEMBERS": _spelled(redis),
            "ZOOKEEPER_MEMBERS": _spelled(zookeeper),
            **password,
        },
        ports=[Port(name="metrics", number=PORT, reached_by=["prometheus", CLIENTS], outside=outside)],
        resources=resources_of(monitor),
        user=USER,
        stop_grace=timedelta(seconds=10),
        readiness=Probe(command=["python3", "-m", "exporter.probe"], interval=timedelta(seconds=10)),
    )


def watched(server: Workload) -> Workload:
    """The same server, whose first port the exporter may reach as well."""
    first, *others = server.ports
    return replace(server, ports=[replace(first, reached_by=[*first.reached_by, NAME]), *others])


def _addresses(server: Workload, host: Callable[[str, int], str]) -> dict[str, str]:
    port = server.client_port.number
    return {member: f"{host(server.name, ordinal)}:{port}" for ordinal, member in enumerate(server.members)}


def _spelled(addresses: Mapping[str, str]) -> str:
    return ",".join(f"{member}={address}" for member, address in addresses.items())


@dataclass(frozen=True, kw_only=True)
class MetricsExporterArgs(ServerArgs):
    """Arguments of a :class:`MetricsExporter`.

    Args:
        redis_password: The password that Redis asks for, or None for a server without one.
    """

    redis_password: pulumi.Input[str] | None


class MetricsExporter(pulumi.ComponentResource):
    """Looks at Kafka, ZooKeeper and Redis now and then, and serves what it saw; it outlives their absence."""

    deployment: Deployment
    """What the target made."""
    address: str
    """``host:port`` by which this program reaches it."""
    url: str
    """``http://…/metrics`` with the same address."""

    def __init__(self, name: str, args: MetricsExporterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:MetricsExporter", name, None, opts)
        workload = args.workload
        if args.redis_password is not None:
            password = File(path=_PASSWORD, content=pulumi.Output.secret(args.redis_password), secret=True)
            workload = replace(workload, files=[*workload.files, password])
        self.address, self.deployment = served_at(workload, args, self)
        self.url = f"http://{self.address}/metrics"
        self.register_outputs({"url": self.url})
