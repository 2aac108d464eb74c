"""What a restore has done so far, on disk before it is done: so that it can be taken back whatever happens."""

import os
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from ops.backup.model import Acl
from ops.errors import RefusedError


class Filled(BaseModel):
    """A topic that was there before and was empty.

    Args:
        partitions: How many it has.
        replication: Its replication factor.
        config: Its own configuration before the restore.
    """

    partitions: int
    replication: int
    config: dict[str, str]


class Journal(BaseModel):
    """What has to be taken back.

    Args:
        archive: The archive, as an absolute path.
        made: When its backup began, by which an archive is known again.
        created: Topics that were made.
        filled: Topics that were there, and were empty.
        groups: Groups that were given offsets.
        acls: Access rules that were made.
        redis_parts: How many of the archive's parts with keys were written.
    """

    archive: str
    made: str
    created: list[str] = Field(default_factory=list)
    filled: dict[str, Filled] = Field(default_factory=dict)
    groups: list[str] = Field(default_factory=list)
    acls: list[Acl] = Field(default_factory=list)
    redis_parts: int = 0


def path_of(archive: Path, stack: str) -> Path:
    """Where the journal of a restore is: beside the archive."""
    return archive.with_name(f"{archive.name}.restoring-{stack}")


def save(journal: Journal, path: Path) -> None:
    """Write the journal; it is on the disk afterwards.

    Raises:
        RefusedError: It cannot be written.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(journal.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError as error:
        raise RefusedError(
            f"{path} cannot be written: {error.strerror}",
            ["a restore keeps a journal there, by which it can be taken back: give another place with --journal"],
        ) from error


def load(path: Path) -> Journal:
    """Read the journal of an earlier restore.

    Raises:
        RefusedError: There is none, or it cannot be understood.
    """
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RefusedError(f"there is nothing to take back: no restore left {path}") from None
    except (OSError, ValidationError) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from error
