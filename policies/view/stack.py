"""A stack as the rules see it: servers, pods, clusters, ensembles, topics."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from policies.view.access import Certificate, User, certificates_of, users_of
from policies.view.docker import Container, SwarmTask
from policies.view.kubernetes import Pod, pods_of
from policies.view.resources import Resource
from policies.view.servers import KAFKA, ZOOKEEPER, Server
from policies.view.settings import cluster_key, ensemble_members, is_broker, zookeeper_setting
from policies.view.values import Object

_PRODUCTION = re.compile(r"(^|[^a-z])(prod|production|live)([^a-z]|$)")
_NOT_PRODUCTION = re.compile(r"(^|[^a-z])(dev|development|test|testing|staging|qa|local|sandbox|ci)([^a-z]|$)")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A topic that the stack declares.

    Args:
        name: The topic's name.
        partitions: Number of partitions.
        replicas: Replication factor, or None for the brokers' default.
        config: Topic configuration.
        resource: The resource that declares it.
        brokers: Number of brokers in its declaration; None if it lists none.
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
    """Servers that form one Kafka cluster.

    Args:
        servers: Its brokers and controllers.
        brokers: Number of brokers, replicas included.
    """

    servers: Sequence[Server]
    brokers: int

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.servers[0].urn

    def __str__(self) -> str:
        return f"the cluster of {self.servers[0]}"


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Servers that form one ZooKeeper ensemble.

    Args:
        servers: Its servers in the stack.
        size: Number of members.
    """

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

    @cached_property
    def production(self) -> bool:
        """Whether the stack is production: by its name, otherwise if it runs pods."""
        if _PRODUCTION.search(self.name.lower()):
            return True
        return not _NOT_PRODUCTION.search(self.name.lower()) and bool(self.pods)

    @cached_property
    def pods(self) -> list[Pod]:
        """The pods on Kubernetes."""
        return pods_of(self.resources)

    @cached_property
    def containers(self) -> list[Container]:
        """Docker containers."""
        return [Container(item, self._by_urn) for item in self.resources if item.on_docker and item.kind == "Container"]

    @cached_property
    def tasks(self) -> list[SwarmTask]:
        """Docker Swarm services."""
        return [SwarmTask(item) for item in self.resources if item.on_docker and item.kind == "Service"]

    @cached_property
    def servers(self) -> list[Server]:
        """All containers but init containers."""
        return [*self.containers, *self.tasks, *(item for pod in self.pods for item in pod.containers)]

    @cached_property
    def all_containers(self) -> list[Server]:
        """All containers."""
        return [*self.servers, *(item for pod in self.pods for item in pod.init_containers)]

    def servers_of(self, *kinds: str) -> list[Server]:
        """Servers of the given kinds: ``kafka``, ``zookeeper``, ``redis``."""
        return [server for server in self.servers if server.kind in kinds]

    @cached_property
    def brokers(self) -> list[Server]:
        """Kafka servers that are brokers."""
        return [server for server in self.servers if is_broker(server)]

    @property
    def brokers_and_topics(self) -> list[Server | Topic]:
        """Everything with a topic configuration."""
        return [*self.brokers, *self.topics]

    def of(self, *kinds: str) -> list[Resource]:
        """Resources of the given kinds."""
        return [item for item in self.resources if item.kind in kinds]

    @cached_property
    def clusters(self) -> list[KafkaCluster]:
        """The Kafka clusters."""
        groups: dict[str, list[Server]] = {}
        for server in self.servers_of(KAFKA):
            groups.setdefault(cluster_key(server), []).append(server)
        return [
            KafkaCluster(servers=servers, brokers=sum(item.replicas for item in servers if is_broker(item)))
            for servers in groups.values()
        ]

    @cached_property
    def ensembles(self) -> list[Ensemble]:
        """The ZooKeeper ensembles."""
        groups: dict[str, list[Server]] = {}
        listed: dict[str, int] = {}
        for server in self.servers_of(ZOOKEEPER):
            members = ensemble_members(server) if server.on_docker else []
            key = " ".join(_without_own_address(member) for member in members) or _group(server)
            groups.setdefault(key, []).append(server)
            listed[key] = len(members)
        return [
            Ensemble(servers=servers, size=listed[key] or sum(server.replicas for server in servers))
            for key, servers in groups.items()
        ]

    @cached_property
    def topics(self) -> list[Topic]:
        """Declared topics: from this project's TopicSet and from the Kafka provider."""
        sets = [topic for item in self.of("TopicSet") if item.own for topic in _topics_of_set(item)]
        single = [_topic(item) for item in self.of("Topic") if item.type.startswith("kafka:")]
        return sets + single

    @cached_property
    def users(self) -> list[User]:
        """Users of applications: from this project's AccessSets."""
        return users_of(self.of("AccessSet"))

    @cached_property
    def certificates(self) -> list[Certificate]:
        """Certificates that this project's Certificates have made."""
        return certificates_of(self.of("Certificates"))

    @cached_property
    def broker_count(self) -> int:
        """Number of brokers if the stack has exactly one Kafka cluster, otherwise 0."""
        return self.clusters[0].brokers if len(self.clusters) == 1 else 0


def stack_name(urns: Sequence[str]) -> str:
    """The stack's name, which is part of every URN; empty for an empty stack."""
    return next((urn.split("::")[0].rpartition(":")[2] for urn in urns), "")


def _group(server: Server) -> str:
    """What members of an ensemble that keeps its list of members itself have in common; else the server alone."""
    if isinstance(server, Container) and zookeeper_setting(server, "reconfigEnabled") == "true":
        return f"reconfigured on {server.networks}"
    return server.urn


def _without_own_address(member: str) -> str:
    """A member without its host, since a member often lists itself as 0.0.0.0."""
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
