"""What the servers' workloads share: resources, and the files and environment of a Java server."""

from collections.abc import Mapping, Sequence

from components.properties import render_properties
from components.quantities import MIB
from components.sections import ContainerSettings
from components.workload import File, Resources

DATA_PATH = "/var/lib/kafka/data"
"""Path that the Kafka image's user can write to; each ZooKeeper member and each broker has its own folder there."""

USER = 1000
"""User and group of the Kafka image's ``appuser``."""

LIFETIME = "streaming"
"""The storage lifetime that ensemble and brokers share: neither's data may outlive the other's."""

_LOGGING = "/etc/millrace/log4j.properties"
_SECURITY = "/etc/millrace/java.security"

_LOG4J = {
    # Standard output only, which the container engine keeps and rotates.
    "log4j.appender.stdout": "org.apache.log4j.ConsoleAppender",
    "log4j.appender.stdout.layout": "org.apache.log4j.PatternLayout",
    "log4j.appender.stdout.layout.ConversionPattern": "[%d] %p %m (%c)%n",
    "log4j.rootLogger": "INFO, stdout",
}

_NAME_CACHE = {"networkaddress.cache.ttl": "5", "networkaddress.cache.negative.ttl": "0"}
"""Seconds that a JVM caches the address of a name, and the failure to find one. The defaults are 30 and 10: a member
that starts before the name of a peer is published would not resolve it again for 10 s, which the ensemble's back-off
stretches to 25 s; a moved pod would be contacted at its old address. ``-D`` cannot set security properties (https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/net/doc-files/net-properties.html)."""


def resources_of(settings: ContainerSettings) -> Resources:
    """What a member may use."""
    return Resources(memory=int(settings.memory), cpu=settings.cpu, cpu_limit=settings.cpu_limit)


def java_files() -> list[File]:
    """The files that :func:`java_environment` points at."""
    return [
        File(path=_LOGGING, content=render_properties(_LOG4J)),
        File(path=_SECURITY, content=render_properties(_NAME_CACHE)),
    ]


def java_environment(*, heap: int, options: Sequence[str], archive: str) -> Mapping[str, str]:
    """The variables that the distribution's start scripts read.

    Args:
        heap: Initial and maximum heap in bytes.
        options: Further JVM options; the JVM takes the later one of two that contradict each other, so these win.
        archive: Name of the image's class-data-sharing archive; a JVM also starts without one.
    """
    megabytes = heap // MIB
    names, shared = f"-Djava.security.properties={_SECURITY}", f"-XX:SharedArchiveFile=/opt/kafka/{archive}.jsa"
    return {
        "EXTRA_ARGS": "",
        "KAFKA_HEAP_OPTS": f"-Xms{megabytes}m -Xmx{megabytes}m",
        "KAFKA_JVM_PERFORMANCE_OPTS": " ".join([names, *options, shared]),
        "KAFKA_LOG4J_OPTS": f"-Dlog4j.configuration=file:{_LOGGING}",
        # All logging goes to standard output, but the start scripts need a writable folder.
        "LOG_DIR": "/tmp",  # noqa: S108  in the container
    }
