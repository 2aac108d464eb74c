"""The stacks that benchmarks measure, and their settings for other tools."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.stack_file.settings import Settings, load_settings
from components.topics.rules import TopicSpec
from tests.integration.stacks import Stack, ports_of

NAME = "test-bench"


def docker_stack(folder: Path, file: str) -> Stack:
    """A stack from a stack file on the benchmarks' ports, not up yet."""
    return Stack(folder / "pulumi", NAME, file, ports_of("bench").overrides())


def settings_of(config: Mapping[str, Any], source: str) -> Settings:
    """The settings in a stack's configuration, as the program reads them from the stack file."""
    values = {key.removeprefix("millrace:"): value for key, value in config.items()}
    return load_settings(yaml.safe_load(yaml.safe_dump(values)), source=source)


def topic_command(spec: TopicSpec, server: str) -> list[str]:
    """The command that creates a topic, run in a Kafka container."""
    config = [word for key, value in spec.config.items() for word in ("--config", f"{key}={value}")]
    return [
        *("/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", server, "--create", "--topic", spec.name),
        *("--partitions", str(spec.partitions), "--replication-factor", str(spec.replication_factor), *config),
    ]
