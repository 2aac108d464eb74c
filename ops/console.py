"""What a person sees: colour, tables and progress bars on a terminal, plain lines elsewhere."""

import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ops import exits


def reader_left() -> NoReturn:
    """End quietly: whoever read standard output, such as `head`, has what it wanted."""
    # Python flushes standard output once more at the end, and would complain of the same broken pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(exits.OK)


class _Results(Console):
    def on_broken_pipe(self) -> None:
        reader_left()


out = _Results()
"""Standard output: results, and nothing but results."""

err = Console(stderr=True)
"""Standard error: progress, warnings and errors."""

PLAIN_SECONDS = 10.0
"""Seconds between two lines of progress where there is no terminal."""

Advance = Callable[[float], None]

Cell = str | Text
"""A cell of a table: text as it is, or with a style that only terminals show."""


def line(text: str) -> None:
    """A line of results, as it is: no style, and never wrapped."""
    try:
        out.file.write(f"{text}\n")
    except BrokenPipeError:
        reader_left()


def raw(data: bytes) -> None:
    """Bytes of results, passed on at once: they may be followed by none for long."""
    try:
        out.file.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        reader_left()


def flush() -> None:
    """Pass on what was written, while there is still someone to handle that the reader left."""
    try:
        out.file.flush()
    except BrokenPipeError:
        reader_left()


def json_document(value: Any) -> None:
    """Results as one JSON document for programs."""
    line(json.dumps(value, indent=2, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table; tab-separated values without a terminal, so that `cut` and `awk` can read them.

    Args:
        headings: Column headings.
        rows: Cells; their text is shown as it is, markup of rich is not interpreted.
        numbers: Headings of the columns that are aligned to the right.
    """
    if not out.is_terminal:
        for row in [list(headings), *rows]:
            line("\t".join(map(_plain, row)))
        return
    out.print(view(headings, rows, numbers=numbers))


def view(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Sequence[str] = ()) -> Table:
    """The same table for a terminal, as something that rich can show anew again and again."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        cells: list[RenderableType] = [Text(cell) if isinstance(cell, str) else cell for cell in row]
        made.add_row(*cells)
    return made


def _plain(cell: Cell) -> str:
    """A cell in one field of one line."""
    text = cell if isinstance(cell, str) else cell.plain
    return text.replace("\t", " ").replace("\n", "; ")


def size(amount: int | None) -> str:
    """Bytes for a person: ``1.5GiB``; ``?`` for None, which is not known."""
    if amount is None:
        return "?"
    value, unit = float(amount), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{amount}B" if unit == "B" else f"{value:.1f}{unit}"


def number(amount: int | None) -> str:
    """A number for a person; ``?`` for None, which is not known."""
    return "?" if amount is None else str(amount)


@contextmanager
def progress(title: str, total: float | None = None) -> Generator[Advance]:
    """Progress on standard error: a bar on a terminal, a line now and then elsewhere.

    Args:
        title: What is done.
        total: How much there is to do, or None where that is not known.

    Yields:
        A function that is called with how much more was done.
    """
    if not err.is_terminal:
        yield from _plain_progress(title, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda amount: bar.advance(task, amount)


def _plain_progress(title: str, total: float | None) -> Generator[Advance]:
    done, said = 0.0, time.monotonic()

    def advance(amount: float) -> None:
        nonlocal done, said
        done += amount
        if time.monotonic() - said >= PLAIN_SECONDS:
            said = time.monotonic()
            err.file.write(f"{title}: {100 * done / total:.0f}%\n" if total else f"{title}: {done:.0f}\n")

    yield advance


def say(text: str) -> None:
    """A line for the person, not for a script: on standard error."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)
