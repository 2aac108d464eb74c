"""The journal of a restore: each step is on disk before it happens, so that it can always be rolled back."""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from ops.backup.archive.model import Acl
from ops.errors import RefusedError
from ops.files import replace_text


class Filled(BaseModel):
    """An empty topic that existed before the restore.

    Args:
        partitions: Its number of partitions.
        replication: Its replication factor.
        config: Its own configuration before the restore.
    """

    partitions: int
    replication: int
    config: dict[str, str]


class Journal(BaseModel):
    """What a rollback must undo.

    Args:
        archive: The archive, as an absolute path.
        made: The start of its backup, which identifies the archive.
        created: Created topics.
        filled: Topics that existed and were empty.
        groups: Groups whose offsets were committed.
        acls: Created ACLs.
        redis_parts: Number of the archive's parts with keys that were written.
    """

    archive: str
    made: str
    created: list[str] = Field(default_factory=list)
    filled: dict[str, Filled] = Field(default_factory=dict)
    groups: list[str] = Field(default_factory=list)
    acls: list[Acl] = Field(default_factory=list[Acl])
    redis_parts: int = 0


def path_of(archive: Path, stack: str) -> Path:
    """The default path of a restore's journal: next to the archive."""
    return archive.with_name(f"{archive.name}.restoring-{stack}")


def save(journal: Journal, path: Path) -> None:
    """Write the journal and sync it to disk.

    Raises:
        RefusedError: It cannot be written.
    """
    try:
        replace_text(path, journal.model_dump_json(indent=1), mode=0o600)
    except OSError as error:
        raise RefusedError(
            f"{path} cannot be written: {error.strerror}",
            ["a restore keeps its journal there for a rollback: choose a different path with --journal"],
        ) from error


def load(path: Path) -> Journal:
    """Read the journal of an earlier restore.

    Raises:
        RefusedError: There is none, or it cannot be read.
    """
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RefusedError(f"there is nothing to undo: {path} does not exist") from None
    except (OSError, ValidationError) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from error
