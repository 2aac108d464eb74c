"""Figures from observed events: gaps, latencies, rates, recoveries. Pure; all times are seconds of one clock."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LatencySummary = Mapping[str, float | None]
"""Latencies in milliseconds: ``count`` (a number), ``p50``, ``p95``, ``p99`` and ``max``; None without records."""


@dataclass(frozen=True)
class Gap:
    """A time without events.

    Args:
        start: Time of the last event before it.
        end: Time of the first event after it.
    """

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def longest_gap(times: Iterable[float], start: float, end: float) -> Gap:
    """The longest time between two consecutive events.

    Args:
        times: Times of events, in any order.
        start: Begin of the observation; the time until the first event counts.
        end: End of the observation; the time since the last event counts.
    """
    inside = sorted(time for time in times if start <= time <= end)
    edges = [start, *inside, end]
    return max((Gap(*pair) for pair in itertools.pairwise(edges)), key=lambda gap: gap.seconds)


def gaps(events: Iterable[tuple[int, float]], start: float, end: float) -> dict[int, Gap]:
    """The longest gap of each group of events, such as each partition.

    Args:
        events: Group and time of each event.
        start: Begin of the observation.
        end: End of the observation.
    """
    by_group: dict[int, list[float]] = {}
    for group, time in events:
        by_group.setdefault(group, []).append(time)
    return {group: longest_gap(times, start, end) for group, times in sorted(by_group.items())}


def percentile(values: Sequence[float], share: float) -> float | None:
    """A percentile by nearest rank; None without values.

    Args:
        values: Values in ascending order.
        share: From 0 to 1.
    """
    return values[max(math.ceil(share * len(values)) - 1, 0)] if values else None


def latency_summary(latencies: Iterable[float]) -> LatencySummary:
    """Summary of latencies that are given in seconds."""
    ordered = sorted(latencies)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"count": len(ordered)} | {name: milliseconds(percentile(ordered, share)) for name, share in shares.items()}


def milliseconds(seconds: float | None) -> float | None:
    """Seconds in milliseconds, rounded to 0.01 ms."""
    return None if seconds is None else round(seconds * 1000, 2)


def rounded(seconds: float | None) -> float | None:
    """Seconds, rounded to 0.001 s."""
    return None if seconds is None else round(seconds, 3)


@dataclass(frozen=True)
class Phases:
    """When a drill's phases begin and end.

    Args:
        start: The load starts.
        fault: The fault is injected.
        healed: The fault is removed.
        recovered: The platform is healthy again; None if it never was.
        end: The load ends.
    """

    start: float
    fault: float
    healed: float
    recovered: float | None
    end: float

    def spans(self) -> Mapping[str, tuple[float, float]]:
        """Begin and end of each phase: ``before`` the fault, ``during`` it until recovery, ``after`` recovery."""
        recovered = self.end if self.recovered is None else self.recovered
        return {
            "before": (self.start, self.fault),
            "during": (self.fault, recovered),
            "after": (recovered, self.end),
        }


def latency_by_phase(sent_and_latency: Iterable[tuple[float, float]], phases: Phases) -> dict[str, LatencySummary]:
    """Latencies by the phase in which records were sent.

    Args:
        sent_and_latency: Time of sending and latency of each record.
        phases: The phases.
    """
    pairs = list(sent_and_latency)
    return {
        name: latency_summary(latency for sent, latency in pairs if start <= sent < end)
        for name, (start, end) in phases.spans().items()
    }


def rate(times: Iterable[float], start: float, end: float) -> float:
    """Events per second in a span; 0 for an empty span."""
    return sum(start <= time < end for time in times) / (end - start) if end > start else 0.0


def rate_by_phase(times: Sequence[float], phases: Phases) -> dict[str, float]:
    """Events per second in each phase, rounded to 0.1."""
    return {name: round(rate(times, *span), 1) for name, span in phases.spans().items()}


def binned(pairs: Iterable[tuple[float, float]], start: float, end: float, width: float) -> list[list[float]]:
    """The values in each bin of time.

    Args:
        pairs: Time and value.
        start: Begin of the first bin.
        end: End of the observation; the last bin may end after it.
        width: Seconds of each bin.
    """
    bins: list[list[float]] = [[] for _ in range(max(math.ceil((end - start) / width), 1))]
    for time, value in pairs:
        index = int((time - start) // width)
        if 0 <= index < len(bins):
            bins[index].append(value)
    return bins


def bin_width(seconds: float) -> float:
    """Seconds of a bin: 0.1 for a drill of up to two minutes, at most 1, so that a report has about 1,200 bins."""
    return min(max(round(seconds / 1200, 1), 0.1), 1.0)


def stable_since(samples: Iterable[tuple[float, bool]], moment: float) -> float | None:
    """Seconds from a moment until the first of the good samples at the end.

    A bad sample discards all good ones before it.

    Args:
        samples: Time and whether the sample is good, in order of time.
        moment: Earlier samples are ignored.

    Returns:
        None if the last sample is bad or there is none.
    """
    good: float | None = None
    for time, is_good in samples:
        if time < moment:
            continue
        if not is_good:
            good = None
        elif good is None:
            good = time
    return None if good is None else good - moment
