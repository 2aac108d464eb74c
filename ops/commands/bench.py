"""`ops bench`: throughput and latency."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ops.benchmark.docker_host import DockerHost
from ops.benchmark.fault import KINDS, planned_fault
from ops.benchmark.kubernetes_host import KubernetesHost
from ops.benchmark.measure import measure
from ops.benchmark.plan import Plan
from ops.benchmark.report import document, rows, write
from ops.benchmark.result import Limits, violations
from ops.benchmark.topic import other_topics
from ops.commands.options import platform
from ops.console import json_document, say, table
from ops.drills import health
from ops.drills.interruption import Interruption
from ops.errors import BrokenError
from ops.platform import Platform, refuse_production

FIXED = ("acks", "bootstrap.servers")
"""Producer properties that --property cannot set: figures would not be comparable, or of a different cluster."""

_PROPERTY = re.compile(r"[a-z.]+=[^=]+")
"""The tool does not accept a value with an equals sign."""

SHORTEST_WITH_FAULT = 20
"""Minimum seconds of a run with a fault, which is timed from a producer's first line: that comes after 5 s."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bench)


def bench(
    context: typer.Context,
    rate: Annotated[int, typer.Option(min=1, help="Records per second, all producers together")] = 2000,
    size: Annotated[int, typer.Option(min=1, help="Bytes of a record")] = 1024,
    seconds: Annotated[int, typer.Option(min=1, help="Length of the run")] = 30,
    producers: Annotated[int, typer.Option(min=1, max=16, help="Producers that share the rate")] = 1,
    topic_partitions: Annotated[int, typer.Option(min=1, help="Partitions of the benchmark's own topic")] = 12,
    through: Annotated[
        str | None, typer.Option(help=f"Inject a fault in the middle of the run: {', '.join(KINDS)}")
    ] = None,
    member: Annotated[str | None, typer.Option(help="Broker that --through breaks; default: the controller")] = None,
    producer_property: Annotated[
        list[str] | None, typer.Option("--property", help="A further producer property, NAME=VALUE; repeatable")
    ] = None,
    consumer: Annotated[
        bool, typer.Option("--consumer", help="Also consume the records, and measure end-to-end latency")
    ] = False,
    max_throughput: Annotated[
        bool, typer.Option("--max-throughput", help="Send RATE x SECONDS records as fast as the brokers accept")
    ] = False,
    max_p95: Annotated[float | None, typer.Option(help="Exit 1 above this 95th percentile (ms)")] = None,
    min_rate: Annotated[float | None, typer.Option(help="Exit 1 below this rate (records per second)")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for report.json, report.md and a plot")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of a table")] = False,
    yes_on: Annotated[str | None, typer.Option(metavar="STACK", help="Go on although STACK is production")] = None,
) -> None:
    """Measure throughput and latency with Kafka's own performance tools, run next to the brokers."""
    plan = Plan(
        rate=rate,
        size=size,
        seconds=seconds,
        producers=producers,
        partitions=topic_partitions,
        throttled=not max_throughput,
        consumer=consumer,
        through=through,
        properties=tuple(producer_property or ()),
    )
    _check_usage(plan)
    _run(platform(context), plan, Limits(max_p95_ms=max_p95, min_rate=min_rate), member, report, json, yes_on)


def _check_usage(plan: Plan) -> None:
    """Reject combinations that the options' own limits allow."""
    if plan.through is not None and plan.through not in KINDS:
        raise typer.BadParameter(f"{plan.through} is none of {', '.join(KINDS)}", param_hint="--through")
    if plan.through is not None and plan.seconds < SHORTEST_WITH_FAULT:
        raise typer.BadParameter(f"a run with a fault takes {SHORTEST_WITH_FAULT} s or more", param_hint="--seconds")
    if plan.producers > plan.rate:
        raise typer.BadParameter("every producer sends at least one record per second", param_hint="--producers")
    if wrong := [text for text in plan.properties if not _PROPERTY.fullmatch(text) or text.partition("=")[0] in FIXED]:
        rule = f"NAME=VALUE, where NAME is none of {', '.join(FIXED)}"
        raise typer.BadParameter(f"{', '.join(wrong)}: expected {rule}", param_hint="--property")


def _run(
    platform: Platform,
    plan: Plan,
    limits: Limits,
    member: str | None,
    folder: Path | None,
    as_json: bool,
    yes_on: str | None,
) -> None:
    refuse_production(platform, yes_on)
    if problems := health.problems(platform):
        raise BrokenError("the platform is unhealthy; nothing was measured", problems)
    fault = planned_fault(platform, plan, member)
    host = (KubernetesHost if platform.on_kubernetes else DockerHost)(platform, plan.identity)
    for command in [*host.cleanup_commands(), *(f"delete topic {topic}" for topic in other_topics(platform, plan))]:
        say(f"another run is in progress, or a killed run left something behind; to clean up: {command}")
    with Interruption() as interruption:
        result = measure(platform, plan, host, fault, interruption)
    broken = violations(plan, result, limits)
    report = document(platform, plan, result, broken)
    if folder is not None:
        write(folder, report, result)
        say(f"report: {folder / 'report.md'}")
    if as_json:
        json_document(report)
    else:
        table(("what", "value"), rows(plan, result), numbers=("value",))
    if broken:
        raise BrokenError("the benchmark broke a limit", broken)
