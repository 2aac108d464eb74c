"""The locks of a stack whose state is in a folder."""

import getpass
import json
import os
import socket
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.stack_file.interrupted import StateFiles
from ops.errors import RefusedError

_CLOCK_SECONDS = 5.0
"""How much later than its lock a holder may seem to have started: the kernel counts starts from the boot time."""


@dataclass(frozen=True)
class Lock:
    """One lock.

    Args:
        file: Its file.
        pid: Process id of its holder.
        holder: Who holds it, for messages.
        host: The holder's machine.
        time: When it was taken, in seconds since 1970; None if that cannot be read.
    """

    file: Path
    pid: int
    holder: str
    host: str
    time: float | None

    @property
    def is_held(self) -> bool:
        """Whether its holder may still run; on another machine that is not known."""
        if self.host != socket.gethostname():
            return True
        import psutil

        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return self.time is None or process.create_time() <= self.time + _CLOCK_SECONDS
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:  # another user's process
            return True

    def release(self) -> None:
        """Remove it; one that is gone is no error. The engine keeps its attributes in a second file."""
        self.file.unlink(missing_ok=True)
        self.file.with_name(f"{self.file.name}.attrs").unlink(missing_ok=True)


def locks_of(files: StateFiles) -> list[Lock]:
    """The locks on a stack, the oldest name first."""
    found: list[Lock] = []
    for file in sorted(files.locks.glob("*.json")):
        try:
            content: dict[str, Any] = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):  # released meanwhile, or being written
            continue
        pid, host, taken = int(content.get("pid", -1)), str(content.get("hostname")), str(content.get("timestamp"))
        holder = f"{content.get('username')}@{host}, pid {pid}, {taken}"
        found.append(Lock(file, pid, holder, host, _seconds(taken)))
    return found


def _seconds(timestamp: str) -> float | None:
    """A timestamp as Go writes it, with up to nine digits of a second."""
    whole, dot, rest = timestamp.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        timestamp = f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return None


@contextmanager
def locked(files: StateFiles, stack: str) -> Generator[list[Lock]]:
    """Hold the stack's lock, so that no update starts meanwhile.

    Yields:
        Locks whose holders no longer run. They stay: the caller removes them.

    Raises:
        RefusedError: An update runs, or another machine holds a lock.
    """
    own = files.locks / f"{uuid.uuid4()}.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": os.getpid(),
        "username": getpass.getuser(),
        "hostname": socket.gethostname(),
        "timestamp": datetime.now(UTC).isoformat(),
    }
    own.write_text(json.dumps(content))
    try:
        others = [lock for lock in locks_of(files) if lock.file != own]
        if held := [lock for lock in others if lock.is_held]:
            raise RefusedError(
                f"stack {stack} is locked; nothing was changed",
                [
                    *(lock.holder for lock in held),
                    f"wait until that ends; if it ran on another machine and was killed: pulumi cancel -s {stack}",
                ],
            )
        yield others
    finally:
        own.unlink(missing_ok=True)
