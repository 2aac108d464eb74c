"""What a person sees: colour, tables and progress bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

out = Console()
"""Standard output: results, and nothing but results."""

err = Console(stderr=True)
"""Standard error: progress, warnings and errors."""

PLAIN_SECONDS = 10.0
"""Seconds between two lines of progress where there is no terminal."""

Advance = Callable[[float], None]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table; tab-separated values without a terminal, so that `cut` and `awk` can read them.

    Args:
        headings: Column headings.
        rows: Cells; markup of rich is not interpreted outside a terminal.
        numbers: Headings of the columns that are aligned to the right.
    """
    if not out.is_terminal:
        for row in [list(headings), *rows]:
            out.file.write("\t".join(row) + "\n")
        return
    view = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        view.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        view.add_row(*row)
    out.print(view)


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
