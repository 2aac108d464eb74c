"""Output: colour, tables and progress bars on a terminal, plain lines elsewhere."""

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

from ops.errors import ExitCode


def reader_left() -> NoReturn:
    """End quietly: the reader of standard output, such as `head`, has closed it."""
    # Python flushes standard output again at exit and would report the same broken pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(ExitCode.OK)


class _Results(Console):
    def on_broken_pipe(self) -> None:
        reader_left()


out = _Results()
"""Standard output: results only."""

err = Console(stderr=True)
"""Standard error: progress, warnings and errors."""

PLAIN_SECONDS = 10.0
"""Seconds between two lines of progress without a terminal."""

Advance = Callable[[float], None]

Cell = str | Text
"""A table cell: plain text, or text with a style for terminals."""


def line(text: str) -> None:
    """Print a line of results without style or wrapping."""
    try:
        out.file.write(f"{text}\n")
    except BrokenPipeError:
        reader_left()


def raw(data: bytes) -> None:
    """Print bytes of results and flush: a followed log may pause for long."""
    try:
        out.file.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        reader_left()


def flush() -> None:
    """Flush standard output while a broken pipe can still be handled."""
    try:
        out.file.flush()
    except BrokenPipeError:
        reader_left()


def json_document(value: Any) -> None:
    """Print results as one JSON document."""
    line(json.dumps(value, indent=2, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table; tab-separated without a terminal, for `cut` and `awk`.

    Args:
        headings: Column headings.
        rows: Cells; rich markup in them is not interpreted.
        numbers: Headings of right-aligned columns.
    """
    if not out.is_terminal:
        for row in [list(headings), *rows]:
            line("\t".join(map(_plain, row)))
        return
    out.print(view(headings, rows, numbers=numbers))


def view(headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Sequence[str] = ()) -> Table:
    """The same table as a rich object, which a live display can redraw."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        shown.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        cells: list[RenderableType] = [Text(cell) if isinstance(cell, str) else cell for cell in row]
        shown.add_row(*cells)
    return shown


def _plain(cell: Cell) -> str:
    """A cell as one tab-separated field."""
    text = cell if isinstance(cell, str) else cell.plain
    return text.replace("\t", " ").replace("\n", "; ")


def size(amount: int | None) -> str:
    """Bytes as text: ``1.5GiB``; ``?`` for None (unknown)."""
    if amount is None:
        return "?"
    value, unit = float(amount), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{amount}B" if unit == "B" else f"{value:.1f}{unit}"


def number(amount: int | None) -> str:
    """A number as text; ``?`` for None (unknown)."""
    return "?" if amount is None else str(amount)


@contextmanager
def progress(title: str, total: float | None = None) -> Generator[Advance]:
    """Progress on standard error: a bar on a terminal, a line every :data:`PLAIN_SECONDS` elsewhere.

    Args:
        title: What is being done.
        total: The amount of work, or None if unknown.

    Yields:
        A function to call with the amount of work just done.
    """
    if not err.is_terminal:
        yield from _plain_progress(title, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda amount: bar.advance(task, amount)


def _plain_progress(title: str, total: float | None) -> Generator[Advance]:
    done, printed = 0.0, time.monotonic()

    def advance(amount: float) -> None:
        nonlocal done, printed
        done += amount
        if time.monotonic() - printed >= PLAIN_SECONDS:
            printed = time.monotonic()
            err.file.write(f"{title}: {100 * done / total:.0f}%\n" if total else f"{title}: {done:.0f}\n")

    yield advance


def say(text: str) -> None:
    """Print a message for the user on standard error."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)
