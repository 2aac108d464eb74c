"""Quantities of Kubernetes: ``10Gi``, ``500m``, ``1e3``."""

import math
import re
from decimal import Decimal

# What the API server takes. The official parser takes more: `1K`, `1_0`, `NaN`, spaces.
_SYNTAX = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")


def quantity(text: str | float) -> Decimal:
    """Read a quantity with the official client's parser, as strictly as the API server does.

    Raises:
        ValueError: The text is not a quantity.
    """
    from kubernetes.utils import parse_quantity  # slow to import

    if not _SYNTAX.fullmatch(str(text)):
        raise ValueError(f"{text!r} is not a quantity")
    return parse_quantity(str(text))


def size(text: str | float | None) -> int:
    """A quantity of storage in whole bytes, rounded up; 0 for None."""
    return 0 if text is None else math.ceil(quantity(text))


def format_quantity(amount: int) -> str:
    """Bytes in the largest whole binary unit: ``10Gi``, ``1536Mi``, ``1000``."""
    for unit, bytes_ in (("Ti", 1024**4), ("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024)):
        if amount and amount % bytes_ == 0:
            return f"{amount // bytes_}{unit}"
    return str(amount)
