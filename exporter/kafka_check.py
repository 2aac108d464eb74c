"""Looks at the brokers: which are there, and how the partitions' replicas are."""

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.kafka.client import ClusterState, Partition, admin_client, cluster_state
from components.kafka.client import minimum_in_sync
from exporter.connections import accepts, ask_all
from exporter.watch import Outcome

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

REQUEST_SECONDS = 5.0
"""Seconds for one request; a look makes a handful of them, also while one broker is silent."""

_TRIES = 3
"""How often a request is made: after a failure the client asks another broker, and one of three may be lost."""


@dataclass(frozen=True)
class ClusterHealth:
    """The cluster as its metadata shows it.

    Args:
        brokers: Number of registered brokers.
        controllers: 1 where a registered broker is the controller, else 0.
        offline: Number of partitions without a leader.
        under_replicated: Number of partitions with fewer replicas in sync than they have, for every topic.
        under_minimum: Number of partitions with fewer replicas in sync than ``min.insync.replicas``, for every topic.
    """

    brokers: int
    controllers: int
    offline: int
    under_replicated: Mapping[str, int]
    under_minimum: Mapping[str, int]


@dataclass(frozen=True)
class KafkaHealth:
    """What one look at the brokers saw.

    Args:
        online: Names of the declared brokers that are registered and accept connections.
        shrinks: How often a partition was seen with fewer replicas in sync than in the look before, so far.
        cluster: The cluster's metadata; None while no broker tells it.
    """

    online: frozenset[str]
    shrinks: int
    cluster: ClusterHealth | None = None


class InSyncHistory:
    """Counts how often a partition has fewer replicas in sync than when it was seen last."""

    def __init__(self) -> None:
        self.shrinks = 0
        self._last: dict[tuple[str, int], int] = {}

    def add(self, partitions: Iterable[Partition]) -> None:
        """Compare the partitions with how they were seen last."""
        now = {(partition.topic, partition.number): len(partition.in_sync) for partition in partitions}
        self.shrinks += sum(in_sync < self._last.get(partition, 0) for partition, in_sync in now.items())
        self._last = now


class KafkaCheck:
    """Looks at the brokers.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: ``host:port`` of each declared broker, by name.
        minimum: ``min.insync.replicas`` of topics whose own cannot be read, or None.
    """

    def __init__(self, bootstrap: str, brokers: Mapping[str, str], minimum: int | None) -> None:
        self._bootstrap = bootstrap
        self._brokers = brokers
        self._minimum = minimum
        self._history = InSyncHistory()

    def look(self) -> Outcome[KafkaHealth]:
        """Look once."""
        from kafka.errors import KafkaError

        accepting = ask_all(self._brokers, accepts)
        try:
            with reachable_admin(self._bootstrap) as client:
                state = cluster_state_from_any(client)
                minimum = self._minimum_in_sync(client, state)
        except (KafkaError, OSError) as error:
            return Outcome(KafkaHealth(frozenset(), self._history.shrinks), f"no broker answers: {error}")
        self._history.add(state.partitions)
        online = {name for name in self._brokers if accepting[name] and broker_id(name) in state.brokers}
        return Outcome(KafkaHealth(frozenset(online), self._history.shrinks, cluster_health(state, minimum)))

    def _minimum_in_sync(self, client: "KafkaAdminClient", state: ClusterState) -> Mapping[str, int]:
        from kafka.errors import KafkaError

        topics = {partition.topic for partition in state.partitions}
        try:
            return minimum_in_sync(client, topics)
        except KafkaError:
            return {} if self._minimum is None else dict.fromkeys(topics, self._minimum)


@contextmanager
def reachable_admin(bootstrap: str) -> "Generator[KafkaAdminClient]":
    """An admin client for one look, made from the first address that answers.

    A new one for each look (about 10 ms): a client that lives on remembers each group's coordinator for ever, so that
    it would go on asking a broker that has lost it. One address after the other: a client that is given all of them
    picks one, and where that is a hung broker it waits for it in vain until its time is up.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.

    Raises:
        OSError: None of the addresses accepts a connection.
        kafka.errors.KafkaError: None of those that accept one answered in time.
    """
    addresses = bootstrap.split(",")
    accepting = ask_all(dict(zip(addresses, addresses, strict=True)), accepts)
    reachable = [address for address in addresses if accepting[address]]
    if not reachable:
        raise ConnectionError(f"nothing accepts a connection at {bootstrap}")
    with ExitStack() as stack:
        yield _first_that_answers(reachable, stack)


def _first_that_answers(addresses: Sequence[str], stack: ExitStack) -> "KafkaAdminClient":
    from kafka.errors import KafkaError

    *others, last = addresses
    for address in others:
        with suppress(KafkaError):
            return stack.enter_context(admin_client(address, request_seconds=REQUEST_SECONDS))
    return stack.enter_context(admin_client(last, request_seconds=REQUEST_SECONDS))


def cluster_state_from_any(client: "KafkaAdminClient") -> ClusterState:
    """The cluster's metadata from whichever broker answers.

    Raises:
        kafka.errors.KafkaError: None of those that were asked did.
    """
    from kafka.errors import KafkaError

    for _ in range(_TRIES - 1):
        with suppress(KafkaError):
            return cluster_state(client)
    return cluster_state(client)


def broker_id(name: str) -> int:
    """``kafka-0`` has broker id 0."""
    return int(name.rpartition("-")[2])


def cluster_health(state: ClusterState, minimum: Mapping[str, int]) -> ClusterHealth:
    """Count what is wrong.

    Args:
        state: The cluster's metadata.
        minimum: ``min.insync.replicas`` by topic; topics that it lacks have no such number.
    """
    topics = {partition.topic for partition in state.partitions}
    lacking = Counter(partition.topic for partition in state.under_replicated)
    below = Counter(
        partition.topic for partition in state.partitions if len(partition.in_sync) < minimum.get(partition.topic, 0)
    )
    return ClusterHealth(
        brokers=len(state.brokers),
        controllers=int(state.controller in state.brokers),
        offline=len(state.offline),
        under_replicated={topic: lacking[topic] for topic in sorted(topics)},
        under_minimum={topic: below[topic] for topic in sorted(topics) if topic in minimum},
    )
