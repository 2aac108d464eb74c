"""The Kafka brokers as a component."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pulumi

from components.images import JMX_AGENT, default_image
from components.inputs import joined, lift, secret_of
from components.kafka.files import (
    BROKER_USER,
    JMX_PORT,
    LOCAL_PORT,
    SECURE_FILES,
    catch_up_script,
    jmx_config,
    login_properties,
    server_properties,
    start_script,
)
from components.kafka.safety import BrokerSafety
from components.kafka.settings import EXTERNAL_PORT, KafkaSettings
from components.outside import Outside
from components.properties import render_properties
from components.routes import host_and_port
from components.server import DATA_PATH, LIFETIME, USER, java_environment, java_files, resources_of
from components.targets.base import Addressing, Deployment, PreparedTarget
from components.workload import ANYONE, CLIENTS, CatchUp, File, Port, Probe, Storage, Workload, internal_addresses
from components.zookeeper.client import CLIENT_PORT as ZOOKEEPER_PORT
from components.zookeeper.component import ZooKeeperEnsemble, connect_string

NAME = "kafka"
_CONFIG = "/etc/millrace/server.properties"
_JMX = "/etc/millrace/jmx.yaml"
_SCRIPT = "/etc/millrace/start-kafka.sh"
_CATCH_UP = "/etc/millrace/caught-up.sh"
_ZONE = "/run/millrace/zone"

_NAMED_AHEAD = 10
"""Brokers whose names a certificate has, although fewer run."""

# ApiVersions (key 18, version 0, correlation id 1, no client id): a broker answers only once it serves requests, which
# proves more than an open port. The answer's correlation id and error code must be 1 and 0.
_SERVES = (
    "exec 3<>/dev/tcp/127.0.0.1/{port}; "
    r"printf '\0\0\0\12\0\22\0\0\0\0\0\1\377\377' >&3; "
    "head -c 10 <&3 | od -An -v -tx1 | grep -q '00 00 00 01 00 00$'"
)


@dataclass(frozen=True, kw_only=True)
class KafkaLogin:
    """Who connects to a cluster.

    Args:
        user: The user's name.
        password: Its password.
        authorities: PEM of the authorities that may have signed a broker's certificate.
    """

    user: pulumi.Input[str]
    password: pulumi.Input[str]
    authorities: pulumi.Input[str]

    def parts(self) -> dict[str, pulumi.Input[str]]:
        """The arguments by name, as :class:`~components.kafka.security.Security` takes them."""
        return {"user": self.user, "password": self.password, "authorities": self.authorities}

    def as_input(self) -> pulumi.Output[dict[str, str]]:
        """The same for a resource, as a secret."""
        return secret_of(self.parts())


@dataclass(frozen=True, kw_only=True)
class BrokerSecurity:
    """What brokers need to encrypt, and to ask clients who they are.

    Args:
        password: The password of :data:`~components.kafka.files.BROKER_USER`, who must exist before they start.
        keystore: Key and certificate as PEM, valid for the names of all brokers.
        authorities: PEM of the authorities that they trust.
        login: Who connects to manage them; unset is the brokers' own user, who may do everything.
    """

    password: pulumi.Input[str]
    keystore: pulumi.Input[str]
    authorities: pulumi.Input[str]
    login: KafkaLogin | None = None

    @property
    def manager(self) -> KafkaLogin:
        """Who connects to manage them."""
        own = KafkaLogin(user=BROKER_USER, password=self.password, authorities=self.authorities)
        return self.login or own

    def files(self) -> list[File]:
        """The files of each broker."""
        return [
            File(path=SECURE_FILES.keystore, content=pulumi.Output.secret(self.keystore), secret=True),
            File(path=SECURE_FILES.truststore, content=self.authorities),
            File(
                path=SECURE_FILES.login,
                content=lift(lambda known: login_properties(known[0]), [self.password]),
                secret=True,
            ),
        ]


def _outside(settings: KafkaSettings, target: Addressing) -> Outside | None:
    """How clients outside reach the brokers; None if they cannot."""
    found = target.outside(settings.port, host=settings.advertised_host, external=settings.external)
    if found is None:
        return None
    return replace(found, source_ranges=tuple(settings.source_ranges), annotations=settings.service_annotations)


def broker_hosts(settings: KafkaSettings, target: Addressing) -> list[pulumi.Input[str]]:
    """Names and addresses by which brokers are reached, for their certificate.

    A broker that is added later must not change it, since that would restart all: so there are names for ten at least.

    Args:
        settings: The brokers' settings.
        target: Where they run.
    """
    outside = _outside(settings, target)
    ordinals = range(max(settings.replicas, _NAMED_AHEAD))
    hosts: list[pulumi.Input[str]] = [
        NAME,
        "localhost",
        "127.0.0.1",
        *(target.host(NAME, number) for number in ordinals),
    ]
    return hosts + (
        [] if outside is None else sorted({host_and_port(outside.address(number))[0] for number in ordinals})
    )


def kafka_workload(
    settings: KafkaSettings,
    target: Addressing,
    *,
    zookeeper: pulumi.Input[str],
    image: str | None = None,
    protect: bool = False,
    jmx: bool = False,
    clients: Sequence[str] = (),
    outgoing: Sequence[int] = (),
    security: BrokerSecurity | None = None,
) -> Workload:
    """The brokers as a workload; declares nothing.

    Args:
        settings: The brokers' settings.
        target: Where they run.
        zookeeper: ``host:port`` of each ensemble member as brokers reach it, separated by commas.
        image: Image reference; unset takes :func:`~components.images.default_image`.
        protect: Whether destroying the data is refused.
        jmx: Whether the brokers serve their JMX metrics to Prometheus.
        clients: Names of further workloads that may connect.
        outgoing: Ports of servers that are not deployed on the same target, such as an external ensemble's.
        security: What they need to encrypt and to authenticate; None for brokers that are open to everyone.
    """
    agent = f"-javaagent:{JMX_AGENT}={JMX_PORT}:{_JMX}" if jmx else None
    outside = _outside(settings, target)
    exposed = outside is not None
    secured = SECURE_FILES if security else None
    asked = LOCAL_PORT if security else settings.internal_port
    config = lift(
        lambda known: render_properties(server_properties(settings, known[0], exposed=exposed, secured=secured)),
        [zookeeper],
    )
    script = start_script(
        _CONFIG, DATA_PATH, _ZONE, settings.internal_port, outside, agent, secured=security is not None
    )
    external = [Port(name="external", number=EXTERNAL_PORT, reached_by=[ANYONE], outside=outside)] if outside else []
    return Workload(
        name=NAME,
        image=image or default_image("kafka"),
        replicas=settings.replicas,
        command=["bash", _SCRIPT, "$(ORDINAL)", "$(HOST)"],
        env=java_environment(heap=settings.heap_bytes, options=settings.jvm_options, archive="kafka"),
        files=[
            *java_files(),
            File(path=_SCRIPT, content=script),
            File(path=_CATCH_UP, content=catch_up_script(DATA_PATH, asked)),
            File(path=_CONFIG, content=config),
            *([File(path=_JMX, content=jmx_config())] if jmx else []),
            *([] if security is None else security.files()),
        ],
        ports=[
            Port(name="internal", number=settings.internal_port, reached_by=[NAME, CLIENTS, *clients]),
            *external,
            *([Port(name="jmx", number=JMX_PORT, reached_by=["prometheus", CLIENTS])] if jmx else []),
        ],
        outgoing=outgoing,
        storage=Storage(path=DATA_PATH, size=int(settings.storage), lifetime=LIFETIME, protect=protect),
        resources=resources_of(settings),
        user=USER,
        stop_grace=settings.stop_grace,
        readiness=Probe(
            command=["bash", "-c", _SERVES.format(port=asked)],
            # After a hard stop, a broker recovers its logs before it serves.
            start_period=timedelta(minutes=30),
        ),
        catch_up=CatchUp(command=["bash", _CATCH_UP]),
        zone_file=_ZONE,
        safety=BrokerSafety,
        login=None if security is None else security.manager.parts(),
    )


def internal_bootstrap(workload: Workload, host: Callable[[str, int], pulumi.Input[str]]) -> pulumi.Input[str]:
    """``host:port`` of each broker as the platform's members reach it, separated by commas."""
    return joined([*internal_addresses(workload, host).values()])


