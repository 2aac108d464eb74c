"""The ZooKeeper ensemble."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.outside import Outside
from components.rendering.properties import render_properties
from components.rendering.zookeeper import CLIENT_PORT, ELECTION_PORT, FOLLOWER_PORT, start_script, zoo_cfg
from components.server import DATA_PATH, LIFETIME, USER, ServerArgs, java_environment, java_files, resources_of
from components.settings import ZooKeeperSettings
from components.targets.base import Cluster, Deployment
from components.workload import File, Port, Probe, Storage, Workload

NAME = "zookeeper"
_CONFIG = "/etc/millrace/zoo.cfg"
_SCRIPT = "/etc/millrace/start-zookeeper.sh"

# Milliseconds: a member that missed the others' votes asks again after at most this long. The default is a minute, and
# the waiting times double up to it (https://zookeeper.apache.org/doc/r3.8.4/zookeeperAdmin.html).
_VOTE_AGAIN = "-Dzookeeper.fastleader.maxNotificationInterval=2000"

# `srvr` names a mode only while the member serves; `ruok` says imok without a quorum too.
_SERVES = f"exec 3<>/dev/tcp/127.0.0.1/{CLIENT_PORT}; printf srvr >&3; grep -q ^Mode: <&3"


def zookeeper_workload(
    settings: ZooKeeperSettings,
    *,
    image: str,
    host: Callable[[str, int], str],
    outside: Outside | None,
    protect: bool,
    logging: str,
) -> Workload:
    """The ensemble as a workload.

    Args:
        settings: The ensemble's settings.
        image: Image reference.
        host: The target's name of a member, for the other members.
        outside: How clients outside reach the members, or None where they don't.
        protect: Whether destroying the data is refused.
        logging: The text of ``log4j.properties``.
    """
    hosts = [host(NAME, ordinal) for ordinal in range(settings.replicas)]
    return Workload(
        name=NAME,
        image=image,
        replicas=settings.replicas,
        command=["bash", _SCRIPT, "$(ORDINAL)", "$(HOST)"],
        env=java_environment(
            heap=settings.heap_bytes, options=[_VOTE_AGAIN, *settings.jvm_options], archive="zookeeper"
        ),
        files=[
            *java_files(logging),
            File(path=_SCRIPT, content=start_script(_CONFIG, DATA_PATH)),
            File(path=_CONFIG, content=render_properties(zoo_cfg(settings, hosts))),
        ],
        ports=[
            Port(name="client", number=CLIENT_PORT, reached_by=["kafka"], outside=outside),
            Port(name="follower", number=FOLLOWER_PORT, reached_by=[NAME]),
            Port(name="election", number=ELECTION_PORT, reached_by=[NAME]),
        ],
        storage=Storage(path=DATA_PATH, size=int(settings.storage), lifetime=LIFETIME, protect=protect),
        resources=resources_of(settings),
        user=USER,
        stop_grace=settings.stop_grace,
        readiness=Probe(command=["bash", "-c", _SERVES], start_period=timedelta(minutes=10)),
    )


class ZooKeeperEnsemble(pulumi.ComponentResource):
    """A ZooKeeper ensemble: its members, and between them gates that keep a quorum while a change rolls."""

    deployment: Deployment
    """What the target made."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:ZooKeeperEnsemble", name, None, opts)
        workload, target = args.workload, args.target
        self.members = dict(zip(workload.members, target.addresses(workload), strict=True))
        """``host:port`` by which this program's own clients reach each member, by name."""
        self.connect = ",".join(self.members.values())
        """The same, separated by commas."""

        cluster = Cluster(kind=NAME, addresses=self.members, deadline=args.deadline)
        self.deployment = target.deploy(workload, self, cluster, after=args.after)
        self.register_outputs({"connect": self.connect})
