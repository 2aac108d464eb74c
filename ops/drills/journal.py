"""What a drill has broken and made, in a file, so that another process can mend it if this one is killed."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ops.drills import faults
from ops.drills.scratch import remove_keys, remove_topic
from ops.errors import RefusedError
from ops.platform import Platform
from ops.pulumi_cli import project_folder

FOLDER = ".drills"
"""Folder of journals, in the project's folder."""


@dataclass
class Journal:
    """What is to be mended and removed.

    Args:
        stack: The stack.
        drill: The drill that runs.
        process: Id of its process.
        topic: Topic that it made; None before that.
        keys: Prefix of keys that it wrote to Redis; None before that.
        broken: Kind of fault and member, of each fault that was injected.
    """

    stack: str
    drill: str
    process: int = field(default_factory=os.getpid)
    topic: str | None = None
    keys: str | None = None
    broken: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def settled(self) -> bool:
        """Whether nothing is left to mend or to remove."""
        return not self.broken and self.topic is None and self.keys is None

    def write(self) -> None:
        """Write the file in one step, before what it tells of is done."""
        path = path_of(self.stack)
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".new")
        with unfinished.open("w") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)

    def remove(self) -> None:
        """Remove the file: nothing is left to mend."""
        path_of(self.stack).unlink(missing_ok=True)


def path_of(stack: str) -> Path:
    """The journal of a stack's drill."""
    return project_folder() / FOLDER / f"{stack}.json"


def read(stack: str) -> Journal | None:
    """The journal that a stack's drill has, or has left; None where there is none."""
    try:
        found: Mapping[str, Any] = json.loads(path_of(stack).read_text())
    except FileNotFoundError:
        return None
    return Journal(**{**found, "broken": [(kind, member) for kind, member in found["broken"]]})


def refuse_unfinished(stack: str) -> None:
    """Refuse to begin a drill while another runs or is not cleaned up.

    Raises:
        RefusedError: There is such a drill.
    """
    left = read(stack)
    if left is None:
        return
    if _lives(left.process):
        raise RefusedError(f"drill {left.drill} runs on stack {stack} (process {left.process}); one at a time")
    raise RefusedError(f"an earlier {left.drill} on stack {stack} was killed; run `ops -s {stack} drill heal` first")


def heal(platform: Platform) -> Sequence[str]:
    """Mend what a killed drill left, and remove what it made.

    Returns:
        What was done, in words; nothing where there was nothing to mend.

    Raises:
        RefusedError: The drill still runs.
        UnreachableError: The engine or the platform does not answer; the journal stays, so it can be tried again.
    """
    left = read(platform.stack)
    if left is None:
        return []
    if left.process != os.getpid() and _lives(left.process):
        raise RefusedError(f"drill {left.drill} still runs (process {left.process}); stop it, it heals what it broke")
    faults.remove_helpers(platform)
    done: list[str] = []
    for kind, member in left.broken:
        faults.make(kind, platform, member).heal()
        done.append(f"{member}: healed ({kind})")
    if left.topic is not None:
        remove_topic(platform, left.topic)
        done.append(f"topic {left.topic}: removed")
    if left.keys is not None:
        remove_keys(platform, left.keys)
        done.append(f"Redis keys {left.keys}*: removed")
    left.remove()
    return done


def _lives(process: int) -> bool:
    """Whether a process is there and is one of this command line, so not another that was given the same id."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return _answers(process) if not Path("/proc/self").exists() else False
    return b"ops" in command


def _answers(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
