"""Reports of a result: table rows, a JSON document, and a Markdown page with a plot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from ops.benchmark.picture import draw
from ops.benchmark.plan import Plan
from ops.benchmark.result import Result
from ops.benchmark.tools import END_TO_END_RECORDS
from ops.markdown import table
from ops.platform import Platform

PERCENTILES_NOTE = (
    "Percentiles are the tool's own, over the whole run, including its warm-up and every late record. "
    "Its periodic lines have only the average and the maximum."
)


def rows(plan: Plan, result: Result) -> list[tuple[str, str]]:
    """The figures as table rows: name and value."""
    worst = result.worst
    several = " (the slowest of the producers)" if len(result.producers) > 1 else ""
    found = [
        ("records acknowledged", f"{result.acknowledged} of {plan.records}"),
        ("records in the topic", str(result.stored)),
        ("rate", f"{result.rate:.1f} records/s"),
        ("latency, average" + several, f"{worst.average_ms:g} ms"),
        ("latency, 50th percentile" + several, f"{worst.p50_ms} ms"),
        ("latency, 95th percentile" + several, f"{worst.p95_ms} ms"),
        ("latency, 99th percentile" + several, f"{worst.p99_ms} ms"),
        ("latency, 99.9th percentile" + several, f"{worst.p999_ms} ms"),
        ("latency, maximum" + several, f"{worst.max_ms:g} ms"),
    ]
    if consumed := result.consumed:
        found += [
            ("records consumed", f"{consumed.records} of {result.stored}"),
            ("consumer rate", f"{consumed.fetch_rate:.1f} records/s after {consumed.rebalance_ms} ms to join"),
        ]
    if end := result.end_to_end:
        found += [
            ("end to end, average", f"{end.average_ms:g} ms"),
            ("end to end, 50th percentile", f"{end.p50_ms} ms"),
            ("end to end, 99th percentile", f"{end.p99_ms} ms"),
            ("end to end, 99.9th percentile", f"{end.p999_ms} ms"),
        ]
    began = _began(result)
    return found + [(f"{event.time - began:.1f} s after the first record", event.text) for event in result.events]


def document(platform: Platform, plan: Plan, result: Result, broken: Sequence[str]) -> dict[str, Any]:
    """The report for programs.

    Args:
        platform: The platform.
        plan: What was planned.
        result: The result.
        broken: The limits that it breaks, one line each.
    """
    return {
        "platform": {"name": platform.name, **result.facts},
        "plan": {**asdict(plan), "records": plan.records},
        "records": {"asked": plan.records, "acknowledged": result.acknowledged, "stored": result.stored},
        "rate": result.rate,
        "producers": [asdict(producer) for producer in result.producers],
        "consumer": asdict(result.consumed) if result.consumed else None,
        "endToEnd": asdict(result.end_to_end) if result.end_to_end else None,
        "began": _began(result),
        "events": [asdict(event) for event in result.events],
        "commands": result.commands,
        "broken": list(broken),
        "rows": rows(plan, result),
        "notes": [PERCENTILES_NOTE],
    }


def write(folder: Path, report: Mapping[str, Any], result: Result) -> None:
    """Write report.json, report.md and throughput.png.

    Args:
        folder: Their folder; created if missing.
        report: The report for programs.
        result: The result that is plotted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    draw(folder / "throughput.png", result.producers, result.events, _began(result))
    (folder / "report.md").write_text(_markdown(report))


def _markdown(report: Mapping[str, Any]) -> str:
    """The report for people, from the one for programs."""
    began = datetime.fromtimestamp(report["began"], UTC)
    parts = [
        f"# Benchmark of {report['platform']['name']}",
        f"Started {began:%Y-%m-%d %H:%M:%S} UTC.",
        table(("Figure", "Value"), report["rows"]),
        *report["notes"],
        "![Throughput and latency over time](throughput.png)",
    ]
    if report["broken"]:
        parts += ["## Broken limits", "\n".join(f"* {line}" for line in report["broken"])]
    parts += [
        "## Platform",
        table(("Fact", "Value"), _flat(report["platform"])),
        "## Run it by hand",
        "The topic is deleted after each run; create it again with as many partitions and replicas.",
    ]
    for name, command in report["commands"].items():
        parts += [f"{name}:", f"    {command}"]
    if report["endToEnd"]:
        parts.append(
            f"The end-to-end tool sends {END_TO_END_RECORDS} records, each after the previous one was consumed."
        )
    return "\n\n".join(parts) + "\n"


def _began(result: Result) -> float:
    """When the first record was sent, in seconds since 1970: each total's time minus the duration of its run."""
    return min(producer.total.time - producer.total.records / producer.total.rate for producer in result.producers)


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values, including those of nested mappings, as text."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(cast(Mapping[str, Any], value))
        elif isinstance(value, list):
            found.append((name, ", ".join(map(str, cast(list[Any], value)))))
        else:
            found.append((name, str(value)))
    return found
