"""Names and labels of resources: two platforms on one engine never collide, and each resource shows its owner."""

import re

from components.errors import SettingsError

PLATFORM_LABEL = "millrace.platform"
"""Label on every container, volume and network: the platform it belongs to."""

MEMBER_LABEL = "millrace.member"
"""Label on every container: the member it is, such as ``kafka-0``."""

CLIENT_LABEL = "millrace.client"
"""Label that a pod in the platform's own namespace needs to be a client: ``millrace.client: "true"``."""

PROJECT = "millrace"
PART_OF_LABEL = "app.kubernetes.io/part-of"
"""Label on every pod; its value is :data:`PROJECT`."""

_PLATFORM = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_PLATFORM_LENGTH = 40
"""A member's host name, platform included, must fit into a DNS label of 63 characters (RFC 1035)."""


def platform_name(project: str, stack: str) -> str:
    """The platform's name, ``<project>-<stack>``.

    Raises:
        SettingsError: The name cannot be part of a host name.
    """
    name = f"{project}-{stack}"
    if not _PLATFORM.fullmatch(name) or len(name) > MAX_PLATFORM_LENGTH:
        raise SettingsError(
            f'the stack\'s name gives "{name}", which cannot be part of a host name',
            [f"use lower-case letters, digits and single dashes, {MAX_PLATFORM_LENGTH} characters at most"],
        )
    return name


def member_name(workload: str, ordinal: int) -> str:
    """A member's name inside its platform: ``kafka-0``."""
    return f"{workload}-{ordinal}"


def ordinal_of(member: str) -> int:
    """A member's number in its workload: 0 of ``kafka-0``. A broker's id is the same number."""
    return int(member.rpartition("-")[2])


def qualified(platform: str, part: str) -> str:
    """A name that is unique on an engine: ``millrace-dev-kafka-0``."""
    return f"{platform}-{part}"
