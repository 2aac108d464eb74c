"""Amounts as Kubernetes, Java and Redis write them."""

import re

_KUBERNETES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_JAVA = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_REDIS = {"": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}


def amount(text: str) -> int | None:
    """Bytes of a quantity of Kubernetes: ``512Mi``, ``1G``, ``536870912``."""
    return _parsed(text, _KUBERNETES | _BINARY)


def java_size(text: str) -> int | None:
    """Bytes of a size of Java: ``512m``, ``1G``."""
    return _parsed(text.lower(), _JAVA)


def redis_size(text: str) -> int | None:
    """Bytes of a size of Redis: ``256mb``, ``1g``."""
    return _parsed(text.lower(), _REDIS)


def _parsed(text: str, units: dict[str, int]) -> int | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text.strip())
    if match is None or match[2] not in units:
        return None
    return int(float(match[1]) * units[match[2]])


def mib(size: int) -> str:
    """A size for messages."""
    return f"{size // 2**20} MiB"
