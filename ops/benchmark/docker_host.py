"""Runs tools in containers on the platform's Docker network."""

import io
import shlex
import tarfile
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from components.access.handover import Handover
from components.naming import MEMBER_LABEL, PLATFORM_LABEL, qualified
from components.quantities import MIB
from ops.benchmark.host import BENCHMARK_LABEL, FORGETTING, USER, OnLine
from ops.benchmark.output import ToolError, stamped
from ops.benchmark.tools import LOGIN_FILE, Tool
from ops.errors import UnreachableError
from ops.platform import Platform

if TYPE_CHECKING:
    from docker.models.containers import Container

_LOG_OPTIONS = {"max-size": "16m", "max-file": "1"}


class DockerHost:
    """Runs tools on the engine of ``DOCKER_HOST``, or of the local socket.

    Args:
        platform: The platform, which runs on that engine.
        identity: The run's id.

    Raises:
        UnreachableError: The engine does not answer.
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
        self.login = None if platform.security is None else LOGIN_FILE

    def run(self, tool: Tool, on_line: OnLine) -> int:
        """Run a tool in a container, which is removed when the tool has exited."""
        from docker.errors import DockerException

        container: Container | None = None
        try:
            with self._starting:  # otherwise a container that starts during remove_all would stay
                if self._ended:
                    raise ToolError(f"{tool.name} was not started: the run has ended")
                container = self._create(tool)
                self._give_login(container)
                container.start()
            for line in whole_lines(container.logs(stream=True, follow=True, timestamps=True)):
                on_line(stamped(line))
            return int(container.wait()["StatusCode"])
        except DockerException as error:
            raise ToolError(f"{tool.name} failed: {error}") from error
        finally:
            if container is not None:
                _remove(container)

    def command_line(self, tool: Tool) -> str:
        """A ``docker run`` command; where tools log in, with a file of that login in the current folder."""
        variables = [part for name, value in tool.environment.items() for part in ("--env", f"{name}={value}")]
        limits = ["--memory", f"{tool.memory // MIB}m"]
        files = [] if self.login is None else ["--volume", f"./{self.login.rpartition('/')[2]}:{self.login}:ro"]
        image = self._platform.images["kafka"]
        return shlex.join(
            ["docker", "run", "--rm", "--network", self._network, *limits, *variables, *files, image, *tool.command]
        )

    def remove_all(self) -> None:
        """Remove this run's containers, and start no more."""
        with self._starting:
            self._ended = True
            for container in self._labelled(f"{BENCHMARK_LABEL}={self._identity}"):
                _remove(container)

    def cleanup_commands(self) -> list[str]:
        """A ``docker rm`` command for each exited container of other runs."""
        return [
            f"docker rm --volumes {container.name}"
            for container in self._labelled(BENCHMARK_LABEL)
            if container.status == "exited" and self._identity not in str(container.name)
        ]

    def _create(self, tool: Tool) -> "Container":
        from docker.types import LogConfig

        # The login must not outlive the tool, even if this process is killed and cannot remove the container.
        keeper = [] if self.login is None else ["bash", "-c", FORGETTING, self.login]
        program, *arguments = [*keeper, *tool.command]
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

    def _give_login(self, container: "Container") -> None:
        """Put the login into a container that has not started: neither its arguments nor its environment have it."""
        security = self._platform.security
        if self.login is None or security is None:
            return
        handover = Handover(
            bootstrap=self.bootstrap,
            user=security.user,
            password=security.password,
            authorities=security.authorities,
        )
        folder, _, name = self.login.rpartition("/")
        engine: Any = container  # docker's types leave out the archive's
        engine.put_archive(folder, tar_of(name, handover.client_properties()))

    def _labelled(self, label: str) -> "list[Container]":
        filters: dict[str, str | list[str] | bool] = {"label": [label, f"{PLATFORM_LABEL}={self._platform.name}"]}
        return self._engine.containers.list(all=True, filters=filters, ignore_removed=True)


def tar_of(name: str, text: str) -> bytes:
    """A tar file with one file that only the image's user can read."""
    content = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, USER, USER
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _remove(container: "Container") -> None:
    """Remove a container with its anonymous volumes, unless it is removed already."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != 409:  # 409: its removal is in progress
            raise


def whole_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines from a stream of arbitrary chunks."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
