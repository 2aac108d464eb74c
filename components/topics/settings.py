"""What a stack file may say about a topic."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from components.limits import MAX_BROKERS, MAX_PARTITIONS
from components.quantities import Duration, IntSize, LongSize, Unlimited, Whole, milliseconds_or_unlimited
from components.sections import Config, Section
from components.topics.rules import TopicSpec, config_problems, name_problem, normal_value


def _legal_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


TopicName = Annotated[str, AfterValidator(_legal_name)]


class TopicSettings(Section):
    """One topic."""

    name: TopicName = Field(description="The topic's name")
    partitions: Whole = Field(1, ge=1, le=MAX_PARTITIONS, description="Number of partitions; can grow, never shrink")
    replication_factor: Whole | None = Field(
        None, ge=1, le=MAX_BROKERS, description="Replicas; unset is kafka.replicationFactor"
    )
    min_in_sync_replicas: Whole | None = Field(None, ge=1, le=MAX_BROKERS, description="min.insync.replicas")
    retention: Duration | Unlimited | None = Field(None, description="retention.ms; -1 is no limit")
    retention_bytes: LongSize | Unlimited | None = Field(None, description="retention.bytes; -1 is no limit")
    cleanup: Literal["delete", "compact", "compact,delete"] | None = Field(None, description="cleanup.policy")
    compression: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] | None = Field(
        None, description="compression.type"
    )
    max_message_bytes: IntSize | None = Field(None, description="max.message.bytes")
    config: Config = Field(default_factory=dict, description="Other topic configuration, under Kafka's keys")
    protect: bool = Field(False, description="Refuse to delete the topic or to destroy the volumes with its records")

    @field_validator("cleanup", mode="before")
    @classmethod
    def _both_in_one_spelling(cls, value: object) -> object:
        return normal_value("cleanup.policy", value) if isinstance(value, str) else value

    @field_validator("config")
    @classmethod
    def _config_is_legal(cls, config: dict[str, str]) -> dict[str, str]:
        if problems := config_problems(config):
            raise ValueError("; ".join(problems))
        return config

    def broken_rules(self) -> list[str]:
        """A key can be set as a field or in ``config``, not both."""
        named = self._named().items()
        return [f'"{key}" is set twice: as {alias} and in config' for key, (alias, _) in named if key in self.config]

    def _named(self) -> dict[str, tuple[str, str]]:
        """Kafka's key of each field that is set, with the field's name and value."""
        fields: dict[str, tuple[str, object]] = {
            "min.insync.replicas": ("minInSyncReplicas", self.min_in_sync_replicas),
            "retention.ms": ("retention", milliseconds_or_unlimited(self.retention)),
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

    def spec(self, default_factor: int = 1) -> TopicSpec:
        """The topic with its defaults filled in.

        Args:
            default_factor: Replication factor of a topic that declares none: ``kafka.replicationFactor``.
        """
        config = {key: value for key, (_, value) in self._named().items()} | self.config
        return TopicSpec(
            name=self.name,
            partitions=self.partitions,
            replication_factor=self.replication_factor or default_factor,
            config={key: normal_value(key, value) for key, value in config.items()},
            protect=self.protect,
            factor_by_default=self.replication_factor is None,
        )
