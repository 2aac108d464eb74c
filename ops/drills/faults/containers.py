"""The containers of a platform on Docker: found by label, and helpers that run in their namespaces."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from components.naming import MEMBER_LABEL, PLATFORM_LABEL
from ops.errors import UnreachableError
from ops.platform import Platform

HELPER_IMAGE = "millrace/exporter:0.1"
"""Image with Python and iproute2 that helpers run in, where the stack's outputs name none."""

HELPER_LABEL = "millrace.drill"
"""Label on helper containers: the platform they work on."""

STOP_SECONDS = 120
"""Seconds that a container has to stop where it does not say itself."""

_ENGINE_SECONDS = 30
"""Seconds for an answer of the engine, on top of what a container takes to stop."""


@contextmanager
def engine(platform: Platform) -> Generator[Any]:
    """A client of the Docker engine that is closed at the end.

    Raises:
        UnreachableError: The engine does not answer or refuses.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    client: Any = None
    try:
        client = docker.from_env(timeout=STOP_SECONDS + _ENGINE_SECONDS)
        yield client
    except (DockerException, RequestException) as error:
        raise UnreachableError(f"the Docker engine of stack {platform.stack}: {error}") from error
    finally:
        if client is not None:
            client.close()


def container_of(client: Any, platform: Platform, member: str) -> Any:
    """A member's container, running or not.

    Raises:
        UnreachableError: The engine has none.
    """
    labels = [f"{PLATFORM_LABEL}={platform.name}", f"{MEMBER_LABEL}={member}"]
    found = client.containers.list(all=True, ignore_removed=True, filters={"label": labels})
    if not found:
        raise UnreachableError(f"the engine has no container of {member} of platform {platform.name}")
    return found[0]


def addresses_of(container: Any) -> list[str]:
    """IP addresses that a container has in its networks; none while it does not run."""
    networks: dict[str, dict[str, str]] = container.attrs["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]


def helper_image(platform: Platform) -> str:
    """The image that helpers run in."""
    return platform.images.get("exporter", HELPER_IMAGE)


def helper_obstacles(platform: Platform) -> list[str]:
    """Why no helper can run, with the cure; nothing where one can."""
    from docker.errors import ImageNotFound

    image = helper_image(platform)
    with engine(platform) as client:
        try:
            client.images.get(image)
        except ImageNotFound:
            return [f"the engine has no image {image}, in which the drill's helpers run; build it: `make images`"]
    return []


def run_helper(client: Any, platform: Platform, command: Sequence[str], **options: Any) -> str:
    """Run a short command in the helpers' image, and remove its container.

    Args:
        client: The engine.
        platform: The platform.
        command: The command.
        options: Namespaces and capabilities, as docker-py names them.

    Returns:
        What the command wrote.
    """
    output: bytes = client.containers.run(
        helper_image(platform),
        entrypoint=[command[0]],
        command=list(command[1:]),
        user="0",
        labels={HELPER_LABEL: platform.name},
        remove=True,
        **options,
    )
    return output.decode(errors="replace").strip()


def remove_helpers(platform: Platform) -> None:
    """Remove helpers that a killed drill left, running or not, so that none breaks anything after the healing."""
    with engine(platform) as client:
        labels = [f"{HELPER_LABEL}={platform.name}"]
        for helper in client.containers.list(all=True, ignore_removed=True, filters={"label": labels}):
            helper.remove(force=True)
