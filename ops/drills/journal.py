"""A file with what a drill has broken and created, so that another process can heal it if this one is killed."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ops.drills import faults
from ops.drills.scratch import delete_keys, delete_topic
from ops.errors import RefusedError
from ops.files import replace_text
from ops.platform import Platform
from ops.pulumi_cli import project_folder

FOLDER = ".drills"
"""Folder of journals, in the project's folder."""


@dataclass
class Journal:
    """What has to be healed and deleted.

    Args:
        stack: The stack.
        drill: Name of the running drill.
        process: Its process id.
        topic: Topic that it creates, or None.
        keys: Prefix of the Redis keys that it writes, or None.
        broken: Kind and member of each fault that it injects.
    """

    stack: str
    drill: str
    process: int = field(default_factory=os.getpid)
    topic: str | None = None
    keys: str | None = None
    broken: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def empty(self) -> bool:
        """Whether nothing has to be healed or deleted."""
        return not self.broken and self.topic is None and self.keys is None

    def write(self) -> None:
        """Write the file atomically; call it before the actions that it lists."""
        path = path_of(self.stack)
        path.parent.mkdir(exist_ok=True)
        replace_text(path, json.dumps(asdict(self), indent=1))

    def remove(self) -> None:
        """Remove the file: nothing is left to heal."""
        path_of(self.stack).unlink(missing_ok=True)


def path_of(stack: str) -> Path:
    """Path of the journal of a stack's drill."""
    return project_folder() / FOLDER / f"{stack}.json"


def read(stack: str) -> Journal | None:
    """The journal of a stack's running or killed drill, or None."""
    try:
        found: dict[str, Any] = json.loads(path_of(stack).read_text())
    except FileNotFoundError:
        return None
    found["broken"] = [(kind, member) for kind, member in found["broken"]]
    return Journal(**found)


def refuse_unfinished(stack: str) -> None:
    """Refuse to start while a drill runs or an earlier one is not cleaned up.

    Raises:
        RefusedError: There is such a drill.
    """
    journal = read(stack)
    if journal is None:
        return
    if _is_running(journal.process):
        raise RefusedError(f"drill {journal.drill} runs on stack {stack} (process {journal.process}); one at a time")
    raise RefusedError(f"an earlier {journal.drill} on stack {stack} was killed; run `ops -s {stack} drill heal` first")


def heal(platform: Platform) -> Sequence[str]:
    """Heal the faults of a killed drill, and delete what it created.

    Returns:
        What was done, one line each; empty if there was nothing to do.

    Raises:
        RefusedError: The drill still runs.
        UnreachableError: The engine or the platform does not answer; the journal stays, so a retry is possible.
    """
    journal = read(platform.stack)
    if journal is None:
        return []
    if journal.process != os.getpid() and _is_running(journal.process):
        raise RefusedError(
            f"drill {journal.drill} still runs (process {journal.process}); stop it, and it heals its own fault"
        )
    faults.remove_helpers(platform)
    done: list[str] = []
    for kind, member in journal.broken:
        faults.make(kind, platform, member).heal()
        done.append(f"{member}: healed ({kind})")
    if journal.topic is not None:
        delete_topic(platform, journal.topic)
        done.append(f"topic {journal.topic}: deleted")
    if journal.keys is not None:
        delete_keys(platform, journal.keys)
        done.append(f"Redis keys {journal.keys}*: deleted")
    journal.remove()
    return done


def _is_running(process: int) -> bool:
    """Whether a process exists and is this command line: its id may have been reused."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists() and _exists(process)
    return b"ops" in command


def _exists(process: int) -> bool:
    """Whether a process exists, for systems without /proc."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
