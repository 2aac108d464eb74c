"""The report of a drill: report.json with all figures, report.md to read, and a picture of them over time."""

import json
import platform as machine
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from time import gmtime, strftime
from typing import Any

from ops.drills.drill import Outcome
from ops.drills.measures import bin_width, binned, percentile

LIBRARIES = ("kafka-python", "redis", "kazoo")
"""Client libraries whose versions are told."""


def default_folder(outcome: Outcome) -> Path:
    """``drills/<stack>-<drill>-<time>`` in the current folder."""
    moment = strftime("%Y%m%dT%H%M%SZ", gmtime(outcome.started))
    return Path("drills") / f"{outcome.platform.stack}-{outcome.drill.name}-{moment}"


def document(outcome: Outcome) -> dict[str, Any]:
    """All that a drill measured, for machines; times are seconds since the load began."""
    plan, phases, evidence = outcome.plan, outcome.phases, outcome.evidence
    verdict = {} if evidence is None else {"lostRecords": [stamp._asdict() for stamp in evidence.verdict.lost[:100]]}
    return {
        "drill": outcome.drill.name,
        "stack": outcome.platform.stack,
        "platform": outcome.platform.name,
        "target": outcome.platform.target,
        "started": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(outcome.started)),
        "members": list(plan.members),
        "load": {"perSecond": plan.rate, "bytes": plan.size, "steadySeconds": plan.seconds, "holdSeconds": plan.hold},
        "versions": versions(outcome),
        "phases": {name: _since(moment, phases.start) for name, moment in asdict(phases).items()},
        "kept": outcome.kept,
        "promises": [asdict(promise) for promise in outcome.promises],
        "figures": {_camel(name): value for name, value in asdict(outcome.figures).items()} | verdict,
        "series": series(outcome),
    }


def versions(outcome: Outcome) -> Mapping[str, str]:
    """Images of the platform, and what the drill ran with."""
    images = {f"image of {server}": image for server, image in outcome.platform.images.items()}
    libraries = {name: version(name) for name in LIBRARIES}
    return {**images, "Python": machine.python_version(), **libraries}


def _since(moment: float | None, start: float) -> float | None:
    return None if moment is None else round(moment - start, 3)


def points(outcome: Outcome) -> tuple[list[tuple[float, float]], list[float]]:
    """When each message was sent and its latency, in seconds; and when each acknowledgement came."""
    if outcome.evidence is None:
        writes = outcome.writes
        return [(write.sent, write.at - write.sent) for write in writes], [write.at for write in writes]
    arrivals, acknowledged = outcome.evidence.arrivals, outcome.evidence.acknowledged
    return [(entry.sent, entry.at - entry.sent) for entry in arrivals], [entry.at for entry in acknowledged]


def series(outcome: Outcome) -> dict[str, Any]:
    """Latency, acknowledgements and replicas in sync over time, in bins of 0.1 to 1 s."""
    start, end = outcome.phases.start, outcome.phases.end
    width = bin_width(end - start)
    latencies, acknowledged = points(outcome)
    by_bin = [sorted(values) for values in binned(latencies, start, end, width)]
    counted = [len(values) for values in binned(((time, 0.0) for time in acknowledged), start, end, width)]
    return {
        "binSeconds": width,
        "acknowledged": counted,
        "latencyP50Ms": [_milliseconds(percentile(values, 0.5)) for values in by_bin],
        "latencyMaxMs": [_milliseconds(percentile(values, 1.0)) for values in by_bin],
        "cluster": _cluster_series(outcome),
    }


def _cluster_series(outcome: Outcome) -> list[dict[str, Any]]:
    """What the cluster looked like, each time that it changed."""
    changes: list[dict[str, Any]] = []
    for sample in outcome.evidence.cluster if outcome.evidence else ():
        view = sample.seen
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


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def write(outcome: Outcome, folder: Path) -> dict[str, Any]:
    """Write report.json, report.md and latency.png.

    Args:
        outcome: How the drill ended.
        folder: Where to; made where it is not there.

    Returns:
        What report.json holds.

    Raises:
        OSError: The folder cannot be made or written.
    """
    from ops.drills.picture import draw

    folder.mkdir(parents=True, exist_ok=True)
    found = document(outcome)
    (folder / "report.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "report.md").write_text(markdown(found, outcome))
    draw(outcome, folder / "latency.png")
    return found


def rows(outcome: Outcome) -> list[list[str]]:
    """The promises as rows of a table."""
    return [["kept" if promise.kept else "BROKEN", promise.text, promise.measured] for promise in outcome.promises]


def markdown(found: Mapping[str, Any], outcome: Outcome) -> str:
    """The report for people."""
    drill, figures, phases = outcome.drill, asdict(outcome.figures), found["phases"]
    verdict = "All promises were kept." if outcome.kept else "**A promise was broken.**"
    recovered = "never" if phases["recovered"] is None else f"{phases['recovered']:.1f} s"
    parts = [
        f"# {drill.name} on stack {found['stack']}",
        f"{found['started']}, {found['target']}, {', '.join(found['members'])}. {verdict}",
        f"The drill {drill.breaks}. Load: {outcome.plan.rate:g} a second of {outcome.plan.size} bytes.",
        _table(("Result", "Promise", "Measured"), rows(outcome)),
        "![Latency and throughput over time](latency.png)",
        "## When",
        _table(
            ("Load begins", "Fault", "Healed", "All is well", "Load ends"),
            [["0 s", f"{phases['fault']:.1f} s", f"{phases['healed']:.1f} s", recovered, f"{phases['end']:.1f} s"]],
        ),
        "## Latency and throughput",
        _table(
            ("Phase", "Per second", "p50 ms", "p95 ms", "p99 ms", "max ms"),
            [
                [phase, _shown(figures["per_second"][phase]), *(_shown(summary[name]) for name in _PERCENTILES)]
                for phase, summary in figures["latency_ms"].items()
            ],
        ),
        _LATENCY_NOTE if outcome.evidence else _REDIS_NOTE,
        "## Figures",
        _table(
            ("Figure", "Value"), [[_words(name), _shown(value)] for name, value in figures.items() if _single(value)]
        ),
        "## Versions",
        _table(("What", "Version"), [[name, text] for name, text in found["versions"].items()]),
    ]
    if drill.fault == "full-disk":
        parts.insert(3, _DISK_NOTE)
    return "\n\n".join(parts) + "\n"


_PERCENTILES = ("p50", "p95", "p99", "max")

_LATENCY_NOTE = (
    "Latency is from handing a message to the producer until a consumer has it, by the phase in which it was sent; "
    "what was sent while nobody could take it waits in the producer, and that counts."
)
_REDIS_NOTE = "Latency is from the first try of a write until it is acknowledged; further tries count."
_DISK_NOTE = (
    "Nothing was filled: members share a disk with all else on this machine. The broker's process was limited to files "
    'of one byte, so that its writes fail as on a full disk ("File too large" instead of "No space left on device"; '
    "Kafka treats all errors of writing alike)."
)


def _table(headings: tuple[str, ...], lines: list[list[str]]) -> str:
    cells = [list(headings), ["---"] * len(headings), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _single(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
