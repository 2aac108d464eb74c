"""Plots throughput and latency over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.benchmark.fault import Event
from ops.benchmark.result import ProducerRun

_INCHES = (10, 6)


def draw(file: Path, producers: Sequence[ProducerRun], events: Sequence[Event], began: float) -> None:
    """Plot the periodic lines of all producers, and mark what happened to the platform.

    A line covers the time since the previous one, so it is drawn as a step that ends when it was printed: the tool
    prints nothing during a stall.

    Args:
        file: PNG file to write.
        producers: The producers' figures.
        events: What happened to the platform.
        began: When the first record was sent, in seconds since 1970.
    """
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=_INCHES, layout="constrained")
    rates, latencies = figure.subplots(2, 1, sharex=True)
    for producer in producers:
        times = [window.time - began for window in producer.windows]
        windows = producer.windows
        _steps(rates, times, [window.rate for window in windows], producer.name)
        _steps(latencies, times, [window.max_ms for window in windows], f"{producer.name}, maximum")
        _steps(latencies, times, [window.average_ms for window in windows], f"{producer.name}, average")
    rates.set_ylabel("acknowledged records/s")
    rates.set_ylim(bottom=0)
    latencies.set_ylabel("latency (ms)")
    latencies.set_yscale("log")
    latencies.set_xlabel("seconds since the first record")
    for axes in (rates, latencies):
        axes.grid(alpha=0.3)
        for number, event in enumerate(events):
            label = event.text if axes is rates else None  # one legend is enough
            axes.axvline(event.time - began, color=f"C{7 + number}", linestyle="--", label=label)
    rates.legend(fontsize="small")
    latencies.legend(fontsize="small")
    figure.savefig(file, dpi=120)


def _steps(axes: Any, times: Sequence[float], values: Sequence[float], label: str) -> None:
    axes.step([0, *times], [*values[:1], *values], where="pre", label=label)
