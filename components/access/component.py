"""Certificates, users with their rights, and applications, as resources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.access.handover import Handover
from components.access.provider import (
    AccessSetProvider,
    BrokerUsersProvider,
    CertificatesProvider,
    RedisUsersProvider,
)
from components.access.redis_users import rights_of
from components.access.rules import OWN_RIGHTS, AppSpec, Right
from components.access.safety import inputs_of, user_specs
from components.access.settings import AppSettings
from components.credentials.component import Credentials, CredentialsArgs
from components.errors import AccessError
from components.inputs import secret_of
from components.kafka.component import KafkaLogin
from components.redis.component import RedisLogin
from components.targets.base import RouteInputs


@dataclass(frozen=True, kw_only=True)
class CertificatesArgs:
    """Arguments of :class:`Certificates`.

    An authority is changed in three updates, so that at no moment a member meets a certificate that it does not trust:
    ``trust=(1, 2)``; then ``sign=2``; then, when all clients have the new one, ``trust=(2,)``.

    Args:
        platform: The platform's name, part of the authorities' names.
        hosts: Names and IP addresses by which each member is reached, by the certificate's name. Members that share
            their files, as those of one workload do, share a certificate.
        sign: Number of the authority that signs.
        trust: Numbers of the authorities that members and clients trust.
        lifetime: How long a certificate is valid; it is renewed by the first update after two thirds of that.
    """

    platform: str
    hosts: Mapping[str, Sequence[pulumi.Input[str]]]
    sign: int = 1
    trust: Sequence[int] = (1,)
    lifetime: timedelta = timedelta(days=365)


class Certificates(Resource, module="millrace", name="Certificates"):
    """Authorities, and the certificates that one of them signs, encrypted in the state.

    Nothing exists outside the state: deleting it revokes nothing, and members keep what they have.

    Args:
        name: The resource's name.
        args: Who needs certificates.
        opts: Resource options.
    """

    members: pulumi.Output[dict[str, dict[str, str]]]
    """``key``, ``certificate`` and both as ``keystore``, as PEM, by the certificate's name; a secret."""
    trusted: pulumi.Output[str]
    """PEM of the authorities to trust."""
    expires: pulumi.Output[dict[str, str]]
    """The day on which each certificate and authority expires, as 2030-12-31."""

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "platform": args.platform,
            "hosts": {member: list(hosts) for member, hosts in args.hosts.items()},
            "sign": args.sign,
            "trust": sorted(args.trust),
            "lifetime": args.lifetime.total_seconds(),
            "authorities": None,
            "members": None,
            "trusted": None,
            "expires": None,
        }
        # Without this, the state would hold the keys in plain text.
        secret = pulumi.ResourceOptions(additional_secret_outputs=["authorities", "members"])
        super().__init__(CertificatesProvider(), name, props, pulumi.ResourceOptions.merge(opts, secret))


@dataclass(frozen=True, kw_only=True)
class BrokerUsersArgs:
    """Arguments of :class:`BrokerUsers`.

    Args:
        ensemble: ``host:port`` of each ensemble member as this machine reaches it, by name.
        passwords: Each user's password.
        rights: What each user may do on all topics, all groups or the cluster.
        deadline: Seconds to wait for the ensemble.
        trigger: A value for each member of the ensemble that changes when the member does.
        route: How this program's clients reach the ensemble, from a prepared target; None if directly.
    """

    ensemble: pulumi.Input[Mapping[str, str]]
    passwords: Mapping[str, pulumi.Input[str]]
    rights: Mapping[str, Sequence[Right]] = field(default_factory=lambda: OWN_RIGHTS)
    deadline: float = 180
    trigger: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    route: RouteInputs | None = None


class BrokerUsers(Resource, module="millrace", name="BrokerUsers"):
    """Users that must exist before brokers start: their own, and the platform's, who makes all others.

    They go with the ensemble.

    Args:
        name: The resource's name.
        args: The users and their ensemble.
        opts: Resource options.
    """

    def __init__(self, name: str, args: BrokerUsersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "ensemble": args.ensemble,
            "passwords": secret_of(args.passwords),
            "rights": {user: [str(right) for right in sorted(rights)] for user, rights in args.rights.items()},
            "deadline": args.deadline,
            "trigger": dict(args.trigger),
            "route": args.route,
        }
        super().__init__(BrokerUsersProvider(), name, props, opts)


