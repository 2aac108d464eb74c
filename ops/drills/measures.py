"""Figures from what was seen: gaps, latencies, rates, recoveries. Pure; all times are seconds of one clock."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """A time without a single acknowledgement.

    Args:
        start: When the last one before it came.
        end: When the first one after it came.
    """

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


def longest_gap(times: Iterable[float], start: float, end: float) -> Gap:
    """The longest time between two events that follow each other.

    Args:
        times: When events happened, in any order.
        start: When they were to begin; the time until the first one counts.
        end: When they were to end; the time since the last one counts.
    """
    inside = sorted(time for time in times if start <= time <= end)
    edges = [start, *inside, end]
    return max((Gap(*pair) for pair in itertools.pairwise(edges)), key=lambda gap: gap.seconds)


def gaps(events: Iterable[tuple[int, float]], start: float, end: float) -> dict[int, Gap]:
    """The longest gap of each group of events: of each partition.

    Args:
        events: Group and time of each event.
        start: When they were to begin.
        end: When they were to end.
    """
    by_group: dict[int, list[float]] = {}
    for group, time in events:
        by_group.setdefault(group, []).append(time)
    return {group: longest_gap(times, start, end) for group, times in sorted(by_group.items())}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that this share of all values does not exceed (nearest rank); None of nothing.

    Args:
        values: Values in ascending order.
        share: From 0 to 1.
    """
    return values[max(math.ceil(share * len(values)) - 1, 0)] if values else None


def latency_summary(latencies: Iterable[float]) -> dict[str, float | int | None]:
    """Number, median, 95th and 99th percentile and maximum, in milliseconds."""
    ordered = sorted(latencies)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"count": len(ordered)} | {name: _milliseconds(percentile(ordered, share)) for name, share in shares.items()}


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


@dataclass(frozen=True)
class Phases:
    """When a drill's phases begin and end.

    Args:
        start: Load begins.
        fault: The fault was injected.
        healed: It was taken away.
        recovered: All was as before; None where that did not come.
        end: Load ends.
    """

    start: float
    fault: float
    healed: float
    recovered: float | None
    end: float

    def spans(self) -> Mapping[str, tuple[float, float]]:
        """Begin and end of each phase: ``before`` the fault, ``during`` it until all is well, ``after`` that."""
        well = self.end if self.recovered is None else self.recovered
        return {"before": (self.start, self.fault), "during": (self.fault, well), "after": (well, self.end)}


def latency_by_phase(sent_and_latency: Iterable[tuple[float, float]], phases: Phases) -> dict[str, dict[str, object]]:
    """Latencies of each phase, by when records were sent.

    Args:
        sent_and_latency: When each record was sent, and its latency.
        phases: The phases.
    """
    pairs = list(sent_and_latency)
    return {
        name: dict(latency_summary(latency for sent, latency in pairs if start <= sent < end))
        for name, (start, end) in phases.spans().items()
    }


def rate(times: Iterable[float], start: float, end: float) -> float:
    """Events a second in a span; 0 for an empty span."""
    return sum(start <= time < end for time in times) / (end - start) if end > start else 0.0


def binned(pairs: Iterable[tuple[float, float]], start: float, end: float, width: float) -> list[list[float]]:
    """The values that fall into each bin of time.

    Args:
        pairs: Time and value.
        start: Begin of the first bin.
        end: End of the last one, or before it.
        width: Seconds of each bin.
    """
    bins: list[list[float]] = [[] for _ in range(max(math.ceil((end - start) / width), 1))]
    for time, value in pairs:
        place = int((time - start) // width)
        if 0 <= place < len(bins):
            bins[place].append(value)
    return bins


def bin_width(seconds: float) -> float:
    """Seconds of a bin: 0.1 for a drill of up to two minutes, at most 1, so that a report holds about 1,200 bins."""
    return min(max(round(seconds / 1200, 1), 0.1), 1.0)


def first_since(samples: Iterable[tuple[float, bool]], moment: float) -> float | None:
    """Seconds from a moment until the first sample of those at the end that are all good.

    A sample that is bad again later takes back all good ones before it.

    Args:
        samples: Time and whether it is good, in the order of time.
        moment: From when to count; earlier samples do not count.

    Returns:
        None where the last sample is bad or there is none.
    """
    good: float | None = None
    for time, fine in samples:
        if time < moment:
            continue
        if not fine:
            good = None
        elif good is None:
            good = time
    return None if good is None else good - moment
