"""The ZooKeeper ensemble."""

from collections.abc import Callable
from datetime import timedelta

import pulumi

from components.health import gates_between
from components.rendering.properties import render_properties
from components.rendering.zookeeper import CLIENT_PORT, start_script, zoo_cfg
from components.server import DATA_PATH, LIFETIME, ServerArgs, java_environment
from components.settings import ZooKeeperSettings
from components.targets.base import Deployment
from components.workload import File, Port, Probe, Storage, Workload

NAME = "zookeeper"
_CONFIG = "/etc/millrace/zoo.cfg"
_LOGGING = "/etc/millrace/log4j.properties"
_SCRIPT = "/etc/millrace/start-zookeeper.sh"

# `srvr` names a mode only while the member serves; `ruok` says imok without a quorum too.
_SERVES = f"exec 3<>/dev/tcp/127.0.0.1/{CLIENT_PORT}; printf srvr >&3; grep -q ^Mode: <&3"


def zookeeper_workload(
    settings: ZooKeeperSettings, *, image: str, host: Callable[[str, int], str], protect: bool, logging: str
) -> Workload:
    """The ensemble as a workload.

    Args:
        settings: The ensemble's settings.
        image: Image reference.
        host: The target's name of a member, for the other members.
        protect: Whether destroying the data is refused.
        logging: The text of ``log4j.properties``.
    """
    hosts = [host(NAME, ordinal) for ordinal in range(settings.replicas)]
    return Workload(
        name=NAME,
        image=image,
        replicas=settings.replicas,
        command=["bash", _SCRIPT, "$(ORDINAL)"],
        env=java_environment(
            heap=int(settings.heap), options=settings.jvm_options, archive="zookeeper", logging=_LOGGING
        ),
        files=[
            File(path=_LOGGING, content=logging),
            File(path=_SCRIPT, content=start_script(_CONFIG, DATA_PATH)),
            File(path=_CONFIG, content=render_properties(zoo_cfg(settings, hosts))),
        ],
        ports=[Port(name="client", number=CLIENT_PORT, outside=settings.port)],
        storage=Storage(path=DATA_PATH, lifetime=LIFETIME, protect=protect),
        memory=int(settings.memory),
        stop_grace=settings.stop_grace,
        readiness=Probe(command=["bash", "-c", _SERVES], start_period=timedelta(seconds=30)),
    )


class ZooKeeperEnsemble(pulumi.ComponentResource):
    """A ZooKeeper ensemble: its members, and between them gates that keep a quorum while a change rolls."""

    deployment: Deployment
    """What the target made."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:ZooKeeperEnsemble", name, None, opts)
        workload = args.workload
        addresses = dict(zip(workload.members, workload.outside_addresses("client"), strict=True))

        gate = gates_between("zookeeper", "in-quorum", addresses, args.deadline, args.target.logs_command)
        self.deployment = args.target.deploy(workload, self, after=args.after, gate=gate)
        self.connect = ",".join(addresses.values())
        """``host:port`` of each member for clients outside, separated by commas."""
        self.register_outputs({"connect": self.connect})
