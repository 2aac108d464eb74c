"""The whole platform: ensemble, brokers, Redis, topics and the gate that says it is well."""

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.credentials import Credentials
from components.health import HealthGate, HealthGateArgs, RedisCheck
from components.images import Images
from components.kafka import KafkaCluster, internal_bootstrap, kafka_workload
from components.monitoring.exporter import watched
from components.monitoring.monitor import Monitor, MonitorArgs, monitor_outside, monitor_workloads
from components.naming import PROJECT
from components.outside import Outside
from components.redis import RedisServer, RedisServerArgs, redis_workload
from components.rendering.kafka import log4j_properties
from components.rendering.properties import render_properties
from components.rendering.topology import topology_of
from components.server import ServerArgs
from components.settings import Settings
from components.targets.base import Environment, Target
from components.topics import TopicSet, TopicSetArgs
from components.workload import Workload
from components.zookeeper import ZooKeeperEnsemble, zookeeper_workload


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


class StreamingPlatform(pulumi.ComponentResource):
    """A ZooKeeper ensemble, Kafka brokers, a Redis server, a set of topics, and a health gate over all of them.

    Args:
        name: The platform's name; unique where it runs.
        args: What to run and where.
        opts: Resource options.

    Raises:
        PreflightError: The target cannot run it; nothing is registered then.
    """

    outputs: dict[str, pulumi.Input[object]]
    """What the stack exports, by name."""

    def __init__(self, name: str, args: StreamingPlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, target = args.settings, args.target
        self._deadline = settings.health.deadline.total_seconds()
        self._target = target
        self._workloads = workloads_of(settings, args.images, target.host, name)
        target.preflight(self._workloads)
        super().__init__("millrace:index:StreamingPlatform", name, None, opts)

        target.prepare(self._workloads, self)
        self._logs = {member: target.logs_command(member) for item in self._workloads for member in item.members}
        self._password = self._redis_password(settings)
        self._declare_servers()
        self._monitor = self._declare_monitor(name, settings)
        topics = self._declare_topics(settings)
        gate = self._declare_gate(name, settings, topics)
        if self._monitor is not None:
            self._monitor.gate(after=[gate])
        environment = self._client_environment()
        variables = pulumi.Output.secret(pulumi.Output.all(**environment.plain, **environment.secret))
        self.outputs = {
            "kafkaBootstrapServers": ",".join(self._workloads[1].outside_addresses()) or self._kafka.bootstrap,
            "kafkaInternalBootstrapServers": internal_bootstrap(self._workloads[1], target.host),
            "zookeeperConnect": self._zookeeper.connect,
            "redisUrl": self._redis.url,
            "topics": topics.topics,
            "health": gate.summary,
            "images": str(args.images),
            "operations": self._operations(name, settings, args.images),
            "clientEnvironment": variables,
            "dotenv": variables.apply(_dotenv),
            **({} if self._monitor is None else self._monitor.outputs),
            **target.publish(environment, self),
        }
        self.register_outputs(dict(self.outputs))

    def _declare_servers(self) -> None:
        ensemble, brokers, cache, *_ = self._workloads
        child = pulumi.ResourceOptions(parent=self)
        zookeeper_args = ServerArgs(workload=ensemble, target=self._target, deadline=self._deadline)
        self._zookeeper = ZooKeeperEnsemble("zookeeper", zookeeper_args, child)
        kafka_args = ServerArgs(
            workload=brokers,
            target=self._target,
            deadline=self._deadline,
            # One ensemble member or one broker changes at a time; and a broker can only stop cleanly, handing its
            # partitions over, while the ensemble is there.
            after=[self._zookeeper.deployment],
        )
        self._kafka = KafkaCluster("kafka", kafka_args, child)
        redis_args = RedisServerArgs(
            workload=cache, target=self._target, deadline=self._deadline, password=self._password
        )
        self._redis = RedisServer("redis", redis_args, child)

    def _declare_monitor(self, name: str, settings: Settings) -> Monitor | None:
        if not settings.monitor.enabled:
            return None
        args = MonitorArgs(
            platform=name,
            settings=settings,
            workloads=self._workloads[3:],
            target=self._target,
            redis_password=self._password,
            logs=self._logs,
        )
        return Monitor(args, self)

    def _declare_topics(self, settings: Settings) -> TopicSet:
        brokers = self._kafka.brokers
        args = TopicSetArgs(
            bootstrap=self._kafka.bootstrap,
            brokers=brokers,
            topics=settings.topic_specs(),
            existing=settings.existing_topics,
            deadline=self._deadline,
            logs={member: self._logs[member] for member in brokers},
            trigger=self._kafka.deployment.identities,
            route=self._target.route(),
        )
        options = pulumi.ResourceOptions(
            parent=self,
            depends_on=self._kafka.deployment.settled,
            # The topics live in the brokers' data: they need no deleting where that goes too.
            deleted_with=self._kafka.deployment.storage,
        )
        return TopicSet("topics", args, options)

    def _declare_gate(self, name: str, settings: Settings, topics: TopicSet) -> HealthGate:
        cache = self._workloads[2]
        servers = (self._zookeeper, self._kafka, self._redis)
        identities = {member: made for server in servers for member, made in server.deployment.identities.items()}
        args = HealthGateArgs(
            platform=name,
            zookeeper=self._zookeeper.members,
            bootstrap=self._kafka.bootstrap,
            brokers=self._kafka.brokers,
            redis=RedisCheck(
                member=cache.members[0],
                address=self._redis.address,
                password=self._password,
                append_only=settings.redis.append_only,
                save=settings.redis.save,
            ),
            deadline=self._deadline,
            trigger={**identities, "topics": topics.topics.apply(_digest)},
            logs=self._logs,
            route=self._target.route(),
        )
        after = [topics, *self._redis.deployment.settled]
        return HealthGate("health", args, pulumi.ResourceOptions(parent=self, depends_on=after))

    def _client_environment(self) -> Environment:
        """The variables that applications read; a Redis address with a password in it is a secret."""
        plain = {
            "KAFKA_BOOTSTRAP_SERVERS": self._kafka.bootstrap,
            "ZOOKEEPER_CONNECT": self._zookeeper.connect,
        }
        secret = {"REDIS_URL": self._redis.url}
        if self._password is not None:
            secret["REDIS_PASSWORD"] = self._password
        return Environment(plain=plain, secret=secret)

    def _operations(self, name: str, settings: Settings, images: Images) -> dict[str, object]:
        """What the command line needs to find and to reach the members; see :mod:`ops.platform`."""
        cache = self._workloads[2]
        return {
            "platform": name,
            "target": settings.target,
            "bootstrap": self._kafka.bootstrap,
            "brokers": dict(self._kafka.brokers),
            "zookeeper": dict(self._zookeeper.members),
            "redis": {cache.members[0]: self._redis.address},
            "logs": dict(self._logs),
            "images": {"kafka": images.kafka, "redis": images.redis},
            "route": self._target.route(),
            **({} if self._monitor is None else self._monitor.operations()),
        }

    def _redis_password(self, settings: Settings) -> pulumi.Output[str] | None:
        if not settings.redis.authentication:
            return None
        if settings.redis.password is not None:
            return pulumi.Output.secret(settings.redis.password.get_secret_value())
        return Credentials("redis-password", "redis", pulumi.ResourceOptions(parent=self)).password


def workloads_of(
    settings: Settings, images: Images, host: Callable[[str, int], str], platform: str = PROJECT
) -> Sequence[Workload]:
    """The platform's workloads without the files that hold secrets.

    Ensemble, brokers and Redis come first, then the monitoring servers that are asked for.

    Args:
        settings: The checked stack file.
        images: Which images run.
        host: The target's name of a member, for the other members.
        platform: The platform's name, by which its metrics are told from others'.
    """
    logging = render_properties(log4j_properties())
    outside = exposed(settings)
    zookeeper = zookeeper_workload(
        settings.zookeeper,
        image=images.zookeeper,
        host=host,
        outside=outside.get("zookeeper"),
        protect=settings.protects_data,
        logging=logging,
    )
    kafka = kafka_workload(
        settings.kafka,
        image=images.kafka,
        host=host,
        zookeeper=zookeeper,
        outside=outside.get("kafka"),
        protect=settings.protects_data,
        logging=logging,
        jmx=settings.monitor.jmx,
    )
    redis = redis_workload(settings.redis, image=images.redis, outside=outside.get("redis"), protect=settings.protect)
    if not settings.monitor.enabled:
        return zookeeper, kafka, redis
    servers = (watched(zookeeper), watched(kafka), watched(redis))
    topology = topology_of(settings, platform)
    monitors = monitor_workloads(settings, images, host=host, servers=servers, outside=outside, topology=topology)
    return *servers, *monitors


def exposed(settings: Settings) -> Mapping[str, Outside]:
    """How clients outside reach the servers, by workload: all on this machine, and what is asked for on a cluster."""
    kafka = settings.kafka
    if not settings.on_kubernetes:
        return {
            "zookeeper": Outside(host="127.0.0.1", port=settings.zookeeper.port),
            "kafka": Outside(host=kafka.advertised_host, port=kafka.port),
            "redis": Outside(host="127.0.0.1", port=settings.redis.port),
            **monitor_outside(settings),
        }
    if kafka.external == "none":
        return {}
    step = 1 if kafka.external == "nodePort" else 0  # each load balancer has a host of its own
    return {"kafka": Outside(host=kafka.advertised_host, port=kafka.port, step=step, kind=kafka.external)}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _dotenv(variables: Mapping[str, str]) -> str:
    """The variables as a .env file, quoted where a shell needs it."""
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items()))
