"""The figures of a drill of Kafka or ZooKeeper, from its evidence. Pure; times are seconds of one clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from components.naming import ordinal_of
from ops.drills.cluster_view import ClusterView, Roles
from ops.drills.kafka_load import Acknowledgement
from ops.drills.kafka_readers import Arrival
from ops.drills.measures import (
    LatencySummary,
    Phases,
    gaps,
    latency_by_phase,
    longest_gap,
    rate_by_phase,
    rounded,
    stable_since,
)
from ops.drills.sampler import Sample
from ops.drills.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that a drill of Kafka or ZooKeeper observed.

    Args:
        phases: When its phases began and ended.
        targets: The members that were broken, in this order.
        brokers: Number of declared brokers.
        controller: Id of the controller before the drill.
        topic: The drill's topic.
        minimum: ``min.insync.replicas`` of each topic.
        sent: Number of records handed to the producer.
        acknowledged: Acknowledged records.
        failed: Number of records that failed.
        errors: The client's errors and their counts, by message.
        arrivals: Records that reached a consumer.
        verdict: Comparison of acknowledged records with the topic.
        cluster: Samples of the cluster.
        roles: Samples of the ensemble's roles; may be empty.
    """

    phases: Phases
    targets: Sequence[str]
    brokers: int
    controller: int
    topic: str
    minimum: Mapping[str, int]
    sent: int
    acknowledged: Sequence[Acknowledgement]
    failed: int
    errors: Mapping[str, int]
    arrivals: Sequence[Arrival]
    verdict: Verdict
    cluster: Sequence[Sample[ClusterView]]
    roles: Sequence[Sample[Roles]] = ()


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a drill; in seconds unless stated otherwise, None for an event that never came.

    Args:
        sent: Records handed to the producer.
        acknowledged: Acknowledged records.
        published_meanwhile: Acknowledged records that were sent between the fault and recovery.
        failed: Records that failed.
        errors: The client's errors and their counts, by message.
        lost: Acknowledged records that are not in the topic.
        duplicated: Copies beyond the first.
        disordered: Records that follow a later one of their key.
        misplaced: Records in a different partition than acknowledged.
        damaged: Records that differ from what was sent.
        longest_gap: Longest time without any acknowledgement.
        longest_gap_by_partition: Longest time without an acknowledgement of each partition.
        all_in_sync_after: From healing until all brokers serve and all replicas are in sync.
        new_leaders_after: From the fault until every partition of the drill's topic has a leader that was not a
            target; None unless exactly one broker was a target.
        new_controller_after: From the fault until a new broker is the controller; None if it was not a target.
        new_ensemble_leader_after: From the fault until the ensemble has a new leader; None if no member was a target.
        left_after: From the fault until a targeted broker no longer answers or is no longer registered.
        fewest_in_sync: Fewest in-sync replicas of any partition of the drill's topic.
        below_minimum: Partitions that ever had fewer in-sync replicas than ``min.insync.replicas``, among those with
            more replicas than that.
        latency_ms: End-to-end latency by phase.
        per_second: Acknowledged records per second by phase.
    """

    sent: int
    acknowledged: int
    published_meanwhile: int
    failed: int
    errors: Mapping[str, int] = field(default_factory=dict[str, int])
    lost: int = 0
    duplicated: int = 0
    disordered: int = 0
    misplaced: int = 0
    damaged: int = 0
    longest_gap: float = 0.0
    longest_gap_by_partition: Mapping[int, float] = field(default_factory=dict[int, float])
    all_in_sync_after: float | None = None
    new_leaders_after: float | None = None
    new_controller_after: float | None = None
    new_ensemble_leader_after: float | None = None
    left_after: float | None = None
    fewest_in_sync: int | None = None
    below_minimum: Sequence[str] = ()
    latency_ms: Mapping[str, LatencySummary] = field(default_factory=dict[str, LatencySummary])
    per_second: Mapping[str, float] = field(default_factory=dict[str, float])


def figures_of(evidence: Evidence) -> Figures:
    """All figures of a drill."""
    phases, verdict = evidence.phases, evidence.verdict
    recovered = phases.end if phases.recovered is None else phases.recovered
    times = [entry.at for entry in evidence.acknowledged]
    by_partition = gaps(((entry.partition, entry.at) for entry in evidence.acknowledged), phases.start, phases.end)
    return Figures(
        sent=evidence.sent,
        acknowledged=len(evidence.acknowledged),
        published_meanwhile=sum(phases.fault <= entry.stamp.sent / 1e9 < recovered for entry in evidence.acknowledged),
        failed=evidence.failed,
        errors=evidence.errors,
        lost=len(verdict.lost),
        duplicated=verdict.duplicated,
        disordered=len(verdict.disordered),
        misplaced=verdict.misplaced,
        damaged=verdict.damaged,
        longest_gap=round(longest_gap(times, phases.start, phases.end).seconds, 3),
        longest_gap_by_partition={partition: round(gap.seconds, 3) for partition, gap in by_partition.items()},
        all_in_sync_after=rounded(None if phases.recovered is None else phases.recovered - phases.healed),
        new_leaders_after=rounded(_new_leaders_after(evidence)),
        new_controller_after=rounded(_new_controller_after(evidence)),
        new_ensemble_leader_after=rounded(_new_ensemble_leader_after(evidence)),
        left_after=rounded(_left_after(evidence)),
        fewest_in_sync=_fewest_in_sync(evidence),
        below_minimum=_below_minimum(evidence),
        latency_ms=latency_by_phase(
            ((arrival.sent, arrival.at - arrival.sent) for arrival in evidence.arrivals), phases
        ),
        per_second=rate_by_phase(times, phases),
    )


def recovered_after(samples: Sequence[Sample[ClusterView]], brokers: int, healed: float) -> float | None:
    """Seconds from healing until the cluster is healthy and stays so; None if it is not at the end.

    A sample without an answer is ignored: on a busy machine an answer may come too late.
    """
    views = [(sample.at, sample.value.healthy(brokers)) for sample in samples if sample.value is not None]
    return stable_since(views, healed)


def formed_after(samples: Sequence[Sample[Roles]], healed: float) -> float | None:
    """Seconds from healing until the ensemble has all members and one leader and stays so; None if never."""
    views = [(sample.at, _is_formed(sample.value)) for sample in samples if sample.value is not None]
    return stable_since(views, healed)


def _is_formed(roles: Roles) -> bool:
    return None not in roles.values() and list(roles.values()).count("leader") == 1


def _target_ids(evidence: Evidence) -> set[int]:
    return {ordinal_of(member) for member in evidence.targets if member.startswith("kafka-")}


def _views(evidence: Evidence) -> list[tuple[float, ClusterView]]:
    """Time and view of each answered sample since the fault."""
    since = evidence.phases.fault
    return [(sample.at, sample.value) for sample in evidence.cluster if sample.value is not None and sample.at >= since]


def _first_after_fault(evidence: Evidence, matches: Callable[[ClusterView], bool]) -> float | None:
    """Seconds from the fault until the first view that matches."""
    return next((at - evidence.phases.fault for at, view in _views(evidence) if matches(view)), None)


def _new_leaders_after(evidence: Evidence) -> float | None:
    targets = _target_ids(evidence)

    def led_elsewhere(view: ClusterView) -> bool:
        own = [partition for partition in view.state.partitions if partition.topic == evidence.topic]
        return bool(own) and all(partition.leader >= 0 and partition.leader not in targets for partition in own)

    return _first_after_fault(evidence, led_elsewhere) if len(targets) == 1 else None


def _new_controller_after(evidence: Evidence) -> float | None:
    if evidence.controller not in _target_ids(evidence):
        return None
    return _first_after_fault(evidence, lambda view: view.state.controller not in (evidence.controller, -1))


def _new_ensemble_leader_after(evidence: Evidence) -> float | None:
    since, targets = evidence.phases.fault, evidence.targets
    if not any(sample.value and set(targets) & set(sample.value) for sample in evidence.roles):
        return None  # no member of the ensemble was a target
    views = [(sample.at, sample.value) for sample in evidence.roles if sample.at >= since and sample.value]
    # A pod may be back before the others have voted, and be elected again: that counts as a new leader too.
    lost = next((at for at, roles in views if not any(roles.get(member) == "leader" for member in targets)), None)

    def has_new_leader(at: float, roles: Roles) -> bool:
        elsewhere = any(role == "leader" and member not in targets for member, role in roles.items())
        return elsewhere or (lost is not None and at > lost and "leader" in roles.values())

    return next((at - since for at, roles in views if has_new_leader(at, roles)), None)


def _left_after(evidence: Evidence) -> float | None:
    ids, names = _target_ids(evidence), frozenset(evidence.targets)
    return _first_after_fault(evidence, lambda view: bool(view.silent & names or ids - set(view.state.brokers)))


def _fewest_in_sync(evidence: Evidence) -> int | None:
    return min(
        (
            len(partition.in_sync)
            for _, view in _views(evidence)
            for partition in view.state.partitions
            if partition.topic == evidence.topic
        ),
        default=None,
    )


def _below_minimum(evidence: Evidence) -> list[str]:
    return sorted(
        {
            str(partition)
            for _, view in _views(evidence)
            for partition in view.state.partitions
            if len(partition.in_sync) < evidence.minimum.get(partition.topic, 1) < len(partition.replicas)
        }
    )
