"""The report of a drill: report.json for programs, report.md for people, and a plot of latency and throughput."""

import json
import platform as machine
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from time import gmtime, strftime
from typing import Any

from ops.drills.measures import bin_width, binned, milliseconds, percentile, rounded
from ops.drills.outcome import Outcome
from ops.drills.picture import draw
from ops.markdown import table

LIBRARIES = ("kafka-python", "redis", "kazoo")
"""Client libraries whose versions are reported."""

_PERCENTILES = ("p50", "p95", "p99", "max")

_LATENCY_NOTE = (
    "Latency is from handing a message to the producer until a consumer has it, by the phase in which it was sent. "
    "Time that a message waits in the producer while no broker accepts it counts."
)
_REDIS_NOTE = "Latency is from the first attempt of a write until its acknowledgement; retries count."
_DISK_NOTE = (
    "No disk was filled, because members share one with everything else on this machine. The broker's process was "
    'limited to files of one byte, so its writes fail as on a full disk ("File too large" instead of "No space left '
    'on device"; Kafka treats all write errors alike).'
)


def default_folder(outcome: Outcome) -> Path:
    """The report's default folder: ``drills/<stack>-<drill>-<time>`` in the current folder."""
    moment = strftime("%Y%m%dT%H%M%SZ", gmtime(outcome.started))
    return Path("drills") / f"{outcome.platform.stack}-{outcome.drill.name}-{moment}"


def document(outcome: Outcome) -> dict[str, Any]:
    """Everything that a drill measured, for programs; times are seconds since the start of the load."""
    plan, phases, evidence = outcome.plan, outcome.phases, outcome.evidence
    verdict = {} if evidence is None else {"lostRecords": [stamp._asdict() for stamp in evidence.verdict.lost[:100]]}
    return {
        "drill": outcome.drill.name,
        "stack": outcome.platform.stack,
        "platform": outcome.platform.name,
        "target": outcome.platform.target,
        "started": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(outcome.started)),
        "members": list(plan.targets),
        "load": {"perSecond": plan.rate, "bytes": plan.size, "steadySeconds": plan.seconds, "holdSeconds": plan.hold},
        "versions": _versions(outcome),
        "phases": {name: _since(moment, phases.start) for name, moment in asdict(phases).items()},
        "kept": outcome.kept,
        "promises": [asdict(promise) for promise in outcome.promises],
        "figures": {_camel(name): value for name, value in asdict(outcome.figures).items()} | verdict,
        "series": _series(outcome),
    }


def _versions(outcome: Outcome) -> Mapping[str, str]:
    """The platform's images, and the versions of Python and the client libraries."""
    images = {f"image of {server}": image for server, image in outcome.platform.images.items()}
    libraries = {name: version(name) for name in LIBRARIES}
    return {**images, "Python": machine.python_version(), **libraries}


def _since(moment: float | None, start: float) -> float | None:
    return rounded(None if moment is None else moment - start)


def _series(outcome: Outcome) -> dict[str, Any]:
    """Latency and acknowledgements in bins of 0.1 to 1 s, and each change of the cluster."""
    start, end = outcome.phases.start, outcome.phases.end
    width = bin_width(end - start)
    by_bin = [sorted(values) for values in binned(outcome.latencies, start, end, width)]
    events = ((at, 0.0) for at in outcome.acknowledged_at)
    return {
        "binSeconds": width,
        "acknowledged": [len(values) for values in binned(events, start, end, width)],
        "latencyP50Ms": [milliseconds(percentile(values, 0.5)) for values in by_bin],
        "latencyMaxMs": [milliseconds(percentile(values, 1.0)) for values in by_bin],
        "cluster": _cluster_series(outcome),
    }


def _cluster_series(outcome: Outcome) -> list[dict[str, Any]]:
    """The cluster's state, each time that it changed."""
    changes: list[dict[str, Any]] = []
    for sample in outcome.evidence.cluster if outcome.evidence else ():
        view = sample.value
        found = {"answered": view is not None}
        if view is not None:
            found |= {
                "brokers": sorted(view.state.brokers),
                "silent": sorted(view.silent),
                "controller": view.state.controller,
                "underReplicated": len(view.state.under_replicated),
                "offline": len(view.state.offline),
            }
        if not changes or found != {key: value for key, value in changes[-1].items() if key != "at"}:
            changes.append({"at": _since(sample.at, outcome.phases.start), **found})
    return changes


def write(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """Write report.json, report.md and latency.png.

    Args:
        outcome: How the drill ended.
        folder: Their folder; created if missing.

    Returns:
        The content of report.json.

    Raises:
        OSError: The folder cannot be created or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = document(outcome)
    (folder / "report.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "report.md").write_text(_markdown(found, outcome))
    draw(outcome, folder / "latency.png")
    return found


def rows(outcome: Outcome) -> list[list[str]]:
    """The promises as table rows: result, promise, measurement."""
    return [["kept" if promise.kept else "BROKEN", promise.text, promise.measured] for promise in outcome.promises]


def _markdown(found: Mapping[str, Any], outcome: Outcome) -> str:
    """The report for people."""
    drill, figures, phases = outcome.drill, asdict(outcome.figures), found["phases"]
    verdict = "All promises were kept." if outcome.kept else "**A promise was broken.**"
    recovered = "never" if phases["recovered"] is None else f"{phases['recovered']:.1f} s"
    parts = [
        f"# {drill.name} on stack {found['stack']}",
        f"{found['started']}, {found['target']}, {', '.join(found['members'])}. {verdict}",
        f"The drill {drill.breaks}. Load: {outcome.plan.rate:g} per second of {outcome.plan.size} bytes.",
        table(("Result", "Promise", "Measured"), rows(outcome)),
        "![Latency and throughput over time](latency.png)",
        "## Timeline",
        table(
            ("Load starts", "Fault", "Healed", "Recovered", "Load ends"),
            [["0 s", f"{phases['fault']:.1f} s", f"{phases['healed']:.1f} s", recovered, f"{phases['end']:.1f} s"]],
        ),
        "## Latency and throughput",
        table(
            ("Phase", "Per second", "p50 ms", "p95 ms", "p99 ms", "max ms"),
            [
                [phase, _shown(figures["per_second"][phase]), *(_shown(summary[name]) for name in _PERCENTILES)]
                for phase, summary in figures["latency_ms"].items()
            ],
        ),
        _LATENCY_NOTE if outcome.evidence else _REDIS_NOTE,
        "## Figures",
        table(
            ("Figure", "Value"),
            [[name.replace("_", " "), _shown(value)] for name, value in figures.items() if _is_number(value)],
        ),
        "## Versions",
        table(("Component", "Version"), [[name, text] for name, text in found["versions"].items()]),
    ]
    if drill.fault == "full-disk":
        parts.insert(3, _DISK_NOTE)
    return "\n\n".join(parts) + "\n"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_number(value: object) -> bool:
    """Whether a figure fits into one cell; None is an event that never came."""
    return value is None or isinstance(value, int | float)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
