"""Queries to the Docker engine that a platform runs on, for preflight and gates."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from components.errors import PreflightError
from components.naming import PLATFORM_LABEL
from components.safety import Members, Safety, in_restart_order


class LocalEngine:
    """The engine that ``DOCKER_HOST`` names, or the local socket.

    Args:
        platform: The platform's name.
    """

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._connection: Any = None

    def ping(self) -> str | None:
        """Connect to the engine; the reason says what to do if that fails."""
        import docker
        from docker.errors import DockerException

        try:
            self._connection = docker.from_env(timeout=30)
            self._connection.ping()
        except DockerException as error:
            if "Permission" in str(error):
                return "this user may not use the engine's socket: join the group docker, or run as root"
            return "nothing answers. Start the engine: `systemctl start docker`, Docker Desktop, or `make engine`"
        return None

    def missing_image(self, reference: str) -> str | None:
        """Look for the image on the engine first, then in its registry."""
        from docker.errors import APIError, ImageNotFound

        try:
            self._connection.images.get(reference)
        except ImageNotFound:
            try:
                self._connection.images.get_registry_data(reference)
            except APIError as error:
                why = str(error.explanation or error)
                return (
                    f"image {reference} is not on the engine and cannot be pulled ({why}). "
                    "Correct the reference, or build the local images (`make images`) and set millrace:images to local"
                )
        return None

    def published_ports(self, address: str) -> Mapping[int, tuple[str, bool]]:
        """Read the running containers' ports and labels."""
        everywhere = ("0.0.0.0", "::")
        ports: dict[int, tuple[str, bool]] = {}
        for container in self._connection.api.containers():
            labels: dict[str, str] = container.get("Labels") or {}
            own = labels.get(PLATFORM_LABEL) == self._platform
            name = container["Names"][0].lstrip("/")
            for port in container["Ports"]:
                if port.get("Type") == "tcp" and port.get("IP") in (address, *everywhere):
                    ports[port["PublicPort"]] = (name, own)
        return ports

    def _is_local(self) -> bool:
        """Whether the engine is on this machine; only then does binding a port here test the engine's ports."""
        return str(self._connection.api.base_url).startswith("http+docker")

    def unusable_address(self, address: str) -> str | None:
        """Try to bind a port to the address, if the engine is on this machine."""
        if not self._is_local():
            return None
        with socket.socket() as probe:
            try:
                probe.bind((address, 0))
            except OSError as error:
                return error.strerror
        return None

    def port_holder(self, address: str, port: int) -> str | None:
        """Try to bind the port, if the engine is on this machine."""
        if not self._is_local():
            return None
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                return _process_on(port) or f"another program ({error.strerror})"
        return None

    def memory(self) -> int:
        """The engine's ``MemTotal``, in bytes."""
        return int(self._connection.info()["MemTotal"])


def _process_on(port: int) -> str | None:
    """Name and pid of the process that listens on a port, if this user may see it."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            local: Any = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local.port == port and connection.pid:
                return f"process {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return None
    return None


def container_health(names: Iterable[str]) -> dict[str, bool]:
    """Those of the named containers that exist, and whether each runs and passed its last health check.

    Raises:
        PreflightError: The engine does not answer.
    """
    import docker
    from docker.errors import DockerException

    try:
        with closing(docker.from_env(timeout=30)) as client:
            engine: Any = client.api
            listed: list[dict[str, Any]] = engine.containers(all=True)
    except (DockerException, OSError) as error:  # requests' own errors are OSErrors
        raise PreflightError("the Docker engine does not answer", [str(error)]) from error
    health = {container["Names"][0].lstrip("/"): "(healthy)" in container["Status"] for container in listed}
    return {name: health[name] for name in names if name in health}


def restart_order(safety: type[Safety], addresses: Mapping[str, object], containers: Mapping[str, str]) -> list[str]:
    """The members in the order in which an update changes them: by number, if engine or members do not answer.

    Members that do not exist yet come last: they may be able to serve only after the others have changed.

    Args:
        safety: The rules of the members.
        addresses: ``host:port`` of each member, by name.
        containers: Name of each member's container on the engine.
    """
    try:
        health = container_health(containers.values())
    except PreflightError:
        health = {}
    serving = {name: health[container] for name, container in containers.items() if container in health}
    if not any(serving.values()):
        return list(containers)
    known = {name: str(address) for name, address in addresses.items() if name in serving}
    order = in_restart_order(serving, safety(Members(addresses=known)).last())
    return [*order, *(name for name in containers if name not in serving)]
