"""The stack file's section ``monitor``: settings of the exporter, Prometheus and Grafana."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, ByteSize, Field, SecretStr, field_validator

from components.limits import MAX_ENTRIES, MAX_HOST, MAX_LAG, MAX_PORT, MAX_TEXT
from components.quantities import MIB, Duration, Whole
from components.sections import ContainerSettings, Cpu, Memory, Port, ServerSettings, Volume

_LONGEST_INTERVAL = timedelta(minutes=2)
"""Prometheus treats a series as stale after 5 minutes without a sample
(https://prometheus.io/docs/prometheus/latest/querying/basics/#staleness); two samples must fit in, one of them late."""

_SHORTEST_TIME = timedelta(seconds=1)

_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")

_PORT = re.compile(r"[0-9]{1,5}")


def _is_server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not (_HOST.fullmatch(host) and len(host) <= MAX_HOST and _PORT.fullmatch(port) and 1 <= int(port) <= MAX_PORT):
        raise ValueError("must be host:port, as in alertmanager.monitoring:9093")
    return text


Server = Annotated[str, AfterValidator(_is_server)]
"""``host:port`` of a server outside this platform."""


class PrometheusSettings(ServerSettings):
    """The Prometheus server."""

    enabled: bool = Field(False, description="Whether the stack runs a Prometheus; requires monitor.enabled")
    port: Port = Field(9091, description="Port on this machine")
    memory: Memory = Field(ByteSize(256 * MIB), description="Memory limit")
    cpu: Cpu = Field("100m", description="CPU request (Kubernetes)")
    retention: Duration = Field(timedelta(days=15), description="How long samples are kept")
    retention_size: Volume | None = Field(
        None, description="Disk that samples may take; unset: limited by storage only"
    )
    alertmanagers: list[Server] = Field(
        default_factory=list[Server],
        max_length=MAX_ENTRIES,
        description="`host:port` of each Alertmanager that gets the alerts",
    )

    @field_validator("retention")
    @classmethod
    def _retention_is_positive(cls, retention: timedelta) -> timedelta:
        if retention < _SHORTEST_TIME:
            raise ValueError("must be at least 1s")
        return retention

    def broken_rules(self) -> list[str]:
        """Samples must fit into the volume."""
        problems = super().broken_rules()
        if self.retention_size is not None and not 0 < self.retention_size <= self.storage:
            problems.append(
                f"retentionSize {self.retention_size.human_readable()} must be above 0 and at most storage "
                f"{self.storage.human_readable()}"
            )
        return problems


class GrafanaSettings(ContainerSettings):
    """The Grafana server."""

    enabled: bool = Field(False, description="Whether the stack runs a Grafana; requires monitor.prometheus.enabled")
    port: Port = Field(3000, description="Port on this machine")
    memory: Memory = Field(ByteSize(256 * MIB), description="Memory limit")
    cpu: Cpu = Field("100m", description="CPU request (Kubernetes)")
    password: SecretStr | None = Field(
        None,
        min_length=1,
        max_length=MAX_TEXT,
        description="The admin's password (a Pulumi secret); unset generates one",
    )


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "ha": {"port": 19090, "prometheus": {"port": 19091}, "grafana": {"port": 13000}},
}
"""Defaults by profile, with the keys of the stack file."""


class MonitorSettings(ContainerSettings):
    """The metrics exporter, and what reads it."""

    profile_defaults = PROFILES

    enabled: bool = Field(False, description="Whether the stack runs the metrics exporter")
    port: Port = Field(9090, description="Port of the metrics on this machine")
    memory: Memory = Field(ByteSize(128 * MIB), description="Memory limit of the exporter")
    cpu: Cpu = Field("100m", description="CPU request of the exporter (Kubernetes)")
    interval: Duration = Field(
        timedelta(seconds=30),
        description="Time between two checks of the exporter, and between Prometheus' scrapes",
    )
    lag_threshold: Whole = Field(
        1000,
        ge=1,
        le=MAX_LAG,
        description="Records that a group may lag behind in a partition; default: two polls of Kafka's default size",
    )
    jmx: bool = Field(False, description="Whether Prometheus scrapes brokers' JMX metrics; requires the local image")
    prometheus: PrometheusSettings = Field(
        default_factory=lambda: PrometheusSettings.model_validate({}), description="The Prometheus server"
    )
    grafana: GrafanaSettings = Field(
        default_factory=lambda: GrafanaSettings.model_validate({}), description="The Grafana server"
    )

    @field_validator("interval")
    @classmethod
    def _interval_is_within_bounds(cls, interval: timedelta) -> timedelta:
        if not _SHORTEST_TIME <= interval <= _LONGEST_INTERVAL or interval % _SHORTEST_TIME:
            raise ValueError("must be whole seconds, from 1s to 2m: Prometheus forgets a sample after 5 minutes")
        return interval

    def broken_rules(self) -> list[str]:
        """JMX, Prometheus and Grafana need the exporter; Grafana needs Prometheus."""
        problems = super().broken_rules()
        dependents = {
            "jmx": self.jmx,
            "prometheus.enabled": self.prometheus.enabled,
            "grafana.enabled": self.grafana.enabled,
        }
        if not self.enabled:
            problems += [
                f"{key} is true but enabled is false; set enabled to true" for key, on in dependents.items() if on
            ]
        if self.grafana.enabled and not self.prometheus.enabled:
            problems.append("grafana.enabled is true but prometheus.enabled is false; set prometheus.enabled to true")
        return problems

    def host_ports(self) -> dict[str, int]:
        """Each member's port on this machine, by the member's name."""
        members = {
            "exporter-0": (self.enabled, self.port),
            "prometheus-0": (self.prometheus.enabled, self.prometheus.port),
            "grafana-0": (self.grafana.enabled, self.grafana.port),
        }
        return {member: port for member, (on, port) in members.items() if on}
