"""Control plane processes, identified by command line: a pid from a file may belong to a different process."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from offline.cluster.layout import STATE
from offline.steps import SetupError

_PROGRAMS = ("etcd", "kube", "coredns")
_END_SECONDS = 10


def log_of(name: str) -> Path:
    """The log file of a process."""
    return STATE / "logs" / f"{name}.log"


def start(name: str, command: Sequence[str]) -> None:
    """Start a process that outlives this one."""
    log_of(name).parent.mkdir(parents=True, exist_ok=True)
    with log_of(name).open("ab") as output:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )


def running(command: Sequence[str]) -> bool:
    """Whether a process with exactly this command line runs."""
    return any(words == list(command) for _, words in _command_lines())


def is_ours(words: Sequence[str]) -> bool:
    """Whether a command line is that of a control plane process on this state folder."""
    return bool(words) and Path(words[0]).name in _PROGRAMS and any(f"{STATE}/" in word for word in words[1:])


def pid_of(component: str) -> int | None:
    """The pid of a component, such as ``kube-apiserver``; None if it does not run."""
    return next((pid for pid, words in _command_lines() if is_ours(words) and component in words[:2]), None)


def stop_all() -> None:
    """Kill all control plane processes; their data is discarded anyway.

    Raises:
        SetupError: A process does not exit.
    """
    end = time.monotonic() + _END_SECONDS
    while ours := [pid for pid, words in _command_lines() if is_ours(words)]:
        if time.monotonic() > end:
            raise SetupError(f"processes of the test cluster do not exit: {ours}; see `ps`")
        for pid in ours:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    """The pid and command line of every process; zombies have an empty one."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                text = (folder / "cmdline").read_bytes().decode(errors="replace")
                yield int(folder.name), text.split("\0")[:-1]
