"""What a killed update left in a stack's state, where that is kept in a folder: its lock and unfinished creations.

The engine writes each creation into the state before it starts it, and keeps those that it never saw end. So the state
names everything that may exist without being part of it.
"""

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import PreflightError

_PENDING = b'"pending_operations"'
_NAMES_COLLIDE = "docker:"
"""Start of the types whose objects an update cannot create again while they exist."""


@dataclass(frozen=True)
class StateFiles:
    """The files of one stack's state.

    Args:
        folder: The backend's folder ``.pulumi``.
        project: The project's name.
        stack: The stack's name.
    """

    folder: Path
    project: str
    stack: str

    @property
    def locks(self) -> Path:
        """The folder with a file for each lock."""
        return self.folder / "locks" / "organization" / self.project / self.stack

    def is_locked(self) -> bool:
        """Whether there is any lock, of a running update or of a killed one."""
        return any(self.locks.glob("*.json"))

    def is_torn(self) -> bool:
        """Whether the engine was killed while it wrote the state, which it then cannot read again."""
        return any((self.folder / "stacks" / self.project).glob(f"{self.stack}.json*.tmp"))

    def deployment(self) -> Mapping[str, Any]:
        """The state: ``resources`` and ``pending_operations``; empty if the stack has none."""
        text = self._text()
        return (json.loads(text)["checkpoint"].get("latest") or {}) if text else {}

    def unfinished(self) -> Sequence[Mapping[str, Any]]:
        """The resources that were being created when an update was killed."""
        return unfinished(self.deployment()) if _PENDING in self._text() else ()

    def _text(self) -> bytes:
        plain = self.folder / "stacks" / self.project / f"{self.stack}.json"
        packed = plain.with_name(f"{plain.name}.gz")
        if plain.exists():
            return plain.read_bytes()
        return gzip.decompress(packed.read_bytes()) if packed.exists() else b""


def backend_folder(project_folder: Path, project: Mapping[str, Any]) -> Path | None:
    """The folder ``.pulumi`` of a project's backend; None if the backend is not a folder.

    Args:
        project_folder: Where ``Pulumi.yaml`` is.
        project: The content of ``Pulumi.yaml``.
    """
    backend: Mapping[str, Any] = project.get("backend") or {}
    url: str = os.environ.get("PULUMI_BACKEND_URL") or backend.get("url") or ""
    if not url.startswith("file://"):
        return None
    return (project_folder / Path(url.removeprefix("file://")).expanduser()).resolve() / ".pulumi"


def unfinished(deployment: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The resources that were being created when an update was killed.

    Args:
        deployment: A stack's state.
    """
    pending: Sequence[Mapping[str, Any]] = deployment.get("pending_operations") or ()
    return [operation["resource"] for operation in pending if operation["type"] == "creating"]


def refuse_unfinished(resources: Sequence[Mapping[str, Any]], stack: str) -> None:
    """Refuse to go on while objects may exist whose names are needed again.

    Args:
        resources: The resources that were being created when an update was killed.
        stack: The stack's name.

    Raises:
        PreflightError: Names them, and the command that heals.
    """
    urns = sorted({item["urn"] for item in resources if item["type"].startswith(_NAMES_COLLIDE)})
    if urns:
        raise PreflightError(
            "an earlier update was killed while it created resources; nothing was changed",
            [
                f"they may exist without being in the state: {', '.join(urn.rpartition('::')[2] for urn in urns)}",
                f"run `python -m ops -s {stack} heal`, which shows and removes what is left of them; data is kept",
            ],
        )
