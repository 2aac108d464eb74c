"""A result for people and for programs: rows of a table, a JSON document, and a page with a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.benchmark.picture import draw
from ops.benchmark.plan import Plan
from ops.benchmark.result import Result
from ops.benchmark.tools import END_TO_END_RECORDS
from ops.platform import Platform

PERCENTILES_NOTE = (
    "Percentiles are those of the whole run, the tool's warm-up and every late record included, as the tool "
    "reports them; for its periodic lines it reports only the average and the maximum."
)


def rows(plan: Plan, result: Result) -> list[tuple[str, str]]:
    """What was found, a line each."""
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
            ("records read", f"{consumed.records} of {result.stored}"),
            ("rate of reading", f"{consumed.fetch_rate:.1f} records/s after {consumed.rebalance_ms} ms to join"),
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


def document(platform: Platform, plan: Plan, result: Result, findings: Sequence[str]) -> dict[str, Any]:
    """The report for programs."""
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
        "broken": list(findings),
        "rows": rows(plan, result),
        "notes": [PERCENTILES_NOTE],
    }


def write(folder: Path, made: Mapping[str, Any], result: Result) -> None:
    """Write report.json, report.md and throughput.png; the folder is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(made, indent=2) + "\n")
    draw(folder / "throughput.png", result.producers, result.events, _began(result))
    (folder / "report.md").write_text(markdown(made))


def markdown(made: Mapping[str, Any]) -> str:
    """The report for people, from the one for programs."""
    began = datetime.fromtimestamp(made["began"], UTC)
    lines = [f"# Benchmark of {made['platform']['name']}", "", f"Begun {began:%Y-%m-%d %H:%M:%S} UTC.", ""]
    lines += _table(("What", "Value"), made["rows"])
    lines += ["", *made["notes"], "", "![Throughput and latency over time](throughput.png)", ""]
    if made["broken"]:
        lines += ["## Limits that were broken", "", *(f"* {finding}" for finding in made["broken"]), ""]
    lines += ["## Platform", "", *_table(("What", "Value"), _flat(made["platform"])), ""]
    lines += [
        "## By hand",
        "",
        "The topic is removed after each run; make it anew with as many partitions and replicas.",
    ]
    for name, command in made["commands"].items():
        lines += ["", f"{name}:", "", f"    {command}"]
    if made["endToEnd"]:
        lines += ["", f"From end to end {END_TO_END_RECORDS} records are sent, each after the one before was read."]
    return "\n".join(lines) + "\n"


def _began(result: Result) -> float:
    """When the first record was sent: so long before the last line as the tool says that the run took."""
    return min(producer.total.time - producer.total.records / producer.total.rate for producer in result.producers)


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += [(str(key), str(entry)) for key, entry in value.items()]
        else:
            found.append((name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return found


def _table(headings: tuple[str, str], cells: Sequence[tuple[str, str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (headings, ("---", "---"), *cells)]
