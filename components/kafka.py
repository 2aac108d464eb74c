"""The Kafka brokers."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.images import JMX_AGENT
from components.outside import Outside
from components.rendering.jmx import PORT as JMX_PORT
from components.rendering.jmx import jmx_config
from components.rendering.kafka import server_properties, start_script
from components.rendering.properties import render_properties
from components.server import DATA_PATH, LIFETIME, USER, ServerArgs, java_environment, java_files, resources_of
from components.settings import EXTERNAL_PORT, KafkaSettings
from components.targets.base import Cluster, Deployment
from components.workload import ANYONE, CLIENTS, File, Port, Probe, Storage, Workload

NAME = "kafka"
_CONFIG = "/etc/millrace/server.properties"
_JMX = "/etc/millrace/jmx.yaml"
_SCRIPT = "/etc/millrace/start-kafka.sh"
_ZONE = "/run/millrace/zone"

# ApiVersions (key 18, version 0, correlation 1, no client id): a broker answers it once it serves requests, so that an
# open port alone is not enough. The answer's correlation id and error code must be 1 and 0.
_SERVES = (
    "exec 3<>/dev/tcp/127.0.0.1/{port}; "
    r"printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3; "
    "head -c 10 <&3 | od -An -v -tx1 | grep -q '00 00 00 01 00 00$'"
)


def kafka_workload(
    settings: KafkaSettings,
    *,
    image: str,
    host: Callable[[str, int], str],
    zookeeper: Workload,
    outside: Outside | None,
    protect: bool,
    logging: str,
    jmx: bool = False,
) -> Workload:
    """The brokers as a workload.

    Args:
        settings: The brokers' settings.
        image: Image reference.
        host: The target's name of a member, for the other members.
        zookeeper: The ensemble that they register with.
        outside: How clients outside reach the brokers, or None where they don't.
        protect: Whether destroying the data is refused.
        logging: The text of ``log4j.properties``.
        jmx: Whether the brokers give their JMX metrics to Prometheus.
    """
    zookeeper_hosts = [host(zookeeper.name, ordinal) for ordinal in range(zookeeper.replicas)]
    properties = server_properties(settings, zookeeper_hosts, exposed=outside is not None)
    agent = f"-javaagent:{JMX_AGENT}={JMX_PORT}:{_JMX}" if jmx else None
    external = [Port(name="external", number=EXTERNAL_PORT, reached_by=[ANYONE], outside=outside)] if outside else []
    return Workload(
        name=NAME,
        image=image,
        replicas=settings.replicas,
        command=["bash", _SCRIPT, "$(ORDINAL)", "$(HOST)"],
        env=java_environment(heap=settings.heap_bytes, options=settings.jvm_options, archive="kafka"),
        files=[
            *java_files(logging),
            File(path=_SCRIPT, content=start_script(_CONFIG, DATA_PATH, _ZONE, settings.internal_port, outside, agent)),
            File(path=_CONFIG, content=render_properties(properties)),
            *([File(path=_JMX, content=jmx_config())] if jmx else []),
        ],
        ports=[
            Port(name="internal", number=settings.internal_port, reached_by=[NAME, CLIENTS]),
            *external,
            *([Port(name="jmx", number=JMX_PORT, reached_by=["prometheus", CLIENTS])] if jmx else []),
        ],
        storage=Storage(path=DATA_PATH, size=int(settings.storage), lifetime=LIFETIME, protect=protect),
        resources=resources_of(settings),
        user=USER,
        stop_grace=settings.stop_grace,
        readiness=Probe(
            command=["bash", "-c", _SERVES.format(port=settings.internal_port)],
            # Log recovery after a hard stop takes its time before the broker serves.
            start_period=timedelta(minutes=30),
        ),
        zone_file=_ZONE,
    )


def internal_bootstrap(workload: Workload, host: Callable[[str, int], str]) -> str:
    """``host:port`` of each broker for members of the platform, separated by commas."""
    port = workload.client_port.number
    return ",".join(f"{host(NAME, ordinal)}:{port}" for ordinal in range(workload.replicas))


class KafkaCluster(pulumi.ComponentResource):
    """Kafka brokers, and between them gates: one broker changes at a time, the next when all replicas are in sync."""

    deployment: Deployment
    """What the target made."""
    brokers: dict[str, str]
    """``host:port`` by which this program's own clients reach each broker, by name; the brokers advertise the same."""
    bootstrap: str
    """The same, separated by commas."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:KafkaCluster", name, None, opts)
        workload, target = args.workload, args.target
        self.brokers = dict(zip(workload.members, target.addresses(workload), strict=True))
        self.bootstrap = ",".join(self.brokers.values())

        cluster = Cluster(kind=NAME, addresses=self.brokers, deadline=args.deadline)
        self.deployment = target.deploy(workload, self, cluster, after=args.after)
        self.register_outputs({"bootstrap": self.bootstrap})
