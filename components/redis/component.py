"""The Redis server as a component."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pulumi
from pulumi.dynamic import Resource

from components.credentials.component import Credentials, CredentialsArgs
from components.images import default_image
from components.redis.client import redis_url
from components.redis.files import PORT, UserFiles, default_user, password_conf, redis_conf, start_script
from components.redis.provider import RedisPasswordsProvider
from components.redis.settings import RedisSettings
from components.server import resources_of
from components.targets.base import Addressing, Deployment, PreparedTarget, RouteInputs
from components.workload import CLIENTS, File, Port, Probe, Storage, Workload

NAME = "redis"
_DATA_PATH = "/data"
_CONFIG = "/etc/millrace/redis.conf"
_SCRIPT = "/etc/millrace/start-redis.sh"
_PASSWORD_CONFIG = "/etc/millrace/redis-password.conf"
_PASSWORD = "/etc/millrace/redis-password"
_USERS = UserFiles(users=f"{_DATA_PATH}/users.acl", own="/etc/millrace/redis-default-user.acl")

# The password is read inside the container, so neither the check's arguments nor `docker inspect` show it.
_PING = "redis-cli ping | grep -q PONG"
_PING_WITH_PASSWORD = f'REDISCLI_AUTH="$(cat {_PASSWORD})" {_PING}'


class RedisPasswords(Resource, module="millrace", name="RedisPasswords"):
    """The passwords that a server accepts. When the password changes, the running server accepts the new one first.

    Args:
        name: The resource's name.
        member: The server's name.
        address: ``host:port`` of the server.
        password: The password to use.
        accept_previous: Whether the one before it stays accepted.
        deadline: Seconds to wait for a server that does not answer.
        route: How this program's clients reach the server.
        opts: Resource options.
    """

    accepted: pulumi.Output[list[str]]
    """The passwords, a secret; the one to use is the first."""

    def __init__(
        self,
        name: str,
        *,
        member: str,
        address: pulumi.Input[str],
        password: pulumi.Input[str],
        accept_previous: bool,
        deadline: float,
        route: RouteInputs | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        props: dict[str, object] = {
            "member": member,
            "address": address,
            "password": pulumi.Output.secret(password),
            "acceptPrevious": accept_previous,
            "deadline": deadline,
            "route": route,
            "accepted": None,
        }
        # Without this, the state would hold the previous password in plain text.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["accepted"])
        super().__init__(RedisPasswordsProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))


def redis_workload(
    settings: RedisSettings,
    target: Addressing,
    *,
    image: str | None = None,
    protect: bool = False,
    clients: Sequence[str] = (),
    users: bool = False,
) -> Workload:
    """The server as a workload, without the files that hold the password; declares nothing.

    Args:
        settings: The server's settings.
        target: Where it runs.
        image: Image reference; unset takes :func:`~components.images.default_image`.
        protect: Whether destroying the data is refused.
        clients: Names of further workloads that may connect.
        users: Whether the server may have further users, if it asks for a password.
    """
    authenticated = settings.authentication
    config = redis_conf(
        settings,
        data_path=_DATA_PATH,
        password_file=_PASSWORD_CONFIG if authenticated else None,
        users_file=_USERS.users if authenticated and users else None,
    )
    script = start_script(data_path=_DATA_PATH, password_path=_PASSWORD, users=_USERS if users else None)
    return Workload(
        name=NAME,
        image=image or default_image("redis"),
        replicas=1,
        command=["sh", _SCRIPT, _CONFIG],
        files=[
            File(path=_SCRIPT, content=script),
            File(path=_CONFIG, content=config),
        ],
        ports=[Port(name="client", number=PORT, reached_by=[CLIENTS, *clients], outside=target.outside(settings.port))],
        storage=Storage(path=_DATA_PATH, size=int(settings.storage), lifetime=NAME, protect=protect),
        resources=resources_of(settings),
        stop_grace=settings.stop_grace,
        user=999,  # the public image would start as root and switch
        readiness=Probe(
            command=["sh", "-c", _PING_WITH_PASSWORD if authenticated else _PING], start_period=timedelta(minutes=10)
        ),
    )


@dataclass(frozen=True, kw_only=True)
class RedisLogin:
    """How this program logs in to a server as the platform's own user, who may do everything.

    Args:
        address: ``host:port`` of the server as this machine reaches it.
        password: The user's password.
        route: How this program's clients reach the server, from a prepared target; None if directly.
    """

    address: pulumi.Input[str]
    password: pulumi.Input[str]
    route: RouteInputs | None = None


@dataclass(frozen=True, kw_only=True)
class RedisServerArgs:
    """Arguments of a :class:`RedisServer`.

    Args:
        target: Where it runs, from the target's ``prepare``.
        settings: What runs; the default is a small server without a password.
        password: The password that clients need if ``settings.authentication`` is on; unset generates one.
        image: Image reference.
        protect: Whether destroying the data is refused.
        clients: Names of further workloads that may connect, for network policies.
        users: Whether the server may have further users, such as those of
            :class:`~components.access.component.RedisUsers`; they need ``settings.authentication``.
        deadline: Seconds within which a changed server must serve again.
    """

    target: PreparedTarget
    settings: RedisSettings = field(default_factory=RedisSettings.of)
    password: pulumi.Input[str] | None = None
    image: str = field(default_factory=lambda: default_image("redis"))
    protect: bool = False
    clients: Sequence[str] = ()
    users: bool = False
    deadline: float = 180


class RedisServer(pulumi.ComponentResource):
    """A Redis server with persistence, and a password in files that only the server can read.

    Args:
        name: The resource's name.
        args: What runs and where.
        opts: Resource options; what the component depends on, its server depends on.
    """

    member: str
    """The server's name: ``redis-0``."""
    address: pulumi.Output[str]
    """``host:port`` by which this program's own clients reach it."""
    password: pulumi.Output[str] | None
    """The password, a secret; None without authentication."""
    login: RedisLogin | None
    """How this program logs in as the platform's own user; None without authentication."""
    url: pulumi.Output[str]
    """``redis://…`` with the same address; a secret if there is a password."""
    deployment: Deployment
    """The resources, for components that change after this one."""
    settings: RedisSettings
    """The settings that it was created from."""
    workload: Workload
    """What runs."""

    def __init__(self, name: str, args: RedisServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:RedisServer", name, None, opts)
        target, self.settings = args.target, args.settings
        plain = redis_workload(
            args.settings, target, image=args.image, protect=args.protect, clients=args.clients, users=args.users
        )
        self.member = plain.members[0]
        self.address = pulumi.Output.from_input(target.addresses(plain)[self.member])
        accepted = self._accepted(name, args, plain)
        self.password = None if accepted is None else accepted.apply(_first)
        self.workload = plain if accepted is None else _with_passwords(plain, accepted, users=args.users)
        self.login = None
        if self.password is not None:
            route = target.route([self.workload])
            self.login = RedisLogin(address=self.address, password=self.password, route=route)
        self.url = _url(self.address, self.password)
        self.deployment = target.deploy(self.workload, self, deadline=args.deadline, opts=opts)
        self.register_outputs({"address": self.address, "url": self.url})

    def _accepted(self, name: str, args: RedisServerArgs, workload: Workload) -> pulumi.Output[list[str]] | None:
        """The passwords that the server accepts; None without authentication."""
        if not args.settings.authentication:
            return None
        child = pulumi.ResourceOptions(parent=self)
        password = args.password
        if password is None:
            password = Credentials(f"{name}-password", CredentialsArgs(account=NAME), child).password
        return RedisPasswords(
            f"{name}-passwords",
            member=self.member,
            address=self.address,
            password=password,
            accept_previous=args.settings.accept_previous_password,
            deadline=args.deadline,
            route=args.target.route([workload]),
            opts=child,
        ).accepted


def _first(accepted: Sequence[str]) -> str:
    return accepted[0]


def _with_passwords(workload: Workload, accepted: pulumi.Output[list[str]], *, users: bool) -> Workload:
    path, render = (_USERS.own, default_user) if users else (_PASSWORD_CONFIG, password_conf)
    secrets = [
        File(path=path, content=accepted.apply(render), secret=True),
        File(path=_PASSWORD, content=accepted.apply(_first), secret=True),
    ]
    return replace(workload, files=[*workload.files, *secrets])


def _url(address: pulumi.Output[str], password: pulumi.Output[str] | None) -> pulumi.Output[str]:
    if password is None:
        return address.apply(lambda known: redis_url(known, None))
    return pulumi.Output.all(address, password).apply(lambda known: redis_url(known[0], known[1]))
