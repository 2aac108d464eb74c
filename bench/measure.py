"""Timings that are taken in turn, so that a change of the machine's speed affects all of them."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Figure:
    """Seconds of several runs of one thing.

    Args:
        name: What was timed.
        seconds: One entry per run.
    """

    name: str
    seconds: list[float] = field(default_factory=list[float])

    @property
    def median(self) -> float:
        """The middle run, in seconds."""
        return statistics.median(self.seconds)

    def row(self) -> str:
        """A line of a Markdown table."""
        return f"| {self.name} | {self.median:.2f} | {min(self.seconds):.2f} | {max(self.seconds):.2f} |"


@contextmanager
def timed(figure: Figure) -> Iterator[None]:
    """Add a run's seconds to a figure."""
    start = time.monotonic()
    yield
    figure.seconds.append(time.monotonic() - start)


@dataclass
class Comparison:
    """Two or more figures and their ratios.

    Args:
        title: What is compared.
        how: How it was done, in a sentence or two.
        figures: What was timed.
        ratios: Names and values.
        bounds: The targets, as text.
    """

    title: str
    how: str
    figures: list[Figure]
    ratios: list[tuple[str, float]]
    bounds: str

    def markdown(self, taken: str) -> str:
        """A section of the results page, with the date and the machine."""
        lines = [f"## {self.title}", "", f"{self.how} Taken on {taken}.", ""]
        lines += ["| | median s | min s | max s |", "| --- | --- | --- | --- |"]
        lines += [figure.row() for figure in self.figures]
        lines += ["", *[f"* {name}: **{ratio:.2f}**" for name, ratio in self.ratios], f"* {self.bounds}", ""]
        return "\n".join(lines)


def in_turn(runs: int, *steps: Callable[[], None]) -> None:
    """Run the steps one after the other, ``runs`` times."""
    for _ in range(runs):
        for step in steps:
            step()
