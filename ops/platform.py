"""The running platform as the stack's outputs describe it: the command line's only source of addresses."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.kafka.security import Security, client_options, security_of
from components.routes import Route, RouteProps, host_and_port, patience
from components.targets.routes import open_route
from ops.errors import RefusedError, UnreachableError
from ops.kafka_cluster import kafka_errors
from ops.pulumi_cli import project_folder, selected_stack, stack_outputs

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from redis import Redis

CONNECT_SECONDS = 5.0
"""Timeout of a connection to Redis."""

PRODUCTION_WORDS = frozenset({"prod", "production", "live"})
"""Words in a stack's name that mark production: ``prod``, ``eu-prod``, ``shop.live``, but not ``product``."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A running platform and how to reach it.

    Args:
        stack: The stack's name: ``dev``.
        name: The platform's name: ``millrace-dev``; the prefix of container names on Docker.
        target: ``docker`` or ``kubernetes``.
        brokers: ``host:port`` of each broker by name (``kafka-0`` has broker id 0).
        zookeeper: ``host:port`` of each ensemble member by name.
        redis: ``host:port`` of the Redis server by name.
        logs: The command that shows the logs, by member.
        images: Image references by server.
        via: How members are reached; None for directly.
        security: Who connects to Kafka; None where brokers ask for nothing.
        redis_password: The password, or None for a server without one; must never be shown.
        outputs: All outputs of the stack.
    """

    stack: str
    name: str
    target: str
    brokers: Mapping[str, str]
    zookeeper: Mapping[str, str]
    redis: Mapping[str, str]
    logs: Mapping[str, str] = field(default_factory=dict[str, str])
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    via: RouteProps | None = None
    security: Security | None = None
    redis_password: str | None = field(default=None, repr=False)
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @property
    def bootstrap(self) -> str:
        """``host:port`` of all brokers, separated by commas."""
        return ",".join(self.brokers.values())

    @property
    def on_kubernetes(self) -> bool:
        """Whether the platform runs on Kubernetes."""
        return self.target == "kubernetes"

    @property
    def members(self) -> list[str]:
        """Names of all members."""
        return [*self.zookeeper, *self.brokers, *self.redis]

    @property
    def route(self) -> Route:
        """How members are reached; a tunnel through the Kubernetes API lives as long as the process.

        Raises:
            ClusterError: The kubeconfig or its context cannot be used.
        """
        return open_route(self.via)

    def kafka_options(self) -> dict[str, Any]:
        """Options of every Kafka client of this platform."""
        servers = {"bootstrap_servers": self.bootstrap.split(","), "proxy_url": self.route.proxy_url}
        return servers | client_options(self.security)

    @contextmanager
    def admin(self, *, request_seconds: float | None = None) -> "Generator[KafkaAdminClient]":
        """An admin client, closed at the end.

        Args:
            request_seconds: Timeout of one request; None for the timeout of creating topics.

        Raises:
            UnreachableError: No broker answers, or one refused a request.
        """
        from components.kafka import client as kafka
        from components.kafka.health import unreachable

        if not kafka.any_listens(self.bootstrap, route=self.route):
            problems = unreachable(self.bootstrap, self.brokers, self.logs, route=self.route)
            raise UnreachableError(f"Kafka of stack {self.stack} does not answer", problems)
        seconds = kafka.REQUEST_SECONDS if request_seconds is None else request_seconds
        with (
            kafka_errors(f"Kafka of stack {self.stack}"),
            kafka.admin_client(
                self.bootstrap, route=self.route, request_seconds=seconds, security=self.security
            ) as client,
        ):
            yield client

    @contextmanager
    def producer(self, **options: Any) -> "Generator[KafkaProducer]":
        """A producer, flushed and closed at the end.

        Raises:
            UnreachableError: No broker answers, or one refused a request.
        """
        from kafka import KafkaProducer

        with kafka_errors(f"Kafka of stack {self.stack}"):
            producer = KafkaProducer(**self.kafka_options(), **options)
            try:
                yield producer
            finally:
                producer.close()

    @contextmanager
    def consumer(self, **options: Any) -> "Generator[KafkaConsumer]":
        """A consumer, closed at the end.

        Raises:
            UnreachableError: No broker answers, or one refused a request.
        """
        from kafka import KafkaConsumer

        with kafka_errors(f"Kafka of stack {self.stack}"):
            consumer = KafkaConsumer(**self.kafka_options(), **options)
            try:
                yield consumer
            finally:
                consumer.close()

    @contextmanager
    def redis_client(self, *, db: int = 0, seconds: float = 30.0) -> "Generator[Redis]":
        """A Redis client with answers in bytes, closed at the end.

        Args:
            db: Number of the database.
            seconds: Timeout of one answer.

        Raises:
            UnreachableError: Redis does not answer, or refused the password.
        """
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError
        from redis.retry import Retry

        address = next(iter(self.redis.values()))
        local = self.route.local(address)
        host, port = host_and_port(local)
        client = Redis(
            host=host,
            port=port,
            db=db,
            password=self.redis_password,
            socket_timeout=seconds,
            socket_connect_timeout=patience(self.route, CONNECT_SECONDS),
            retry=Retry(NoBackoff(), 1),
        )
        try:
            yield client
        except AuthenticationError:
            raise UnreachableError(f"Redis of stack {self.stack} refused the stack's password") from None
        except (ConnectionError, TimeoutError) as error:
            why = self.route.trouble(address) or str(error).replace(local, address)
            raise UnreachableError(f"Redis of stack {self.stack} does not answer: {why}") from error
        finally:
            client.close()


def read_platform(stack: str | None) -> Platform:
    """Read a stack's outputs with the Pulumi CLI.

    Args:
        stack: The stack's name, or None for the selected one.

    Raises:
        UnreachableError: There is no such stack, it has no platform, or its secrets cannot be read.
    """
    folder = project_folder()
    name = stack or selected_stack(folder)
    return platform_of(name, stack_outputs(folder, name))


def platform_of(stack: str, outputs: Mapping[str, Any]) -> Platform:
    """The platform that a stack's outputs describe.

    Raises:
        UnreachableError: The stack has no platform.
    """
    found = outputs.get("operations")
    if not found:
        raise UnreachableError(f"stack {stack} has no platform up; run `pulumi up -s {stack}`")
    return Platform(
        stack=stack,
        name=found["platform"],
        target=found["target"],
        brokers=found["brokers"],
        zookeeper=found["zookeeper"],
        redis=found["redis"],
        logs=found["logs"],
        images=found["images"],
        via=found["route"],
        security=security_of({"security": outputs.get("kafkaLogin")}),
        redis_password=outputs.get("clientEnvironment", {}).get("REDIS_PASSWORD"),
        outputs=outputs,
    )


def is_production(platform: Platform) -> bool:
    """Whether the platform counts as production: every platform on Kubernetes, and stacks whose name says so."""
    words = re.split(r"[^a-z]+", platform.stack.lower())
    return platform.on_kubernetes or not PRODUCTION_WORDS.isdisjoint(words)


def refuse_production(platform: Platform, yes_on: str | None) -> None:
    """Refuse to load or break a production platform that was not named explicitly.

    Args:
        platform: The platform that the command would load or break.
        yes_on: The stack's name as given with ``--yes-on``, or None.

    Raises:
        RefusedError: ``--yes-on`` names a different stack, or the platform is production and was not named.
    """
    if yes_on is not None and yes_on != platform.stack:
        raise RefusedError(f"--yes-on names stack {yes_on}, but the command is for stack {platform.stack}")
    if yes_on is None and is_production(platform):
        reason = "runs on Kubernetes" if platform.on_kubernetes else "is production by its name"
        raise RefusedError(f"stack {platform.stack} {reason}; to go on, give --yes-on {platform.stack}")
