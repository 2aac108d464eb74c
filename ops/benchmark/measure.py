"""Runs a benchmark: the topic, the producers with the fault, the consumer, and the result."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from components.errors import PlatformError
from components.waiting import wait_until
from ops.benchmark.facts import facts, machine
from ops.benchmark.fault import PlannedFault
from ops.benchmark.host import Host
from ops.benchmark.output import (
    Consumed,
    EndToEnd,
    Line,
    Transcript,
    Window,
    consumer_result,
    end_to_end_result,
)
from ops.benchmark.plan import Plan
from ops.benchmark.result import ProducerRun, Result
from ops.benchmark.tools import Tool, consumer_tool, end_to_end_tool, producer_tools
from ops.benchmark.topic import own_topic, stored_records
from ops.console import Advance, progress, say
from ops.drills import health
from ops.drills.interruption import Interruption
from ops.platform import Platform

MAX_FAILURES_WITHOUT_SUCCESS = 100
"""Failed records after which a producer without a single success is stopped; it would try all of them."""

RECOVERY_SECONDS = 300.0
"""Seconds after a run with a fault in which the platform must become healthy."""

_POLL_SECONDS = 0.1


def measure(
    platform: Platform, plan: Plan, host: Host, fault: PlannedFault | None, interruption: Interruption
) -> Result:
    """Carry out a plan; after an error too, the fault is healed and everything created is removed.

    Raises:
        KeyboardInterrupt: A signal came.
        ToolError: A tool failed.
        UnreachableError: The platform or the engine does not answer.
        UnhealthyError: The platform did not become healthy within :data:`RECOVERY_SECONDS`.
    """
    tools = producer_tools(plan, host.bootstrap, host.login)
    with own_topic(platform, plan):
        try:
            before = machine()
            producers = _produce(plan, host, tools, fault, interruption)
            found = {**facts(platform, plan), **before}
            stored = stored_records(platform, plan)
            if fault:
                _wait_until_healthy(platform)
                fault.add_event("all brokers serve and all replicas are in sync")
            consumed = end_to_end = None
            if plan.consumer:
                tools += [
                    consumer_tool(plan, host.bootstrap, stored, host.login),
                    end_to_end_tool(plan, host.bootstrap, host.login),
                ]
                consumed = _consume(host, tools[-2], interruption)
                end_to_end = _end_to_end(host, tools[-1], interruption)
        finally:
            host.remove_all()
    return Result(
        facts=found,
        producers=producers,
        stored=stored,
        consumed=consumed,
        end_to_end=end_to_end,
        events=fault.events if fault else (),
        commands={tool.name: host.command_line(tool) for tool in tools},
    )


def _produce(
    plan: Plan, host: Host, tools: Sequence[Tool], fault: PlannedFault | None, interruption: Interruption
) -> list[ProducerRun]:
    """Run the producers in parallel, and the fault in the middle of the run."""
    transcripts = [Transcript(tool.name) for tool in tools]
    with progress("producing", plan.records) as advance, ThreadPoolExecutor(len(tools)) as pool:
        runs = [
            pool.submit(host.run, tool, transcript.feed) for tool, transcript in zip(tools, transcripts, strict=True)
        ]
        try:
            _supervise(runs, transcripts, fault, advance, interruption)
        except BaseException:
            host.remove_all()  # the pool waits for its threads, which wait for their tools
            raise
        finally:
            if fault:
                fault.end()
    return [_outcome(run.result(), transcript) for run, transcript in zip(runs, transcripts, strict=True)]


def _supervise(
    runs: Sequence[Future[int]],
    transcripts: Sequence[Transcript],
    fault: PlannedFault | None,
    advance: Advance,
    interruption: Interruption,
) -> None:
    """Wait until all producers have exited; inject and heal the fault when due, and stop producers that only fail."""
    shown = 0
    while wait(runs, timeout=_POLL_SECONDS).not_done:
        interruption.check()
        for run in runs:
            if run.done():
                run.result()  # a tool that could not run ends the others
        windows = [list(transcript.windows) for transcript in transcripts]
        done = sum(window.records for lines in windows for window in lines)
        advance(done - shown)
        shown = done
        if fault and (began := _began(windows)) is not None:
            fault.at(time.time() - began)
        for transcript in transcripts:
            if not transcript.windows and transcript.failed >= MAX_FAILURES_WITHOUT_SUCCESS:
                raise transcript.error(f"{transcript.name}: no record was accepted")


def _began(windows: Sequence[Sequence[Window]]) -> float | None:
    """When the first producer began to send, from the time and duration of its first periodic line."""
    starts = [lines[0].time - lines[0].records / lines[0].rate for lines in windows if lines and lines[0].rate]
    return min(starts, default=None)


def _wait_until_healthy(platform: Platform) -> None:
    def findings() -> list[str]:
        try:
            return health.problems(platform)
        except PlatformError as error:
            return [str(error)]

    wait_until(findings, what=f"platform {platform.name}", deadline=RECOVERY_SECONDS, report=say)


def _outcome(status: int, transcript: Transcript) -> ProducerRun:
    """The figures of a producer that has exited.

    The tool exits with 0 even if every record failed, so its total is checked instead.
    """
    if status or transcript.total is None:
        raise transcript.error(f"{transcript.name} exited with status {status} before its last line")
    if not transcript.total.records:
        raise transcript.error(f"{transcript.name}: no record was accepted")
    return ProducerRun(name=transcript.name, windows=transcript.windows, total=transcript.total)


def _consume(host: Host, tool: Tool, interruption: Interruption) -> Consumed:
    transcript, lines = _run(host, tool, "consuming", interruption)
    consumed = consumer_result(lines)
    if consumed is None:
        raise transcript.error(f"{tool.name} printed no figures")
    return consumed


def _end_to_end(host: Host, tool: Tool, interruption: Interruption) -> EndToEnd:
    transcript, lines = _run(host, tool, "measuring end-to-end latency", interruption)
    found = end_to_end_result(lines)
    if found is None:
        raise transcript.error(f"{tool.name} printed no percentiles")
    return found


def _run(host: Host, tool: Tool, title: str, interruption: Interruption) -> tuple[Transcript, list[str]]:
    """Run a tool and keep all lines of its output, which is short."""
    transcript, lines = Transcript(tool.name), list[str]()

    def keep(line: Line) -> None:
        transcript.feed(line)
        lines.append(line.text)

    with progress(title), ThreadPoolExecutor(1) as pool:
        run = pool.submit(host.run, tool, keep)
        try:
            while wait([run], timeout=_POLL_SECONDS).not_done:
                interruption.check()
        except BaseException:
            host.remove_all()
            raise
    if status := run.result():
        raise transcript.error(f"{tool.name} exited with status {status}")
    return transcript, lines
