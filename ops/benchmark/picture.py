"""Throughput and latency over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.benchmark.fault import Event
from ops.benchmark.result import ProducerRun

_INCHES = (10, 6)


def draw(file: Path, producers: Sequence[ProducerRun], events: Sequence[Event], began: float) -> None:
    """Draw the periodic lines of all producers, and what happened to the platform.

    A line stands for the time since the line before, so it is drawn as a step that ends where it was printed: in a
    stall, the tool prints none.

    Args:
        file: PNG to write.
        producers: What the tools said.
        events: What happened.
        began: When the first record was sent, in seconds since 1970.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
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
            label = event.text if axes is rates else None  # told once
            axes.axvline(event.time - began, color=f"C{7 + number}", linestyle="--", label=label)
    rates.legend(fontsize="small")
    latencies.legend(fontsize="small")
    figure.savefig(file, dpi=120)


def _steps(axes: Any, times: Sequence[float], values: Sequence[float], label: str) -> None:
    axes.step([0, *times], [*values[:1], *values], where="pre", label=label)