@dataclass(frozen=True, kw_only=True)
class AccessSetArgs:
    """Arguments of an :class:`AccessSet`.

    Args:
        bootstrap: ``host:port`` of brokers as this machine reaches them, separated by commas.
        login: A user who may change users, rights and quotas.
        applications: Whose users these are.
        passwords: The password of each user: :attr:`~components.access.rules.AppSpec.users` of all applications.
        brokers: Address that each broker advertises, by name, for messages.
        own_cluster: Whether the brokers belong to the same stack. Users with no more than the declared rights are then
            the set's own when it is created: a killed ``up`` left them.
        adopt: Whether users that others made are taken over; they then have the declared rights alone.
        deadline: Seconds to wait for the brokers.
        logs: For each broker the command that shows its logs.
        trigger: A value for each broker that changes when the broker is replaced, since its data may be new too.
        route: How this program's clients reach the brokers, from a prepared target; None if directly.
    """

    bootstrap: pulumi.Input[str]
    login: KafkaLogin
    applications: Sequence[AppSpec]
    passwords: Mapping[str, pulumi.Input[str]]
    brokers: pulumi.Input[Mapping[str, str]] = field(default_factory=dict[str, str])
    own_cluster: bool = False
    adopt: bool = False
    deadline: float = 180
    logs: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    trigger: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    route: RouteInputs | None = None


class AccessSet(Resource, module="millrace", name="AccessSet"):
    """The users of applications with their rights and limits, planned, applied and read as one resource.

    Args:
        name: The resource's name.
        args: The applications and their cluster.
        opts: Resource options.
    """

    users: pulumi.Output[dict[str, Any]]
    """Rights and limits of each user, by name."""

    def __init__(self, name: str, args: AccessSetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "setName": name,
            "bootstrap": args.bootstrap,
            "brokers": args.brokers,
            "security": args.login.as_input(),
            "users": inputs_of(user_specs(args.applications)),
            "passwords": secret_of(args.passwords),
            "ownCluster": args.own_cluster,
            "adopt": args.adopt,
            "deadline": args.deadline,
            "logs": dict(args.logs),
            "trigger": dict(args.trigger),
            "route": args.route,
        }
        super().__init__(AccessSetProvider(), name, props, opts)


@dataclass(frozen=True, kw_only=True)
class RedisUsersArgs:
    """Arguments of :class:`RedisUsers`.

    Args:
        login: The platform's own user of the server, which keeps its users in a file (``aclfile``).
        applications: Whose users these are; those that declare no keys have none.
        passwords: The password of each user: :attr:`~components.access.rules.AppSpec.users` of all applications.
        own_server: Whether the server belongs to the same stack. Users with no more than the declared keys are then the
            set's own when it is created: they came with data that was kept.
        adopt: Whether users that others made are taken over; they then have the declared rights alone.
        deadline: Seconds to wait for the server.
        trigger: A value for the server that changes when it is replaced, since its data may be new too.
    """

    login: RedisLogin
    applications: Sequence[AppSpec]
    passwords: Mapping[str, pulumi.Input[str]]
    own_server: bool = False
    adopt: bool = False
    deadline: float = 180
    trigger: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])


