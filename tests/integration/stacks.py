"""Stacks for tests: the project's stack files on different ports, driven by the real pulumi CLI."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import docker
import yaml
from docker.errors import APIError, NotFound

from components.naming import MEMBER_LABEL, PLATFORM_LABEL

PROJECT = Path(__file__).resolve().parents[2]
PREFIX = "millrace-test-"
"""Prefix of the names of all platforms that tests create; anything with this prefix may be removed."""

_BLOCKS = ("examples", "bench", "dev", "staging", "bad", "cut", "watched", "backup", "ops", "policies")
"""Each user of stacks on Docker has a block of ports, so that stacks can run side by side."""


@dataclass(frozen=True)
class Ports:
    """The first port of each kind of member of a stack on this machine."""

    zookeeper: int
    kafka: int
    redis: int
    exporter: int
    prometheus: int

    def overrides(self, *, monitored: bool = False) -> dict[str, Any]:
        """The settings that put a stack file on these ports, by path.

        Args:
            monitored: Whether the stack file enables the exporter and Prometheus.
        """
        found = {"zookeeper.port": self.zookeeper, "kafka.port": self.kafka, "redis.port": self.redis}
        if monitored:
            prometheus = {"enabled": True, "port": self.prometheus}
            found |= {"monitor.port": self.exporter, "monitor.prometheus": prometheus}
        return found


def ports_of(block: str) -> Ports:
    """The ports of one of :data:`_BLOCKS`: a thousand each, all below the kernel's ephemeral range."""
    first = 23000 + 1000 * _BLOCKS.index(block)
    return Ports(first + 181, first + 92, first + 379, first + 300, first + 301)


@dataclass
class Result:
    """The exit code and output of one run of the CLI."""

    code: int
    output: str
    operations: dict[str, list[str]] = field(default_factory=dict)
    """Names of resources by operation: create, update, delete, replace, same."""

    def changed(self) -> dict[str, list[str]]:
        """Operations that changed something."""
        return {op: names for op, names in self.operations.items() if op != "same"}


class Checkout:
    """A project folder with one stack and its own state, driven by the pulumi CLI.

    Args:
        folder: The project's folder.
        name: The stack's name.
        config: The stack's configuration, with the project's name in its keys.
        project: The project's name.
    """

    def __init__(self, folder: Path, name: str, config: dict[str, Any], project: str = "millrace") -> None:
        self.folder = folder
        self.name = name
        self.config = config
        self.platform = f"{project}-{name}"
        self._file = folder / f"Pulumi.{name}.yaml"
        self.run("stack", "init", name, "--non-interactive", check=True)

    def environment(self) -> dict[str, str]:
        """Variables for the CLI: an empty passphrase, and the flag that allows the event log."""
        return {**os.environ, "PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_DEBUG_COMMANDS": "true"}

    def ops_environment(self) -> dict[str, str]:
        """Variables that let `python -m ops` of this project run in any folder."""
        return {**self.environment(), "PYTHONPATH": str(PROJECT)}

    def write(self) -> None:
        """Write the stack file and keep its salt."""
        kept = yaml.safe_load(self._file.read_text()) if self._file.exists() else {}
        self._file.write_text(yaml.safe_dump({**kept, "config": self.config}))

    def run(self, *arguments: str, check: bool = False, environment: dict[str, str] | None = None) -> Result:
        """Run the CLI in the project's folder."""
        self.write()
        done = subprocess.run(
            ["pulumi", "--color", "never", *arguments],
            cwd=self.folder,
            env={**self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        result = Result(done.returncode, done.stdout)
        assert not check or result.code == 0, result.output
        return result

    def change(self, command: str, *arguments: str, check: bool = True, **options: Any) -> Result:
        """Run ``up``, ``refresh`` or ``destroy`` and return the operation on each resource."""
        log = self.folder / "events.json"
        log.unlink(missing_ok=True)
        flags = ["--stack", self.name, "--yes", "--skip-preview", "--event-log", str(log)]
        result = self.run(command, *flags, *arguments, **options)
        result.operations = _operations(log)
        assert not check or result.code == 0, result.output
        return result

    def up(self, *arguments: str, check: bool = True, **options: Any) -> Result:
        """``pulumi up``."""
        return self.change("up", *arguments, check=check, **options)

    def state(self) -> str:
        """The stored state as text."""
        return next(self.folder.glob(f".pulumi/stacks/*/{self.name}.json")).read_text()

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text."""
        flags = ("--stack", self.name, "--json", "--show-secrets")
        return json.loads(self.run("stack", "output", *flags, check=True).output)

    def generated(self) -> dict[str, str]:
        """The generated passwords by account."""
        flags = ("--show-secrets", "--stack", self.name)
        exported = json.loads(self.run("stack", "export", *flags, check=True).output)
        found = [
            item["outputs"] for item in exported["deployment"]["resources"] if item["type"].endswith(":Credentials")
        ]
        return {item["account"]: json.loads(item["password"]["plaintext"]) for item in found}

    def destroy(self) -> None:
        """Destroy the stack and remove any leftovers."""
        try:
            self.change("destroy", check=False)
        finally:
            remove_leftovers(self.platform)


class Stack(Checkout):
    """A copy of this project with one stack."""

    def __init__(self, folder: Path, name: str, source: str, overrides: dict[str, Any] | None = None) -> None:
        folder.mkdir(parents=True)
        for shared in ("components", "__main__.py", "Pulumi.README.md", ".venv"):
            (folder / shared).symlink_to(PROJECT / shared)
        shutil.copy(PROJECT / "Pulumi.yaml", folder)
        super().__init__(folder, name, yaml.safe_load((PROJECT / source).read_text())["config"])
        for key, value in (overrides or {}).items():
            self.set(key, value)

    def set(self, path: str, value: Any) -> None:
        """Set a value by its path below the project's namespace: ``kafka.port``."""
        first, *rest = path.split(".", 1)
        key = f"millrace:{first}"
        if rest:
            self.config.setdefault(key, {})[rest[0]] = value
        else:
            self.config[key] = value

    def topics(self) -> list[dict[str, Any]]:
        """The declared topics, to change in place."""
        return self.config["millrace:topics"]

    def topic(self, name: str) -> dict[str, Any]:
        """One declared topic, to change in place."""
        return next(topic for topic in self.topics() if topic["name"] == name)

    def container(self, member: str) -> Any:
        """A member's container."""
        return docker.from_env().containers.get(f"{self.platform}-{member}")


class OwnProgram(Checkout):
    """A program that uses single components, in a folder of its own.

    Args:
        folder: The project's folder, which is made.
        name: The stack's name.
        source: The program.
        config: Its configuration, without the project's name in its keys.
    """

    def __init__(self, folder: Path, name: str, source: str, config: dict[str, str]) -> None:
        folder.mkdir()
        (folder / "__main__.py").write_text(source)
        options = {"toolchain": "pip", "virtualenv": str(PROJECT / ".venv")}
        project = {"name": "millrace-test", "runtime": {"name": "python", "options": options}}
        (folder / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "backend": {"url": f"file://{folder}"}}))
        super().__init__(
            folder, name, {f"millrace-test:{key}": value for key, value in config.items()}, "millrace-test"
        )


