"""Tools in containers on the platform's Docker network."""

import shlex
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from components.naming import MEMBER_LABEL, PLATFORM_LABEL, qualified
from components.quantities import MIB
from ops.benchmark.hosts import BENCHMARK_LABEL, OnLine
from ops.benchmark.output import ToolError, stamped
from ops.benchmark.tools import Tool
from ops.errors import UnreachableError
from ops.platform import Platform

if TYPE_CHECKING:
    from docker.models.containers import Container

_LOG_OPTIONS = {"max-size": "16m", "max-file": "1"}


class DockerHost:
    """Runs tools on the engine that ``DOCKER_HOST`` names, or that of the local socket.

    Args:
        platform: The platform, which runs on that engine.
        identity: The run's identity.

    Raises:
        UnreachableError: There is no such engine.
    """

    def __init__(self, platform: Platform, identity: str) -> None:
        import docker
        from docker.errors import DockerException

        try:
            self._engine = docker.from_env(timeout=60)
        except DockerException as error:
            raise UnreachableError(f"no Docker engine answers: {error}") from error
        self._platform = platform
        self._identity = identity
        self._starting, self._ended = threading.Lock(), False
        self._network: str = platform.outputs["network"]
        self.bootstrap: str = platform.outputs["kafkaInternalBootstrapServers"]

    def run(self, tool: Tool, on_line: OnLine) -> int:
        """Run a tool in a container that is removed when it has ended."""
        from docker.errors import DockerException

        container: Container | None = None
        try:
            with self._starting:  # else one that starts while all are removed would be left
                if self._ended:
                    raise ToolError(f"{tool.name} was not started: the run was ended")
                container = self._create(tool)
                container.start()
            for line in whole_lines(container.logs(stream=True, follow=True, timestamps=True)):
                on_line(stamped(line))
            return int(container.wait()["StatusCode"])
        except DockerException as error:
            raise ToolError(f"{tool.name} could not be run to its end: {error}") from error
        finally:
            if container is not None:
                _remove(container)

    def by_hand(self, tool: Tool) -> str:
        """A ``docker run``."""
        variables = [part for name, value in tool.environment.items() for part in ("--env", f"{name}={value}")]
        limits = ["--memory", f"{tool.memory // MIB}m"]
        image = self._platform.images["kafka"]
        return shlex.join(
            ["docker", "run", "--rm", "--network", self._network, *limits, *variables, image, *tool.command]
        )

    def remove_all(self) -> None:
        """Remove this run's containers, and start no more."""
        with self._starting:
            self._ended = True
            for container in self._labelled(f"{BENCHMARK_LABEL}={self._identity}"):
                _remove(container)

    def left_behind(self) -> list[str]:
        """A ``docker rm`` for each container of another run that has ended and was not removed."""
        return [
            f"docker rm --volumes {container.name}"
            for container in self._labelled(BENCHMARK_LABEL)
            if container.labels[BENCHMARK_LABEL] != self._identity and container.status == "exited"
        ]

    def _create(self, tool: Tool) -> "Container":
        from docker.types import LogConfig

        program, *arguments = tool.command
        return self._engine.containers.create(
            self._platform.images["kafka"],
            entrypoint=[program],
            command=arguments,
            name=qualified(self._platform.name, f"bench-{self._identity}-{tool.name}"),
            labels={
                BENCHMARK_LABEL: self._identity,
                PLATFORM_LABEL: self._platform.name,
                MEMBER_LABEL: f"bench-{tool.name}",
            },
            environment=tool.environment,
            network=self._network,
            mem_limit=tool.memory,
            memswap_limit=tool.memory,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            log_config=LogConfig(type="json-file", config=_LOG_OPTIONS),
        )

    def _labelled(self, label: str) -> "list[Container]":
        filters: dict[str, str | list[str] | bool] = {"label": [label, f"{PLATFORM_LABEL}={self._platform.name}"]}
        return self._engine.containers.list(all=True, filters=filters, ignore_removed=True)


def _remove(container: "Container") -> None:
    """Remove a container with the volume that its image declares, unless it is gone or going."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # 409: its removal is under way
            raise


def whole_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines from a stream that breaks them anywhere."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
