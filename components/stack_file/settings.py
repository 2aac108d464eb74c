"""The whole stack file, and the rules between its sections.

Every field can be set in ``Pulumi.<stack>.yaml`` under its camelCase name; profiles give the defaults.
:func:`load_settings` reports all mistakes at once, each with its path, before any resource is registered.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any, Literal

from pydantic import Field

from components.access.rules import set_problems as app_set_problems
from components.access.settings import AccessSettings, AppSettings
from components.errors import SettingsError, count
from components.health.settings import HealthSettings
from components.kafka.files import LOCAL_PORT
from components.kafka.settings import DERIVED_BY_ACCESS, KafkaSettings
from components.limits import MAX_APPS, MAX_PARTITIONS, MAX_PORT, MAX_TOPICS
from components.monitoring.settings import MonitorSettings
from components.monitoring.topology import Topology, topology_of
from components.outside import ANY_ADDRESS
from components.redis.settings import RedisSettings
from components.report import first_of, unknown_profile, validated, value_at
from components.sections import Address, Section
from components.stack_file.profiles import PROFILES, with_profile
from components.targets.kubernetes.settings import KubernetesSettings
from components.topics.rules import TopicSpec, count_problems, set_problems
from components.topics.safety import list_problems
from components.topics.settings import TopicName, TopicSettings
from components.zookeeper.settings import ZooKeeperSettings


class Settings(Section):
    """A whole stack file, defaults filled in."""

    target: Literal["docker", "kubernetes"] = Field("docker", description="Where the platform runs")
    profile: Literal["light", "ha", "production"] = Field("light", description="Set of defaults to start from")
    images: Literal["auto", "public", "local"] = Field(
        "auto",
        description="Image set: public, locally built, or auto: on Docker what MILLRACE_IMAGES names, else public",
    )
    bind_address: Address = Field(
        "127.0.0.1",
        description="Address on this machine to which ports are bound; any but loopback opens ZooKeeper, Redis and "
        "Kafka to its network",
    )
    protect: bool = Field(False, description="Refuse to destroy the data volumes, and to delete topics")
    kubernetes: KubernetesSettings = Field(
        default_factory=KubernetesSettings, description="Where and how the platform runs on Kubernetes"
    )
    zookeeper: ZooKeeperSettings = Field(description="The ZooKeeper ensemble")
    kafka: KafkaSettings = Field(description="The Kafka brokers")
    redis: RedisSettings = Field(description="The Redis server")
    topics: list[TopicSettings] = Field(
        default_factory=list[TopicSettings],
        max_length=MAX_TOPICS,
        description="The topics that the stack manages; no others are touched",
    )
    topics_to_delete: list[TopicName] = Field(
        default_factory=list[TopicName],
        max_length=MAX_TOPICS,
        description="Topics that left `topics` and are deleted with their records; no other topic is ever deleted",
    )
    topics_to_release: list[TopicName] = Field(
        default_factory=list[TopicName],
        max_length=MAX_TOPICS,
        description="Topics that left `topics` and are kept, no longer this stack's",
    )
    existing_topics: Literal["refuse", "adopt"] = Field(
        "refuse", description="What to do with a declared topic that exists but is not this stack's"
    )
    access: AccessSettings = Field(
        default_factory=lambda: AccessSettings.model_validate({}), description="Who may do what"
    )
    apps: list[AppSettings] = Field(
        default_factory=list[AppSettings],
        max_length=MAX_APPS,
        description="Applications: each gets a user, its rights and its limits; needs `access.enabled`",
    )
    health: HealthSettings = Field(default_factory=HealthSettings, description="The health gate")
    monitor: MonitorSettings = Field(
        default_factory=lambda: MonitorSettings.model_validate({}), description="Metrics, alerts and dashboards"
    )

    def broken_rules(self) -> list[str]:
        """Ports must not collide, topics must fit the brokers, and a Kubernetes cluster must be named."""
        target = self._cluster_problems() if self.on_kubernetes else self._machine_problems()
        return [*target, *self._topic_problems(), *self._access_problems()]

    def _access_problems(self) -> list[str]:
        """Applications need access; keys that access derives cannot be set."""
        if not self.access.enabled:
            open_to_all = "apps are declared, but access.enabled is false: without it everyone may do everything"
            return [open_to_all] if self.apps else []
        derived = [key for key in self.kafka.config if key.startswith(DERIVED_BY_ACCESS)]
        problems = [f"kafka.config has {key}, which access.enabled derives; remove it" for key in derived]
        if self.kafka.internal_port == LOCAL_PORT:
            problems.append(f"kafka.internalPort is {LOCAL_PORT}, which access.enabled uses for probes; choose another")
        return [*problems, *app_set_problems([app.spec() for app in self.apps]), *self._redis_user_problems()]

    def _redis_user_problems(self) -> list[str]:
        """Redis asks who its clients are only with a password, and reads users from one place."""
        if not self.redis.authentication:
            return [
                f"apps[{position}] ({app.name}) has redis keys, but redis.authentication is false, so everyone may use "
                "all keys; set redis.authentication to true"
                for position, app in enumerate(self.apps)
                if app.redis
            ]
        return [
            f"redis.config has {key}, but with access.enabled Redis keeps its users in a file; declare apps with redis"
            for key in self.redis.config
            if key.lower() == "user"
        ]

    def _machine_problems(self) -> list[str]:
        """Colliding ports, and Kubernetes settings, which on Docker most likely mean that the target was forgotten."""
        problems = self._port_problems()
        if self.kubernetes.context is not None:
            problems.append("kubernetes.context is set but target is docker; set target to kubernetes, or remove it")
        problems += [
            f"apps: {app.name} has a namespace, {app.namespace}, but target is docker; remove it"
            for app in self.apps
            if app.namespace is not None
        ]
        if self.kafka.external != "none":
            problems.append(f"kafka.external is {self.kafka.external} but target is docker, which publishes all ports")
        host, bound = self.kafka.advertised_host, self.bind_address
        if host is not None and _is_loopback(host) and bound not in (ANY_ADDRESS, _address(host)):
            problems.append(
                f"kafka.advertisedHost is {host}, but ports are bound to {bound} only (bindAddress); "
                f"remove it, and brokers advertise {bound}"
            )
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
        problems += self._exposure_problems()
        host = self.kafka.advertised_host
        if self.kafka.external != "none" and host in (None, "127.0.0.1"):
            problems.append(
                f"kafka.advertisedHost must be a host that outside clients reach: external is {self.kafka.external}"
            )
        several = self.kafka.replicas > 1 and not self.kafka.advertises_each
        if self.kafka.external == "loadBalancer" and host is not None and several:
            problems.append(
                f'kafka.advertisedHost is "{host}": every broker needs a name of its own behind '
                'its load balancer; write {ordinal} where they differ, as in "kafka-{ordinal}.example.com"'
            )
        return problems

    def _exposure_problems(self) -> list[str]:
        """Brokers that ask nobody who they are must not be reached from outside unless the stack file says so."""
        if self.kafka.external == "none" or self.access.enabled or self.kafka.allow_insecure_external:
            return []
        return [
            f"kafka.external is {self.kafka.external} but access.enabled is false: whoever reaches the ports may read "
            "and write all records. For a new platform set access.enabled to true; in a network that you trust, "
            "kafka.allowInsecureExternal"
        ]

    def _port_problems(self) -> list[str]:
        taken: dict[int, str] = {}
        clashes: list[_PortUse] = []
        for member, port in self.host_ports().items():
            if port > MAX_PORT:
                clashes.append(((member,), port))
            elif (other := taken.setdefault(port, member)) != member:
                clashes.append(((other, member), port))
        return [_port_problem(run) for run in _consecutive(clashes)]

    def _topic_problems(self) -> list[str]:
        names = [topic.name for topic in self.topics]
        problems = [*set_problems(names), *list_problems(names, self.topics_to_delete, self.topics_to_release)]
        if (total := sum(topic.partitions for topic in self.topics)) > MAX_PARTITIONS:
            problems.append(f"topics have {total} partitions together; a cluster has at most {MAX_PARTITIONS}")
        for index, topic in enumerate(self.topics):
            spec = topic.spec(self.kafka.replication_factor)
            found = count_problems(spec, self.kafka.replicas, self.kafka.min_in_sync_replicas)
            problems += [f"topics[{index}] ({topic.name}): {problem}" for problem in found]
        return problems

    def written(self) -> dict[str, Any]:
        """The values that are set, as a stack file writes them; without topics, and secrets are masked."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"topics"})

    @property
    def on_kubernetes(self) -> bool:
        """Whether the platform runs on Kubernetes."""
        return self.target == "kubernetes"

    @property
    def protects_data(self) -> bool:
        """Whether the volumes of ensemble and brokers are protected: by ``protect`` or a protected topic."""
        return self.protect or any(topic.protect for topic in self.topics)

    def host_ports(self) -> dict[str, int]:
        """Each member's port on this machine, by the member's name."""
        ports = {f"zookeeper-{i}": self.zookeeper.port + i for i in range(self.zookeeper.replicas)}
        ports |= {f"kafka-{i}": self.kafka.port + i for i in range(self.kafka.replicas)}
        return ports | {"redis-0": self.redis.port} | self.monitor.host_ports()

    def topology(self, platform: str) -> Topology:
        """What alert rules and dashboards need to know about a platform.

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

    def topic_specs(self) -> list[TopicSpec]:
        """The declared topics with their defaults, sorted by name."""
        return sorted((topic.spec(self.kafka.replication_factor) for topic in self.topics), key=lambda spec: spec.name)


_PortUse = tuple[tuple[str, ...], int]
"""Members that would take a port, and the port."""


def _consecutive(uses: Sequence[_PortUse]) -> list[list[_PortUse]]:
    """The uses in runs: members of the same workloads that follow one another, on ports that do."""
    runs: list[list[_PortUse]] = []
    for members, port in uses:
        if runs:
            last, previous = runs[-1][-1]
            if port == previous + 1 and [*map(_workload, members)] == [*map(_workload, last)]:
                runs[-1].append((members, port))
                continue
        runs.append([(members, port)])
    return runs


def _port_problem(run: Sequence[_PortUse]) -> str:
    (first, low), (last, high) = run[0], run[-1]
    names = [start if start == end else f"{start} to {end}" for start, end in zip(first, last, strict=True)]
    ports = f"port {low}" if low == high else f"ports {low} to {high}"
    if len(names) == 1:
        return f"{names[0]} would need {ports}, above {MAX_PORT}"
    return f"{' and '.join(names)} would both take {ports}"


def _workload(member: str) -> str:
    return member.rpartition("-")[0]


def _address(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def _is_loopback(host: str) -> bool:
    try:
        return IPv4Address(_address(host)).is_loopback
    except ValueError:
        return False


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
        problems.append(unknown_profile("(a secret)" if "profile" in secret_keys else profile, PROFILES))
        profile = "light"
    problems += [_in_plain_text(path) for path in _SECRETS if path[0] not in secret_keys and value_at(path, declared)]
    merged = with_profile({**declared, "profile": profile}, profile)
    settings, found = validated(Settings, merged, secret_keys)
    problems += found
    if settings is None or problems:
        raise SettingsError(f"{source}: {count(len(problems), 'mistake')}; nothing was changed", first_of(problems))
    return settings


_SECRETS = (("redis", "password"), ("monitor", "grafana", "password"))
"""Paths of the secrets in a stack file."""


def _in_plain_text(path: Sequence[str]) -> str:
    key = ".".join(path)
    return (
        f"{key} is in plain text; remove it and set it encrypted with\n"
        f"pulumi config set --secret --path 'millrace:{key}'"
    )
