"""The Kafka brokers."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.health import gates_between
from components.rendering.kafka import server_properties
from components.rendering.properties import render_properties
from components.server import DATA_PATH, LIFETIME, ServerArgs, java_environment
from components.settings import EXTERNAL_PORT, KafkaSettings
from components.targets.base import Deployment
from components.workload import File, Port, Probe, Storage, Workload

NAME = "kafka"
_CONFIG = "/etc/millrace/server.properties"
_LOGGING = "/etc/millrace/log4j.properties"


def kafka_workload(
    settings: KafkaSettings,
    *,
    image: str,
    host: Callable[[str, int], str],
    zookeeper: Workload,
    protect: bool,
    logging: str,
) -> Workload:
    """The brokers as a workload.

    Args:
        settings: The brokers' settings.
        image: Image reference.
        host: The target's name of a member, for the other members.
        zookeeper: The ensemble that they register with.
        protect: Whether destroying the data is refused.
        logging: The text of ``log4j.properties``.
    """
    zookeeper_hosts = [host(zookeeper.name, ordinal) for ordinal in range(zookeeper.replicas)]
    return Workload(
        name=NAME,
        image=image,
        replicas=settings.replicas,
        command=[
            "/opt/kafka/bin/kafka-server-start.sh",
            _CONFIG,
            *("--override", "broker.id=$(ORDINAL)"),
            *("--override", f"log.dirs={DATA_PATH}/kafka-$(ORDINAL)"),
            *("--override", _advertised(settings)),
        ],
        env=java_environment(heap=int(settings.heap), options=settings.jvm_options, archive="kafka", logging=_LOGGING),
        files=[
            File(path=_LOGGING, content=logging),
            File(path=_CONFIG, content=render_properties(server_properties(settings, zookeeper_hosts))),
        ],
        ports=[
            Port(name="internal", number=settings.internal_port),
            Port(
                name="external",
                number=EXTERNAL_PORT,
                outside=settings.port,
                outside_host=settings.advertised_host,
            ),
        ],
        storage=Storage(path=DATA_PATH, lifetime=LIFETIME, protect=protect),
        memory=int(settings.memory),
        stop_grace=settings.stop_grace,
        readiness=Probe(
            command=["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{settings.internal_port}"],
            # Log recovery after a hard stop takes its time before the port opens.
            start_period=timedelta(seconds=120),
        ),
    )


def _advertised(settings: KafkaSettings) -> str:
    """Every broker's own listeners: by name for members, by outside address for everyone else."""
    return f"advertised.listeners=INTERNAL://$(HOST):{settings.internal_port},EXTERNAL://$(EXTERNAL_ADDRESS)"


def internal_bootstrap(workload: Workload, host: Callable[[str, int], str]) -> str:
    """``host:port`` of each broker for members of the platform, separated by commas."""
    port = workload.port("internal").number
    return ",".join(f"{host(NAME, ordinal)}:{port}" for ordinal in range(workload.replicas))


class KafkaCluster(pulumi.ComponentResource):
    """Kafka brokers, and between them gates: one broker changes at a time, the next when all replicas are in sync."""

    deployment: Deployment
    """What the target made."""
    brokers: dict[str, str]
    """``host:port`` that each broker advertises to clients outside, by name."""
    bootstrap: str
    """The same, separated by commas."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:KafkaCluster", name, None, opts)
        workload = args.workload
        self.brokers = dict(zip(workload.members, workload.outside_addresses("external"), strict=True))
        self.bootstrap = ",".join(self.brokers.values())

        gate = gates_between("kafka", "in-sync", self.brokers, args.deadline, args.target.logs_command)
        self.deployment = args.target.deploy(workload, self, after=args.after, gate=gate)
        self.register_outputs({"bootstrap": self.bootstrap})