class RedisUsers(Resource, module="millrace", name="RedisUsers"):
    """The users of applications in a Redis server, planned, applied and read as one resource.

    Args:
        name: The resource's name.
        args: The applications and their server.
        opts: Resource options.
    """

    users: pulumi.Output[dict[str, list[str]]]
    """What each user may do, by name, as arguments of ``ACL SETUSER``."""

    def __init__(self, name: str, args: RedisUsersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        users = rights_of(args.applications)
        props: dict[str, object] = {
            "setName": name,
            "address": args.login.address,
            "password": pulumi.Output.secret(args.login.password),
            "users": users,
            "passwords": secret_of({user: args.passwords[user] for user in users}),
            "ownServer": args.own_server,
            "adopt": args.adopt,
            "deadline": args.deadline,
            "trigger": dict(args.trigger),
            "route": args.login.route,
        }
        super().__init__(RedisUsersProvider(), name, props, opts)


@dataclass(frozen=True, kw_only=True)
class ApplicationArgs:
    """Arguments of an :class:`Application`.

    Args:
        application: What it may do: ``AppSettings.of(name="billing", produces=["orders"])``.
        bootstrap: ``host:port`` of brokers as this machine reaches them, separated by commas.
        login: A user who may change users, rights and quotas.
        client_bootstrap: ``host:port`` of brokers as the application reaches them; None if as this machine does.
        deadline: Seconds to wait for the brokers.
        route: How this program's clients reach the brokers, from a prepared target; None if directly.
        redis: The platform's own user of a Redis server that keeps its users in a file; needed if the application
            declares keys.
        client_redis: ``host:port`` of that server as the application reaches it; None if as this machine does.
        adopt: Whether users of its name are taken over, also those that a killed first ``up`` left; they then have the
            declared rights alone.
    """

    application: AppSettings
    bootstrap: pulumi.Input[str]
    login: KafkaLogin
    client_bootstrap: pulumi.Input[str] | None = None
    deadline: float = 180
    route: RouteInputs | None = None
    redis: RedisLogin | None = None
    client_redis: pulumi.Input[str] | None = None
    adopt: bool = False


class Application(pulumi.ComponentResource):
    """A user of Kafka and Redis with a generated password, its rights and limits, and what its clients need to connect.

    Args:
        name: The resource's name.
        args: What it may do, and where.
        opts: Resource options.
    """

    user: str
    """The user to connect as."""
    password: pulumi.Output[str]
    """Its password, a secret."""
    client_properties: pulumi.Output[str]
    """A properties file for Kafka's own tools and Java clients, a secret."""
    librdkafka: pulumi.Output[str]
    """The configuration of librdkafka and its bindings as JSON, a secret."""
    spring: pulumi.Output[str]
    """Lines for Spring's ``application.properties``, a secret."""
    dotenv: pulumi.Output[str]
    """A ``.env`` file, a secret."""

    def __init__(self, name: str, args: ApplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("millrace:index:Application", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        app = args.application.spec()
        passwords = user_passwords(name, [app], child)
        made = AccessSet(
            f"{name}-access",
            AccessSetArgs(
                bootstrap=args.bootstrap,
                login=args.login,
                applications=[app],
                passwords=passwords,
                adopt=args.adopt,
                deadline=args.deadline,
                route=args.route,
            ),
            child,
        )
        self.user, self.password = app.user, passwords[app.user]
        bootstrap = args.bootstrap if args.client_bootstrap is None else args.client_bootstrap
        # Handed over only when the user can connect.
        given = handed_over(
            bootstrap,
            app.user,
            passwords[app.user],
            args.login.authorities,
            after=made,
            redis=self._redis(name, args, app, passwords) if app.redis else None,
        )
        self.client_properties = given.apply(lambda known: known.client_properties())
        self.librdkafka = given.apply(lambda known: known.librdkafka())
        self.spring = given.apply(lambda known: known.spring())
        self.dotenv = given.apply(lambda known: known.dotenv())
        self.register_outputs(
            {
                "user": self.user,
                "password": self.password,
                "clientProperties": self.client_properties,
                "librdkafka": self.librdkafka,
                "spring": self.spring,
                "dotenv": self.dotenv,
            }
        )

    def _redis(
        self, name: str, args: ApplicationArgs, app: AppSpec, passwords: Mapping[str, pulumi.Input[str]]
    ) -> pulumi.Output[str]:
        """The address of Redis, when the application's users exist there."""
        if args.redis is None:
            raise AccessError(
                f"application {app.name} declares redis keys, but ApplicationArgs.redis is not set; give the server's "
                "RedisLogin, or remove the keys"
            )
        users = RedisUsersArgs(
            login=args.redis, applications=[app], passwords=passwords, adopt=args.adopt, deadline=args.deadline
        )
        made = RedisUsers(f"{name}-redis", users, pulumi.ResourceOptions(parent=self))
        return redis_address(args.redis.address if args.client_redis is None else args.client_redis, after=made)


def user_passwords(prefix: str, apps: Sequence[AppSpec], opts: pulumi.ResourceOptions) -> dict[str, pulumi.Output[str]]:
    """A generated password for each user of the applications.

    Args:
        prefix: Start of the resources' names.
        apps: The applications.
        opts: Resource options.
    """
    users = [user for app in apps for user in app.users]
    return {user: Credentials(f"{prefix}-{user}", CredentialsArgs(account=user), opts).password for user in users}


def handed_over(
    bootstrap: pulumi.Input[str],
    user: str,
    password: pulumi.Input[str],
    authorities: pulumi.Input[str],
    *,
    after: AccessSet,
    redis: pulumi.Input[str] | None = None,
) -> pulumi.Output[Handover]:
    """What an application needs to connect, a secret.

    Args:
        bootstrap: ``host:port`` of brokers as the application reaches them, separated by commas.
        user: Its user.
        password: The user's password.
        authorities: PEM of the authorities to trust.
        after: What makes the user.
        redis: :func:`redis_address`; None for an application that does not use Redis.
    """
    facts = pulumi.Output.secret(pulumi.Output.all(bootstrap, password, authorities, redis, after.users))

    def handover(known: Sequence[str]) -> Handover:
        return Handover(bootstrap=known[0], user=user, password=known[1], authorities=known[2], redis=known[3])

    return facts.apply(handover)


def redis_address(address: pulumi.Input[str], *, after: RedisUsers) -> pulumi.Output[str]:
    """The address of a Redis server, known only when the applications' users exist there.

    Args:
        address: ``host:port`` of the server as applications reach it.
        after: What makes the users.
    """
    return pulumi.Output.all(address, after.users).apply(lambda known: known[0])
