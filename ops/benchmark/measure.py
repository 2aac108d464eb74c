"""One run: the topic, the producers with what happens in their midst, the consumer, and what was found."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from components.waiting import wait_until
from components.errors import PlatformError
from ops.benchmark.facts import facts, machine
from ops.benchmark.fault import PlannedFault
from ops.benchmark.hosts import Host
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
from ops.drills import wellness
from ops.drills.interruption import Interruption
from ops.platform import Platform

HOPELESS = 100
"""Failed records after which a producer that has not written a single one is ended: it would go on to the last."""

RECOVERY_SECONDS = 300.0
"""Seconds after the run in which all must be well again where a broker was lost."""

_TICK_SECONDS = 0.1


def measure(
    platform: Platform, plan: Plan, host: Host, fault: PlannedFault | None, interruption: Interruption
) -> Result:
    """Carry out a plan; whatever happens, the fault is mended and nothing is left behind.

    Raises:
        KeyboardInterrupt: A signal came.
        ToolError: A tool did not do what it was asked for.
        UnreachableError: The platform or the engine does not answer.
        UnhealthyError: The platform did not become well again.
    """
    tools = producer_tools(plan, host.bootstrap)
    with own_topic(platform, plan):
        try:
            before = machine()
            producers = _produce(plan, host, tools, fault, interruption)
            found = {**facts(platform, plan), **before}
            stored = stored_records(platform, plan)
            if fault:
                _wait_until_well(platform)
                fault.tell("all brokers are there and every replica is in sync")
            consumed = end_to_end = None
            if plan.consumer:
                tools += [consumer_tool(plan, host.bootstrap, stored), end_to_end_tool(plan, host.bootstrap)]
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
        commands={tool.name: host.by_hand(tool) for tool in tools},
    )


def _produce(
    plan: Plan, host: Host, tools: Sequence[Tool], fault: PlannedFault | None, interruption: Interruption
) -> list[ProducerRun]:
    """Run the producers side by side, and the fault in their midst."""
    transcripts = [Transcript(tool.name) for tool in tools]
    with progress("producing", plan.records) as advance, ThreadPoolExecutor(len(tools)) as pool:
        runs = [
            pool.submit(host.run, tool, transcript.feed) for tool, transcript in zip(tools, transcripts, strict=True)
        ]
        try:
            _attend(runs, transcripts, fault, advance, interruption)
        except BaseException:
            host.remove_all()  # the pool waits for its threads, and they for their tools
            raise
        finally:
            if fault:
                fault.end()
    return [_outcome(run.result(), transcript) for run, transcript in zip(runs, transcripts, strict=True)]


def _attend(
    runs: "Sequence[Future[int]]",
    transcripts: Sequence[Transcript],
    fault: PlannedFault | None,
    advance: Advance,
    interruption: Interruption,
) -> None:
    """Stay until all producers have ended: break and mend what is due, and end those that only fail."""
    shown = 0
    while wait(runs, timeout=_TICK_SECONDS).not_done:
        interruption.check()
        for run in runs:
            if run.done():
                run.result()  # one that could not be run ends the others
        windows = [list(transcript.windows) for transcript in transcripts]
        done = sum(window.records for lines in windows for window in lines)
        advance(done - shown)
        shown = done
        if fault and (began := _began(windows)) is not None:
            fault.at(time.time() - began)
        for transcript in transcripts:
            if not transcript.windows and transcript.failed >= HOPELESS:
                raise transcript.error(f"{transcript.name}: no record was taken")


def _began(windows: Sequence[Sequence[Window]]) -> float | None:
    """When the first producer began to send, by its first line: that tells how long it took, and when it ended."""
    starts = [lines[0].time - lines[0].records / lines[0].rate for lines in windows if lines and lines[0].rate]
    return min(starts, default=None)


def _wait_until_well(platform: Platform) -> None:
    def findings() -> list[str]:
        try:
            return wellness.problems(platform)
        except PlatformError as error:
            return [str(error)]

    wait_until(findings, what=f"platform {platform.name}", deadline=RECOVERY_SECONDS, report=say)


def _outcome(status: int, transcript: Transcript) -> ProducerRun:
    """What a producer that has ended found.

    The tool ends with 0 also where every record failed, so its total is what counts.
    """
    if status or transcript.total is None:
        raise transcript.error(f"{transcript.name} ended with status {status} before its last line")
    if not transcript.total.records:
        raise transcript.error(f"{transcript.name}: no record was taken")
    return ProducerRun(name=transcript.name, windows=transcript.windows, total=transcript.total)


def _consume(host: Host, tool: Tool, interruption: Interruption) -> Consumed:
    transcript, lines = _run(host, tool, "consuming", interruption)
    consumed = consumer_result(lines)
    if consumed is None:
        raise transcript.error(f"{tool.name} printed no figures")
    return consumed


def _end_to_end(host: Host, tool: Tool, interruption: Interruption) -> EndToEnd:
    transcript, lines = _run(host, tool, "measuring from end to end", interruption)
    found = end_to_end_result(lines)
    if found is None:
        raise transcript.error(f"{tool.name} printed no percentiles")
    return found


def _run(host: Host, tool: Tool, title: str, interruption: Interruption) -> tuple[Transcript, list[str]]:
    """Run a tool whose output is short."""
    transcript, lines = Transcript(tool.name), list[str]()

    def keep(line: Line) -> None:
        transcript.feed(line)
        lines.append(line.text)

    with progress(title), ThreadPoolExecutor(1) as pool:
        run = pool.submit(host.run, tool, keep)
        try:
            while wait([run], timeout=_TICK_SECONDS).not_done:
                interruption.check()
        except BaseException:
            host.remove_all()
            raise
    if status := run.result():
        raise transcript.error(f"{tool.name} ended with status {status}")
    return transcript, lines
