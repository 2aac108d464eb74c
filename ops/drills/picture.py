"""A drill over time: latency above, throughput below, fault and healing marked, unavailability shaded."""

from pathlib import Path
from typing import Any

from ops.drills.drill import Outcome
from ops.drills.figures import unavailability
from ops.drills.measures import Gap, bin_width, binned, longest_gap, percentile

SIZE_INCHES = (11.0, 6.4)
DOTS_PER_INCH = 110

_BLUE, _ORANGE, _GREY, _RED, _GREEN = "#1f6fb2", "#d9822b", "#5c6670", "#c23b3b", "#2f8f57"


def draw(outcome: Outcome, path: Path) -> None:
    """Draw a drill into a PNG file.

    Args:
        outcome: How the drill ended.
        path: The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from ops.drills.report import points

    phases = outcome.phases
    start, seconds = phases.start, phases.end - phases.start
    width = max(bin_width(seconds), seconds / 300)  # narrower ones could not be told apart at this size
    latencies, acknowledged = points(outcome)
    figure: Any = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})

    by_bin = [sorted(values) for values in binned(latencies, start, phases.end, width)]
    filled = [(place * width, values) for place, values in enumerate(by_bin) if values]
    times = [time + width / 2 for time, _ in filled]
    for share, colour, name in ((1.0, _ORANGE, "maximum"), (0.5, _BLUE, "median")):
        shown = [1000 * (percentile(values, share) or 0.0) for _, values in filled]
        upper.plot(times, shown, ".", color=colour, markersize=4, label=name)
    upper.set_yscale("log")
    upper.set_ylabel("latency by time of sending, ms")
    upper.yaxis.set_major_formatter(lambda value, _: f"{value:g}")

    counts = [len(values) / width for values in binned(((at, 0.0) for at in acknowledged), start, phases.end, width)]
    lower.bar([place * width for place in range(len(counts))], counts, width=width, align="edge", color=_BLUE)
    # After a pause all that waited is acknowledged at once; that peak would flatten all else.
    lower.set_ylim(0, max(3 * outcome.plan.rate, 1))
    lower.axhline(outcome.plan.rate, color=_GREY, linewidth=0.8, linestyle=":")
    peak = max(counts, default=0)
    above = f" (peak {peak:.0f})" if peak > 3 * outcome.plan.rate else ""
    lower.set_ylabel("acknowledged a second")
    lower.set_xlabel(f"seconds since the load began{above}")
    lower.set_xlim(0, seconds)

    _mark(upper, lower, outcome)
    upper.legend(loc="upper right", frameon=True, framealpha=0.9, fontsize=9)
    for axes in (upper, lower):
        axes.grid(axis="y", color="#e3e6e8", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    verdict = "all promises kept" if outcome.kept else "A PROMISE WAS BROKEN"
    members = ", ".join(outcome.plan.members)
    figure.suptitle(f"{outcome.drill.name} of {members} on stack {outcome.platform.stack}: {verdict}", fontsize=12)
    figure.savefig(path)


def _gap(outcome: Outcome) -> Gap:
    if outcome.evidence is not None:
        return unavailability(outcome.evidence)
    return longest_gap((write.at for write in outcome.writes), outcome.phases.start, outcome.phases.end)


def _mark(upper: Any, lower: Any, outcome: Outcome) -> None:
    """Mark fault, healing and recovery, and shade the longest time without an acknowledgement."""
    phases, gap = outcome.phases, _gap(outcome)
    moments = [("fault", phases.fault, _RED), ("healed", phases.healed, _GREY), ("well", phases.recovered, _GREEN)]
    for axes in (upper, lower):
        for _, moment, colour in moments:
            if moment is not None:
                axes.axvline(moment - phases.start, color=colour, linewidth=1.4, linestyle="--")
        axes.axvspan(gap.start - phases.start, gap.end - phases.start, color=_RED, alpha=0.12, linewidth=0)
    top = upper.get_xaxis_transform()
    for place, (name, moment, colour) in enumerate(moments):
        if moment is not None:
            height = 1.01 + 0.045 * (place % 2)  # two that are close must not cover each other
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
