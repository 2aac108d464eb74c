"""server.properties and the brokers' logging configuration."""

from collections.abc import Mapping, Sequence

from components.outside import Outside
from components.quantities import milliseconds_or_all
from components.rendering.zookeeper import CLIENT_PORT as ZOOKEEPER_PORT
from components.settings import EXTERNAL_PORT, KafkaSettings


def server_properties(settings: KafkaSettings, zookeeper_hosts: Sequence[str], *, exposed: bool) -> Mapping[str, str]:
    """The configuration that all brokers share.

    What differs from broker to broker (``broker.id``, ``log.dirs``, ``advertised.listeners``, ``broker.rack``) comes
    from the start script, so that one file serves all.

    Args:
        settings: The brokers' settings.
        zookeeper_hosts: Name of each ZooKeeper member by which brokers reach it.
        exposed: Whether there is a listener for clients outside.
    """
    listeners = {"INTERNAL": settings.internal_port} | ({"EXTERNAL": EXTERNAL_PORT} if exposed else {})
    in_sync = str(settings.min_in_sync_replicas)
    replication = str(settings.replication_factor)
    return {
        "auto.create.topics.enable": _boolean(settings.auto_create_topics),
        "compression.type": settings.compression,
        "controlled.shutdown.enable": "true",
        "default.replication.factor": replication,
        "delete.topic.enable": "true",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
        "listeners": ",".join(f"{name}://:{port}" for name, port in listeners.items()),
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


def start_script(
    config_path: str, data_path: str, zone_path: str, port: int, outside: Outside | None, agent: str | None = None
) -> str:
    """A script that gives a broker its identity, then becomes the server. Its arguments are ordinal and host.

    Args:
        config_path: Where ``server.properties`` is.
        data_path: Where the data is mounted; each broker has a folder of its own there.
        zone_path: A file with the broker's failure domain, where the target knows one.
        port: Port of the listener inside the target's network.
        outside: How clients outside reach the brokers, or None where they don't.
        agent: The JVM's option for an agent, or None. It is set here and not in the container's environment, which
            the tools that are run beside the server inherit: their agent would find its port taken, and end them.
    """
    external = ""
    if outside is not None:
        host = outside.host.replace("{ordinal}", "$1")
        external = f'listeners="$listeners,EXTERNAL://{host}:$(({outside.port} + $1 * {outside.step}))"\n'
    options = f'export KAFKA_OPTS="${{KAFKA_OPTS:-}} {agent}"\n' if agent else ""
    return f"""\
#!/bin/bash
# Usage: start-kafka.sh ORDINAL HOST
set -eu
listeners="INTERNAL://$2:{port}"
{external}\
rack=""
if [ -s {zone_path} ]; then rack=$(cat {zone_path}); fi
{options}\
exec /opt/kafka/bin/kafka-server-start.sh {config_path} \\
    --override "broker.id=$1" --override "log.dirs={data_path}/kafka-$1" \\
    --override "advertised.listeners=$listeners" ${{rack:+--override "broker.rack=$rack"}}
"""


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
