"""The metrics exporter as a workload. The program that it runs is the package ``exporter``."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import pulumi

from components.durations import whole_seconds
from components.inputs import joined, lift
from components.kafka.component import KafkaLogin
from components.monitoring.promql import seconds
from components.monitoring.settings import MonitorSettings
from components.outside import Outside
from components.server import USER, resources_of
from components.workload import CLIENTS, File, Port, Probe, Workload, internal_addresses

NAME = "exporter"
PORT = 9090
"""Port inside the container."""

_LOGIN = "/etc/millrace/kafka-login.json"
"""Path inside the container."""

_PASSWORD = "/etc/millrace/redis-password"
"""Path inside the container."""


def exporter_workload(
    settings: MonitorSettings,
    *,
    image: str,
    host: Callable[[str, int], pulumi.Input[str]],
    servers: Sequence[Workload],
    min_in_sync: int,
    authentication: bool,
    access: bool,
    outside: Outside | None,
) -> Workload:
    """The exporter as a workload, without the file that holds the password.

    Args:
        settings: The exporter's settings.
        image: Image reference.
        host: The name by which other members reach a member, as the target gives it.
        servers: What it watches: ensemble, brokers, Redis.
        min_in_sync: The brokers' default ``min.insync.replicas``.
        authentication: Whether Redis asks for a password.
        access: Whether brokers ask for a user.
        outside: How clients outside reach it, or None where they don't.
    """
    zookeeper, kafka, redis = (internal_addresses(server, host) for server in servers)
    password = {"REDIS_PASSWORD_FILE": _PASSWORD} if authentication else {}
    login = {"KAFKA_LOGIN_FILE": _LOGIN} if access else {}
    return Workload(
        name=NAME,
        image=image,
        replicas=1,
        command=["python3", "-m", "exporter"],
        env={
            "KAFKA_BOOTSTRAP_SERVERS": joined(list(kafka.values())),
            "KAFKA_BROKERS": _named(kafka),
            "KAFKA_HEALTH_CHECK_INTERVAL": seconds(whole_seconds(settings.interval)),
            "METRICS_PORT": str(PORT),
            "MINIMUM_IN_SYNC": str(min_in_sync),
            "REDIS_MEMBERS": _named(redis),
            "ZOOKEEPER_MEMBERS": _named(zookeeper),
            **password,
            **login,
        },
        ports=[Port(name="metrics", number=PORT, reached_by=["prometheus", CLIENTS], outside=outside)],
        resources=resources_of(settings),
        user=USER,
        stop_grace=timedelta(seconds=10),
        readiness=Probe(command=["python3", "-m", "exporter.probe"], interval=timedelta(seconds=10)),
    )


def password_file(password: pulumi.Input[str]) -> File:
    """The file from which the exporter reads the password of Redis."""
    return File(path=_PASSWORD, content=pulumi.Output.secret(password), secret=True)


def login_file(login: KafkaLogin) -> File:
    """The file from which the exporter reads its user of Kafka."""
    return File(path=_LOGIN, content=pulumi.Output.secret(pulumi.Output.json_dumps(login.as_input())), secret=True)


def _named(addresses: Mapping[str, pulumi.Input[str]]) -> pulumi.Input[str]:
    """``member=host:port`` of each member, separated by commas, as the exporter parses it."""
    names = list(addresses)
    return lift(
        lambda known: ",".join(f"{name}={address}" for name, address in zip(names, known, strict=True)),
        list(addresses.values()),
    )
