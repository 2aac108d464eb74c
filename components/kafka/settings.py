"""What a stack file may say about the Kafka brokers, and the keys of server.properties that it must not set."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from components.limits import MAX_BROKERS, MAX_ENTRIES, MAX_HOST, MAX_PARTITIONS
from components.quantities import Duration, IntSize, LongSize, Unlimited, Whole
from components.sections import (
    DERIVED,
    QUICK_START,
    THROUGHPUT,
    Annotations,
    Config,
    JavaServerSettings,
    Network,
    Port,
    refuse_protected,
)

_IDENTITY = "it differs from member to member"

PROTECTED_KEYS: Mapping[str, str] = {
    "advertised.listeners": "set kafka.advertisedHost and kafka.port",
    "auto.create.topics.enable": "set kafka.autoCreateTopics",
    "broker.id": _IDENTITY,
    "broker.id.generation.enable": _IDENTITY,
    "compression.type": "set kafka.compression",
    "control.plane.listener.name": DERIVED,
    "default.replication.factor": "set kafka.replicationFactor",
    "inter.broker.listener.name": DERIVED,
    "listener.security.protocol.map": DERIVED,
    "listeners": "set kafka.internalPort and kafka.port",
    "log.dir": DERIVED,
    "log.dirs": DERIVED,
    "log.retention.bytes": "set kafka.retentionBytes",
    "log.retention.hours": "set kafka.retention",
    "log.retention.minutes": "set kafka.retention",
    "log.retention.ms": "set kafka.retention",
    "log.segment.bytes": "set kafka.segmentBytes",
    "min.insync.replicas": "set kafka.minInSyncReplicas",
    "node.id": _IDENTITY,
    "num.partitions": "set kafka.numPartitions",
    "offsets.topic.replication.factor": "set kafka.replicationFactor",
    "process.roles": "brokers run with ZooKeeper here",
    "transaction.state.log.min.isr": "set kafka.minInSyncReplicas",
    "transaction.state.log.replication.factor": "set kafka.replicationFactor",
    "unclean.leader.election.enable": "set kafka.uncleanLeaderElection",
    "zookeeper.connect": DERIVED,
}

DERIVED_BY_ACCESS = (
    "allow.everyone.",
    "authorizer.",
    "config.providers",
    "listener.name.",
    "sasl.",
    "ssl.",
    "super.users",
)
"""Starts of keys that access derives where it is on."""

_HOST = re.compile(r"[A-Za-z0-9.-]+(\{ordinal\}[A-Za-z0-9.-]*)?|\{ordinal\}[A-Za-z0-9.-]+")

EXTERNAL_PORT = 9092
"""Port of the listener for clients outside, inside a broker's container."""


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "light": {
        "replicas": 1,
        "heap": "512MiB",
        "memory": "1GiB",
        "port": 9092,
        "retention": "24h",
        "retentionBytes": "100MiB",
        "segmentBytes": "50MiB",
        "replicationFactor": 1,
        "minInSyncReplicas": 1,
        "autoCreateTopics": True,
        "jvmOptions": QUICK_START,
        "stopGrace": "30s",
        # One consumer need not wait for others to join; a killed broker may register again after 6 s.
        "config": {"group.initial.rebalance.delay.ms": "0", "zookeeper.session.timeout.ms": "6000"},
    },
    "ha": {
        "replicas": 3,
        "heap": "512MiB",
        "memory": "1GiB",
        "port": 19092,
        "retention": "7d",
        "retentionBytes": -1,
        "segmentBytes": "1GiB",
        "replicationFactor": 3,
        "minInSyncReplicas": 2,
        "autoCreateTopics": False,
        "jvmOptions": THROUGHPUT,
        "stopGrace": "120s",
        # Until its session expires, a crashed broker keeps its partitions, and acks=all waits for it. Kafka's 18 s are
        # for long pauses of large heaps and for busy networks; three brokers on one machine have neither.
        "config": {"zookeeper.session.timeout.ms": "6000"},
    },
    "production": {
        "replicas": 3,
        "memory": "4GiB",
        "cpu": "500m",
        "cpuLimit": "2",
        "storage": "100GiB",
        "port": 30092,
        "retention": "168h",
        "retentionBytes": -1,
        "segmentBytes": "1GiB",
        "replicationFactor": 3,
        "minInSyncReplicas": 2,
        "autoCreateTopics": False,
        "compression": "lz4",
        "jvmOptions": THROUGHPUT,
        # Controlled shutdown first moves the leader of every partition: three tries, then the log is flushed.
        "stopGrace": "120s",
        "config": {"zookeeper.session.timeout.ms": "18000"},
    },
}
"""Defaults by profile, with the keys of the stack file."""


