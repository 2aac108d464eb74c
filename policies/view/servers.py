"""A server: one container and what it runs, on any platform."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from policies.view.resources import Resource
from policies.view.values import is_unknown, undecided

KAFKA, ZOOKEEPER, REDIS = "kafka", "zookeeper", "redis"

UNNAMED = "(of an unknown name)"
"""Key of variables whose names are unknown too."""

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
"""Variables that only images of one kind read; they identify servers of unknown images."""

_IMAGES = {
    KAFKA: {"kafka", "kafka-native", "cp-kafka", "cp-server", "cp-enterprise-kafka"},
    ZOOKEEPER: {"zookeeper", "cp-zookeeper"},
    REDIS: {"redis", "redis-stack", "redis-stack-server", "valkey"},
}


@dataclass(frozen=True, kw_only=True)
class File:
    """A file in a container.

    Args:
        path: Path in the container; ends in ``/*`` if the file's name is unknown.
        content: The text, the engine's marker for an unknown one, or None if the stack does not hold it.
        origin: The property or object that it comes from, for messages.
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
        """The text.

        Raises:
            Undecided: It is unknown.
        """
        return self.content if self.known else undecided(self.origin)


@dataclass(frozen=True, kw_only=True)
class Check:
    """A health check.

    Args:
        name: ``health check`` or the kind of probe.
        command: Command in exec form, or None for a network probe.
        shell: Whether a shell runs the command, which is then a single text.
    """

    name: str
    command: Sequence[str] | None
    shell: bool = False


class Server:
    """A container as the rules see it; Docker and Kubernetes have a subclass each."""

    resource: Resource
    label: str
    """Its name in messages."""
    path = ""
    """Path of the container in the resource's properties, with a dot at the end."""
    long_running = True
    replicas: int = 1

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.resource.urn

    @property
    def on_docker(self) -> bool:
        """Whether it runs on Docker."""
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
        """Plain environment variables by name; values may be unknown, :data:`UNNAMED` replaces unknown names."""
        raise NotImplementedError

    @cached_property
    def references(self) -> frozenset[str]:
        """Names of variables whose values come from Secrets or from the running pod."""
        return frozenset()

    @cached_property
    def files(self) -> list[File]:
        """Files that the stack puts into the container."""
        raise NotImplementedError

    @cached_property
    def memory(self) -> int | None:
        """Memory limit in bytes."""
        raise NotImplementedError

    @cached_property
    def grace(self) -> int:
        """Grace period in seconds."""
        raise NotImplementedError

    @cached_property
    def checks(self) -> list[Check]:
        """Health checks."""
        raise NotImplementedError

    @cached_property
    def hostname(self) -> str:
        """Host name that the resource sets; empty if none."""
        return ""

    def exposed_ports(self) -> list[int | None]:
        """Its ports that clients on other machines, outside the cluster, reach."""
        raise NotImplementedError

    def variable(self, name: str) -> str | None:
        """A plain variable's value; None if it is not set.

        Raises:
            Undecided: The value, or whether the variable is set, is unknown.
        """
        if name in self.variables:
            value = self.variables[name]
            return undecided(f"{self.path}env {name}") if is_unknown(value) else str(value)
        if name in self.references:
            undecided(f"{self.path}env {name}, which is set when the container starts")
        if UNNAMED in self.variables:
            undecided(f"{self.path}env")
        return None

    def files_named(self, pattern: str) -> Iterator[File]:
        """Files whose path ends in a pattern, and files whose names are unknown."""
        ends = re.compile(f"(?:{pattern})$")
        return (file for file in self.files if not file.named or ends.search(file.path))

    @cached_property
    def script(self) -> str:
        """The command, followed by the text of each script that it runs."""
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
    """The lines of a configuration file, without comments and blank lines."""
    stripped = (line.strip() for line in text.splitlines())
    return (line for line in stripped if line and not line.startswith(("#", "!")))
