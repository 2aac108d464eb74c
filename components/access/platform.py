"""Access of a whole platform: what its brokers need before they start, and the users of its applications."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.access.component import (
    AccessSet,
    AccessSetArgs,
    BrokerUsers,
    BrokerUsersArgs,
    Certificates,
    CertificatesArgs,
    RedisUsers,
    RedisUsersArgs,
    handed_over,
    redis_address,
    user_passwords,
)
from components.access.handover import Handover
from components.access.rules import EXPORTER_USER, PLATFORM_USER, AppSpec, undeclared_topics
from components.access.settings import AccessSettings, AppSettings
from components.credentials.component import Credentials, CredentialsArgs
from components.inputs import secret_of
from components.kafka.component import BrokerSecurity, KafkaCluster, KafkaLogin
from components.kafka.files import BROKER_USER
from components.redis.component import RedisServer
from components.targets.base import PreparedTarget
from components.zookeeper.component import ZooKeeperEnsemble


@dataclass(frozen=True, kw_only=True)
class BrokerAccess:
    """What brokers need to encrypt and to ask who clients are.

    Args:
        security: The brokers' own part.
        exporter: Who the metrics exporter is.
        users: What must exist before brokers start.
    """

    security: BrokerSecurity
    exporter: KafkaLogin
    users: BrokerUsers


def broker_access(
    platform: str,
    settings: AccessSettings,
    hosts: Sequence[pulumi.Input[str]],
    target: PreparedTarget,
    zookeeper: ZooKeeperEnsemble,
    deadline: float,
    parent: pulumi.Resource,
) -> BrokerAccess:
    """Declare certificates and the platform's users.

    Args:
        platform: The platform's name.
        settings: What the stack file says.
        hosts: Names and addresses by which brokers are reached.
        target: Where they run.
        zookeeper: Their ensemble.
        deadline: Seconds to wait for it.
        parent: The component that all belongs to.
    """
    child = pulumi.ResourceOptions(parent=parent)
    certificates = Certificates(
        "certificates",
        CertificatesArgs(
            platform=platform,
            hosts={"kafka": hosts},
            sign=settings.tls.sign,
            trust=settings.tls.trust,
            lifetime=settings.tls.lifetime,
        ),
        child,
    )
    names = {BROKER_USER: "kafka-broker", PLATFORM_USER: "kafka-platform", EXPORTER_USER: "kafka-exporter"}
    passwords = {user: Credentials(name, CredentialsArgs(account=user), child).password for user, name in names.items()}
    users = BrokerUsers(
        "broker-users",
        BrokerUsersArgs(
            ensemble=zookeeper.members,
            passwords=passwords,
            deadline=deadline,
            trigger=zookeeper.deployment.identities,
            route=target.route([zookeeper.workload]),
        ),
        pulumi.ResourceOptions(parent=parent, depends_on=list(zookeeper.deployment.settled)),
    )

    def login(user: str) -> KafkaLogin:
        return KafkaLogin(user=user, password=passwords[user], authorities=certificates.trusted)

    security = BrokerSecurity(
        password=passwords[BROKER_USER],
        keystore=certificates.members.apply(lambda members: members["kafka"]["keystore"]),
        authorities=certificates.trusted,
        login=login(PLATFORM_USER),
    )
    return BrokerAccess(security=security, exporter=login(EXPORTER_USER), users=users)


def application_access(
    declared: Sequence[AppSettings],
    target: PreparedTarget,
    kafka: KafkaCluster,
    redis: RedisServer,
    *,
    topics: Collection[str],
    deadline: float,
    after: pulumi.Resource,
    parent: pulumi.Resource,
) -> pulumi.Output[dict[str, dict[str, str]]] | None:
    """Declare the applications' users, and hand each application what its clients need.

    Args:
        declared: The applications.
        target: Where the platform runs.
        kafka: Its brokers.
        redis: Its Redis server.
        topics: The topics that the stack declares. An application may use others; a warning says so.
        deadline: Seconds to wait for servers.
        after: What must exist first.
        parent: The component that all belongs to.

    Returns:
        What each application needs to connect, a secret; None where brokers ask for nothing.
    """
    apps, login = [app.spec() for app in declared], kafka.login
    if login is None:
        return None
    for line in undeclared_topics(apps, topics):
        pulumi.log.warn(line)
    # As topics do, users go with the volume and stay with one that is kept; the server may be gone by then.
    options = pulumi.ResourceOptions(parent=parent, depends_on=[after], retain_on_delete=True)
    passwords = user_passwords("app", apps, pulumi.ResourceOptions(parent=parent))
    access = AccessSetArgs(
        bootstrap=kafka.bootstrap_servers,
        login=login,
        applications=apps,
        passwords=passwords,
        brokers=kafka.brokers,
        own_cluster=True,
        deadline=deadline,
        logs=kafka.deployment.logs,
        trigger=kafka.deployment.identities,
        route=target.route([kafka.workload]),
    )
    made = AccessSet("access", access, options)
    address = _redis_users(apps, redis, passwords, deadline, parent)

    def given(app: AppSpec, bootstrap: pulumi.Input[str]) -> pulumi.Output[Handover]:
        at = address if app.redis else None
        return handed_over(bootstrap, app.user, passwords[app.user], login.authorities, after=made, redis=at)

    for app, place in zip(apps, declared, strict=True):
        content = given(app, kafka.internal_bootstrap_servers).apply(lambda known: known.secret())
        target.hand_over(app.name, content, place.namespace, parent)
    outside = kafka.outside_bootstrap_servers.apply(lambda outside: outside or kafka.bootstrap_servers)
    return secret_of({app.name: given(app, outside).apply(lambda known: known.texts()) for app in apps})


def _redis_users(
    apps: Sequence[AppSpec],
    redis: RedisServer,
    passwords: Mapping[str, pulumi.Output[str]],
    deadline: float,
    parent: pulumi.Resource,
) -> pulumi.Output[str] | None:
    """Redis' address, when the applications' users exist there; None if everyone may do everything there."""
    if redis.login is None:
        return None
    users = RedisUsersArgs(
        login=redis.login,
        applications=apps,
        passwords=passwords,
        own_server=True,
        deadline=deadline,
        trigger=redis.deployment.identities,
    )
    after = list(redis.deployment.settled)
    options = pulumi.ResourceOptions(parent=parent, depends_on=after, retain_on_delete=True)
    return redis_address(redis.address, after=RedisUsers("redis-users", users, options))
