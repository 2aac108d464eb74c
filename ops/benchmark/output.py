"""Parses the output of Kafka's performance tools. No figure is derived from others: what a tool does not print is None.

The formats are those of ``ProducerPerformance``, ``ConsumerPerformance`` and ``EndToEndLatency`` in
``org.apache.kafka.tools`` of 3.9 and 4.x. Releases differ in the number of decimals, and from 4.1 on a second total
for the "steady state" may follow the first.
"""

import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ops.errors import OpsError

LAST_LINES = 12
"""Last lines of a tool's output that an error shows."""

_NUMBER = r"(NaN|[\d.]+(?:E[+-]?\d+)?)"
_SENT = re.compile(
    rf"(\d+) records sent, {_NUMBER} records/sec \({_NUMBER} MB/sec\), "
    rf"{_NUMBER} ms avg latency, {_NUMBER} ms max latency"
)
_PERCENTILES = re.compile(r", (\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th\.?$")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00) (.*)", re.DOTALL)
_FAILURE = re.compile(r"(?:[\w$]+\.)+(\w+(?:Exception|Error))(?:: (.*))?$")
_AVERAGE = re.compile(rf"Avg latency: {_NUMBER} ms")
_END_TO_END = re.compile(r"Percentiles: 50th = (\d+), 99th = (\d+), 99\.9th = (\d+)")


class ToolError(OpsError):
    """A tool failed."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a tool's output, and when it was printed.

    Args:
        time: Seconds since 1970, by the clock of the machine that runs the tool.
        text: The line.
    """

    time: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """A periodic line of a producer: the records that were acknowledged since the previous line.

    Args:
        time: When it was printed, in seconds since 1970.
        records: Acknowledged records.
        rate: Records per second.
        megabytes: MiB per second, which the tool calls MB.
        average_ms: Average latency in milliseconds.
        max_ms: Maximum latency in milliseconds.
    """

    time: float
    records: int
    rate: float
    megabytes: float
    average_ms: float
    max_ms: float


@dataclass(frozen=True, kw_only=True)
class Total(Window):
    """The last line of a producer: the whole run, from the first record to the last acknowledgement.

    Args:
        p50_ms: Median latency in milliseconds.
        p95_ms: 95th percentile.
        p99_ms: 99th percentile.
        p999_ms: 99.9th percentile.
    """

    p50_ms: int
    p95_ms: int
    p99_ms: int
    p999_ms: int


@dataclass(frozen=True, kw_only=True)
class Consumed:
    """The consumer's line.

    Args:
        records: Number of records read.
        rate: Records per second, including the time to join the consumer group.
        megabytes: MiB per second, likewise.
        rebalance_ms: Milliseconds to join the consumer group.
        fetch_ms: Milliseconds of fetching.
        fetch_rate: Records per second while fetching.
    """

    records: int
    rate: float
    megabytes: float
    rebalance_ms: int
    fetch_ms: int
    fetch_rate: float


@dataclass(frozen=True, kw_only=True)
class EndToEnd:
    """Time from sending a record until it is consumed. The tool prints no 95th percentile.

    Args:
        average_ms: Average in milliseconds.
        p50_ms: Median in milliseconds.
        p99_ms: 99th percentile.
        p999_ms: 99.9th percentile.
    """

    average_ms: float
    p50_ms: int
    p99_ms: int
    p999_ms: int


@dataclass
class Transcript:
    """The parsed output of a tool. Keeps only counts and the last lines: a failing tool prints a trace for each record.

    Args:
        name: The tool's name.
        windows: Periodic lines of a producer.
        total: Last line of a producer, once it is printed.
        failures: Number of printed errors by reason.
        last: The last lines.
    """

    name: str
    windows: list[Window] = field(default_factory=list[Window])
    total: Total | None = None
    failures: Counter[str] = field(default_factory=Counter[str])
    last: deque[str] = field(default_factory=lambda: deque[str](maxlen=LAST_LINES))

    def feed(self, line: Line) -> None:
        """Parse a line."""
        self.last.append(line.text)
        if (window := producer_line(line)) is None:
            if failure := _FAILURE.match(line.text):
                self.failures[f"{failure[1]}: {failure[2]}" if failure[2] else failure[1]] += 1
        elif not isinstance(window, Total):
            self.windows.append(window)
        elif self.total is None:  # a second one excludes the first records
            self.total = window

    @property
    def failed(self) -> int:
        """Number of printed errors."""
        return self.failures.total()

    def error(self, headline: str) -> ToolError:
        """An error with the tool's most frequent errors and its last lines."""
        why = [f"{reason} ({times} times)" if times > 1 else reason for reason, times in self.failures.most_common(3)]
        return ToolError(headline, [*why, "\n".join(["its last lines:", *self.last])])


def stamped(text: str) -> Line:
    """Parse a line that Docker or Kubernetes prefixes with a timestamp.

    Raises:
        ValueError: There is no timestamp.
    """
    match = _STAMP.match(text)
    if match is None:
        raise ValueError(f"a line without a timestamp: {text[:80]}")
    whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp()
    return Line(time=whole + float(match[2] or 0), text=match[3].rstrip())


def producer_line(line: Line) -> Window | None:
    """Parse a line of a producer's figures; None for any other line."""
    match = _SENT.match(line.text)
    if match is None:
        return None
    names = ("rate", "megabytes", "average_ms", "max_ms")
    figures: dict[str, Any] = dict(zip(names, map(float, match.groups()[1:]), strict=True))
    figures |= {"time": line.time, "records": int(match[1])}
    percentiles = _PERCENTILES.search(line.text)
    if percentiles is None:
        return Window(**figures)
    p50, p95, p99, p999 = map(int, percentiles.groups())
    return Total(**figures, p50_ms=p50, p95_ms=p95, p99_ms=p99, p999_ms=p999)


def consumer_result(lines: Sequence[str]) -> Consumed | None:
    """Find the consumer's figures; None if there are none.

    Columns are found by the heading, which the tool prints first: releases append columns.
    """
    columns: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")]
        if cells[0] == "start.time":
            columns = cells
        elif columns and len(cells) == len(columns):
            found = dict(zip(columns, cells, strict=True))
            return Consumed(
                records=int(found["data.consumed.in.nMsg"]),
                rate=float(found["nMsg.sec"]),
                megabytes=float(found["MB.sec"]),
                rebalance_ms=int(found["rebalance.time.ms"]),
                fetch_ms=int(found["fetch.time.ms"]),
                fetch_rate=float(found["fetch.nMsg.sec"]),
            )
    return None


def end_to_end_result(lines: Sequence[str]) -> EndToEnd | None:
    """Find the two last lines of the end-to-end tool; None if they are missing."""
    text = "\n".join(lines)
    average, percentiles = _AVERAGE.search(text), _END_TO_END.search(text)
    if average is None or percentiles is None:
        return None
    p50, p99, p999 = map(int, percentiles.groups())
    return EndToEnd(average_ms=float(average[1]), p50_ms=p50, p99_ms=p99, p999_ms=p999)
