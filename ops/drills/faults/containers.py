"""A platform's containers, found by label, and helper containers that run in their namespaces."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from components.naming import MEMBER_LABEL, PLATFORM_LABEL
from ops.docker_engine import ANSWER_SECONDS, docker_engine
from ops.errors import UnreachableError
from ops.platform import Platform

HELPER_IMAGE = "millrace/exporter:0.1"
"""Image of helpers if the stack's outputs name none; it has Python and iproute2."""

HELPER_LABEL = "millrace.drill"
"""Label of helper containers; its value is the platform's name."""

STOP_SECONDS = 120
"""Stop timeout of containers that set none, in seconds."""


@contextmanager
def engine(platform: Platform) -> Generator[Any]:
    """A Docker client that waits for members to stop; closed on exit.

    Raises:
        UnreachableError: The engine does not answer or refuses a request.
    """
    with docker_engine(platform, seconds=STOP_SECONDS + ANSWER_SECONDS) as client:
        yield client


def container_of(client: Any, platform: Platform, member: str) -> Any:
    """A member's container, running or not.

    Raises:
        UnreachableError: There is none.
    """
    labels = [f"{PLATFORM_LABEL}={platform.name}", f"{MEMBER_LABEL}={member}"]
    found = client.containers.list(all=True, ignore_removed=True, filters={"label": labels})
    if not found:
        raise UnreachableError(f"the engine has no container {member} of platform {platform.name}")
    return found[0]


def addresses_of(container: Any) -> list[str]:
    """A container's IP addresses; empty while it does not run."""
    networks: dict[str, dict[str, str]] = container.attrs["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]


def _helper_image(platform: Platform) -> str:
    return platform.images.get("exporter", HELPER_IMAGE)


def helper_obstacles(platform: Platform) -> list[str]:
    """Why no helper can run, and how to change that; empty if one can."""
    from docker.errors import ImageNotFound

    image = _helper_image(platform)
    with engine(platform) as client:
        try:
            client.images.get(image)
        except ImageNotFound:
            return [f"the engine has no image {image}, which drills run helpers in; build it: `make images`"]
    return []


def run_helper(client: Any, platform: Platform, command: Sequence[str], **options: Any) -> str:
    """Run a short command in a helper container, and remove the container.

    Args:
        client: The Docker client.
        platform: The platform.
        command: The command.
        options: Further options of ``docker.containers.run``, such as namespaces and capabilities.

    Returns:
        The command's output.
    """
    output: bytes = client.containers.run(
        _helper_image(platform),
        entrypoint=[command[0]],
        command=list(command[1:]),
        user="0",
        labels={HELPER_LABEL: platform.name},
        remove=True,
        **options,
    )
    return output.decode(errors="replace").strip()


def remove_helpers(platform: Platform) -> None:
    """Remove the helpers of a killed drill, running or not, so that none breaks anything after healing."""
    with engine(platform) as client:
        labels = [f"{HELPER_LABEL}={platform.name}"]
        for helper in client.containers.list(all=True, ignore_removed=True, filters={"label": labels}):
            helper.remove(force=True)
