"""What a stack file may say.

Every field can be set in ``Pulumi.<stack>.yaml`` under its camelCase name; profiles give the defaults. All
mistakes are reported at once, each with its path, by :func:`load_settings`, before any resource is registered.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from components import topic_rules
from components.errors import SettingsError
from components.profiles import PROFILES, with_profile
from components.protected_keys import PROTECTED_BROKER_KEYS, PROTECTED_REDIS_KEYS, PROTECTED_ZOOKEEPER_KEYS
from components.quantities import (
    MIB,
    Duration,
    Size,
    Unlimited,
    Whole,
    milliseconds_or_all,
    unlimited,
)
from components.settings_base import Port, Section, ServerSettings
from components.settings_monitor import MonitorSettings
from components.settings_report import problems_of, unknown_profile


def _as_text(value: object) -> object:
    """Config values as the files spell them: YAML's ``true`` and ``3`` are "true" and "3"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


_HOST = re.compile(r"[A-Za-z0-9.-]+(\{ordinal\}[A-Za-z0-9.-]*)?|\{ordinal\}[A-Za-z0-9.-]+")

_REDIS_DIRECTIVE = re.compile(r"[A-Za-z0-9-]+")

EXTERNAL_PORT = 9092
"""Port inside a broker's container of the listener for clients outside."""

ConfigValue = Annotated[str, BeforeValidator(_as_text)]


def _is_address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError("must be an IPv4 address such as 127.0.0.1") from None


DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""A name as RFC 1123 allows it for one label, which Kubernetes asks of namespaces."""

Address = Annotated[str, AfterValidator(_is_address)]


def _refuse_protected(config: Mapping[str, str], protected: Mapping[str, str]) -> None:
    refused = [f'"{key}" is rendered by the platform; {protected[key]}' for key in sorted(config) if key in protected]
    if refused:
        raise ValueError("; ".join(refused))


class _JavaServer(ServerSettings):
    """What ZooKeeper and Kafka servers share."""

    replicas: Whole = Field(ge=1, description="Number of members")
    heap: Size | None = Field(None, description="JVM heap, initial and maximum; unset takes half of the memory")
    port: Port = Field(description="Port on this machine of member 0; each further member takes the next")
    jvm_options: list[str] = Field(default_factory=list, description="JVM options besides the heap")
    stop_grace: Duration = Field(description="Time to stop cleanly before a member is killed")

    @field_validator("heap")
    @classmethod
    def _heap_is_some(cls, heap: Size | None) -> Size | None:
        if heap is not None and heap < MIB:
            raise ValueError("heap must be at least 1MiB")
        return heap

    @property
    def heap_bytes(self) -> int:
        """The heap: as set, else half of the memory, so that a broker keeps as much for its page cache."""
        return int(self.memory) // 2 if self.heap is None else int(self.heap)

    def broken_rules(self) -> list[str]:
        """The heap must fit into the memory."""
        problems = super().broken_rules()
        if self.heap_bytes < MIB:
            problems.append(f"memory {self.memory.human_readable()} leaves no heap of at least 1MiB")
        if self.heap is None or self.heap < self.memory:
            return problems
        return [
            *problems,
            f"heap {self.heap.human_readable()} does not fit into memory {self.memory.human_readable()}: "
            "a JVM needs more than its heap, and a broker needs page cache",
        ]


class ZooKeeperSettings(_JavaServer):
    """The ZooKeeper ensemble."""

    tick_time: Duration = Field(timedelta(seconds=2), description="ZooKeeper's basic time unit")
    init_limit: Whole = Field(10, ge=1, description="Ticks a follower may take to connect and sync")
    sync_limit: Whole = Field(5, ge=1, description="Ticks a follower may lag behind")
    config: dict[str, ConfigValue] = Field(default_factory=dict, description="Further zoo.cfg keys")

    @field_validator("replicas")
    @classmethod
    def _is_odd(cls, replicas: int) -> int:
        if replicas % 2 == 0:
            raise ValueError(f"must be odd: {replicas} members survive no more failures than {replicas - 1}")
        return replicas

    @field_validator("tick_time")
    @classmethod
    def _tick_is_some(cls, tick: timedelta) -> timedelta:
        if not tick:
            raise ValueError("must be at least 1ms")
        return tick

    @field_validator("config")
    @classmethod
    def _config_is_free(cls, config: dict[str, str]) -> dict[str, str]:
        members = {key: "the platform derives the members" for key in config if key.startswith("server.")}
        _refuse_protected(config, {**PROTECTED_ZOOKEEPER_KEYS, **members})
        return config


class KafkaSettings(_JavaServer):
    """The Kafka brokers."""

    internal_port: Port = Field(29092, description="Port of the listener that other containers or pods reach by name")
    external: Literal["none", "nodePort", "loadBalancer"] = Field(
        "none", description="How clients outside the cluster reach brokers (Kubernetes), one Service a broker"
    )
    advertised_host: str = Field(
        "127.0.0.1",
        description="Host that outside clients are told; `{ordinal}` stands for the broker's number",
    )
    retention: Duration | Unlimited = Field(description="Default retention of records; -1 is for ever")
    retention_bytes: Size | Unlimited = Field(description="Default retention of a partition's size; -1 is no limit")
    segment_bytes: Size = Field(description="Size of a log segment")
    replication_factor: Whole = Field(ge=1, description="Default replication factor, and that of internal topics")
    min_in_sync_replicas: Whole = Field(ge=1, description="Replicas that must have a record before acks=all returns")
    num_partitions: Whole = Field(1, ge=1, description="Partitions of a topic that is made without a count")
    auto_create_topics: bool = Field(description="Whether a broker makes topics that a client asks for")
    unclean_leader_election: bool = Field(False, description="Whether a replica out of sync may lead: loses records")
    compression: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] = Field(
        "producer", description="Default compression of topics"
    )
    config: dict[str, ConfigValue] = Field(default_factory=dict, description="Further server.properties keys")

    @property
    def advertises_each(self) -> bool:
        """Whether each broker has a host of its own outside."""
        return "{ordinal}" in self.advertised_host

    @field_validator("config")
    @classmethod
    def _config_is_free(cls, config: dict[str, str]) -> dict[str, str]:
        _refuse_protected(config, PROTECTED_BROKER_KEYS)
        return config

    @field_validator("retention", "retention_bytes", mode="before")
    @classmethod
    def _unlimited(cls, value: object) -> object:
        return unlimited(value)

    @field_validator("advertised_host")
    @classmethod
    def _host_is_a_name(cls, host: str) -> str:
        if not _HOST.fullmatch(host):
            raise ValueError("must be a host name or an address; {ordinal} in it stands for the broker's number")
        return host

    @field_validator("internal_port")
    @classmethod
    def _internal_port_is_free(cls, port: int) -> int:
        if port == EXTERNAL_PORT:
            raise ValueError(f"{EXTERNAL_PORT} is the port of the listener for clients outside; take another")
        return port

    def broken_rules(self) -> list[str]:
        """Replicas need brokers, and replicas in sync need replicas."""
        problems = super().broken_rules()
        factor = self.replication_factor
        if factor > self.replicas:
            problems.append(f"replicationFactor {factor} is more than the {self.replicas} replicas")
        if self.min_in_sync_replicas > factor:
            problems.append(f"minInSyncReplicas {self.min_in_sync_replicas} is above replicationFactor {factor}")
        return problems


class RedisSettings(ServerSettings):
    """The Redis server."""

    port: Port = Field(description="Port on this machine")
    max_memory: Size = Field(description="Memory for data before eviction")
    eviction_policy: Literal[
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] = Field(description="What to evict when maxMemory is reached")
    append_only: bool = Field(description="Whether every write goes to the append-only file")
    save: list[Annotated[str, Field(pattern=r"^\d+ \d+$")]] = Field(
        description='Snapshot rules, each "seconds changes"; an empty list takes none'
    )
    authentication: bool = Field(description="Whether clients need a password")
    password: SecretStr | None = Field(
        None, min_length=1, description="The password (a Pulumi secret); unset generates one"
    )
    stop_grace: Duration = Field(timedelta(seconds=10), description="Time to stop cleanly")
    config: dict[str, ConfigValue] = Field(default_factory=dict, description="Further redis.conf directives")

    @field_validator("config")
    @classmethod
    def _config_is_free(cls, config: dict[str, str]) -> dict[str, str]:
        if odd := [key for key in sorted(config) if not _REDIS_DIRECTIVE.fullmatch(key)]:
            raise ValueError("; ".join(f"{key!r} is no name of a directive" for key in odd))
        # Redis reads the names of its directives without regard to case.
        folded = {key: PROTECTED_REDIS_KEYS[key.lower()] for key in config if key.lower() in PROTECTED_REDIS_KEYS}
        _refuse_protected(config, folded)
        return config

    def broken_rules(self) -> list[str]:
        """The data must fit into the memory, and a password must be asked for."""
        problems = super().broken_rules()
        if self.max_memory >= self.memory:
            problems.append(
                f"maxMemory {self.max_memory.human_readable()} does not fit into memory "
                f"{self.memory.human_readable()}: a snapshot needs room beside the data"
            )
        if self.password is not None and not self.authentication:
            problems.append("password is set but authentication is false; set authentication to true")
        return problems


class TopicSettings(Section):
    """One topic."""

    name: str = Field(description="The topic's name")
    partitions: Whole = Field(1, ge=1, description="Number of partitions; can grow, never shrink")
    replication_factor: Whole | None = Field(None, ge=1, description="Replicas; unset is 3 with three brokers, else 1")
    min_in_sync_replicas: Whole | None = Field(None, ge=1, description="min.insync.replicas")
    retention: Duration | Unlimited | None = Field(None, description="retention.ms; -1 is for ever")
    retention_bytes: Size | Unlimited | None = Field(None, description="retention.bytes; -1 is no limit")
    cleanup: Literal["delete", "compact", "compact,delete"] | None = Field(None, description="cleanup.policy")
    compression: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] | None = Field(
        None, description="compression.type"
    )
    max_message_bytes: Size | None = Field(None, description="max.message.bytes")
    config: dict[str, ConfigValue] = Field(default_factory=dict, description="Any other topic config, in Kafka's keys")
    protect: bool = Field(False, description="Refuse to delete the topic, and to destroy the volume it lives in")

    @field_validator("name")
    @classmethod
    def _name_is_legal(cls, name: str) -> str:
        if problem := topic_rules.name_problem(name):
            raise ValueError(problem)
        return name

    @field_validator("cleanup", mode="before")
    @classmethod
    def _both_in_one_spelling(cls, value: object) -> object:
        return topic_rules.normal_value("cleanup.policy", value) if isinstance(value, str) else value

    @field_validator("retention", "retention_bytes", mode="before")
    @classmethod
    def _unlimited(cls, value: object) -> object:
        return unlimited(value)

    @field_validator("config")
    @classmethod
    def _config_is_legal(cls, config: dict[str, str]) -> dict[str, str]:
        if problems := topic_rules.config_problems(config):
            raise ValueError("; ".join(problems))
        return config

    def broken_rules(self) -> list[str]:
        """A key can be set as a field or in ``config``, not as both."""
        named = self._named().items()
        return [f'"{key}" is set twice: as {alias} and in config' for key, (alias, _) in named if key in self.config]

    def _named(self) -> dict[str, tuple[str, str]]:
        """Kafka's key of each field that is set, with the field's name and value."""
        fields: dict[str, tuple[str, object]] = {
            "min.insync.replicas": ("minInSyncReplicas", self.min_in_sync_replicas),
            "retention.ms": ("retention", milliseconds_or_all(self.retention)),
            "retention.bytes": ("retentionBytes", self.retention_bytes),
            "cleanup.policy": ("cleanup", self.cleanup),
            "compression.type": ("compression", self.compression),
            "max.message.bytes": ("maxMessageBytes", self.max_message_bytes),
        }
        return {
            key: (alias, str(int(value)) if isinstance(value, int) else str(value))
            for key, (alias, value) in fields.items()
            if value is not None
        }

    def spec(self, brokers: int) -> topic_rules.TopicSpec:
        """The topic on a cluster of ``brokers`` brokers, with its defaults filled in."""
        default = 3 if brokers >= 3 else 1
        config = {key: value for key, (_, value) in self._named().items()} | self.config
        return topic_rules.TopicSpec(
            name=self.name,
            partitions=self.partitions,
            replication_factor=self.replication_factor or default,
            config={key: topic_rules.normal_value(key, value) for key, value in config.items()},
            protect=self.protect,
        )


class KubernetesSettings(Section):
    """Where and how the platform runs on Kubernetes."""

    context: str | None = Field(
        default=None, min_length=1, description="The kubeconfig's context to run in; no other is used"
    )
    kubeconfig: str | None = Field(
        default=None, min_length=1, description="Path of the kubeconfig; unset takes KUBECONFIG"
    )
    namespace: DnsLabel | None = Field(default=None, description="Namespace; unset takes the platform's name")
    create_namespace: bool = Field(default=True, description="Whether the stack makes the namespace")
    cluster_domain: str = Field(
        default="cluster.local", pattern=r"^[a-z0-9.-]+$", description="The cluster's DNS domain"
    )
    storage_class: str | None = Field(
        default=None, min_length=1, description="StorageClass of the volumes; unset: the default"
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When a node pulls an image"
    )
    image_pull_secrets: list[DnsLabel] = Field(
        default_factory=list[str], description="Secrets of the namespace with the registries' credentials"
    )
    spread: Literal["required", "preferred"] = Field(
        default="required", description="Whether members must or should run on nodes and in zones of their own"
    )
    zones: bool = Field(
        default=True,
        description="Whether brokers are told their zone as `broker.rack`; takes a ClusterRole that reads nodes",
    )
    client_namespaces: list[DnsLabel] = Field(
        default_factory=list[str], description="Further namespaces whose pods may connect to Kafka and Redis"
    )


class HealthSettings(Section):
    """The health gate."""

    deadline: Duration = Field(default=timedelta(minutes=3), description="Time to become healthy before `up` fails")


class Settings(Section):
    """A whole stack file, defaults filled in."""

    target: Literal["docker", "kubernetes"] = Field("docker", description="Where the platform runs")
    profile: Literal["light", "ha", "production"] = Field("light", description="Which set of defaults to start from")
    images: Literal["auto", "public", "local"] = Field(
        "auto", description="Which images to run: public ones, locally built ones, or as MILLRACE_IMAGES says"
    )
    bind_address: Address = Field("127.0.0.1", description="Address on this machine that ports are bound to")
    protect: bool = Field(False, description="Refuse to destroy the volumes with the data")
    kubernetes: KubernetesSettings = Field(
        default_factory=KubernetesSettings, description="Where and how the platform runs on Kubernetes"
    )
    zookeeper: ZooKeeperSettings = Field(description="The ZooKeeper ensemble")
    kafka: KafkaSettings = Field(description="The Kafka brokers")
    redis: RedisSettings = Field(description="The Redis server")
    topics: list[TopicSettings] = Field(
        default_factory=list[TopicSettings], description="The topics, and nothing but these"
    )
    existing_topics: Literal["refuse", "adopt"] = Field(
        "refuse", description="What to do with a declared topic that someone else made"
    )
    health: HealthSettings = Field(default_factory=HealthSettings, description="The health gate")
    monitor: MonitorSettings = Field(
        default_factory=lambda: MonitorSettings.model_validate({}), description="Metrics, alerts and dashboards"
    )

    def broken_rules(self) -> list[str]:
        """Ports must not clash, topics must fit the brokers, and a cluster must be named."""
        target = self._cluster_problems() if self.on_kubernetes else self._machine_problems()
        return [*target, *self._topic_problems()]

    def _machine_problems(self) -> list[str]:
        """What makes no sense on Docker: most likely the target was forgotten."""
        problems = self._port_problems()
        if self.kubernetes.context is not None:
            problems.append("kubernetes.context is set but target is docker; set target to kubernetes, or remove it")
        if self.kafka.external != "none":
            problems.append(f"kafka.external is {self.kafka.external} but target is docker, where all ports are open")
        return problems

    def _cluster_problems(self) -> list[str]:
        problems: list[str] = []
        if self.kubernetes.context is None:
            problems.append(
                "kubernetes.context is required with target kubernetes: the stack file names the cluster, so that "
                "no other can be changed by mistake (`kubectl config get-contexts` lists yours)"
            )
        last = self.kafka.port + self.kafka.replicas - 1
        if self.kafka.external == "nodePort" and (self.kafka.port < 30000 or last > 32767):
            problems.append(f"kafka.port is {self.kafka.port}: node ports are 30000 to 32767, one for each broker")
        if self.kafka.external != "none" and self.kafka.advertised_host == "127.0.0.1":
            problems.append(f"kafka.advertisedHost must say where clients outside find external: {self.kafka.external}")
        if self.kafka.external == "loadBalancer" and self.kafka.replicas > 1 and not self.kafka.advertises_each:
            problems.append(
                f'kafka.advertisedHost is "{self.kafka.advertised_host}": every broker needs a name of its own behind '
                'its load balancer; write {ordinal} where they differ, as in "kafka-{ordinal}.example.com"'
            )
        return problems

    def _port_problems(self) -> list[str]:
        taken: dict[int, str] = {}
        problems: list[str] = []
        for member, port in self.host_ports().items():
            if port > 65535:
                problems.append(f"{member} would need port {port}, above 65535")
            elif (other := taken.setdefault(port, member)) != member:
                problems.append(f"{other} and {member} would both take port {port}")
        return problems

    def _topic_problems(self) -> list[str]:
        problems = topic_rules.set_problems(topic.name for topic in self.topics)
        for index, topic in enumerate(self.topics):
            found = topic_rules.count_problems(topic.spec(self.kafka.replicas), self.kafka.replicas)
            problems += [f"topics[{index}] ({topic.name}): {problem}" for problem in found]
        return problems

    @property
    def on_kubernetes(self) -> bool:
        """Whether the platform runs on Kubernetes."""
        return self.target == "kubernetes"

    @property
    def protects_data(self) -> bool:
        """Whether the volume of ensemble and brokers is protected: for itself, or for a protected topic in it."""
        return self.protect or any(topic.protect for topic in self.topics)

    def host_ports(self) -> dict[str, int]:
        """Each member's port on this machine, by the member's name."""
        ports = {f"zookeeper-{i}": self.zookeeper.port + i for i in range(self.zookeeper.replicas)}
        ports |= {f"kafka-{i}": self.kafka.port + i for i in range(self.kafka.replicas)}
        return ports | {"redis-0": self.redis.port} | self.monitor.host_ports()

    def topic_specs(self) -> list[topic_rules.TopicSpec]:
        """The declared topics with defaults for this number of brokers, sorted by name."""
        return sorted((topic.spec(self.kafka.replicas) for topic in self.topics), key=lambda spec: spec.name)


def load_settings(declared: Mapping[str, Any], *, source: str, secret_keys: Sequence[str] = ()) -> Settings:
    """Check a stack file's values and fill in the defaults of its profile.

    Args:
        declared: Values by top-level key, as read from the stack file.
        source: The stack file's name, for messages.
        secret_keys: Top-level keys whose values are encrypted in the stack file.

    Raises:
        SettingsError: With every mistake found.
    """
    problems: list[str] = []
    profile = declared.get("profile", "light")
    if not isinstance(profile, str) or profile not in PROFILES:
        problems.append(unknown_profile(profile, PROFILES))
        profile = "light"
    problems += [_in_plain_text(path) for path in _SECRETS if path[0] not in secret_keys and _value_at(path, declared)]
    merged = with_profile({**declared, "profile": profile}, profile)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        problems += problems_of(error, Settings, merged, secret_keys)
        settings = None
    if settings is None or problems:
        mistakes = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise SettingsError(f"{source}: {mistakes}; nothing was changed", problems)
    return settings


_SECRETS = (("redis", "password"), ("monitor", "grafana", "password"))
"""Paths of the secrets that a stack file may hold."""


def _in_plain_text(path: Sequence[str]) -> str:
    key = ".".join(path)
    return (
        f"{key} stands in plain text; remove it and set it encrypted with\n"
        f"pulumi config set --secret --path 'millrace:{key}'"
    )


def _value_at(path: Sequence[str], values: Any) -> Any:
    for part in path:
        values = cast("Mapping[str, Any]", values).get(part) if isinstance(values, Mapping) else None
    return values
