"""Chooses the brokers of replicas, spread over racks and balanced over brokers: when replication factors change, when
brokers leave, and to even out the load.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import NamedTuple

from components.errors import TopicError, count
from components.kafka.client import ClusterState, Partition

Rack = str | int
"""A rack's name; a broker without a rack is a rack of its own, named by its id."""


def new_replicas(state: ClusterState, factors: Mapping[str, int]) -> dict[Partition, tuple[int, ...]]:
    """New replicas of each partition that does not have as many as its topic's new replication factor.

    A partition that grows keeps its replicas. One that shrinks keeps its preferred leader, then in-sync replicas, then
    replicas on registered brokers. Beyond that, a partition's replicas are on as many racks as possible, and the
    changes of all topics together balance the replicas of the whole cluster over its brokers.

    Args:
        state: The cluster's brokers, racks and all its partitions.
        factors: New replication factor, by topic.

    Returns:
        Broker ids by partition, the preferred leader first; the same for the same cluster, in any order.

    Raises:
        TopicError: A replication factor is above the number of brokers.
    """
    too_high = [
        f"topic {name}: replication factor {factor} needs {count(factor, 'broker')}; there are {len(state.brokers)}"
        for name, factor in sorted(factors.items())
        if factor > len(state.brokers)
    ]
    if too_high:
        raise TopicError("replicas cannot be placed", too_high)
    brokers = sorted(state.brokers)
    placed = [
        _choice(partition, factors[partition.topic], brokers)
        for partition in _in_order(state.partitions)
        if len(partition.replicas) != factors.get(partition.topic, len(partition.replicas))
    ]
    return _placed(state, placed)


def without(state: ClusterState, leaving: Collection[int], stay: Collection[int]) -> dict[Partition, tuple[int, ...]]:
    """New replicas of each partition that has one on a broker that leaves; its other replicas stay.

    A new replica takes the place of the old one in the order, so preferred leaders leave too, and spread evenly.

    Args:
        state: The cluster's brokers, racks and all its partitions.
        leaving: Ids of the brokers that leave.
        stay: Ids of the brokers that may get replicas.

    Returns:
        Broker ids by partition, the preferred leader first; the same for the same cluster, in any order.

    Raises:
        TopicError: Too few brokers stay for a topic's replication factor.
    """
    stay = sorted(stay)
    affected = [partition for partition in _in_order(state.partitions) if set(partition.replicas) & set(leaving)]
    if too_high := _too_high(affected, len(stay)):
        raise TopicError("too few brokers stay", too_high)
    placed = [_moved(partition, leaving, stay) for partition in affected]
    return _leaders_leveled(state, _placed(state, placed))


def _too_high(partitions: Iterable[Partition], stay: int) -> list[str]:
    """Topics with more replicas than brokers stay, one line each."""
    factors: dict[str, int] = {}
    for partition in partitions:
        factors[partition.topic] = max(len(partition.replicas), factors.get(partition.topic, 0))
    return [
        f"topic {name}: replication factor {factor} needs {count(factor, 'broker')}; {stay} would be left"
        for name, factor in sorted(factors.items())
        if factor > stay
    ]


def balanced(state: ClusterState) -> dict[Partition, tuple[int, ...]]:
    """New replicas of each partition that has to change so that brokers have alike many replicas and leaders.

    No partition is on fewer racks than before, and each is on as many as there are. Within that, the numbers of
    replicas, and of preferred leaders, differ by 1 at most, if exchanges of brokers can achieve it; the few exchanges
    that this takes move the data.

    Args:
        state: The cluster's brokers, racks and all its partitions; all replicas are on registered brokers.

    Returns:
        Broker ids by partition, the preferred leader first; the same for the same cluster, in any order.
    """
    brokers = sorted(state.brokers)
    racks = _Racks(state)
    choices = [_movable(partition, brokers, racks) for partition in _in_order(state.partitions)]
    return _leaders_leveled(state, _placed(state, choices), everywhere=True)


def _in_order(partitions: Iterable[Partition]) -> list[Partition]:
    return sorted(partitions, key=lambda partition: (partition.topic, partition.number))


def _placed(state: ClusterState, choices: "Sequence[_Choice]") -> dict[Partition, tuple[int, ...]]:
    """Choose for all partitions together; those whose replicas stay as they are are left out."""
    balance = _Balance(state, choices)
    for choice in choices:
        balance.choose(choice)
    balance.level()
    found = {choice.partition: choice.replicas() for choice in choices}
    return {partition: replicas for partition, replicas in found.items() if replicas != partition.replicas}


