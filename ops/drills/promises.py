"""What drills promise, and whether their figures keep it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ops.drills.kafka_figures import Figures


@dataclass(frozen=True)
class Limits:
    """The numbers in promises.

    Args:
        in_sync_seconds: From healing until all replicas are in sync.
        leader_seconds: From the fault until there is a new ensemble leader or a new controller.
        redis_seconds: From healing until Redis accepts writes.
        redis_loss_seconds: Maximum age of acknowledged writes that may be lost: ``appendfsync everysec`` syncs the
            append-only file once per second.
        published: Minimum number of messages published during a broker's loss.
    """

    in_sync_seconds: float = 60.0
    leader_seconds: float = 30.0
    redis_seconds: float = 30.0
    redis_loss_seconds: float = 1.0
    published: int = 1000

    def within(self, seconds: float) -> Self:
        """The same limits with a different recovery time, in seconds."""
        return replace(self, in_sync_seconds=seconds, leader_seconds=seconds, redis_seconds=seconds)


@dataclass(frozen=True)
class Promise:
    """A judged promise.

    Args:
        text: What is promised.
        measured: What was measured.
        kept: Whether it was kept.
    """

    text: str
    measured: str
    kept: bool


Rule = Callable[[Figures, Limits], Promise]
"""Judges one promise."""


def none_lost(figures: Figures, limits: Limits) -> Promise:
    """Every acknowledged message is read back unchanged."""
    wrong = figures.lost + figures.damaged + figures.misplaced
    measured = (
        f"{figures.acknowledged} acknowledged, {figures.lost} lost, {figures.damaged} damaged, "
        f"{figures.misplaced} in a different partition, {figures.duplicated} duplicated"
    )
    return Promise(
        "every acknowledged message is read back unchanged", measured, figures.acknowledged > 0 and not wrong
    )


def in_order(figures: Figures, limits: Limits) -> Promise:
    """Messages of a key are read in the order in which they were sent."""
    text = "messages of a key are read in the order in which they were sent"
    return Promise(text, f"{figures.disordered} out of order", not figures.disordered)


def no_errors(figures: Figures, limits: Limits) -> Promise:
    """The client gets no error."""
    first = next(iter(figures.errors), "")
    measured = f"{figures.failed} of {figures.sent} failed" + (f", most with {first}" if first else "")
    return Promise("the client gets no error", measured, not figures.failed)


def enough_published(figures: Figures, limits: Limits) -> Promise:
    """Messages are published while the broker is down or catches up."""
    text = f"at least {limits.published} messages are published until all replicas are in sync again"
    return Promise(text, str(figures.published_meanwhile), figures.published_meanwhile >= limits.published)


def in_sync(figures: Figures, limits: Limits) -> Promise:
    """All brokers serve and all replicas are in sync soon after healing."""
    text = f"all replicas are in sync within {limits.in_sync_seconds:g} s after healing"
    return _within(text, figures.all_in_sync_after, limits.in_sync_seconds)


def new_controller(figures: Figures, limits: Limits) -> Promise:
    """A new broker becomes the controller."""
    text = f"there is a new controller within {limits.leader_seconds:g} s"
    return _within(text, figures.new_controller_after, limits.leader_seconds)


def new_ensemble_leader(figures: Figures, limits: Limits) -> Promise:
    """The ensemble elects a new leader."""
    text = f"the ensemble has a new leader within {limits.leader_seconds:g} s"
    return _within(text, figures.new_ensemble_leader_after, limits.leader_seconds)


def above_minimum(figures: Figures, limits: Limits) -> Promise:
    """No partition has fewer in-sync replicas than its minimum."""
    below = figures.below_minimum
    measured = f"below it: {', '.join(below[:5])}" if below else f"at least {figures.fewest_in_sync} in sync"
    return Promise("no partition falls below min.insync.replicas", measured, not below)


def is_gone(figures: Figures, limits: Limits) -> Promise:
    """The targeted broker stops answering; otherwise the drill tested nothing."""
    return _leaves("the killed broker is gone", figures)


def goes_offline(figures: Figures, limits: Limits) -> Promise:
    """A broker that cannot write goes offline instead of acknowledging records that it cannot store."""
    return _leaves("the broker that cannot write goes offline", figures)


def _leaves(text: str, figures: Figures) -> Promise:
    measured = "never" if figures.left_after is None else f"after {figures.left_after:.1f} s"
    return Promise(text, measured, figures.left_after is not None)


def _within(text: str, seconds: float | None, limit: float) -> Promise:
    measured = "never" if seconds is None else f"{seconds:.1f} s"
    return Promise(text, measured, seconds is not None and seconds <= limit)


def judge(rules: Sequence[Rule], figures: Figures, limits: Limits) -> list[Promise]:
    """Judge all promises of a drill."""
    return [rule(figures, limits) for rule in rules]
