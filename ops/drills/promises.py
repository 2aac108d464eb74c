"""What each drill promises, and whether its figures keep it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from ops.drills.figures import Figures


@dataclass(frozen=True)
class Limits:
    """The numbers in promises.

    Args:
        in_sync_seconds: From healing until all replicas are in sync again.
        leader_seconds: From the fault until there is another leader of the ensemble, or another controller.
        redis_seconds: From healing until Redis takes writes again.
        redis_loss_seconds: Age of the oldest acknowledged write that may be lost: ``appendfsync everysec`` gives the
            append-only file to the disk once a second.
        published: Messages that are published while a broker is away.
    """

    in_sync_seconds: float = 60.0
    leader_seconds: float = 30.0
    redis_seconds: float = 30.0
    redis_loss_seconds: float = 1.0
    published: int = 1000

    def within(self, seconds: float) -> Self:
        """The same promises with other times to recover in."""
        return replace(self, in_sync_seconds=seconds, leader_seconds=seconds, redis_seconds=seconds)


@dataclass(frozen=True)
class Promise:
    """A promise and what became of it.

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
    """Every acknowledged message is read back as it was sent."""
    spoiled = figures.lost + figures.damaged + figures.misplaced
    measured = (
        f"{figures.acknowledged} acknowledged, {figures.lost} lost, {figures.damaged} damaged, "
        f"{figures.misplaced} in another partition, {figures.duplicated} duplicated"
    )
    return Promise(
        "every acknowledged message is read back as it was sent", measured, figures.acknowledged > 0 and not spoiled
    )


def in_order(figures: Figures, limits: Limits) -> Promise:
    """Messages of a key are read in the order of sending."""
    text = "messages of a key are read in the order of sending"
    return Promise(text, f"{figures.disordered} out of order", not figures.disordered)


def no_errors(figures: Figures, limits: Limits) -> Promise:
    """The client is given no error."""
    first = next(iter(figures.errors), "")
    measured = f"{figures.failed} of {figures.sent} failed" + (f", most with {first}" if first else "")
    return Promise("the client is given no error", measured, not figures.failed)


def enough_published(figures: Figures, limits: Limits) -> Promise:
    """Messages are published while the broker is away or catches up."""
    text = f"{limits.published} or more messages are published until all replicas are in sync again"
    return Promise(text, str(figures.published_meanwhile), figures.published_meanwhile >= limits.published)


def in_sync(figures: Figures, limits: Limits) -> Promise:
    """All brokers serve with all replicas in sync soon after healing."""
    text = f"all replicas are in sync within {limits.in_sync_seconds:g} s after healing"
    return _within(text, figures.all_in_sync_after, limits.in_sync_seconds)


def new_controller(figures: Figures, limits: Limits) -> Promise:
    """Another broker becomes the controller."""
    text = f"another broker is the controller within {limits.leader_seconds:g} s"
    return _within(text, figures.new_controller_after, limits.leader_seconds)


def new_ensemble_leader(figures: Figures, limits: Limits) -> Promise:
    """Another member leads the ensemble."""
    text = f"another member leads the ensemble within {limits.leader_seconds:g} s"
    return _within(text, figures.new_ensemble_leader_after, limits.leader_seconds)


def above_minimum(figures: Figures, limits: Limits) -> Promise:
    """No partition falls below its minimum of replicas in sync."""
    below = figures.below_minimum
    measured = f"below it: {', '.join(below[:5])}" if below else f"{figures.fewest_in_sync} in sync at the fewest"
    return Promise("no partition falls below min.insync.replicas", measured, not below)


def is_gone(figures: Figures, limits: Limits) -> Promise:
    """The broker that was struck stops answering: else nothing was tried."""
    return _leaves("the broker that was struck is gone", figures)


def goes_offline(figures: Figures, limits: Limits) -> Promise:
    """The broker that cannot write stops serving, instead of acknowledging what it cannot keep."""
    return _leaves("the broker that cannot write goes offline", figures)


def _leaves(text: str, figures: Figures) -> Promise:
    measured = "it never was" if figures.left_after is None else f"after {figures.left_after:.1f} s"
    return Promise(text, measured, figures.left_after is not None)


def _within(text: str, seconds: float | None, limit: float) -> Promise:
    measured = "it never came" if seconds is None else f"{seconds:.1f} s"
    return Promise(text, measured, seconds is not None and seconds <= limit)


def judge(rules: Sequence[Rule], figures: Figures, limits: Limits) -> list[Promise]:
    """Judge all promises of a drill."""
    return [rule(figures, limits) for rule in rules]