@dataclass(frozen=True, kw_only=True)
class KafkaClusterArgs:
    """Arguments of a :class:`KafkaCluster`.

    Args:
        target: Where it runs, from the target's ``prepare``.
        zookeeper: The ensemble that the brokers register with: a component on the same target, which then changes
            before the brokers do; or ``host:port`` of each member as brokers reach it, separated by commas.
        settings: What runs; the default is one small broker.
        image: Image reference.
        protect: Whether destroying the data is refused.
        jmx: Whether the brokers serve their JMX metrics to Prometheus; needs an image with the agent.
        clients: Names of further workloads that may connect, for network policies.
        zookeeper_port: Port of an ensemble that ``zookeeper`` names by address, for network policies.
        deadline: Seconds within which a changed broker must serve again.
        security: What brokers need to encrypt and to authenticate; None for brokers that are open to everyone.
    """

    target: PreparedTarget
    zookeeper: ZooKeeperEnsemble | pulumi.Input[str]
    settings: KafkaSettings = field(default_factory=KafkaSettings.of)
    image: str = field(default_factory=lambda: default_image("kafka"))
    protect: bool = False
    jmx: bool = False
    clients: Sequence[str] = ()
    zookeeper_port: int = ZOOKEEPER_PORT
    deadline: float = 180
    security: BrokerSecurity | None = None


