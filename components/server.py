"""What the servers' components share: their arguments, and the environment of a Java server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.quantities import MIB
from components.settings_base import ContainerSettings
from components.targets.base import Deployment, Target
from components.workload import Resources, Workload

DATA_PATH = "/var/lib/kafka/data"
"""Where the Kafka image lets its user write; each ZooKeeper member and each broker has a folder of its own there."""

USER = 1000
"""User and group of the Kafka image's ``appuser``."""

LIFETIME = "streaming"
"""The one storage lifetime of ensemble and brokers: neither's data may outlive the other's."""


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    """Arguments of a server component.

    Args:
        workload: What to run.
        target: Where to run it.
        deadline: Seconds that a changed member may take to be back.
        after: Deployments that change before it and are removed after it.
    """

    workload: Workload
    target: Target
    deadline: float
    after: Sequence[Deployment] = ()


def resources_of(settings: ContainerSettings) -> Resources:
    """What a member may use."""
    return Resources(memory=int(settings.memory), cpu=settings.cpu, cpu_limit=settings.cpu_limit)


def java_environment(*, heap: int, options: Sequence[str], archive: str, logging: str) -> Mapping[str, str]:
    """The variables that the distribution's start scripts read.

    Args:
        heap: Initial and maximum heap in bytes.
        options: Further JVM options.
        archive: Name of the image's class-data-sharing archive; a JVM without one starts all the same.
        logging: Path of ``log4j.properties``.
    """
    megabytes = heap // MIB
    return {
        "EXTRA_ARGS": "",
        "KAFKA_HEAP_OPTS": f"-Xms{megabytes}m -Xmx{megabytes}m",
        "KAFKA_JVM_PERFORMANCE_OPTS": " ".join([*options, f"-XX:SharedArchiveFile=/opt/kafka/{archive}.jsa"]),
        "KAFKA_LOG4J_OPTS": f"-Dlog4j.configuration=file:{logging}",
        # All logging goes to standard output, but the start scripts want a folder that they can write.
        "LOG_DIR": "/tmp",  # noqa: S108  in the container
    }
