"""What would move: to drain brokers, to even out the load, to change a replication factor, and to undo it."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from components.errors import TopicError, count
from components.kafka.client import ClusterState, cluster_state
from components.kafka.health import partition_findings
from components.kafka.leaving import TOO_FEW_STAY, plan_moves, settled_cluster
from components.kafka.placement import balanced, new_replicas
from components.kafka.reassignment import Moves, by_place, place_of
from ops import console
from ops.brokers.journal import Journal, Move
from ops.errors import RefusedError
from ops.kafka_cluster import require_topics

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


def drain(client: "KafkaAdminClient", leaving: Collection[int]) -> list[Move]:
    """What takes all replicas off brokers.

    Raises:
        RefusedError: There is no such broker, or too few stay for a topic's replication factor.
    """
    state = cluster_state(client)
    known = state.brokers.keys() | {broker for one in state.partitions for broker in one.replicas}
    if unknown := sorted(set(leaving) - known):
        raise RefusedError(f"there is no broker {unknown[0]}; nothing was done", [f"there are {_listed(known)}"])
    stay = state.brokers.keys() - set(leaving)
    if not stay:
        raise RefusedError("no broker would be left; nothing was done")
    try:
        return _moves(*plan_moves(client, leaving, stay))
    except TopicError as error:
        raise RefusedError(error.headline, [*error.problems, TOO_FEW_STAY]) from None


def rebalance(client: "KafkaAdminClient") -> list[Move]:
    """What evens out replicas and preferred leaders over all brokers, each partition on as many racks as possible.

    Raises:
        RefusedError: Partitions lag or move already.
    """
    state = _healthy(client)
    return _moves(state, by_place(balanced(state)))


def factor(client: "KafkaAdminClient", topic: str, replicas: int) -> list[Move]:
    """What gives a topic a new replication factor.

    Raises:
        RefusedError: There is no such topic, too few brokers, or partitions lag or move already.
    """
    require_topics(client, [topic])
    state = _healthy(client)
    try:
        return _moves(state, by_place(new_replicas(state, {topic: replicas})))
    except TopicError as error:
        raise RefusedError(error.headline, error.problems) from None


def undo(client: "KafkaAdminClient", found: Journal) -> list[Move]:
    """What gives the partitions of a change the replicas that they had before it.

    One that was changed again meanwhile stays as it is, with a message. One whose move was cancelled has its replicas
    already, but not in their order, which decides who leads: Kafka leaves those of the target first.

    Raises:
        RefusedError: A broker that would get replicas back is gone.
    """
    state = settled_cluster(client)[0]
    now = {place_of(one): one.replicas for one in state.partitions}
    moves: list[Move] = []
    for one in found.moves:
        current = now.get(one.place, ())
        if current == one.before:
            continue
        if current == one.after or set(current) == set(one.before):
            moves.append(Move(topic=one.topic, partition=one.partition, before=current, after=one.before))
        else:
            console.say(f"{one.topic}-{one.partition} was changed or deleted since; it stays as it is")
    if gone := {broker for one in moves for broker in one.after} - state.brokers.keys():
        raise RefusedError(f"broker {min(gone)} would get replicas back but is not registered; nothing was done")
    return moves


def loads(state: ClusterState, moves: Sequence[Move]) -> list[tuple[int, int, int]]:
    """Replicas of each broker now and after the moves: id, now, then."""
    now = Counter(broker for one in state.partitions for broker in one.replicas)
    then = Counter(now)
    for one in moves:
        then.subtract(one.before)
        then.update(one.after)
    return [(broker, now[broker], then[broker]) for broker in sorted({*state.brokers, *now, *then})]


def _moves(state: ClusterState, moves: Moves) -> list[Move]:
    """New replicas with those of now, in order."""
    now = {place_of(partition): partition.replicas for partition in state.partitions}
    return [
        Move(topic=topic, partition=number, before=now[topic, number], after=after)
        for (topic, number), after in sorted(moves.items())
    ]


def _healthy(client: "KafkaAdminClient") -> ClusterState:
    state, moving = settled_cluster(client)
    if moving:
        raise RefusedError(f"{count(len(moving), 'partition')} move already; nothing was done")
    if found := partition_findings(state):
        raise RefusedError("replicas move only in a healthy cluster; nothing was done", found)
    return state


def _listed(brokers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(brokers)))
