"""What all dynamic providers share: plain messages, progress lines, and guards against unknown values.

Module paths and class names of providers are stored in every stack's state: moving or renaming one breaks
``destroy`` until the next ``up``.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from pulumi.dynamic import CheckFailure

from components.errors import PlatformError

Props = dict[str, Any]
_Method = TypeVar("_Method", bound=Callable[..., Any])


def plain_errors(method: _Method) -> _Method:
    """Show a :class:`PlatformError` to the user as its text alone; any other error keeps its traceback."""

    @wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if hasattr(sys, "tracebacklimit"):  # set below by an earlier call; one process serves a whole update
            del sys.tracebacklimit
        try:
            return method(*args, **kwargs)
        except PlatformError as error:
            sys.tracebacklimit = 0  # the SDK formats the traceback of any error that a provider raises
            raise _PlainError(str(error)) from None

    return cast(_Method, wrapper)


class _PlainError(Exception):
    pass


# A traceback's last line starts with the qualified name of the error's class: say "error", not a module path.
_PlainError.__module__ = "builtins"
_PlainError.__qualname__ = "Error"


_PARENT = os.getppid()


def engine_is_gone() -> bool:
    """Whether the engine that started this process is gone, so that results would be lost."""
    return os.getppid() != _PARENT


def progress(line: str) -> None:
    """Print a line; the engine shows a provider's standard error below the update."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  the only channel that a dynamic provider has


def in_order(members: Mapping[str, str]) -> dict[str, str]:
    """Members sorted by name; the engine does not keep the order of keys."""
    return dict(sorted(members.items()))


def failures(property_name: str, problems: Sequence[str]) -> list[CheckFailure]:
    """One check failure per problem, all on the same property."""
    return [CheckFailure(property_name, problem) for problem in problems]


def is_known(value: object) -> bool:
    """Whether a value contains no unknowns, which a preview passes for outputs that do not exist yet."""
    if isinstance(value, Mapping):
        return all(map(is_known, cast("Mapping[str, object]", value).values()))
    if isinstance(value, list):
        return all(map(is_known, cast("list[object]", value)))
    return value is None or isinstance(value, str | int | float | bool)
