"""What all dynamic providers share: plain messages, progress lines, and guards against unknown values.

Module paths and class names of providers are stored in every stack's state: moving or renaming one breaks
``destroy`` until the next ``up``.
"""

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from pulumi.dynamic import CheckFailure

from components.errors import PlatformError
from components.routes import host_and_port

Props = dict[str, Any]

_FRAMES = 100
"""Frames of an unexpected error that are shown at most; without a number, none are once tracebacks are off."""

_Method = TypeVar("_Method", bound=Callable[..., Any])


def plain_errors(method: _Method) -> _Method:
    """Show a :class:`PlatformError` to the user as its text alone; any other error keeps its traceback.

    The SDK formats the traceback of any error that a provider raises, so it is turned off, for good: four threads of
    one process serve an update, and none may turn it on again for the others. Unexpected errors hold theirs as text.
    """

    @wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except PlatformError as error:
            text = str(error)
        except Exception:  # noqa: BLE001  raised again with its traceback
            text = f"this is a mistake in the program:\n{traceback.format_exc(limit=_FRAMES)}"
        sys.tracebacklimit = 0
        raise _PlainError(text)

    return cast(_Method, wrapper)


class _PlainError(Exception):
    pass


# A traceback's last line starts with the qualified name of the error's class: say "error", not a module path.
_PlainError.__module__ = "builtins"
_PlainError.__qualname__ = "Error"


_PARENT = os.getppid()
_HOST = "pulumi.dynamic"
"""The module that the engine runs to host dynamic providers: ``python -m pulumi.dynamic ENGINE_ADDRESS``."""

WATCH_SECONDS = 0.3
"""Seconds between two looks for the engine."""


def engine_is_gone() -> bool:
    """Whether the engine that started this process is gone, so that results would be lost.

    The official plugin is a shell script that stays between the two, so the parent alone says too little: the engine
    is also gone when nothing listens at the address that it gave.
    """
    if os.getppid() != _PARENT:
        return True
    address = _engine_address()
    if address is None:
        return False
    try:
        socket.create_connection(host_and_port(address), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:  # unknown; the next look says more
        return False
    return False


def _engine_address() -> str | None:
    """The engine's address if this process hosts dynamic providers."""
    host = getattr(sys.modules["__main__"], "__spec__", None)
    return sys.argv[-1] if host is not None and host.name.startswith(_HOST) and len(sys.argv) > 1 else None


def _end_with_engine() -> None:
    """End this process when the engine is gone: a killed engine ends none of its plugins.

    Whatever a provider does may be interrupted anywhere, as by a crash of the machine; what must not happen is that it
    goes on while the next ``up`` runs.
    """
    while not engine_is_gone():
        time.sleep(WATCH_SECONDS)
    os._exit(1)


if _engine_address() is not None:
    threading.Thread(target=_end_with_engine, daemon=True, name="engine").start()


def progress(line: str) -> None:
    """Print a line; the engine shows a provider's standard error below the update."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  the only channel that a dynamic provider has


def in_order(members: Mapping[str, str]) -> dict[str, str]:
    """Members sorted by name; the engine does not keep the order of keys."""
    return dict(sorted(members.items()))


def failures(problems: Sequence[str]) -> list[CheckFailure]:
    """One check failure per problem. None names a property, since the engine would print its whole value first."""
    return [CheckFailure("", problem) for problem in problems]


def is_known(value: object) -> bool:
    """Whether a value contains no unknowns, which a preview passes for outputs that do not exist yet."""
    if isinstance(value, Mapping):
        return all(map(is_known, cast("Mapping[str, object]", value).values()))
    if isinstance(value, list):
        return all(map(is_known, cast("list[object]", value)))
    return value is None or isinstance(value, str | int | float | bool)
