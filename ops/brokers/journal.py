"""A file with what a move of replicas changes, so that it can be continued, cancelled and undone after a kill."""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from components.kafka.reassignment import Place
from ops.errors import RefusedError
from ops.files import replace_text
from ops.pulumi_cli import project_folder

FOLDER = ".brokers"
"""Folder of journals, in the project's folder."""


class Move(BaseModel):
    """The change of one partition.

    Args:
        topic: Its topic.
        partition: Its number.
        before: Broker ids of its replicas before the first step.
        after: Broker ids of its replicas when it has moved.
    """

    topic: str
    partition: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def place(self) -> Place:
        """Topic and number."""
        return self.topic, self.partition


class Throttle(BaseModel):
    """A throttle that was set for the moves, and nobody else's.

    Args:
        rate: Bytes per second and broker.
        brokers: Brokers that have the rate.
        leaders: Value of each topic's ``leader.replication.throttled.replicas``.
        followers: Value of each topic's ``follower.replication.throttled.replicas``.
    """

    rate: int
    brokers: list[int]
    leaders: dict[str, str]
    followers: dict[str, str]


class Journal(BaseModel):
    """The last change of replicas on a stack.

    Args:
        what: What was asked for: ``drain 3``.
        moves: Each partition that it changes.
        throttle: The throttle in force, if any.
        done: Whether all moves have ended.
        undoing: Whether an undo of it has begun.
    """

    what: str
    moves: list[Move] = Field(default_factory=list[Move])
    throttle: Throttle | None = None
    done: bool = False
    undoing: bool = False

    @property
    def running(self) -> str:
        """What is unfinished, as on the command line."""
        return "undo" if self.undoing else self.what


def path_of(stack: str) -> Path:
    """Path of a stack's journal."""
    return project_folder() / FOLDER / f"{stack}.json"


def save(journal: Journal, stack: str) -> None:
    """Write the journal and sync it to disk; call it before the steps that it lists.

    Raises:
        RefusedError: It cannot be written.
    """
    path = path_of(stack)
    try:
        path.parent.mkdir(exist_ok=True)
        replace_text(path, journal.model_dump_json(indent=1))
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}; without it, nothing can be undone") from error


def load(stack: str) -> Journal | None:
    """The journal of the last change, or None.

    Raises:
        RefusedError: It cannot be read.
    """
    path = path_of(stack)
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from error


def remove(stack: str) -> None:
    """Remove the journal: there is nothing to undo."""
    path_of(stack).unlink(missing_ok=True)
