"""A server: one container with what it runs, whatever it runs on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.view.resources import Resource
from policies.view.values import is_unknown, undecided

KAFKA, ZOOKEEPER, REDIS = "kafka", "zookeeper", "redis"

UNNAMED = "(of an unknown name)"
"""Key of variables of which not even the name is known."""

_STARTS = (
    (ZOOKEEPER, re.compile(r"zookeeper-server-start|start-zookeeper|zkServer\.sh|QuorumPeerMain")),
    (KAFKA, re.compile(r"kafka-server-start|start-kafka|kafka\.Kafka\b")),
    (REDIS, re.compile(r"\b(redis|valkey)-server\b")),
)
_TOOLS = re.compile(
    r"(?<![\w.-])(kafka-(acls|broker-api-versions|configs|console-consumer|console-producer|consumer-groups"
    r"|get-offsets|leader-election|log-dirs|metadata-quorum|reassign-partitions|run-class|storage|topics)(\.sh)?"
    r"|zookeeper-shell(\.sh)?|zkCli\.sh|redis-cli|valkey-cli|cub)(?![\w-])"
)
_VARIABLES = (
    (KAFKA, ("KAFKA_ADVERTISED_LISTENERS", "KAFKA_ZOOKEEPER_CONNECT", "KAFKA_PROCESS_ROLES", "KAFKA_BROKER_ID")),
    (ZOOKEEPER, ("ZOO_MY_ID", "ZOO_SERVERS", "ZOOKEEPER_CLIENT_PORT", "ZOOKEEPER_SERVER_ID")),
)
"""Variables that only images of a kind read; they tell servers of images that nobody knows."""

_IMAGES = {
    KAFKA: {"kafka", "kafka-native", "cp-kafka", "cp-server", "cp-enterprise-kafka"},
    ZOOKEEPER: {"zookeeper", "cp-zookeeper"},
    REDIS: {"redis", "redis-stack", "redis-stack-server", "valkey"},
}


@dataclass(frozen=True, kw_only=True)
class File:
    """A file in a container.

    Args:
        path: Where it stands; ends in ``/*`` for files whose names are not known either.
        content: The text, or the engine's mark for an unknown one.
        origin: The property or object that holds it, for messages.
    """

    path: str
    content: Any
    origin: str

    @property
    def named(self) -> bool:
        """Whether the file's name is known."""
        return not self.path.endswith("/*")

    @property
    def known(self) -> bool:
        """Whether its text is known."""
        return isinstance(self.content, str) and not is_unknown(self.content)

    def text(self) -> str:
        """The text."""
        return self.content if self.known else undecided(self.origin)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A health check.

    Args:
        name: ``health check`` or the kind of probe.
        command: What it runs, in exec form, or None for a request over the network.
        shell: Whether the command is one text for a shell.
    """

    name: str
    command: Sequence[str] | None
    shell: bool = False


class Server:
    """What rules ask of a container. Docker and Kubernetes each say it in their words."""

    resource: Resource
    label: str
    """How messages name it."""
    path = ""
    """Where in the resource's properties the container stands."""
    long_running = True
    replicas: int = 1

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.resource.urn

    @property
    def on_docker(self) -> bool:
        """Whether it is a container of a Docker engine."""
        return self.resource.on_docker

    @cached_property
    def image(self) -> str:
        """Image reference."""
        raise NotImplementedError

    @cached_property
    def command(self) -> list[str]:
        """Entry point and arguments, as far as the resource sets them."""
        raise NotImplementedError

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        """Plain variables by name; unknown values as the engine marks them. Nameless ones are :data:`UNNAMED`."""
        raise NotImplementedError

    @cached_property
    def references(self) -> frozenset[str]:
        """Names of variables whose values come from secrets or from the running pod."""
        return frozenset()

    @cached_property
    def files(self) -> list[File]:
        """Files that the stack puts into the container."""
        raise NotImplementedError

    @cached_property
    def memory(self) -> int | None:
        """Limit of memory in bytes."""
        raise NotImplementedError

    @cached_property
    def grace(self) -> int:
        """Seconds to stop."""
        raise NotImplementedError

    @cached_property
    def checks(self) -> list[Check]:
        """Its health checks."""
        raise NotImplementedError

    @cached_property
    def hostname(self) -> str:
        """A host name that the resource sets."""
        return ""

    def variable(self, name: str) -> str | None:
        """A plain variable's value."""
        if name in self.variables:
            value = self.variables[name]
            return undecided(f"{self.path}env {name}") if is_unknown(value) else str(value)
        if name in self.references:
            undecided(f"{self.path}env {name}, which is read when the container starts")
        if UNNAMED in self.variables:
            undecided(f"{self.path}env")
        return None

    def files_named(self, pattern: str) -> Iterator[File]:
        """Files whose path ends so, and those of which not even the name is known."""
        ends = re.compile(f"(?:{pattern})$")
        return (file for file in self.files if not file.named or ends.search(file.path))

    @cached_property
    def script(self) -> str:
        """The command with the text of each script that it names."""
        words = " ".join(self.command)
        texts = [file.text() for file in self.files if file.named and file.path in words and file.path.endswith(".sh")]
        return "\n".join([words, *texts])

    @cached_property
    def kind(self) -> str | None:
        """``kafka``, ``zookeeper``, ``redis`` or None for anything else."""
        for kind, start in _STARTS:
            if start.search(self.script):
                return kind
        if _TOOLS.search(self.script) or not self.long_running:
            return None
        for kind, names in _VARIABLES:
            if any(name in self.variables for name in names):
                return kind
        repository = re.split(r"[@:]", self.image.rpartition("/")[2])[0]
        return next((kind for kind, names in _IMAGES.items() if repository in names), None)

    def __str__(self) -> str:
        return self.label


def lines(text: str) -> Iterator[str]:
    """The lines of a configuration file that say something."""
    stripped = (line.strip() for line in text.splitlines())
    return (line for line in stripped if line and not line.startswith(("#", "!")))


def entry(text: str) -> tuple[str, str]:
    """A line of a properties file, taken apart."""
    key, _, value = text.partition("=")
    return key.strip(), value.strip()
