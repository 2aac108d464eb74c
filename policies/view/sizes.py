"""Sizes as Java and Redis write them."""

import re

_JAVA = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_REDIS = {"": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}


def java_size(text: str) -> int | None:
    """Bytes of a Java size (``512m``, ``1G``), or None if the text is not one."""
    return _parsed(text.lower(), _JAVA)


def redis_size(text: str) -> int | None:
    """Bytes of a Redis size (``256mb``, ``1g``), or None if the text is not one."""
    return _parsed(text.lower(), _REDIS)


def _parsed(text: str, units: dict[str, int]) -> int | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text.strip())
    if match is None or match[2] not in units:
        return None
    return int(float(match[1]) * units[match[2]])


def mib(size: int) -> str:
    """A size in bytes as text for messages."""
    return f"{size // 2**20} MiB"
