"""Chooses the brokers of replicas when replication factors change: spread over racks, balanced over brokers."""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
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
    partitions = sorted(state.partitions, key=lambda partition: (partition.topic, partition.number))
    placed = [
        _choice(partition, factors[partition.topic], brokers)
        for partition in partitions
        if len(partition.replicas) != factors.get(partition.topic, len(partition.replicas))
    ]
    balance = _Balance(state, placed)
    for choice in placed:
        balance.choose(choice)
    balance.level()
    return {choice.partition: choice.replicas() for choice in placed}


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
        """Old replicas in their old order, then new ones."""
        selected = {*self.kept, *self.chosen}
        old = [broker for broker in self.partition.replicas if broker in selected]
        return (*old, *(broker for broker in self.chosen if broker not in old))


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
    """

    def __init__(self, state: ClusterState, placed: Sequence[_Choice]) -> None:
        changing = {(choice.partition.topic, choice.partition.number) for choice in placed}
        fixed = [p.replicas for p in state.partitions if (p.topic, p.number) not in changing]
        self._load = Counter(
            broker for replicas in [*fixed, *(choice.kept for choice in placed)] for broker in replicas
        )
        known = sorted({*state.brokers, *(broker for choice in placed for broker in choice.partition.replicas)})
        self._racks: dict[int, Rack] = {broker: state.racks.get(broker) or broker for broker in known}
        self._followers: dict[int, Counter[int]] = defaultdict(Counter)
        """Partitions by preferred leader and chosen broker: a lost leader's work should go to many brokers."""
        self._options = {broker for choice in placed for broker in choice.options}
        self._on: dict[int, dict[Partition, _Choice]] = defaultdict(dict)
        """Partitions for which a broker was chosen, by broker."""

    def choose(self, choice: _Choice) -> None:
        """Choose brokers: first in racks that the partition does not use yet, then those with the lowest load."""
        followers = self._followers[choice.partition.replicas[0]]
        used = {self._racks[broker] for broker in choice.kept}
        left = list(choice.options)
        for _ in range(choice.open):
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

        Choosing one partition after the other cannot foresee that the last ones exclude the least loaded broker.
        """
        improved = True
        while improved:
            improved = False
            for broker in sorted(self._on, key=lambda b: (-self._load[b], b)):
                while self._relieve(broker):
                    improved = True

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
                if choice in in_chain:
                    continue
                for taker in self._takers(choice, giver, unreached):
                    longer = [*chain, _Exchange(choice, giver, taker)]
                    if self._load[taker] <= enough:
                        self._exchange(longer)
                        return True
                    unreached.remove(taker)
                    chains.append(longer)
        return False

    def _takers(self, choice: _Choice, giver: int, brokers: Collection[int]) -> list[int]:
        """Those of the brokers that a partition can use instead of a chosen one, on no fewer racks."""
        racks = {self._racks[broker] for broker in (*choice.kept, *choice.chosen) if broker != giver}
        any_rack = self._racks[giver] in racks
        return [
            broker
            for broker in choice.options
            if broker in brokers and broker not in choice.chosen and (any_rack or self._racks[broker] not in racks)
        ]

    def _exchange(self, chain: Sequence[_Exchange]) -> None:
        for choice, giver, taker in chain:
            choice.chosen[choice.chosen.index(giver)] = taker
            self._load[giver] -= 1
            self._load[taker] += 1
            self._on[taker][choice.partition] = self._on[giver].pop(choice.partition)
