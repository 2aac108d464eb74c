"""The Redis server."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pulumi

from components.outside import Outside
from components.rendering.redis import PORT, password_conf, redis_conf
from components.server import ServerArgs, resources_of
from components.settings import RedisSettings
from components.targets.base import Cluster, Deployment
from components.workload import CLIENTS, File, Port, Probe, Storage, Workload

NAME = "redis"
_DATA_PATH = "/data"
_CONFIG = "/etc/millrace/redis.conf"
_PASSWORD_CONFIG = "/etc/millrace/redis-password.conf"
_PASSWORD = "/etc/millrace/redis-password"

# The password is read inside the container: it stands neither in the check's arguments nor in `docker inspect`.
_PING = "redis-cli ping | grep -q PONG"
_PING_WITH_PASSWORD = f'REDISCLI_AUTH="$(cat {_PASSWORD})" {_PING}'


def redis_workload(settings: RedisSettings, *, image: str, outside: Outside | None, protect: bool) -> Workload:
    """The server as a workload, all but the password's files.

    Args:
        settings: The server's settings.
        image: Image reference.
        outside: How clients outside reach the server, or None where they don't.
        protect: Whether destroying the data is refused.
    """
    authenticated = settings.authentication
    config = redis_conf(settings, data_path=_DATA_PATH, password_file=_PASSWORD_CONFIG if authenticated else None)
    return Workload(
        name=NAME,
        image=image,
        replicas=1,
        command=["redis-server", _CONFIG],
        files=[File(path=_CONFIG, content=config)],
        ports=[Port(name="client", number=PORT, reached_by=[CLIENTS], outside=outside)],
        storage=Storage(path=_DATA_PATH, size=int(settings.storage), lifetime=NAME, protect=protect),
        resources=resources_of(settings),
        stop_grace=settings.stop_grace,
        user=999,  # the public image would start as root and switch
        readiness=Probe(
            command=["sh", "-c", _PING_WITH_PASSWORD if authenticated else _PING], start_period=timedelta(minutes=10)
        ),
    )


@dataclass(frozen=True, kw_only=True)
class RedisServerArgs(ServerArgs):
    """Arguments of a :class:`RedisServer`.

    Args:
        password: The password that clients need, or None for a server without one.
    """

    password: pulumi.Input[str] | None


class RedisServer(pulumi.ComponentResource):
    """A Redis server with its persistence, and a password kept in files that only it has."""

    deployment: Deployment
    """What the target made."""
    address: str
    """``host:port`` by which this program's own clients reach it."""
    url: pulumi.Output[str]
    """``redis://…`` with the same address; a secret where there is a password."""

    def __init__(self, name: str, args: RedisServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:RedisServer", name, None, opts)
        workload, target = args.workload, args.target
        self.address = target.addresses(workload)[0]
        if args.password is None:
            self.url = pulumi.Output.from_input(f"redis://{self.address}/0")
        else:
            password = pulumi.Output.secret(args.password)
            secrets = [
                File(path=_PASSWORD_CONFIG, content=password.apply(password_conf), secret=True),
                File(path=_PASSWORD, content=password, secret=True),
            ]
            workload = replace(workload, files=[*workload.files, *secrets])
            self.url = password.apply(lambda text: f"redis://:{_url_escaped(text)}@{self.address}/0")
        members = {workload.members[0]: self.address}
        cluster = Cluster(kind=NAME, addresses=members, deadline=args.deadline)
        self.deployment = target.deploy(workload, self, cluster, after=args.after)
        self.register_outputs({"address": self.address, "url": self.url})


def _url_escaped(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
