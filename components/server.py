"""What the servers' components share: their arguments, and the environment of a Java server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.quantities import MIB
from components.rendering.properties import render_properties
from components.settings_base import ContainerSettings
from components.targets.base import Deployment, Target
from components.workload import File, Resources, Workload

DATA_PATH = "/var/lib/kafka/data"
"""Where the Kafka image lets its user write; each ZooKeeper member and each broker has a folder of its own there."""

USER = 1000
"""User and group of the Kafka image's ``appuser``."""

LIFETIME = "streaming"
"""The one storage lifetime of ensemble and brokers: neither's data may outlive the other's."""

_LOGGING = "/etc/millrace/log4j.properties"
_NAMES = "/etc/millrace/java.security"

_NAME_CACHE = {"networkaddress.cache.ttl": "5", "networkaddress.cache.negative.ttl": "0"}
"""Seconds that a JVM keeps the address of a name, and that a name has none. By default that is 30 and 10: a member that
starts before another's name is published would not look for it again for 10 s, and the ensemble's back-off makes 25 s
of that; one whose pod has moved would be sought at its old address. The defaults stand in the JVM's ``java.security``,
so that no ``-D`` changes them
(https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/net/doc-files/net-properties.html)."""


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


def java_files(logging: str) -> list[File]:
    """The files that :func:`java_environment` points at.

    Args:
        logging: The text of ``log4j.properties``.
    """
    return [
        File(path=_LOGGING, content=logging),
        File(path=_NAMES, content=render_properties(_NAME_CACHE)),
    ]


def java_environment(*, heap: int, options: Sequence[str], archive: str) -> Mapping[str, str]:
    """The variables that the distribution's start scripts read.

    Args:
        heap: Initial and maximum heap in bytes.
        options: Further JVM options; the JVM takes the later one of two that contradict each other, so these win.
        archive: Name of the image's class-data-sharing archive; a JVM without one starts all the same.
    """
    megabytes = heap // MIB
    names, shared = f"-Djava.security.properties={_NAMES}", f"-XX:SharedArchiveFile=/opt/kafka/{archive}.jsa"
    return {
        "EXTRA_ARGS": "",
        "KAFKA_HEAP_OPTS": f"-Xms{megabytes}m -Xmx{megabytes}m",
        "KAFKA_JVM_PERFORMANCE_OPTS": " ".join([names, *options, shared]),
        "KAFKA_LOG4J_OPTS": f"-Dlog4j.configuration=file:{_LOGGING}",
        # All logging goes to standard output, but the start scripts want a folder that they can write.
        "LOG_DIR": "/tmp",  # noqa: S108  in the container
    }