def _leaders_leveled(
    state: ClusterState, moved: Mapping[Partition, tuple[int, ...]], *, everywhere: bool = False
) -> dict[Partition, tuple[int, ...]]:
    """The moves with an order of replicas that spreads preferred leaders evenly.

    Args:
        state: The cluster.
        moved: New replicas, by partition.
        everywhere: Whether partitions that do not move may get a different preferred leader too.
    """
    after = {partition: moved.get(partition, partition.replicas) for partition in _in_order(state.partitions)}
    choices = [
        _Choice(
            partition=replace(partition, replicas=replicas), kept=(), options=replicas, open=1, chosen=[replicas[0]]
        )
        for partition, replicas in after.items()
        if everywhere or partition in moved
    ]
    fixed = [(replicas[0],) for partition, replicas in after.items() if not everywhere and partition not in moved]
    balance = _Balance(state, choices, fixed)
    balance.level()
    leaders = {(one.partition.topic, one.partition.number): one.chosen[0] for one in choices}
    ordered = {
        partition: _led_by(leaders.get((partition.topic, partition.number)), replicas)
        for partition, replicas in after.items()
    }
    return {partition: replicas for partition, replicas in ordered.items() if replicas != partition.replicas}


def _led_by(leader: int | None, replicas: tuple[int, ...]) -> tuple[int, ...]:
    """The replicas with a preferred leader, who changes places with the one before."""
    if leader is None or leader == replicas[0]:
        return replicas
    return tuple({leader: replicas[0], replicas[0]: leader}.get(broker, broker) for broker in replicas)


@dataclass(kw_only=True, eq=False)
class _Choice:
    """The replicas of one partition while they are chosen.

    Args:
        partition: The partition as it is.
        kept: Brokers that stay, the preferred leader first.
        options: Brokers of which ``open`` are chosen.
        open: Number of brokers to choose.
        chosen: The brokers chosen so far.
    """

    partition: Partition
    kept: Sequence[int]
    options: Sequence[int]
    open: int
    chosen: list[int] = field(default_factory=list[int])

    def replicas(self) -> tuple[int, ...]:
        """Old replicas in their old order, new ones in the places of those that leave, then further new ones."""
        selected = {*self.kept, *self.chosen}
        new = [broker for broker in self.chosen if broker not in self.partition.replicas]
        left = [broker for broker in self.partition.replicas if broker not in selected]
        instead = dict(zip_longest(left, new[: len(left)]))
        placed = [instead.get(broker, broker) for broker in self.partition.replicas]
        return (*(broker for broker in placed if broker is not None), *new[len(left) :])


def _choice(partition: Partition, factor: int, brokers: Sequence[int]) -> _Choice:
    """What can be chosen for a partition that does not have ``factor`` replicas."""
    old = partition.replicas
    if factor > len(old):
        free = [broker for broker in brokers if broker not in old]
        return _Choice(partition=partition, kept=old, options=free, open=factor - len(old))
    in_sync = [broker for broker in old if broker in partition.in_sync]
    # A preferred leader out of sync must not be the only replica left.
    kept = [] if factor == 1 and in_sync and old[0] not in in_sync else [old[0]]
    registered = [broker for broker in old if broker in brokers and broker not in in_sync]
    gone = [broker for broker in old if broker not in brokers and broker not in in_sync]
    for group in (in_sync, registered, gone):
        options = [broker for broker in group if broker not in kept]
        if len(kept) + len(options) > factor:
            return _Choice(partition=partition, kept=kept, options=options, open=factor - len(kept))
        kept += options
    return _Choice(partition=partition, kept=kept, options=(), open=0)


def _moved(partition: Partition, leaving: Collection[int], stay: Sequence[int]) -> _Choice:
    """What can be chosen for a partition of which some brokers leave."""
    kept = [broker for broker in partition.replicas if broker not in leaving]
    free = [broker for broker in stay if broker not in kept]
    return _Choice(partition=partition, kept=kept, options=free, open=len(partition.replicas) - len(kept))


def _movable(partition: Partition, brokers: Sequence[int], racks: "_Racks") -> _Choice:
    """A partition that may move anywhere and stays where it is for now, except replicas that share a rack in vain."""
    wanted = min(len(partition.replicas), racks.number(brokers))
    apart: list[int] = []
    for broker in partition.replicas:
        if racks[broker] not in {racks[other] for other in apart}:
            apart.append(broker)
    chosen = list(partition.replicas) if len(apart) >= wanted else apart
    return _Choice(partition=partition, kept=(), options=brokers, open=len(partition.replicas), chosen=chosen)


class _Racks(dict[int, Rack]):
    """The rack of each broker that is registered or has a replica."""

    def __init__(self, state: ClusterState) -> None:
        known = {*state.brokers, *(broker for partition in state.partitions for broker in partition.replicas)}
        super().__init__({broker: state.racks.get(broker) or broker for broker in sorted(known)})
        self.brokers: dict[Rack, set[int]] = defaultdict(set)
        """The brokers of each rack."""
        for broker, rack in self.items():
            self.brokers[rack].add(broker)

    def number(self, brokers: Iterable[int]) -> int:
        """How many racks the brokers are on."""
        return len({self[broker] for broker in brokers})


