"""A steady load while a broker is down, measured by Kafka's own tool."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.measure import Comparison, Figure
from bench.stacks import docker_stack
from tests.integration.stacks import Stack

RATE, SIZE, SECONDS = 2000, 1024, 240


def measure(folder: Path) -> Comparison:
    """Kill the controller of a staging stack under load, restart it, and report what the producer measured."""
    stack = docker_stack(folder, "Pulumi.staging.yaml")
    try:
        stack.up()
        report = _report(stack)
    finally:
        stack.destroy()
    total: dict[str, Any] = report["producers"][0]["total"]
    records = report["records"]
    percentiles = {"average": "average_ms", "50th percentile": "p50_ms", "95th percentile": "p95_ms"}
    percentiles |= {"99th percentile": "p99_ms", "longest": "max_ms"}
    return Comparison(
        title="A broker lost under load",
        how=f"The staging stack, {RATE} records of {SIZE} bytes a second with acks=all for {SECONDS} s; the controller "
        "is killed after two fifths of the run and restarted after three fifths. Figures of "
        "`kafka-producer-perf-test.sh` for the whole run, late records included "
        "(`python -m ops bench --through broker-loss`).",
        figures=[Figure(f"latency, {name}", [total[key] / 1000]) for name, key in percentiles.items()],
        ratios=[
            ("records a second", report["rate"]),
            ("records in the topic / records sent", records["stored"] / records["asked"]),
        ],
        bounds="target: 2,000 records a second, none lost, 95th percentile below 0.2 s",
    )


def _report(stack: Stack) -> dict[str, Any]:
    load = ("--rate", str(RATE), "--size", str(SIZE), "--seconds", str(SECONDS), "--through", "broker-loss", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "ops", "--stack", stack.name, "bench", *load],
        cwd=stack.folder,
        env=stack.ops_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
