"""The whole platform of a stack file: composes the components and gathers their outputs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pulumi

from components.access.handover import dotenv
from components.health.component import HealthGate, HealthGateArgs, KafkaCheck, RedisCheck
from components.kafka.component import KafkaCluster, KafkaClusterArgs, broker_hosts, kafka_workload
from components.monitoring import exporter
from components.monitoring.component import Monitor, MonitorArgs, MonitorImages, monitor_workloads
from components.redis.component import RedisServer, RedisServerArgs, redis_workload
from components.stack_file.images import Images
from components.stack_file.settings import Settings
from components.targets.base import Addressing, Environment, PreparedTarget, Target
from components.topics.component import TopicSet, TopicSetArgs
from components.workload import Workload
from components.zookeeper.component import (
    ZooKeeperEnsemble,
    ZooKeeperEnsembleArgs,
    connect_string,
    zookeeper_workload,
)

if TYPE_CHECKING:
    from components.access.platform import BrokerAccess


@dataclass(frozen=True, kw_only=True)
class StreamingPlatformArgs:
    """Arguments of a :class:`StreamingPlatform`.

    Args:
        settings: The checked stack file.
        images: Which images run.
        target: Where the platform runs.
    """

    settings: Settings
    images: Images
    target: Target


@dataclass(frozen=True, kw_only=True)
class PlatformOutputs:
    """The platform's outputs; :mod:`components.outputs` describes each."""

    kafka_bootstrap_servers: pulumi.Output[str]
    kafka_internal_bootstrap_servers: pulumi.Output[str]
    zookeeper_connect: pulumi.Output[str]
    redis_url: pulumi.Output[str]
    topics: pulumi.Output[dict[str, object]]
    health: pulumi.Output[str]
    images: str
    operations: Mapping[str, object]
    client_environment: pulumi.Output[dict[str, str]]
    dotenv: pulumi.Output[str]
    monitor: Mapping[str, pulumi.Input[object]]
    """Outputs that exist only for the monitoring servers that run."""
    access: Mapping[str, pulumi.Input[object]]
    """Outputs that exist only where clients need a user."""
    target: Mapping[str, pulumi.Input[object]]
    """Outputs that only this target has."""

    def by_name(self) -> dict[str, pulumi.Input[object]]:
        """The outputs by the names that the stack exports them under."""
        return {
            "kafkaBootstrapServers": self.kafka_bootstrap_servers,
            "kafkaInternalBootstrapServers": self.kafka_internal_bootstrap_servers,
            "zookeeperConnect": self.zookeeper_connect,
            "redisUrl": self.redis_url,
            "topics": self.topics,
            "health": self.health,
            "images": self.images,
            "operations": self.operations,
            "clientEnvironment": self.client_environment,
            "dotenv": self.dotenv,
            **self.monitor,
            **self.access,
            **self.target,
        }


class StreamingPlatform(pulumi.ComponentResource):
    """A ZooKeeper ensemble, Kafka brokers, a Redis server, a set of topics, and a health gate over all of them.

    Args:
        name: The platform's name; unique where it runs.
        args: What to run and where.
        opts: Resource options.
    """

    outputs: PlatformOutputs
    """What the stack exports."""

    def __init__(self, name: str, args: StreamingPlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:StreamingPlatform", name, None, opts)
        target = args.target.prepare(self)
        servers = _Servers(name, args, target, self)
        topics = _topics(args, target, servers, self)
        apps = _applications(args, target, servers, topics, self)
        gate = _gate(name, args, target, servers, topics, self)
        monitor = _monitor(name, args, target, servers, gate, self)
        environment = _client_environment(servers)
        variables = pulumi.Output.secret(pulumi.Output.all(**environment.plain, **environment.secret))
        kafka = servers.kafka
        self.outputs = PlatformOutputs(
            kafka_bootstrap_servers=kafka.outside_bootstrap_servers.apply(
                lambda outside: outside or kafka.bootstrap_servers
            ),
            kafka_internal_bootstrap_servers=kafka.internal_bootstrap_servers,
            zookeeper_connect=servers.zookeeper.connect,
            redis_url=servers.redis.url,
            topics=topics.topics,
            health=gate.summary,
            images=str(args.images),
            operations=_operations(name, args, target, servers, monitor),
            client_environment=variables,
            dotenv=variables.apply(dotenv),
            monitor=_monitor_outputs(monitor),
            access=_access_outputs(kafka, apps),
            target=target.publish(environment, self),
        )
        self.register_outputs(self.outputs.by_name())


class _Servers:
    """The servers of a platform."""

    def __init__(
        self, platform: str, args: StreamingPlatformArgs, target: PreparedTarget, parent: pulumi.Resource
    ) -> None:
        settings, images = args.settings, args.images
        child = pulumi.ResourceOptions(parent=parent)
        deadline = settings.health.deadline.total_seconds()
        watchers = _watchers(settings)
        self.zookeeper = ZooKeeperEnsemble(
            "zookeeper",
            ZooKeeperEnsembleArgs(
                target=target,
                settings=settings.zookeeper,
                image=images.zookeeper,
                protect=settings.protects_data,
                clients=["kafka", *watchers],
                deadline=deadline,
            ),
            child,
        )
        self.access = access = _broker_access(platform, settings, target, self.zookeeper, parent)
        self.kafka = KafkaCluster(
            "kafka",
            KafkaClusterArgs(
                target=target,
                zookeeper=self.zookeeper,
                settings=settings.kafka,
                image=images.kafka,
                protect=settings.protects_data,
                jmx=settings.monitor.jmx,
                clients=watchers,
                deadline=deadline,
                security=access and access.security,
            ),
            pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=access and [access.users])),
        )
        password = settings.redis.password
        self.redis = RedisServer(
            "redis",
            RedisServerArgs(
                target=target,
                settings=settings.redis,
                password=None if password is None else pulumi.Output.secret(password.get_secret_value()),
                image=images.redis,
                protect=settings.protect,
                clients=watchers,
                users=settings.access.enabled,
                deadline=deadline,
            ),
            child,
        )

    @cached_property
    def identities(self) -> Mapping[str, pulumi.Output[str]]:
        """For each member a value that changes whenever it is replaced."""
        servers = (self.zookeeper, self.kafka, self.redis)
        return {member: identity for server in servers for member, identity in server.deployment.identities.items()}

    @cached_property
    def logs(self) -> Mapping[str, pulumi.Input[str]]:
        """For each member the command that shows its logs."""
        servers = (self.zookeeper, self.kafka, self.redis)
        return {member: command for server in servers for member, command in server.deployment.logs.items()}


