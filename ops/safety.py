"""What keeps commands that load or break a platform away from production."""

import re

from ops.errors import RefusedError
from ops.platform import Platform

PRODUCTION_WORDS = frozenset({"prod", "production", "live"})
"""Words that make a stack's name one of production: ``prod``, ``eu-prod``, ``shop.live``, but not ``product``."""


def is_production(platform: Platform) -> bool:
    """Whether people may depend on this platform.

    That is taken to be so for every platform on Kubernetes, and where a word of the stack's name says it.
    """
    words = re.split(r"[^a-z]+", platform.stack.lower())
    return platform.on_kubernetes or not PRODUCTION_WORDS.isdisjoint(words)


def refuse_production(platform: Platform, yes_on: str | None) -> None:
    """Refuse to go on with a platform of production that was not named explicitly.

    Args:
        platform: The platform that the command is about to load or to break.
        yes_on: The stack's name as the person gave it with ``--yes-on``, or None.

    Raises:
        RefusedError: A stack other than this one was named, or this is production and was not named.
    """
    if yes_on is not None and yes_on != platform.stack:
        raise RefusedError(f"--yes-on names stack {yes_on}, but the command is for stack {platform.stack}")
    if yes_on is None and is_production(platform):
        reason = "runs on Kubernetes" if platform.on_kubernetes else "is production by its name"
        raise RefusedError(f"stack {platform.stack} {reason}; to go on all the same, give --yes-on {platform.stack}")
