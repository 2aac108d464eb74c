"""A member's logs from the Docker engine or the Kubernetes API, without external programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from components.naming import qualified
from ops.docker_engine import docker_engine
from ops.errors import RefusedError, UnreachableError, refuse_unknown
from ops.platform import Platform


@dataclass(frozen=True, kw_only=True)
class LogRange:
    """Which part of a log to read.

    Args:
        tail: Number of lines at the end; None for all.
        since: The earliest time; None for the beginning.
        follow: Whether to wait for new lines.
    """

    tail: int | None = None
    since: datetime | None = None
    follow: bool = False


def parse_since(text: str, now: datetime) -> datetime:
    """Read ``10m`` (10 minutes ago) or a time in ISO 8601; without a time zone it is local time.

    Args:
        text: The text.
        now: The current time, with a time zone.

    Raises:
        ValueError: It is neither.
    """
    from components.quantities import parse_duration

    try:
        ago = parse_duration(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise ValueError(
                f'"{text}" is not a time; expected 10m or 2h (ago), or a time such as 2026-03-01T12:00:00Z'
            ) from None
    assert isinstance(ago, timedelta)  # noqa: S101  text never becomes a number
    return now - ago


def read_logs(platform: Platform, member: str, selected: LogRange) -> Iterator[bytes]:
    """The log in pieces as they arrive; a piece may end within a line.

    Raises:
        RefusedError: There is no such member; lists the existing ones.
        UnreachableError: The engine or the API does not answer, or does not know the member.
    """
    members = list(dict.fromkeys([*platform.members, *platform.logs]))  # monitoring has logs too
    try:
        refuse_unknown("member", [member], members)
    except RefusedError as error:
        raise RefusedError(error.headline, [*error.problems, f"members are {', '.join(members)}"]) from None
    return (
        _pod_logs(platform, member, selected) if platform.on_kubernetes else _container_logs(platform, member, selected)
    )


def _container_logs(platform: Platform, member: str, selected: LogRange) -> Iterator[bytes]:
    from docker.errors import NotFound

    name = qualified(platform.name, member)
    options: dict[str, Any] = {"tail": "all" if selected.tail is None else selected.tail, "follow": selected.follow}
    if selected.since is not None:
        options["since"] = selected.since.timestamp()
    with docker_engine(platform) as engine:
        try:
            container = engine.containers.get(name)
        except NotFound:
            raise UnreachableError(f"there is no container {name}; `pulumi up -s {platform.stack} --refresh`") from None
        yield from container.logs(stream=True, **options)


def _pod_logs(platform: Platform, member: str, selected: LogRange) -> Iterator[bytes]:
    from kubernetes.client import ApiClient, CoreV1Api
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    from components.targets.kubernetes.kubeconfig import Access

    assert platform.via is not None  # noqa: S101  on Kubernetes, members are always reached through its API
    access = Access(platform.via.get("kubeconfig"), platform.via["context"])
    namespace: str = platform.via["namespace"]
    options: dict[str, Any] = {"follow": selected.follow}
    if selected.tail is not None:
        options["tail_lines"] = selected.tail
    if selected.since is not None:
        options["since_seconds"] = max(int((datetime.now(UTC) - selected.since).total_seconds()), 1)
    try:
        api: Any = ApiClient(access.configuration)
        api.rest_client = access.rest()
        with api as client:
            answer = CoreV1Api(client).read_namespaced_pod_log(member, namespace, _preload_content=False, **options)
            yield from answer.stream()
    except ApiException as error:
        raise UnreachableError(f"the log of pod {member} in namespace {namespace}: {error.reason}") from None
    except HTTPError as error:
        raise UnreachableError(
            f"the Kubernetes API of context {access.context} does not answer", [str(error)]
        ) from None
