"""The component that runs a platform's monitoring servers and waits until they see the platform."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pulumi

from components.credentials.component import Credentials, CredentialsArgs
from components.images import SETS, default_image
from components.kafka.component import KafkaCluster, KafkaLogin
from components.monitoring import exporter, grafana, prometheus
from components.monitoring.gate import MonitorGate, MonitorGateArgs
from components.monitoring.server import MonitoringServer, MonitoringServerArgs
from components.monitoring.settings import MonitorSettings
from components.monitoring.topology import Topology, topology_of
from components.outside import Outside
from components.redis.component import RedisServer
from components.targets.base import Addressing, PreparedTarget, with_dependencies_of
from components.topics.rules import TopicSpec
from components.workload import File, Workload
from components.zookeeper.component import ZooKeeperEnsemble


@dataclass(frozen=True, kw_only=True)
class MonitorImages:
    """The images of the monitoring servers; empty for a server that does not run.

    Args:
        exporter: Image reference; the other two likewise.
    """

    exporter: str
    prometheus: str = SETS["public"]["prometheus"]
    grafana: str = SETS["public"]["grafana"]

    @classmethod
    def default(cls) -> "MonitorImages":
        """The images of the set that ``MILLRACE_IMAGES`` names; the exporter's is always the local one."""
        return cls(exporter=SETS["local"]["exporter"], prometheus=default_image("prometheus"))


def monitor_workloads(
    settings: MonitorSettings,
    *,
    images: MonitorImages,
    target: Addressing,
    servers: Sequence[Workload],
    topology: Topology,
    min_in_sync: int,
    authentication: bool,
    access: bool,
    protect: bool = False,
) -> dict[str, Workload]:
    """The monitoring servers that the settings ask for, by name, without their secret files.

    Args:
        settings: Which servers, and how.
        images: Which images run.
        target: Where they run.
        servers: What is watched: ensemble, brokers, Redis.
        topology: The platform that is watched.
        min_in_sync: The brokers' default ``min.insync.replicas``.
        authentication: Whether Redis asks for a password.
        access: Whether brokers ask for a user.
        protect: Whether destroying the samples is refused.
    """
    host: Callable[[str, int], pulumi.Input[str]] = target.host
    outside: Callable[[int], Outside | None] = target.outside
    workloads: list[Workload] = []
    if settings.enabled:
        workloads.append(
            exporter.exporter_workload(
                settings,
                image=images.exporter,
                host=host,
                servers=servers,
                min_in_sync=min_in_sync,
                authentication=authentication,
                access=access,
                outside=outside(settings.port),
            )
        )
    if settings.prometheus.enabled:
        workloads.append(
            prometheus.prometheus_workload(
                settings.prometheus,
                image=images.prometheus,
                host=host,
                topology=topology,
                outside=outside(settings.prometheus.port),
                protect=protect,
            )
        )
    if settings.grafana.enabled:
        workloads.append(
            grafana.grafana_workload(
                settings.grafana,
                image=images.grafana,
                host=host,
                topology=topology,
                outside=outside(settings.grafana.port),
            )
        )
    return {workload.name: workload for workload in workloads}


@dataclass(frozen=True, kw_only=True)
class MonitorArgs:
    """Arguments of a :class:`Monitor`.

    Args:
        platform: The platform's name; the job under which Prometheus scrapes the exporter.
        target: Where the servers run, from the target's ``prepare``; the watched servers run there, too.
        zookeeper: The ensemble that is watched; its ``clients`` must include ``exporter``.
        kafka: The brokers that are watched; their ``clients`` must include ``exporter``.
        redis: The Redis server that is watched; its ``clients`` must include ``exporter``.
        kafka_login: Who asks the brokers; unset is who manages them, if they ask for a user.
        topics: The declared topics, on which thresholds of alerts depend.
        settings: Which servers, and how; the default is the exporter alone.
        images: Which images run.
        grafana_password: Password of Grafana's user ``admin``; unset generates one.
        protect: Whether destroying the samples is refused.
        deadline: Seconds that a changed server may take to be back.
        gate_after: Resources that the gate waits for, such as the platform's health gate.
    """

    platform: str
    target: PreparedTarget
    zookeeper: ZooKeeperEnsemble
    kafka: KafkaCluster
    redis: RedisServer
    kafka_login: KafkaLogin | None = None
    topics: Sequence[TopicSpec] = ()
    settings: MonitorSettings = field(default_factory=lambda: MonitorSettings.of(enabled=True))
    images: MonitorImages = field(default_factory=MonitorImages.default)
    grafana_password: pulumi.Input[str] | None = None
    protect: bool = False
    deadline: float = 180
    gate_after: Sequence[pulumi.Resource] = ()


