"""Files of a state that a kill left half-written.

Source: the file driver of gocloud.dev, which the engine's file backend uses. It writes a file's content beside it under
a name that ends in `.tmp`, then truncates and writes its attributes in place, then renames. With empty attributes the
engine cannot read the file: `failed to load checkpoint: EOF`; without any it can.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from components.stack_file.interrupted import StateFiles

_ATTRIBUTES = ".attrs"


def torn(files: StateFiles) -> list[Path]:
    """Files to remove: unreadable attributes, and content that was never renamed."""
    return [path for path in _candidates(files) if path.suffix == ".tmp" or not _is_readable(path)]


def _candidates(files: StateFiles) -> Iterator[Path]:
    state = files.folder / "stacks" / files.project
    history = files.folder / "history" / files.project / files.stack
    for folder, name in ((state, f"{files.stack}.json"), (files.locks, ""), (history, "")):
        yield from sorted(folder.glob(f"{name}*{_ATTRIBUTES}"))
        yield from sorted(folder.glob(f"{name}*.tmp"))


def _is_readable(attributes: Path) -> bool:
    try:
        json.loads(attributes.read_text())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True
