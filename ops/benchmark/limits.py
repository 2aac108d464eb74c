"""What a result is held against."""

from dataclasses import dataclass

from ops.benchmark.plan import Plan
from ops.benchmark.result import Result


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that a person gives; None is no limit.

    Args:
        max_p95_ms: Highest 95th percentile of the latency over the whole run, in milliseconds.
        min_rate: Lowest rate in records a second. A tool that keeps a rate stays some tenths of a percent below it,
            since it counts the time until the last acknowledgement.
    """

    max_p95_ms: float | None = None
    min_rate: float | None = None


def broken(plan: Plan, result: Result, limits: Limits) -> list[str]:
    """What a result breaks, in words. That every record must be acknowledged and stored once is always a limit."""
    found: list[str] = []
    if result.acknowledged < plan.records:
        found.append(f"{plan.records - result.acknowledged} of {plan.records} records were not acknowledged")
    if result.stored < result.acknowledged:
        found.append(f"{result.acknowledged - result.stored} records were acknowledged, but are not in the topic")
    if result.stored > plan.records:
        found.append(f"the topic has {result.stored} records, {result.stored - plan.records} more than were sent")
    if result.consumed and result.consumed.records < result.stored:
        found.append(f"the consumer read {result.consumed.records} of {result.stored} records")
    if limits.max_p95_ms is not None and result.worst.p95_ms > limits.max_p95_ms:
        found.append(f"the 95th percentile is {result.worst.p95_ms} ms; at most {limits.max_p95_ms:g} ms are wanted")
    if limits.min_rate is not None and result.rate < limits.min_rate:
        found.append(f"the rate is {result.rate:.1f} records/s; at least {limits.min_rate:g} are wanted")
    return found