def _broker_access(
    platform: str, settings: Settings, target: PreparedTarget, zookeeper: ZooKeeperEnsemble, parent: pulumi.Resource
) -> "BrokerAccess | None":
    if not settings.access.enabled:
        return None  # and nothing of it is loaded, which would cost every start
    from components.access.platform import broker_access

    hosts, deadline = broker_hosts(settings.kafka, target), settings.health.deadline.total_seconds()
    return broker_access(platform, settings.access, hosts, target, zookeeper, deadline, parent)


def _applications(
    args: StreamingPlatformArgs, target: PreparedTarget, servers: _Servers, topics: TopicSet, parent: pulumi.Resource
) -> pulumi.Output[dict[str, dict[str, str]]] | None:
    if servers.access is None:
        return None
    from components.access.platform import application_access

    return application_access(
        args.settings.apps,
        target,
        servers.kafka,
        servers.redis,
        topics=[topic.name for topic in args.settings.topic_specs()],
        deadline=args.settings.health.deadline.total_seconds(),
        after=topics,
        parent=parent,
    )


def _topics(
    args: StreamingPlatformArgs, target: PreparedTarget, servers: _Servers, parent: pulumi.Resource
) -> TopicSet:
    settings, kafka = args.settings, servers.kafka
    topics = TopicSetArgs(
        bootstrap=kafka.bootstrap_servers,
        topics=settings.topic_specs(),
        brokers=kafka.brokers,
        existing=settings.existing_topics,
        login=kafka.login,
        own_cluster=True,
        to_delete=settings.topics_to_delete,
        to_release=settings.topics_to_release,
        protect=settings.protect,
        deadline=settings.health.deadline.total_seconds(),
        logs=kafka.deployment.logs,
        trigger=kafka.deployment.identities,
        route=target.route([kafka.workload]),
    )
    options = pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(kafka.deployment.settled),
        # The topics are part of the brokers' data: they go with its volumes, and stay with those that are kept.
        retain_on_delete=True,
    )
    return TopicSet("topics", topics, options)


def _gate(
    name: str,
    args: StreamingPlatformArgs,
    target: PreparedTarget,
    servers: _Servers,
    topics: TopicSet,
    parent: pulumi.Resource,
) -> HealthGate:
    gate = HealthGateArgs(
        platform=name,
        zookeeper=servers.zookeeper.members,
        kafka=KafkaCheck.of(servers.kafka),
        redis=RedisCheck.of(servers.redis),
        deadline=args.settings.health.deadline.total_seconds(),
        trigger={**servers.identities, "topics": topics.topics.apply(_digest)},
        logs=servers.logs,
        route=target.route([server.workload for server in (servers.zookeeper, servers.kafka, servers.redis)]),
    )
    after = [topics, *servers.redis.deployment.settled]
    return HealthGate("health", gate, pulumi.ResourceOptions(parent=parent, depends_on=after))