class Monitor(pulumi.ComponentResource):
    """The metrics exporter, Prometheus and Grafana of one platform, and a gate that waits until they see it.

    Args:
        name: The resource's name.
        args: What runs and where.
        opts: Resource options.
    """

    metrics_url: pulumi.Output[str]
    """``http://…/metrics`` of the exporter, as this program reaches it."""
    prometheus_url: pulumi.Output[str] | None
    """``http://…`` of Prometheus; None where it does not run."""
    grafana_url: pulumi.Output[str] | None
    """``http://…`` of Grafana; None where it does not run."""
    grafana_password: pulumi.Output[str] | None
    """The password of Grafana's user ``admin``, a secret; None where it does not run."""
    addresses: dict[str, pulumi.Output[str]]
    """``host:port`` of each server, by its name."""
    logs: dict[str, pulumi.Input[str]]
    """For each member the command that shows its logs."""
    topology: Topology
    """The numbers that alert rules and the dashboard are derived from."""
    gate: MonitorGate
    """Passed when the exporter has seen every broker and the other servers answer."""

    def __init__(self, name: str, args: MonitorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:Monitor", name, None, opts)
        self._args = args
        self.topology = topology_of(
            args.platform,
            zookeeper=args.zookeeper.settings,
            kafka=args.kafka.settings,
            redis=args.redis.settings,
            topics=args.topics,
            monitor=args.settings,
        )
        self._workloads = monitor_workloads(
            args.settings,
            images=args.images,
            target=args.target,
            servers=[args.zookeeper.workload, args.kafka.workload, args.redis.workload],
            topology=self.topology,
            min_in_sync=args.kafka.settings.min_in_sync_replicas,
            authentication=args.redis.password is not None,
            access=args.kafka.login is not None,
            protect=args.protect,
        )
        self.grafana_password = self._grafana_password()
        self._servers = self._deploy(opts)
        self.addresses = {server: made.address for server, made in self._servers.items()}
        self.logs = {
            member: command for made in self._servers.values() for member, command in made.deployment.logs.items()
        }
        self.metrics_url = self._url(exporter.NAME, "/metrics")
        self.prometheus_url = self._url(prometheus.NAME) if prometheus.NAME in self._servers else None
        self.grafana_url = self._url(grafana.NAME) if grafana.NAME in self._servers else None
        self.gate = self._gate()
        self.register_outputs({"metricsUrl": self.metrics_url})

    def _deploy(self, opts: pulumi.ResourceOptions | None) -> dict[str, MonitoringServer]:
        """Declare the servers, each after those that it reads."""
        kinds = {exporter.NAME: "MetricsExporter", prometheus.NAME: "PrometheusServer", grafana.NAME: "GrafanaServer"}
        child = with_dependencies_of(opts, pulumi.ResourceOptions(parent=self))
        servers: dict[str, MonitoringServer] = {}
        for server, workload in self._workloads.items():
            args = MonitoringServerArgs(
                target=self._args.target,
                workload=workload,
                secret_files=self._secret_files(server),
                deadline=self._args.deadline,
            )
            servers[server] = MonitoringServer(kinds[server], server, args, child)
        return servers

    def _secret_files(self, server: str) -> list[File]:
        if server == exporter.NAME:
            password, login = self._args.redis.password, self._args.kafka_login or self._args.kafka.login
            files = [] if password is None else [exporter.password_file(password)]
            return [*files, *([] if login is None else [exporter.login_file(login)])]
        if server == grafana.NAME and self.grafana_password is not None:
            return [grafana.password_file(self.grafana_password)]
        return []

    def _grafana_password(self) -> pulumi.Output[str] | None:
        if grafana.NAME not in self._workloads:
            return None
        if self._args.grafana_password is not None:
            return pulumi.Output.secret(self._args.grafana_password)
        child = pulumi.ResourceOptions(parent=self)
        return Credentials("grafana-password", CredentialsArgs(account="grafana"), child).password

    def _url(self, server: str, path: str = "") -> pulumi.Output[str]:
        return self.addresses[server].apply(lambda address: f"http://{address}{path}")

    def _gate(self) -> MonitorGate:
        args = self._args
        pages = {prometheus.NAME: "-/ready", grafana.NAME: "api/health"}
        deployments = [server.deployment for server in self._servers.values()]
        gate = MonitorGateArgs(
            platform=args.platform,
            exporter=self.addresses[exporter.NAME],
            brokers=args.kafka.workload.replicas,
            ready={
                self._workloads[server].members[0]: self.addresses[server].apply(lambda at, page=page: f"{at}/{page}")
                for server, page in pages.items()
                if server in self._servers
            },
            deadline=args.deadline,
            trigger={name: made for deployment in deployments for name, made in deployment.identities.items()},
            logs=self.logs,
            route=args.target.route(list(self._workloads.values())),
        )
        settled = [resource for deployment in deployments for resource in deployment.settled]
        options = pulumi.ResourceOptions(parent=self, depends_on=[*args.gate_after, *settled])
        return MonitorGate("monitor", gate, options)
