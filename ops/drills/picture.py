"""Plots a drill over time: latency and throughput, with the fault, healing, recovery and the longest pause marked."""

from pathlib import Path
from typing import Any

from ops.drills.measures import bin_width, binned, percentile
from ops.drills.outcome import Outcome

SIZE_INCHES = (11.0, 6.4)
DOTS_PER_INCH = 110

_BLUE, _ORANGE, _GREY, _RED, _GREEN = "#1f6fb2", "#d9822b", "#5c6670", "#c23b3b", "#2f8f57"


def draw(outcome: Outcome, path: Path) -> None:
    """Plot a drill into a PNG file.

    Args:
        outcome: How the drill ended.
        path: The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
    seconds = outcome.phases.end - outcome.phases.start
    width = max(bin_width(seconds), seconds / 300)  # narrower bins would overlap at this size
    _plot_latency(upper, outcome, width)
    _plot_throughput(lower, outcome, width)
    _mark(upper, lower, outcome)
    upper.legend(loc="upper right", frameon=True, framealpha=0.9, fontsize=9)
    for axes in (upper, lower):
        axes.grid(axis="y", color="#e3e6e8", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    verdict = "all promises kept" if outcome.kept else "A PROMISE WAS BROKEN"
    targets = ", ".join(outcome.plan.targets)
    figure.suptitle(f"{outcome.drill.name} of {targets} on stack {outcome.platform.stack}: {verdict}", fontsize=12)
    figure.savefig(path)


def _plot_latency(axes: Any, outcome: Outcome, width: float) -> None:
    start, end = outcome.phases.start, outcome.phases.end
    by_bin = [sorted(values) for values in binned(outcome.latencies, start, end, width)]
    filled = [(index * width, values) for index, values in enumerate(by_bin) if values]
    times = [time + width / 2 for time, _ in filled]
    for share, colour, name in ((1.0, _ORANGE, "maximum"), (0.5, _BLUE, "median")):
        shown = [1000 * (percentile(values, share) or 0.0) for _, values in filled]
        axes.plot(times, shown, ".", color=colour, markersize=4, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("latency by time of sending, ms")
    axes.yaxis.set_major_formatter("{x:g}")


def _plot_throughput(axes: Any, outcome: Outcome, width: float) -> None:
    start, end, planned = outcome.phases.start, outcome.phases.end, outcome.plan.rate
    events = ((at, 0.0) for at in outcome.acknowledged_at)
    counts = [len(values) / width for values in binned(events, start, end, width)]
    axes.bar([index * width for index in range(len(counts))], counts, width=width, align="edge", color=_BLUE)
    # After a pause, all waiting messages are acknowledged at once; that peak would flatten everything else.
    axes.set_ylim(0, max(3 * planned, 1))
    axes.axhline(planned, color=_GREY, linewidth=0.8, linestyle=":")
    peak = max(counts, default=0)
    above = f" (peak {peak:.0f})" if peak > 3 * planned else ""
    axes.set_ylabel("acknowledged per second")
    axes.set_xlabel(f"seconds since the start of the load{above}")
    axes.set_xlim(0, end - start)


def _mark(upper: Any, lower: Any, outcome: Outcome) -> None:
    """Mark fault, healing and recovery, and shade the longest time without an acknowledgement."""
    phases, gap = outcome.phases, outcome.unavailability
    moments = [
        ("fault", phases.fault, _RED),
        ("healed", phases.healed, _GREY),
        ("recovered", phases.recovered, _GREEN),
    ]
    for axes in (upper, lower):
        for _, moment, colour in moments:
            if moment is not None:
                axes.axvline(moment - phases.start, color=colour, linewidth=1.4, linestyle="--")
        axes.axvspan(gap.start - phases.start, gap.end - phases.start, color=_RED, alpha=0.12, linewidth=0)
    top = upper.get_xaxis_transform()
    for index, (name, moment, colour) in enumerate(moments):
        if moment is not None:
            height = 1.01 + 0.045 * (index % 2)  # labels of close moments must not overlap
            upper.text(
                moment - phases.start,
                height,
                f"{name} {moment - phases.start:.1f} s",
                transform=top,
                color=colour,
                ha="center",
                fontsize=9,
            )
    upper.plot([], [], color=_RED, alpha=0.25, linewidth=8, label=f"longest pause, {gap.seconds:.1f} s")