class KafkaSettings(JavaServerSettings):
    """The Kafka brokers."""

    profile_defaults = PROFILES

    replicas: Whole = Field(ge=1, le=MAX_BROKERS, description="Number of members")
    internal_port: Port = Field(29092, description="Port of the listener that other containers or pods reach by name")
    external: Literal["none", "nodePort", "loadBalancer"] = Field(
        "none", description="How clients outside the cluster reach brokers (Kubernetes): one Service per broker"
    )
    allow_insecure_external: bool = Field(
        False,
        description="Whether `external` may expose brokers without `access.enabled`: plain text, open to everyone",
    )
    source_ranges: list[Network] = Field(
        default_factory=list[str],
        max_length=MAX_ENTRIES,
        description="Networks that load balancers admit, such as 10.0.0.0/8; empty admits all",
    )
    service_annotations: Annotations = Field(
        default_factory=dict, description="Annotations of the Services that `external` makes"
    )
    advertised_host: str | None = Field(
        None,
        max_length=MAX_HOST,
        description="Host that brokers advertise to clients outside; `{ordinal}` stands for the broker's number; unset "
        "on Docker: bindAddress, or 127.0.0.1 where that is 0.0.0.0",
    )
    retention: Duration | Unlimited = Field(description="Default retention of records; -1 is no limit")
    retention_bytes: LongSize | Unlimited = Field(description="Default size limit of a partition; -1 is no limit")
    segment_bytes: IntSize = Field(description="Size of a log segment")
    replication_factor: Whole = Field(
        ge=1, le=MAX_BROKERS, description="Default replication factor, and that of internal topics"
    )
    min_in_sync_replicas: Whole = Field(
        ge=1, le=MAX_BROKERS, description="Replicas that must have a record before acks=all succeeds"
    )
    num_partitions: Whole = Field(
        1, ge=1, le=MAX_PARTITIONS, description="Partitions of a topic that is created without a count"
    )
    auto_create_topics: bool = Field(description="Whether brokers create topics that clients ask for")
    unclean_leader_election: bool = Field(
        False, description="Whether an out-of-sync replica may become leader, which loses records"
    )
    compression: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] = Field(
        "producer", description="Default compression of topics"
    )
    config: Config = Field(default_factory=dict, description="Further server.properties keys")

    @property
    def advertises_each(self) -> bool:
        """Whether each broker advertises its own host to clients outside."""
        return self.advertised_host is not None and "{ordinal}" in self.advertised_host

    @field_validator("config")
    @classmethod
    def _config_is_free(cls, config: dict[str, str]) -> dict[str, str]:
        refuse_protected(config, PROTECTED_KEYS)
        return config

    @field_validator("advertised_host")
    @classmethod
    def _host_is_a_name(cls, host: str | None) -> str | None:
        if host == "0.0.0.0":
            raise ValueError("brokers refuse to advertise 0.0.0.0, which stands for all addresses; name one host")
        if host is not None and not _HOST.fullmatch(host):
            raise ValueError("must be a host name or an address; {ordinal} in it stands for the broker's number")
        return host

    @field_validator("internal_port")
    @classmethod
    def _internal_port_is_free(cls, port: int) -> int:
        if port == EXTERNAL_PORT:
            raise ValueError(f"{EXTERNAL_PORT} is the port of the listener for clients outside; choose a different one")
        return port

    def broken_rules(self) -> list[str]:
        """The replication factor needs as many brokers, and the minimum in sync as many replicas."""
        problems = super().broken_rules()
        factor = self.replication_factor
        if factor > self.replicas:
            problems.append(f"replicationFactor {factor} is above replicas {self.replicas}")
        if self.min_in_sync_replicas > factor:
            problems.append(f"minInSyncReplicas {self.min_in_sync_replicas} is above replicationFactor {factor}")
        return [*problems, *self._unused()]

    def _unused(self) -> list[str]:
        """Settings of Services that are not made; ignored, they would make a port look narrower than it is."""
        problems: list[str] = []
        if self.source_ranges and self.external != "loadBalancer":
            problems.append(
                f"sourceRanges is set but external is {self.external}: only load balancers have source ranges; set "
                "external to loadBalancer, or remove sourceRanges"
            )
        if self.service_annotations and self.external == "none":
            problems.append(
                "serviceAnnotations is set but external is none, which makes no Service; set external to loadBalancer "
                "or nodePort, or remove serviceAnnotations"
            )
        return problems
