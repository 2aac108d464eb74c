"""The Docker engine that a platform runs on, for commands that use it directly: logs, faults, benchmarks."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from ops.errors import UnreachableError
from ops.platform import Platform

ANSWER_SECONDS = 30
"""Seconds for an answer of the engine."""


@contextmanager
def docker_engine(platform: Platform, *, seconds: int = ANSWER_SECONDS) -> Generator[Any]:
    """A client of the engine of ``DOCKER_HOST``, or of the local socket; closed on exit.

    Args:
        platform: The platform, for messages.
        seconds: Seconds for one answer.

    Raises:
        UnreachableError: The engine does not answer, or refuses a request inside the block.
    """
    import docker
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    client: Any = None
    try:
        client = docker.from_env(timeout=seconds)
        yield client
    except (DockerException, RequestException) as error:
        raise UnreachableError(
            f"the Docker engine of stack {platform.stack} failed; see `python -m ops doctor`", [str(error)]
        ) from error
    finally:
        if client is not None:
            client.close()