def _monitor(
    name: str,
    args: StreamingPlatformArgs,
    target: PreparedTarget,
    servers: _Servers,
    gate: HealthGate,
    parent: pulumi.Resource,
) -> Monitor | None:
    settings = args.settings
    if not settings.monitor.enabled:
        return None
    password = settings.monitor.grafana.password
    monitor = MonitorArgs(
        platform=name,
        target=target,
        zookeeper=servers.zookeeper,
        kafka=servers.kafka,
        redis=servers.redis,
        kafka_login=servers.access and servers.access.exporter,
        topics=settings.topic_specs(),
        settings=settings.monitor,
        images=_monitor_images(args.images),
        grafana_password=None if password is None else pulumi.Output.secret(password.get_secret_value()),
        protect=settings.protect,
        deadline=settings.health.deadline.total_seconds(),
        gate_after=[gate],
    )
    return Monitor("monitor", monitor, pulumi.ResourceOptions(parent=parent))


def _monitor_outputs(monitor: Monitor | None) -> dict[str, pulumi.Input[object]]:
    if monitor is None:
        return {}
    found = {
        "metricsUrl": monitor.metrics_url,
        "prometheusUrl": monitor.prometheus_url,
        "grafanaUrl": monitor.grafana_url,
        "grafanaPassword": monitor.grafana_password,
    }
    return {key: value for key, value in found.items() if value is not None}


def _access_outputs(kafka: KafkaCluster, apps: pulumi.Output[Any] | None) -> dict[str, pulumi.Input[object]]:
    if kafka.login is None or apps is None:
        return {}
    return {"apps": apps, "kafkaLogin": kafka.login.as_input()}


def _client_environment(servers: _Servers) -> Environment:
    """The variables that applications read; a Redis address with a password in it is a secret.

    ZooKeeper's address is none of them: applications have no use for it, and network policies keep them away.
    """
    plain = {"KAFKA_BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers}
    secret = {"REDIS_URL": servers.redis.url}
    if servers.redis.password is not None:
        secret["REDIS_PASSWORD"] = servers.redis.password
    return Environment(plain=plain, secret=secret)


def _operations(
    name: str, args: StreamingPlatformArgs, target: PreparedTarget, servers: _Servers, monitor: Monitor | None
) -> dict[str, object]:
    """What the command line needs to find and reach the members; see :mod:`ops.platform`."""
    logs = {**servers.logs, **({} if monitor is None else monitor.logs)}
    watched = {} if monitor is None else {"monitor": monitor.addresses, "topology": monitor.topology.as_output()}
    return {
        "platform": name,
        "target": args.settings.target,
        "bootstrap": servers.kafka.bootstrap_servers,
        "brokers": servers.kafka.brokers,
        "zookeeper": servers.zookeeper.members,
        "redis": {servers.redis.member: servers.redis.address},
        "logs": logs,
        "images": {"kafka": args.images.kafka, "redis": args.images.redis},
        "route": target.route(),
        **watched,
    }


def workloads_of(settings: Settings, images: Images, target: Addressing, platform: str) -> Sequence[Workload]:
    """The platform's workloads without the files that hold secrets, for preflight; nothing is declared.

    Ensemble, brokers and Redis come first, then the enabled monitoring servers.

    Args:
        settings: The checked stack file.
        images: Which images run.
        target: Where they run.
        platform: The platform's name, a label of its metrics.
    """
    kafka, watchers = settings.kafka, _watchers(settings)
    servers = [
        zookeeper_workload(
            settings.zookeeper,
            target,
            image=images.zookeeper,
            protect=settings.protects_data,
            clients=["kafka", *watchers],
        ),
        kafka_workload(
            kafka,
            target,
            zookeeper=connect_string(settings.zookeeper.replicas, target.host),
            image=images.kafka,
            protect=settings.protects_data,
            jmx=settings.monitor.jmx,
            clients=watchers,
        ),
        redis_workload(
            settings.redis,
            target,
            image=images.redis,
            protect=settings.protect,
            clients=watchers,
            users=settings.access.enabled,
        ),
    ]
    monitors = monitor_workloads(
        settings.monitor,
        images=_monitor_images(images),
        target=target,
        servers=servers,
        topology=settings.topology(platform),
        min_in_sync=kafka.min_in_sync_replicas,
        authentication=settings.redis.authentication,
        access=settings.access.enabled,
        protect=settings.protect,
    )
    return [*servers, *monitors.values()]


def _watchers(settings: Settings) -> list[str]:
    """Names of the workloads that watch the servers."""
    return [exporter.NAME] if settings.monitor.enabled else []


def _monitor_images(images: Images) -> MonitorImages:
    return MonitorImages(exporter=images.exporter, prometheus=images.prometheus, grafana=images.grafana)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
