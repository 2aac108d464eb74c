"""Checks the brokers and the partitions' replicas."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.kafka.client import ClusterState, Partition, accepts, minimum_in_sync
from components.kafka.security import Security
from components.naming import ordinal_of
from exporter.connections import ask_all, cluster_state_from_any, reachable_admin
from exporter.periodic import Outcome

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


@dataclass(frozen=True)
class ClusterHealth:
    """The cluster according to its metadata.

    Args:
        brokers: Number of registered brokers.
        controllers: 1 if a registered broker is the controller, otherwise 0.
        offline: Number of partitions without a leader.
        under_replicated: Number of partitions with out-of-sync replicas, by topic; holds every topic.
        under_minimum: Number of partitions with fewer in-sync replicas than ``min.insync.replicas``, by topic.
    """

    brokers: int
    controllers: int
    offline: int
    under_replicated: Mapping[str, int]
    under_minimum: Mapping[str, int]


@dataclass(frozen=True)
class KafkaHealth:
    """The result of one run.

    Args:
        online: Names of the declared brokers that are registered and accept connections.
        shrinks: How often a partition had fewer in-sync replicas than in the run before, since the start.
        cluster: The cluster; None while no broker answers.
    """

    online: frozenset[str]
    shrinks: int
    cluster: ClusterHealth | None = None


class InSyncHistory:
    """Counts how often a partition has fewer in-sync replicas than in the run before."""

    def __init__(self) -> None:
        self.shrinks = 0
        self._last: dict[tuple[str, int], int] = {}

    def add(self, partitions: Iterable[Partition]) -> None:
        """Compare the partitions with the run before."""
        now = {(partition.topic, partition.number): len(partition.in_sync) for partition in partitions}
        self.shrinks += sum(in_sync < self._last.get(partition, 0) for partition, in_sync in now.items())
        self._last = now


class KafkaCheck:
    """Checks the brokers.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        brokers: ``host:port`` of each declared broker, by name.
        minimum: ``min.insync.replicas`` of topics whose own cannot be read; None leaves them out.
        security: Who asks; None where brokers ask for nothing.
    """

    def __init__(
        self, bootstrap: str, brokers: Mapping[str, str], minimum: int | None, security: Security | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._security = security
        self._brokers = brokers
        self._minimum = minimum
        self._history = InSyncHistory()

    def run(self) -> Outcome[KafkaHealth]:
        """Run the check once."""
        from kafka.errors import KafkaError

        accepting = ask_all(self._brokers, accepts)
        try:
            with reachable_admin(self._bootstrap, self._security) as client:
                state = cluster_state_from_any(client)
                minimum = self._minimum_in_sync(client, state)
        except (KafkaError, OSError) as error:
            return Outcome(KafkaHealth(frozenset(), self._history.shrinks), f"no broker answers: {error}")
        self._history.add(state.partitions)
        online = {name for name in self._brokers if accepting[name] and ordinal_of(name) in state.brokers}
        return Outcome(KafkaHealth(frozenset(online), self._history.shrinks, cluster_health(state, minimum)))

    def _minimum_in_sync(self, client: "KafkaAdminClient", state: ClusterState) -> Mapping[str, int]:
        from kafka.errors import KafkaError

        topics = {partition.topic for partition in state.partitions}
        try:
            return minimum_in_sync(client, topics)
        except KafkaError:
            return {} if self._minimum is None else dict.fromkeys(topics, self._minimum)


def cluster_health(state: ClusterState, minimum: Mapping[str, int]) -> ClusterHealth:
    """Count the partitions that are not healthy.

    Args:
        state: The cluster's metadata.
        minimum: ``min.insync.replicas`` by topic; topics without it are left out of ``under_minimum``.
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
