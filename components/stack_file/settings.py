"""What a stack file may say.

Every field can be set in ``Pulumi.<stack>.yaml`` under its camelCase name; profiles give the defaults. All
mistakes are reported at once, each with its path, by :func:`load_settings`, before any resource is registered.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import (
    Field,
    ValidationError,
)

from components.errors import SettingsError
from components.health.settings import HealthSettings
from components.kafka.settings import KafkaSettings
from components.monitoring.settings import MonitorSettings
from components.monitoring.topology import Topology, topology_of
from components.redis.settings import RedisSettings
from components.stack_file.profiles import PROFILES, with_profile
from components.stack_file.report import problems_of, unknown_profile
from components.stack_file.sections import Address, Section
from components.targets.kubernetes.settings import KubernetesSettings
from components.topics import settings as topic_rules
from components.topics.settings import TopicSettings
from components.zookeeper.settings import ZooKeeperSettings


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

    def topology(self, platform: str) -> Topology:
        """What alert rules and dashboards need to know of a platform.

        Args:
            platform: The platform's name.
        """
        return topology_of(
            platform,
            zookeeper=self.zookeeper,
            kafka=self.kafka,
            redis=self.redis,
            topics=self.topic_specs(),
            monitor=self.monitor,
        )

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
