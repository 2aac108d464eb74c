"""The monitoring of a platform as a whole: which servers there are, and what the stack says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.credentials import Credentials
from components.images import Images
from components.monitoring import exporter, grafana, prometheus
from components.monitoring.exporter import MetricsExporter, MetricsExporterArgs
from components.monitoring.gate import MonitorGate, MonitorGateArgs
from components.monitoring.grafana import GrafanaServer, GrafanaServerArgs
from components.monitoring.prometheus import PrometheusServer
from components.outside import Outside
from components.rendering.topology import Topology, topology_of
from components.server import ServerArgs
from components.settings import Settings
from components.targets.base import Deployment, Target
from components.workload import Workload


def monitor_workloads(
    settings: Settings,
    images: Images,
    *,
    host: Callable[[str, int], str],
    servers: tuple[Workload, Workload, Workload],
    outside: Mapping[str, Outside],
    topology: Topology,
) -> list[Workload]:
    """The monitoring servers that the stack file asks for, without their secret files.

    Args:
        settings: The stack file.
        images: Which images run.
        host: The target's name of a member, for the other members.
        servers: What is watched: ensemble, brokers, Redis.
        outside: How clients outside reach the servers, by workload.
        topology: The platform that is watched.
    """
    monitor = settings.monitor
    workloads: list[Workload] = []
    if monitor.enabled:
        out = outside.get(exporter.NAME)
        workloads.append(
            exporter.exporter_workload(settings, image=images.exporter, host=host, servers=servers, outside=out)
        )
    if monitor.prometheus.enabled:
        workloads.append(
            prometheus.prometheus_workload(
                monitor.prometheus,
                image=images.prometheus,
                host=host,
                topology=topology,
                outside=outside.get(prometheus.NAME),
                protect=settings.protect,
            )
        )
    if monitor.grafana.enabled:
        out = outside.get(grafana.NAME)
        workloads.append(
            grafana.grafana_workload(monitor.grafana, image=images.grafana, host=host, topology=topology, outside=out)
        )
    return workloads


def monitor_outside(settings: Settings) -> dict[str, Outside]:
    """How clients on this machine reach the monitoring servers, by workload."""
    ports = {member.rpartition("-")[0]: port for member, port in settings.monitor.host_ports().items()}
    return {workload: Outside(host="127.0.0.1", port=port) for workload, port in ports.items()}


@dataclass(frozen=True, kw_only=True)
class MonitorArgs:
    """What :class:`Monitor` needs of its platform.

    Args:
        platform: The platform's name.
        settings: The stack file.
        workloads: The monitoring servers.
        target: Where they run.
        redis_password: The password that Redis asks for, or None.
        logs: For each member the command that shows its logs.
    """

    platform: str
    settings: Settings
    workloads: Sequence[Workload]
    target: Target
    redis_password: pulumi.Input[str] | None
    logs: Mapping[str, str]


class Monitor:
    """The monitoring servers of one platform and the gate behind them; no component of its own in the stack's tree.

    Args:
        args: What to run and where.
        parent: The platform.
    """

    def __init__(self, args: MonitorArgs, parent: pulumi.Resource) -> None:
        self._args = args
        self._parent = parent
        self._child = pulumi.ResourceOptions(parent=parent)
        self._workloads = {workload.name: workload for workload in args.workloads}
        self._ready: dict[str, str] = {}
        self._deployments: list[Deployment] = []
        self.outputs: dict[str, pulumi.Input[object]] = {}
        """Stack outputs, present only for the servers that there are."""
        self.addresses: dict[str, str] = {}
        """``host:port`` of each server by its name."""
        self._declare_exporter()
        if prometheus.NAME in self._workloads:
            self._declare_prometheus()
        if grafana.NAME in self._workloads:
            self._declare_grafana()

    def gate(self, after: Sequence[pulumi.Resource]) -> MonitorGate:
        """Declare the gate, which waits for the servers once the platform itself is well."""
        args = self._args
        settled = [resource for deployment in self._deployments for resource in deployment.settled]
        gate = MonitorGateArgs(
            platform=args.platform,
            exporter=self.addresses[exporter.NAME],
            brokers=args.settings.kafka.replicas,
            ready=self._ready,
            deadline=args.settings.health.deadline.total_seconds(),
            trigger={name: made for item in self._deployments for name, made in item.identities.items()},
            logs={member: args.logs[member] for item in args.workloads for member in item.members},
            route=args.target.route(),
        )
        options = pulumi.ResourceOptions(parent=self._parent, depends_on=[*after, *settled])
        return MonitorGate("monitor", gate, options)

    def operations(self) -> dict[str, object]:
        """What the command line needs to know."""
        topology = topology_of(self._args.settings, self._args.platform)
        return {"monitor": dict(self.addresses), "topology": topology.as_output()}

    def _declare_exporter(self) -> None:
        common = self._arguments(exporter.NAME)
        args = MetricsExporterArgs(
            workload=common.workload,
            target=common.target,
            deadline=common.deadline,
            redis_password=self._args.redis_password,
        )
        server = MetricsExporter("exporter", args, self._child)
        self._keep(exporter.NAME, server.address, server.deployment)
        self.outputs["metricsUrl"] = server.url

    def _declare_prometheus(self) -> None:
        server = PrometheusServer("prometheus", self._arguments(prometheus.NAME), self._child)
        self._keep(prometheus.NAME, server.address, server.deployment, ready="-/ready")
        self.outputs["prometheusUrl"] = server.url

    def _declare_grafana(self) -> None:
        common = self._arguments(grafana.NAME)
        given = self._args.settings.monitor.grafana.password
        password = (
            Credentials("grafana-password", "grafana", self._child).password
            if given is None
            else pulumi.Output.secret(given.get_secret_value())
        )
        args = GrafanaServerArgs(
            workload=common.workload, target=common.target, deadline=common.deadline, password=password
        )
        server = GrafanaServer("grafana", args, self._child)
        self._keep(grafana.NAME, server.address, server.deployment, ready="api/health")
        self.outputs["grafanaUrl"] = server.url
        self.outputs["grafanaPassword"] = password

    def _arguments(self, name: str) -> ServerArgs:
        deadline = self._args.settings.health.deadline.total_seconds()
        return ServerArgs(workload=self._workloads[name], target=self._args.target, deadline=deadline)

    def _keep(self, name: str, address: str, deployment: Deployment, ready: str = "") -> None:
        self.addresses[name] = address
        self._deployments.append(deployment)
        if ready:
            self._ready[self._workloads[name].members[0]] = f"{address}/{ready}"