AnyStack = TypeVar("AnyStack", bound=Checkout)


@contextmanager
def standing(stack: AnyStack) -> Generator[AnyStack]:
    """Bring a stack up, and destroy it at the end."""
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


def _operations(log: Path) -> dict[str, list[str]]:
    """Names of resources by operation, read from the event log."""
    operations: dict[str, list[str]] = {}
    if not log.exists():
        return operations
    for line in log.read_text().splitlines():
        event = json.loads(line)
        metadata = (event.get("resOutputsEvent") or {}).get("metadata")
        if metadata and ":providers:" not in metadata["urn"]:
            operations.setdefault(metadata["op"], []).append(metadata["urn"].rpartition("::")[2])
    return {op: sorted(names) for op, names in operations.items()}


def left_on_engine(platform: str) -> list[str]:
    """Names of containers, volumes and networks of platforms whose name starts with ``platform``."""
    client = docker.from_env()
    containers = [
        item.name
        for item in client.containers.list(all=True, ignore_removed=True)
        if item.labels.get(PLATFORM_LABEL, "").startswith(platform)
    ]
    volumes = [
        item.name
        for item in client.volumes.list()
        if (item.attrs.get("Labels") or {}).get(PLATFORM_LABEL, "").startswith(platform)
    ]
    networks = [
        item.name
        for item in client.networks.list()
        if (item.attrs.get("Labels") or {}).get(PLATFORM_LABEL, "").startswith(platform)
    ]
    return containers + volumes + networks


def remove_leftovers(platform: str = PREFIX) -> None:
    """Remove leftovers of earlier or failed runs: only objects with a test platform's label."""
    assert platform.startswith(PREFIX)
    client = docker.from_env()
    for container in client.containers.list(all=True, ignore_removed=True):
        if container.labels.get(PLATFORM_LABEL, "").startswith(platform):
            _remove(lambda container=container: container.remove(force=True, v=True))
    for items in (client.volumes, client.networks):
        for item in items.list():
            if (item.attrs.get("Labels") or {}).get(PLATFORM_LABEL, "").startswith(platform):
                _remove(item.remove)


def _remove(remove: Callable[[], None], seconds: float = 30) -> None:
    """Remove an object that may be gone, or in use by one that is being removed."""
    end = time.monotonic() + seconds
    while True:
        try:
            return remove()
        except NotFound:
            return None
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT or time.monotonic() > end:
                raise
        time.sleep(0.2)


@contextmanager
def beside(stack: Stack, image: str, name: str, **options: Any) -> Generator[Any]:
    """A container on a stack's network that is removed at the end.

    Args:
        stack: The stack.
        image: The container's image.
        name: The container's name, without the platform's name before it.
        options: Further options of the Docker client.
    """
    container = docker.from_env().containers.run(
        image,
        detach=True,
        name=f"{stack.platform}-{name}",
        labels={PLATFORM_LABEL: stack.platform},
        network=stack.platform,
        **options,
    )
    try:
        container.reload()
        yield container
    finally:
        container.remove(force=True, v=True)


def running_members(platform: str) -> list[str]:
    """Sorted names of the members whose containers are running."""
    filters = {"label": f"{PLATFORM_LABEL}={platform}", "status": "running"}
    # The low-level list: inspecting each container would fail while one is being replaced.
    return sorted(item["Labels"][MEMBER_LABEL] for item in docker.from_env().api.containers(filters=filters))


def eventually(look: Callable[[], bool], seconds: float = 60, what: str = "a condition") -> None:
    """Wait until ``look`` returns True."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)


def bootstrap(stack: Stack) -> Sequence[str]:
    """The brokers' addresses for clients on this machine."""
    return stack.outputs()["kafkaBootstrapServers"].split(",")
