"""server.properties and the brokers' logging configuration."""

from collections.abc import Mapping, Sequence

from components.quantities import milliseconds_or_all
from components.rendering.zookeeper import CLIENT_PORT as ZOOKEEPER_PORT
from components.settings import EXTERNAL_PORT, KafkaSettings


def server_properties(settings: KafkaSettings, zookeeper_hosts: Sequence[str]) -> Mapping[str, str]:
    """The configuration that all brokers share.

    What differs from broker to broker (``broker.id``, ``log.dirs``, ``advertised.listeners``) is given on the
    command line with ``--override``, so that one file serves all.

    Args:
        settings: The brokers' settings.
        zookeeper_hosts: Name of each ZooKeeper member by which brokers reach it.
    """
    in_sync = str(settings.min_in_sync_replicas)
    replication = str(settings.replication_factor)
    return {
        "auto.create.topics.enable": _boolean(settings.auto_create_topics),
        "compression.type": settings.compression,
        "controlled.shutdown.enable": "true",
        "default.replication.factor": replication,
        "delete.topic.enable": "true",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
        "listeners": f"INTERNAL://:{settings.internal_port},EXTERNAL://:{EXTERNAL_PORT}",
        "log.retention.bytes": str(int(settings.retention_bytes)),
        "log.retention.ms": str(milliseconds_or_all(settings.retention)),
        "log.segment.bytes": str(int(settings.segment_bytes)),
        "min.insync.replicas": in_sync,
        "num.partitions": str(settings.num_partitions),
        "offsets.topic.replication.factor": replication,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.replication.factor": replication,
        "unclean.leader.election.enable": _boolean(settings.unclean_leader_election),
        "zookeeper.connect": ",".join(f"{host}:{ZOOKEEPER_PORT}" for host in zookeeper_hosts),
        # Everything starts at once; a broker waits for the ensemble instead of failing.
        "zookeeper.connection.timeout.ms": "60000",
    } | settings.config


def log4j_properties() -> Mapping[str, str]:
    """Logging to standard output only, where the container engine keeps and rotates it."""
    return {
        "log4j.appender.stdout": "org.apache.log4j.ConsoleAppender",
        "log4j.appender.stdout.layout": "org.apache.log4j.PatternLayout",
        "log4j.appender.stdout.layout.ConversionPattern": "[%d] %p %m (%c)%n",
        "log4j.rootLogger": "INFO, stdout",
    }


def _boolean(value: bool) -> str:
    return "true" if value else "false"
