"""The ZooKeeper ensemble as a component."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pulumi

from components.credentials.component import Credentials, CredentialsArgs
from components.images import default_image
from components.inputs import joined, lift
from components.properties import render_properties
from components.server import DATA_PATH, LIFETIME, USER, java_environment, java_files, resources_of
from components.targets.base import Addressing, Deployment, PreparedTarget
from components.workload import File, Port, Probe, Storage, Workload
from components.zookeeper.client import ADMIN, CLIENT_PORT, ELECTION_PORT, FOLLOWER_PORT
from components.zookeeper.files import admin_cfg, start_script, zoo_cfg
from components.zookeeper.safety import EnsembleSafety
from components.zookeeper.settings import ZooKeeperSettings

NAME = "zookeeper"
_CONFIG = "/etc/millrace/zoo.cfg"
_ADMIN = "/etc/millrace/super-user"
_SCRIPT = "/etc/millrace/start-zookeeper.sh"

# Milliseconds: a member that missed the others' votes asks again after at most this long. The default is a minute, to
# which the intervals double (https://zookeeper.apache.org/doc/r3.8.4/zookeeperAdmin.html).
_VOTE_AGAIN = "-Dzookeeper.fastleader.maxNotificationInterval=2000"

# `srvr` reports a mode only while the member serves; `ruok` answers imok even without a quorum.
_SERVES = f"exec 3<>/dev/tcp/127.0.0.1/{CLIENT_PORT}; printf srvr >&3; grep -q ^Mode: <&3"


def zookeeper_workload(
    settings: ZooKeeperSettings,
    target: Addressing,
    *,
    image: str | None = None,
    protect: bool = False,
    clients: Sequence[str] = ("kafka",),
    password: pulumi.Input[str] | None = None,
) -> Workload:
    """The ensemble as a workload; declares nothing.

    Args:
        settings: The ensemble's settings.
        target: Where it runs.
        image: Image reference; unset takes :func:`~components.images.default_image`.
        protect: Whether destroying the data is refused.
        clients: Names of the workloads that may connect.
        password: The password with which members are added and removed; None leaves out its file.
    """
    outside = target.outside(settings.port)
    admin = [] if password is None else [_admin_file(password)]
    return Workload(
        name=NAME,
        image=image or default_image("zookeeper"),
        replicas=settings.replicas,
        command=["bash", _SCRIPT, "$(ORDINAL)", "$(HOST)"],
        env=java_environment(
            heap=settings.heap_bytes, options=[_VOTE_AGAIN, *settings.jvm_options], archive="zookeeper"
        ),
        files=[
            *java_files(),
            File(path=_SCRIPT, content=start_script(_CONFIG, _ADMIN, DATA_PATH)),
            File(path=_CONFIG, content=render_properties(zoo_cfg(settings))),
            *admin,
        ],
        ports=[
            Port(name="client", number=CLIENT_PORT, reached_by=list(clients), outside=outside),
            Port(name="follower", number=FOLLOWER_PORT, reached_by=[NAME]),
            Port(name="election", number=ELECTION_PORT, reached_by=[NAME]),
        ],
        storage=Storage(path=DATA_PATH, size=int(settings.storage), lifetime=LIFETIME, protect=protect),
        resources=resources_of(settings),
        user=USER,
        stop_grace=settings.stop_grace,
        readiness=Probe(command=["bash", "-c", _SERVES], start_period=timedelta(minutes=10)),
        safety=EnsembleSafety,
        founded=True,
        login=None if password is None else {"password": password},
    )


def _admin_file(password: pulumi.Input[str]) -> File:
    """The file with the digest of the password; the password itself is in no container."""
    content = lift(lambda known: render_properties(admin_cfg(known[0])), [password])
    return File(path=_ADMIN, content=content, secret=True)


def connect_string(replicas: int, host: Callable[[str, int], pulumi.Input[str]]) -> pulumi.Input[str]:
    """``host:port`` of each member as the platform's members reach it, separated by commas.

    Args:
        replicas: Number of members.
        host: Gives the name by which other members reach a member.
    """
    hosts = [host(NAME, ordinal) for ordinal in range(replicas)]
    return lift(lambda known: ",".join(f"{name}:{CLIENT_PORT}" for name in known), hosts)


@dataclass(frozen=True, kw_only=True)
class ZooKeeperEnsembleArgs:
    """Arguments of a :class:`ZooKeeperEnsemble`.

    Args:
        target: Where it runs, from the target's ``prepare``.
        settings: What runs; the default is one small member.
        image: Image reference of a Kafka distribution, whose scripts start ZooKeeper.
        protect: Whether destroying the data is refused.
        clients: Names of the workloads that may connect, for network policies.
        deadline: Seconds within which a changed member must serve again.
    """

    target: PreparedTarget
    settings: ZooKeeperSettings = field(default_factory=ZooKeeperSettings.of)
    image: str = field(default_factory=lambda: default_image("zookeeper"))
    protect: bool = False
    clients: Sequence[str] = ("kafka",)
    deadline: float = 180


class ZooKeeperEnsemble(pulumi.ComponentResource):
    """A ZooKeeper ensemble: its members, and gates that keep the quorum during a rolling update.

    Args:
        name: The resource's name.
        args: What runs and where.
        opts: Resource options; what the component depends on, its members depend on.
    """

    members: pulumi.Output[dict[str, str]]
    """``host:port`` by which this program's own clients reach each member, by name."""
    connect: pulumi.Output[str]
    """The same, separated by commas."""
    internal_connect: pulumi.Output[str]
    """``host:port`` of each member on the target's own network, separated by commas, for brokers."""
    deployment: Deployment
    """The resources, for components that change after this one."""
    settings: ZooKeeperSettings
    """The settings that it was created from."""
    workload: Workload
    """What runs."""

    def __init__(self, name: str, args: ZooKeeperEnsembleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:ZooKeeperEnsemble", name, None, opts)
        target, self.settings = args.target, args.settings
        admin = Credentials(f"{name}-{ADMIN}", CredentialsArgs(account=ADMIN), pulumi.ResourceOptions(parent=self))
        self.workload = zookeeper_workload(
            args.settings,
            target,
            image=args.image,
            protect=args.protect,
            clients=args.clients,
            password=admin.password,
        )
        addresses = target.addresses(self.workload)
        self.members = pulumi.Output.all(**addresses)
        self.connect = pulumi.Output.from_input(joined([*addresses.values()]))
        self.internal_connect = pulumi.Output.from_input(connect_string(self.workload.replicas, target.host))
        self.deployment = target.deploy(self.workload, self, deadline=args.deadline, opts=opts)
        self.register_outputs(
            {"members": self.members, "connect": self.connect, "internalConnect": self.internal_connect}
        )
