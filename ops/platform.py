"""The running platform, as the stack's outputs describe it: the only place where the command line learns addresses."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.findings import host_and_port
from components.routes import DIRECT, Route, patience
from components.targets.routes import open_route as route
from ops.errors import UnreachableError
from ops.kafka_errors import kafka_errors
from ops.pulumi_cli import project_folder, pulumi_cli

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from redis import Redis

CONNECT_SECONDS = 5.0
"""Seconds for Redis to take a connection."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A running platform and the way to it.

    Args:
        stack: The stack's name: ``dev``.
        name: The platform's name: ``millrace-dev``; the prefix of container names on Docker.
        target: ``docker`` or ``kubernetes``.
        brokers: ``host:port`` of each broker by name (``kafka-0`` has broker id 0); ``zookeeper`` and ``redis``
            likewise.
        logs: For each member the command that shows its logs.
        images: Image references by server.
        via: How members are reached; None is directly, else see :func:`components.routes.route`.
        redis_password: The password, or None for a server without one; never to be shown.
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
    via: Mapping[str, Any] | None = None
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
        """The way to the members; a tunnel through the Kubernetes API lives as long as the process.

        Raises:
            ClusterError: The kubeconfig or its context cannot be used.
        """
        return route(self.via) if self.via is not None else DIRECT

    def kafka_options(self) -> dict[str, Any]:
        """What every Kafka client of this platform is made with."""
        return {"bootstrap_servers": self.bootstrap.split(","), "proxy_url": self.route.proxy_url}

    @contextmanager
    def admin(self, *, request_seconds: float | None = None) -> "Generator[KafkaAdminClient]":
        """An admin client that is closed at the end.

        Args:
            request_seconds: Seconds for one request; None takes what making topics may take.

        Raises:
            UnreachableError: No broker answers, or one refused a request.
        """
        from components.kafka import client as kafka

        if not kafka.any_listens(self.bootstrap, route=self.route):
            problems = kafka.unreachable(self.bootstrap, self.brokers, self.logs, route=self.route)
            raise UnreachableError(f"Kafka of stack {self.stack} does not answer", problems)
        seconds = kafka.REQUEST_SECONDS if request_seconds is None else request_seconds
        with (
            kafka_errors(f"Kafka of stack {self.stack}"),
            kafka.admin_client(self.bootstrap, route=self.route, request_seconds=seconds) as client,
        ):
            yield client

    @contextmanager
    def producer(self, **options: Any) -> "Generator[KafkaProducer]":
        """A producer that is flushed and closed at the end.

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
        """A consumer that is closed at the end.

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
        """A Redis client that answers in bytes and is closed at the end.

        Args:
            db: Number of the database.
            seconds: Seconds for one answer.

        Raises:
            UnreachableError: It does not answer, or refused the password.
        """
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError
        from redis.retry import Retry

        address = next(iter(self.redis.values()))
        nearby = self.route.local(address)
        host, port = host_and_port(nearby)
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
            why = self.route.trouble(address) or str(error).replace(nearby, address)
            raise UnreachableError(f"Redis of stack {self.stack} does not answer: {why}") from error
        finally:
            client.close()


def read_platform(stack: str | None) -> Platform:
    """Read a stack's outputs with the Pulumi CLI.

    Args:
        stack: The stack's name, or None for the selected one.

    Raises:
        UnreachableError: There is no such stack, it has nothing up, or its secrets cannot be read.
    """
    folder = project_folder()
    name = stack or pulumi_cli(folder, "stack", "--show-name").strip()
    outputs: dict[str, Any] = json.loads(
        pulumi_cli(folder, "stack", "output", "--stack", name, "--json", "--show-secrets")
    )
    return platform_of(name, outputs)


def platform_of(stack: str, outputs: Mapping[str, Any]) -> Platform:
    """The platform that a stack's outputs describe.

    Raises:
        UnreachableError: Nothing is up.
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
        redis_password=outputs.get("clientEnvironment", {}).get("REDIS_PASSWORD"),
        outputs=outputs,
    )
