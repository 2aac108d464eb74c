"""A whole stack in the neutral view."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from policies.view.docker import Container, SwarmTask
from policies.view.kubernetes import Pod, pods_of
from policies.view.resources import Resource
from policies.view.servers import KAFKA, ZOOKEEPER, Server
from policies.view.settings import cluster_of, ensemble, is_broker
from policies.view.values import Object

_PRODUCTION = re.compile(r"(^|[^a-z])(prod|production|live)([^a-z]|$)")
_NOT_PRODUCTION = re.compile(r"(^|[^a-z])(dev|development|test|testing|staging|qa|local|sandbox|ci)([^a-z]|$)")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A declared topic.

    Args:
        name: The topic's name.
        partitions: Number of partitions.
        replicas: Replication factor, or None for the brokers' default.
        config: Its own configuration.
        resource: What declares it.
        brokers: Number of brokers that its declaration knows of.
    """

    name: str
    partitions: int
    replicas: int | None
    config: Object
    resource: Resource
    brokers: int | None = None

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.resource.urn

    def __str__(self) -> str:
        return f"topic {self.name}"


@dataclass(frozen=True, kw_only=True)
class KafkaCluster:
    """Servers that form one cluster.

    Args:
        servers: Its servers.
        brokers: How many brokers that makes.
    """

    servers: Sequence[Server]
    brokers: int

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.servers[0].urn


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Servers that form one ZooKeeper ensemble."""

    servers: Sequence[Server]
    size: int

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.servers[0].urn

    def __str__(self) -> str:
        return f"the ensemble of {self.servers[0]}"


class Stack:
    """All resources of a stack.

    Args:
        resources: The resources.
        name: The stack's name.
    """

    def __init__(self, resources: Sequence[Resource], name: str) -> None:
        self.resources = resources
        self.name = name
        self._by_urn = {item.urn: item for item in resources}

    urn = ""

    @cached_property
    def production(self) -> bool:
        """By its name; a stack whose name says neither is production where it runs pods."""
        if _PRODUCTION.search(self.name.lower()):
            return True
        return not _NOT_PRODUCTION.search(self.name.lower()) and bool(self.pods)

    @cached_property
    def pods(self) -> list[Pod]:
        """Everything that makes pods on Kubernetes."""
        return pods_of(self.resources)

    @cached_property
    def containers(self) -> list[Container]:
        """Containers of Docker engines."""
        return [Container(item, self._by_urn) for item in self.resources if item.on_docker and item.kind == "Container"]

    @cached_property
    def tasks(self) -> list[SwarmTask]:
        """Services of Docker swarms."""
        return [SwarmTask(item) for item in self.resources if item.on_docker and item.kind == "Service"]

    @cached_property
    def servers(self) -> list[Server]:
        """Every container but those that run before others."""
        return [*self.containers, *self.tasks, *(item for pod in self.pods for item in pod.containers)]

    @cached_property
    def all_containers(self) -> list[Server]:
        """Every container."""
        return [*self.servers, *(item for pod in self.pods for item in pod.init_containers)]

    def of(self, *kinds: str) -> list[Resource]:
        """Resources of some kinds."""
        return [item for item in self.resources if item.kind in kinds]

    @cached_property
    def clusters(self) -> list[KafkaCluster]:
        """The Kafka clusters."""
        groups: dict[str, list[Server]] = {}
        for server in self.servers:
            if server.kind == KAFKA:
                groups.setdefault(cluster_of(server), []).append(server)
        return [
            KafkaCluster(servers=servers, brokers=sum(item.replicas for item in servers if is_broker(item)))
            for servers in groups.values()
        ]

    @cached_property
    def ensembles(self) -> list[Ensemble]:
        """The ZooKeeper ensembles."""
        groups: dict[str, list[Server]] = {}
        sizes: dict[str, int] = {}
        for server in self.servers:
            if server.kind != ZOOKEEPER:
                continue
            members = ensemble(server) if server.on_docker else []
            key = " ".join(_without_own_address(member) for member in members) or server.urn
            groups.setdefault(key, []).append(server)
            sizes[key] = len(members) or server.replicas
        return [Ensemble(servers=servers, size=sizes[key]) for key, servers in groups.items()]

    @cached_property
    def topics(self) -> list[Topic]:
        """Declared topics: of our TopicSet, and of the Kafka provider."""
        sets = [topic for item in self.of("TopicSet") if item.own for topic in _topics_of_set(item)]
        single = [_topic(item) for item in self.of("Topic") if item.type.startswith("kafka:")]
        return sets + single

    @cached_property
    def brokers(self) -> int:
        """Number of brokers in the stack, where they form one cluster; else 0."""
        return self.clusters[0].brokers if len(self.clusters) == 1 else 0


def stack_name(urns: Mapping[str, object] | Sequence[str]) -> str:
    """The stack's name, which every URN holds."""
    return next((urn.split("::")[0].rpartition(":")[2] for urn in urns), "")


def _without_own_address(member: str) -> str:
    """A member without its host: each often calls itself 0.0.0.0."""
    return member.partition("=")[0]


def _topics_of_set(resource: Resource) -> list[Topic]:
    declared = resource.props.object("topics")
    brokers = len(resource.props.object("brokers")) or None
    return [
        Topic(
            name=name,
            partitions=declared.object(name).number("partitions") or 1,
            replicas=declared.object(name).number("replicationFactor"),
            config=declared.object(name, "config"),
            resource=resource,
            brokers=brokers,
        )
        for name in declared
    ]


def _topic(resource: Resource) -> Topic:
    props = resource.props
    return Topic(
        name=props.text("name") or resource.name,
        partitions=props.number("partitions") or 1,
        replicas=props.number("replicationFactor"),
        config=props.object("config"),
        resource=resource,
    )