class _Exchange(NamedTuple):
    """One partition does without ``giver`` and uses ``taker`` instead."""

    choice: _Choice
    giver: int
    taker: int


class _Balance:
    """The load of the cluster while replicas are chosen.

    Args:
        state: The cluster.
        placed: The partitions that change; their options are not load until they are chosen.
        fixed: Brokers of each partition that does not change; None takes all other partitions' replicas.
    """

    def __init__(
        self, state: ClusterState, placed: Sequence[_Choice], fixed: Sequence[Sequence[int]] | None = None
    ) -> None:
        if fixed is None:
            changing = {(choice.partition.topic, choice.partition.number) for choice in placed}
            fixed = [p.replicas for p in state.partitions if (p.topic, p.number) not in changing]
        self._load = Counter(broker for replicas in fixed for broker in replicas)
        self._racks = _Racks(state)
        self._followers: dict[int, Counter[int]] = defaultdict(Counter)
        """Partitions by preferred leader and chosen broker: a lost leader's work should go to many brokers."""
        self._options = {broker for choice in placed for broker in choice.options}
        self._on: dict[int, dict[Partition, _Choice]] = defaultdict(dict)
        """Partitions for which a broker was chosen, by broker."""
        for choice in placed:
            self._load.update(choice.kept)
            for broker in choice.chosen:
                self._load[broker] += 1
                self._on[broker][choice.partition] = choice

    def choose(self, choice: _Choice) -> None:
        """Choose brokers: first in racks that the partition does not use yet, then those with the lowest load."""
        followers = self._followers[choice.partition.replicas[0]]
        used = {self._racks[broker] for broker in (*choice.kept, *choice.chosen)}
        left = [broker for broker in choice.options if broker not in choice.chosen]
        for _ in range(choice.open - len(choice.chosen)):
            apart = [broker for broker in left if self._racks[broker] not in used] or left
            lowest = min(self._load[broker] for broker in apart)
            broker = min((followers[broker], broker) for broker in apart if self._load[broker] == lowest)[1]
            left.remove(broker)
            used.add(self._racks[broker])
            choice.chosen.append(broker)
            followers[broker] += 1
            self._load[broker] += 1
            self._on[broker][choice.partition] = choice

    def level(self) -> None:
        """Exchange chosen brokers until no exchange makes the load more even.

        Choosing one partition after the other cannot foresee that the last ones exclude the least loaded broker. The
        most loaded broker hands on first, one replica at a time, so that no replica moves in vain.
        """
        improved = True
        while improved:
            improved = False
            able = {broker for broker, chosen in self._on.items() if chosen}
            while able:
                heaviest = max(able, key=lambda broker: (self._load[broker], -broker))
                if self._relieve(heaviest):
                    improved = True
                else:
                    able.remove(heaviest)

    def _relieve(self, heavy: int) -> bool:
        """Hand a replica on, from broker to broker, to one whose load is lower by 2 or more; False if none can take it.

        The chain is the shortest (breadth-first search), and each of its exchanges is of a different partition.
        """
        enough = self._load[heavy] - 2
        unreached = self._options - {heavy}
        chains: deque[list[_Exchange]] = deque([[]])
        while chains and any(self._load[broker] <= enough for broker in unreached):
            chain = chains.popleft()
            giver = chain[-1].taker if chain else heavy
            in_chain = [exchange.choice for exchange in chain]
            for choice in self._on[giver].values():
                for taker in self._takers(choice, giver, unreached) if choice not in in_chain else ():
                    longer = [*chain, _Exchange(choice, giver, taker)]
                    if self._load[taker] <= enough:
                        self._exchange(longer)
                        return True
                    unreached.remove(taker)
                    chains.append(longer)
        return False

    def _takers(self, choice: _Choice, giver: int, brokers: Collection[int]) -> list[int]:
        """Those of the brokers that a partition can use instead of a chosen one, on no fewer racks."""
        free = {*choice.options}.intersection(brokers).difference(choice.chosen)
        if not free:
            return []
        racks = {self._racks[broker] for broker in (*choice.kept, *choice.chosen) if broker != giver}
        if self._racks[giver] not in racks:
            free = free.difference(*(self._racks.brokers[rack] for rack in racks))
        return sorted(free)

    def _exchange(self, chain: Sequence[_Exchange]) -> None:
        for choice, giver, taker in chain:
            choice.chosen[choice.chosen.index(giver)] = taker
            self._load[giver] -= 1
            self._load[taker] += 1
            self._on[taker][choice.partition] = self._on[giver].pop(choice.partition)
