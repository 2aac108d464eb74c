"""The figures of a drill, from the evidence that it gathered. Pure; times are seconds of one clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ops.drills.checker import Arrival, Verdict
from ops.drills.load import Acknowledgement
from ops.drills.measures import Gap, Phases, first_since, gaps, latency_by_phase, longest_gap, rate
from ops.drills.sampler import ClusterView, Roles, Sample


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a drill of Kafka or ZooKeeper saw.

    Args:
        phases: When what happened.
        struck: The members that were struck, in that order.
        brokers: Number of declared brokers.
        controller: Id of the broker that was the controller before.
        topic: The drill's topic.
        minimum: ``min.insync.replicas`` of each topic.
        sent: Records that were handed to the producer.
        acknowledged: Records that the brokers promised to keep.
        failed: Records whose sending ended in an error.
        errors: Errors that the client was given, by text.
        arrivals: Records that reached a consumer.
        verdict: What became of the records.
        cluster: What the cluster looked like.
        roles: What the ensemble looked like; empty where no drill looked.
    """

    phases: Phases
    struck: Sequence[str]
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
    """What a drill measured; seconds unless the name says otherwise, None where it never came.

    Args:
        sent: Records handed to the producer.
        acknowledged: Records that were acknowledged.
        published_meanwhile: Those of them that were sent between the fault and when all was well again.
        failed: Records whose sending ended in an error.
        errors: Errors by text.
        lost: Acknowledged records that are not in the topic.
        duplicated: Copies beyond the first.
        disordered: Records that come after a later one of their key.
        misplaced: Records in another partition than acknowledged.
        damaged: Records that are not as they were sent.
        longest_gap: The longest time without an acknowledgement of any partition.
        longest_gap_by_partition: The same of each partition.
        all_in_sync_after: From healing until all brokers served, with all replicas in sync.
        new_leaders_after: From the fault until no partition of the drill's topic was led by a broker that was struck,
            or by none.
        new_controller_after: From the fault until another broker was the controller; None where it was not struck.
        new_ensemble_leader_after: From the fault until another member led the ensemble; None where none was struck.
        left_after: From the fault until a broker that was struck was gone: it did not answer, or was not registered.
        fewest_in_sync: The fewest replicas in sync that any partition of the drill's topic had.
        below_minimum: Partitions that had fewer replicas in sync than their minimum at any time, of those that could
            spare one.
        latency_ms: Latency from end to end by phase.
        per_second: Acknowledged records a second by phase.
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
    latency_ms: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    per_second: Mapping[str, float] = field(default_factory=dict[str, float])


def figures_of(evidence: Evidence) -> Figures:
    """All figures of a drill."""
    phases, verdict = evidence.phases, evidence.verdict
    times = [entry.at for entry in evidence.acknowledged]
    well_at = phases.end if phases.recovered is None else phases.recovered
    by_partition = gaps(((entry.partition, entry.at) for entry in evidence.acknowledged), phases.start, phases.end)
    return Figures(
        sent=evidence.sent,
        acknowledged=len(evidence.acknowledged),
        published_meanwhile=sum(phases.fault <= entry.stamp.sent / 1e9 < well_at for entry in evidence.acknowledged),
        failed=evidence.failed,
        errors=evidence.errors,
        lost=len(verdict.lost),
        duplicated=verdict.duplicated,
        disordered=len(verdict.disordered),
        misplaced=verdict.misplaced,
        damaged=verdict.damaged,
        longest_gap=_rounded(unavailability(evidence).seconds),
        longest_gap_by_partition={partition: _rounded(gap.seconds) for partition, gap in by_partition.items()},
        all_in_sync_after=_maybe(None if phases.recovered is None else phases.recovered - phases.healed),
        new_leaders_after=_maybe(_new_leaders(evidence)),
        new_controller_after=_maybe(_new_controller(evidence)),
        new_ensemble_leader_after=_maybe(_new_ensemble_leader(evidence)),
        left_after=_maybe(_left(evidence)),
        fewest_in_sync=_fewest_in_sync(evidence),
        below_minimum=_below_minimum(evidence),
        latency_ms=latency_by_phase(
            ((arrival.sent, arrival.at - arrival.sent) for arrival in evidence.arrivals), phases
        ),
        per_second={name: round(rate(times, *span), 1) for name, span in phases.spans().items()},
    )


def unavailability(evidence: Evidence) -> Gap:
    """The longest time without any acknowledgement."""
    return longest_gap((entry.at for entry in evidence.acknowledged), evidence.phases.start, evidence.phases.end)


def recovered_after(samples: Sequence[Sample[ClusterView]], brokers: int, healed: float) -> float | None:
    """Seconds from healing until the cluster is well and stays so; None where it is not at the end.

    A look without an answer says nothing: on a busy machine a single one may come too late.
    """
    return first_since([(entry.at, entry.seen.well(brokers)) for entry in samples if entry.seen is not None], healed)


def formed_after(samples: Sequence[Sample[Roles]], healed: float) -> float | None:
    """Seconds from healing until the ensemble has all its members and stays so; None where it has not at the end."""
    return first_since([(entry.at, _is_formed(entry.seen)) for entry in samples if entry.seen is not None], healed)


def _is_formed(roles: Roles) -> bool:
    return None not in roles.values() and list(roles.values()).count("leader") == 1


def _ids(members: Sequence[str]) -> set[int]:
    return {int(member.rpartition("-")[2]) for member in members if member.startswith("kafka-")}


def _views(evidence: Evidence) -> list[tuple[float, ClusterView]]:
    """What was seen from the fault on, where anybody answered."""
    since = evidence.phases.fault
    return [(entry.at, entry.seen) for entry in evidence.cluster if entry.seen is not None and entry.at >= since]


def _first(moments: Sequence[float], since: float) -> float | None:
    return moments[0] - since if moments else None


def _new_leaders(evidence: Evidence) -> float | None:
    struck = _ids(evidence.struck)

    def led_elsewhere(view: ClusterView) -> bool:
        own = [partition for partition in view.state.partitions if partition.topic == evidence.topic]
        return bool(own) and all(partition.leader >= 0 and partition.leader not in struck for partition in own)

    if len(struck) != 1:
        return None
    return _first([at for at, view in _views(evidence) if led_elsewhere(view)], evidence.phases.fault)


def _new_controller(evidence: Evidence) -> float | None:
    if evidence.controller not in _ids(evidence.struck):
        return None
    others = [at for at, view in _views(evidence) if view.state.controller not in (evidence.controller, -1)]
    return _first(others, evidence.phases.fault)


def _new_ensemble_leader(evidence: Evidence) -> float | None:
    since = evidence.phases.fault
    if not any(entry.seen and set(evidence.struck) & set(entry.seen) for entry in evidence.roles):
        return None  # no member of the ensemble was struck

    def led_by_another(roles: Roles) -> bool:
        return any(role == "leader" and member not in evidence.struck for member, role in roles.items())

    looks = [(entry.at, entry.seen) for entry in evidence.roles if entry.at >= since and entry.seen]
    # A pod may be back before the others have voted, and be elected again: that is a new leader as well.
    lost = next((at for at, roles in looks if not _leads(roles, evidence.struck)), None)
    moments = [
        at
        for at, roles in looks
        if led_by_another(roles) or (lost is not None and at > lost and "leader" in roles.values())
    ]
    return _first(moments, since)


def _leads(roles: Roles, members: Sequence[str]) -> bool:
    return any(roles.get(member) == "leader" for member in members)


def _left(evidence: Evidence) -> float | None:
    struck, names = _ids(evidence.struck), frozenset(evidence.struck)
    gone = [at for at, view in _views(evidence) if view.silent & names or struck - set(view.state.brokers)]
    return _first(gone, evidence.phases.fault)


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


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _maybe(seconds: float | None) -> float | None:
    return None if seconds is None else _rounded(seconds)
