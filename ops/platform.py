"""The running platform, as the stack's outputs describe it: the only place where the command line learns addresses."""

import json
import os
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.clients.routes import DIRECT, Route, route
from ops.errors import UnreachableError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
    from redis import Redis

PROJECT = Path(__file__).resolve().parent.parent
_CLI_SECONDS = 60


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
        via: How members are reached; None is directly, else see :func:`components.clients.routes.route`.
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
    def admin(self) -> "Generator[KafkaAdminClient]":
        """An admin client that is closed at the end.

        Raises:
            UnreachableError: No broker answers.
        """
        from kafka.errors import KafkaError

        from components.clients import kafka

        if not kafka.any_listens(self.bootstrap, route=self.route):
            problems = kafka.unreachable(self.bootstrap, self.brokers, self.logs, route=self.route)
            raise UnreachableError(f"Kafka of stack {self.stack} does not answer", problems)
        try:
            with kafka.admin_client(self.bootstrap, route=self.route) as client:
                yield client
        except KafkaError as error:
            raise UnreachableError(f"Kafka of stack {self.stack}: {error}") from error

    @contextmanager
    def producer(self, **options: Any) -> "Generator[KafkaProducer]":
        """A producer that is flushed and closed at the end."""
        from kafka import KafkaProducer

        producer = KafkaProducer(**self.kafka_options(), **options)
        try:
            yield producer
        finally:
            producer.close()

    @contextmanager
    def consumer(self, **options: Any) -> "Generator[KafkaConsumer]":
        """A consumer that is closed at the end."""
        from kafka import KafkaConsumer

        consumer = KafkaConsumer(**self.kafka_options(), **options)
        try:
            yield consumer
        finally:
            consumer.close()

    @contextmanager
    def redis_client(self, *, db: int = 0) -> "Generator[Redis]":
        """A Redis client that answers in bytes and is closed at the end."""
        from redis import Redis

        host, _, port = self.route.local(next(iter(self.redis.values()))).rpartition(":")
        client = Redis(host=host, port=int(port), db=db, password=self.redis_password)
        try:
            yield client
        finally:
            client.close()


def project_folder() -> Path:
    """The current folder where it is a Pulumi project, else this checkout."""
    here = Path.cwd()
    return here if (here / "Pulumi.yaml").exists() else PROJECT


def read_platform(stack: str | None) -> Platform:
    """Read a stack's outputs with the Pulumi CLI.

    Args:
        stack: The stack's name, or None for the selected one.

    Raises:
        UnreachableError: There is no such stack, it has nothing up, or its secrets cannot be read.
    """
    folder = project_folder()
    name = stack or _pulumi(folder, "stack", "--show-name").strip()
    outputs: dict[str, Any] = json.loads(
        _pulumi(folder, "stack", "output", "--stack", name, "--json", "--show-secrets")
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


def _pulumi(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["pulumi", "--color", "never", "--non-interactive", *arguments],
            cwd=folder,
            env=os.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CLI_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise UnreachableError("the pulumi CLI is not on PATH; run `. ./activate`") from None
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"the pulumi CLI did not answer within {_CLI_SECONDS} s") from None
    if done.returncode:
        lines = [line.removeprefix("error: ") for line in done.stderr.splitlines() if line.strip()]
        raise UnreachableError("the stack's outputs cannot be read", lines or ["the pulumi CLI says nothing more"])
    return done.stdout
