"""One run of the tests at a time on each engine or cluster."""

import fcntl
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 900.0
"""Seconds to wait for another run to end."""

_held: set[Path] = set()
"""Locks of this process."""


@contextmanager
def only_run(on: str, folder: Path | None = None, patience: float = PATIENCE) -> Generator[None]:
    """Be the only run for the block: a run removes the leftovers of all earlier ones, so it would break one that runs.

    The lock goes with its process, so a killed run holds none.

    Args:
        on: What runs share: ``docker`` or ``cluster``.
        folder: Where the lock is; the machine's temporary folder by default.
        patience: Seconds to wait.
    """
    path = (folder or Path(tempfile.gettempdir())) / f"millrace-tests-{on}.lock"
    if path in _held:  # fixtures of two folders ask in one run
        yield
        return
    end = time.monotonic() + patience
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    pytest.exit(f"other tests still run on the same {on}; they hold {path}", returncode=1)
                time.sleep(0.1)
        _held.add(path)
        try:
            yield
        finally:
            _held.remove(path)