class KafkaCluster(pulumi.ComponentResource):
    """Kafka brokers, and gates between them: one broker changes at a time, while all replicas are in sync.

    Args:
        name: The resource's name.
        args: What runs and where.
        opts: Resource options; what the component depends on, its brokers depend on.
    """

    brokers: pulumi.Output[dict[str, str]]
    """``host:port`` by which this program's own clients reach each broker, by name; the brokers advertise the same."""
    bootstrap_servers: pulumi.Output[str]
    """The same, separated by commas."""
    internal_bootstrap_servers: pulumi.Output[str]
    """``host:port`` of each broker on the target's own network, separated by commas."""
    outside_bootstrap_servers: pulumi.Output[str]
    """``host:port`` of each broker for clients outside the target's network, separated by commas; may be empty."""
    deployment: Deployment
    """The resources, for components that change after this one."""
    settings: KafkaSettings
    """The settings that it was created from."""
    workload: Workload
    """What runs."""
    login: KafkaLogin | None
    """Who connects to manage them; None for brokers that are open to everyone."""

    def __init__(self, name: str, args: KafkaClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:KafkaCluster", name, None, opts)
        target, settings = args.target, args.settings
        self.settings = settings
        self.login = None if args.security is None else args.security.manager
        ensemble = args.zookeeper if isinstance(args.zookeeper, ZooKeeperEnsemble) else None
        self.workload = kafka_workload(
            settings,
            target,
            zookeeper=_connect_of(args.zookeeper, target),
            image=args.image,
            protect=args.protect,
            jmx=args.jmx,
            clients=args.clients,
            outgoing=() if ensemble else [args.zookeeper_port],
            security=args.security,
        )
        addresses = target.addresses(self.workload)
        self.brokers = pulumi.Output.all(**addresses)
        self.bootstrap_servers = pulumi.Output.from_input(joined([*addresses.values()]))
        self.internal_bootstrap_servers = pulumi.Output.from_input(internal_bootstrap(self.workload, target.host))
        self.outside_bootstrap_servers = pulumi.Output.from_input(",".join(self.workload.outside_addresses()))
        # One ensemble member or one broker changes at a time; and a broker can only stop cleanly, handing its
        # partitions over, while the ensemble is there.
        after = [] if ensemble is None else [ensemble.deployment]
        self.deployment = target.deploy(self.workload, self, deadline=args.deadline, after=after, opts=opts)
        self.register_outputs(
            {
                "brokers": self.brokers,
                "bootstrapServers": self.bootstrap_servers,
                "internalBootstrapServers": self.internal_bootstrap_servers,
            }
        )


def _connect_of(zookeeper: ZooKeeperEnsemble | pulumi.Input[str], target: PreparedTarget) -> pulumi.Input[str]:
    """The connect string, as plain text if possible: containers whose inputs are outputs of others are replaced with
    them.
    """
    if isinstance(zookeeper, ZooKeeperEnsemble):
        return connect_string(zookeeper.workload.replicas, target.host)
    return zookeeper
