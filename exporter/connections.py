"""Which addresses accept a connection, asked all at once."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from components.routes import DIRECT

CONNECT_SECONDS = 2.0
"""Seconds for a connection: those that are asked are on one network."""

_AT_ONCE = 16

T = TypeVar("T")


def ask_all(members: Mapping[str, str], ask: Callable[[str], T]) -> dict[str, T]:
    """What each member answers, by name; they are asked at once, so that one that hangs costs its own time only.

    Args:
        members: ``host:port`` of each, by name.
        ask: Asks the one at an address.
    """
    with ThreadPoolExecutor(min(len(members), _AT_ONCE) or 1) as pool:
        return dict(zip(members, pool.map(ask, members.values()), strict=True))


def accepts(address: str) -> bool:
    """Whether something accepts connections at ``host:port``."""
    try:
        with DIRECT.connect(address, CONNECT_SECONDS):
            return True
    except OSError:
        return False
