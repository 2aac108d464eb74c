"""The result of a run, and the limits that it must keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.benchmark.fault import Event
from ops.benchmark.output import Consumed, EndToEnd, Total, Window
from ops.benchmark.plan import Plan


@dataclass(frozen=True, kw_only=True)
class ProducerRun:
    """The figures of one producer.

    Args:
        name: The tool's name.
        windows: Its periodic lines.
        total: Its last line.
    """

    name: str
    windows: Sequence[Window]
    total: Total


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a run.

    Args:
        facts: What is needed to interpret the figures: the platform and the machine.
        producers: The figures of each producer.
        stored: Records in the topic after all producers have exited.
        consumed: The consumer's figures; None if it did not run.
        end_to_end: The figures of the end-to-end tool; None if it did not run.
        events: What happened to the platform during the run.
        commands: The command line of each tool.
    """

    facts: Mapping[str, Any]
    producers: Sequence[ProducerRun]
    stored: int
    consumed: Consumed | None = None
    end_to_end: EndToEnd | None = None
    events: Sequence[Event] = ()
    commands: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def acknowledged(self) -> int:
        """Acknowledged records of all producers."""
        return sum(producer.total.records for producer in self.producers)

    @property
    def rate(self) -> float:
        """Acknowledged records per second: the sum of the producers' rates."""
        return sum(producer.total.rate for producer in self.producers)

    @property
    def worst(self) -> Total:
        """The total of the producer with the highest 95th percentile: percentiles of several cannot be combined."""
        return max((producer.total for producer in self.producers), key=lambda total: total.p95_ms)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that the user gives; None is no limit.

    Args:
        max_p95_ms: Highest allowed 95th percentile of the latency over the whole run, in milliseconds.
        min_rate: Lowest allowed rate, in records per second. A throttled tool stays some tenths of a percent below
            its rate, since it counts the time until the last acknowledgement.
    """

    max_p95_ms: float | None = None
    min_rate: float | None = None


def violations(plan: Plan, result: Result, limits: Limits) -> list[str]:
    """The limits that a result breaks, one line each.

    That every record is acknowledged and stored exactly once is always a limit.
    """
    found: list[str] = []
    if result.acknowledged < plan.records:
        found.append(f"{plan.records - result.acknowledged} of {plan.records} records were not acknowledged")
    if result.stored < result.acknowledged:
        found.append(f"{result.acknowledged - result.stored} acknowledged records are not in the topic")
    if result.stored > plan.records:
        found.append(f"the topic has {result.stored} records, {result.stored - plan.records} more than were sent")
    if result.consumed and result.consumed.records < result.stored:
        found.append(f"the consumer read {result.consumed.records} of {result.stored} records")
    if limits.max_p95_ms is not None and result.worst.p95_ms > limits.max_p95_ms:
        found.append(f"the 95th percentile is {result.worst.p95_ms} ms; the limit is {limits.max_p95_ms:g} ms")
    if limits.min_rate is not None and result.rate < limits.min_rate:
        found.append(f"the rate is {result.rate:.1f} records/s; the minimum is {limits.min_rate:g}")
    return found
