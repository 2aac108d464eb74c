"""When a broker may be stopped or removed.

The rules are those of Kafka operators that roll brokers: one broker at a time, the controller last, and none whose
absence would leave a partition with fewer in-sync replicas than ``min.insync.replicas``.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from components.errors import PlatformError, SafetyError, TopicError, UnhealthyError, count
from components.findings import finding
from components.kafka.client import (
    ClusterState,
    Partition,
    accepts,
    admin_client,
    any_listens,
    cluster_state,
    controller_errors,
    minimum_in_sync,
)
from components.kafka.health import first_few, kafka_findings, partition_findings, unreachable
from components.kafka.leaving import TOO_FEW_STAY, held, move_off
from components.kafka.security import Security
from components.naming import ordinal_of
from components.safety import Report, Safety
from components.waiting import wait_until

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

STALLED_SECONDS = 300.0
"""Seconds without any progress after which a move of replicas is given up. One partition may take hours; then its new
replica grows, which is progress."""

ANSWER_SECONDS = 60.0
"""Seconds to wait for metadata that is complete, and for brokers that stay to be registered."""


def restart_blockers(state: ClusterState, broker: int, minimum: Mapping[str, int]) -> list[str]:
    """Partitions that would fall below their ``min.insync.replicas`` while a broker is away.

    A partition with no more replicas than its minimum is ignored, because it would block every roll;
    :func:`without_spare` finds these.

    Args:
        state: The cluster's metadata.
        broker: Id of the broker that would be restarted.
        minimum: ``min.insync.replicas`` of each topic; topics that are absent block.
    """
    lines: list[str] = []
    for partition in state.partitions:
        if broker not in partition.in_sync:
            continue
        least = minimum.get(partition.topic)
        if least is None:
            lines.append(f"{partition}: its min.insync.replicas is not known")
        elif len(partition.replicas) > least and len(partition.in_sync) - 1 < least:
            lines.append(
                f"{partition}: {len(partition.in_sync)} of {len(partition.replicas)} replicas in sync; without broker "
                f"{broker} fewer than min.insync.replicas {least}"
            )
    return lines


def without_spare(state: ClusterState, broker: int, minimum: Mapping[str, int]) -> list[Partition]:
    """Partitions on a broker that reject every acks=all record while it is away: they have no replica to spare."""
    return [
        partition
        for partition in state.partitions
        if broker in partition.replicas and len(partition.replicas) <= minimum.get(partition.topic, 1)
    ]


def without_brokers(state: ClusterState, away: Collection[int]) -> ClusterState:
    """The metadata with no replica of the given brokers in sync.

    A broker that was killed stays in sync in the metadata until its session expires (``zookeeper.session.timeout.ms``,
    18 s by default), though no partition can rely on it.
    """
    partitions = [
        replace(partition, in_sync=tuple(broker for broker in partition.in_sync if broker not in away))
        for partition in state.partitions
    ]
    return replace(state, partitions=partitions)


def held_by(state: ClusterState, brokers: Sequence[int]) -> list[Partition]:
    """Partitions that have a replica on any of the brokers."""
    return [partition for partition in state.partitions if set(partition.replicas) & set(brokers)]


def _way(error: PlatformError) -> list[str]:
    """What to do when brokers cannot leave."""
    if isinstance(error, UnhealthyError):
        return ["nothing was removed; `pulumi up` goes on from here"]
    return [TOO_FEW_STAY]


_Metadata = tuple[ClusterState, Mapping[str, int]]
"""The cluster's metadata and each topic's ``min.insync.replicas``."""


class BrokerSafety(Safety):
    """Kafka: no partition falls below ``min.insync.replicas``, and the controller moves only once."""

    _seen: _Metadata | None = None
    """What the last look before a stop saw."""

    def last(self) -> str | None:
        """The controller."""
        found = self._metadata()
        controller = None if found is None else found[0].controller
        return next((name for name in self.members.addresses if ordinal_of(name) == controller), None)

    def stop_findings(self, name: str, ready: Collection[str]) -> list[str]:
        """Partitions that need the broker; if it serves, also all partitions of the cluster that are not in sync.

        A broker that does not serve may be restarted while others lag, because that may bring them back; one that is
        not even registered cannot be missed. Brokers that all still catch up count as not serving, but clients use
        them; so if none is ready, those that listen count.
        """
        self._seen = None
        serving = ready or self._listening()
        if not serving:
            return []
        found = self._seen = self._metadata()
        if found is None:
            return self._unreachable()
        if name not in serving and ordinal_of(name) not in found[0].brokers:
            return []
        away = {ordinal_of(member) for member in self.members.addresses if member not in serving and member != name}
        state, minimum = without_brokers(found[0], away), found[1]
        missing = [self._unregistered(member) for member in sorted(ready) if ordinal_of(member) not in state.brokers]
        blockers = [*missing, *restart_blockers(state, ordinal_of(name), minimum)]
        # The partitions of a broker that is away are under-replicated; a new broker may have to make room first.
        return [*blockers, *partition_findings(state)] if name in ready else blockers

    def interruptions(self, name: str) -> list[str]:
        """Partitions that cannot be written while the broker is away."""
        lost = [] if self._seen is None else without_spare(self._seen[0], ordinal_of(name), self._seen[1])
        if not lost:
            return []
        return [
            f"while {name} restarts, {count(len(lost), 'partition')} cannot be written with acks=all, because the "
            f"replication factor is not above min.insync.replicas: {first_few(lost)}"
        ]

    def return_findings(self, name: str) -> list[str]:
        """Whether the broker is registered under its address, and all replicas on registered brokers are in sync.

        Others may be gone with their containers, and are made only after this one is back. If one fails meanwhile, the
        next member that serves may not stop.
        """
        mine = {name: self.members.addresses[name]}
        return kafka_findings(
            self._bootstrap,
            mine,
            self.members.logs,
            round_trip=False,
            registered_only=True,
            route=self.members.route,
            security=self._security,
        )

    def join(self, names: Collection[str], report: Report) -> None:
        """Nothing has to be done: a broker joins by itself. Advise to rebalance where one of several holds nothing."""
        found = self._metadata()
        if found is None:
            return
        used = {broker for partition in found[0].partitions for broker in partition.replicas}
        empty = [name for name in sorted(names) if ordinal_of(name) in found[0].brokers.keys() - used]
        if empty and used:
            report(
                f"{' and '.join(empty)} hold no partition yet: `python -m ops brokers rebalance` shows what would move"
            )

    def leave(self, names: Sequence[str], report: Report) -> None:
        """Move all replicas of the brokers to those that stay, a few at a time; each topic keeps its factor.

        Raises:
            SafetyError: Too few brokers stay for a topic's replication factor, so nothing was moved; the metadata
                stayed unreadable or incomplete; or the moves made no progress.
        """
        leaving = {ordinal_of(name) for name in names}
        stay = {ordinal_of(name) for name in self.members.addresses} - leaving

        def attempt() -> list[str]:
            from kafka.errors import KafkaError

            if not any_listens(self._bootstrap, route=self.members.route):
                return self._unreachable()
            try:
                with self._admin() as client, controller_errors():
                    move_off(client, leaving, stay, deadline=STALLED_SECONDS, report=report)
            except KafkaError as error:
                return [f"Kafka: replicas cannot be moved now ({error}); expected complete metadata"]
            return []

        try:
            wait_until(attempt, what="Kafka", deadline=ANSWER_SECONDS, report=report, state="ready to move replicas")
        except (TopicError, UnhealthyError) as error:
            raise SafetyError(
                f"{' and '.join(names)} cannot be removed", [error.headline, *error.problems, *_way(error)]
            ) from None

    def removal_findings(self, names: Sequence[str]) -> list[str]:
        """Partitions that have a replica on any of the brokers, by the metadata or on the brokers' own disks."""
        from kafka.errors import KafkaError

        found = self._metadata()
        if found is None:
            return self._unreachable()
        leaving = [ordinal_of(name) for name in names]
        left = [str(partition) for partition in held_by(found[0], leaving)]
        if not left:
            try:
                left = self._on_disks(found[0], leaving)
            except KafkaError as error:
                return [f"Kafka: whether {' and '.join(names)} still hold partitions is not known ({error})"]
        if not left:
            return []
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        return [
            f"{count(len(left), 'partition')} would lose a replica ({', '.join(left[:5])}{more})",
            f"`pulumi up` moves them away when it runs again, as `python -m ops brokers drain "
            f"{' '.join(map(str, leaving))}` does",
        ]

    def _on_disks(self, state: ClusterState, brokers: Sequence[int]) -> list[str]:
        """Partitions that the brokers hold and the metadata lacks."""
        if not any(broker in state.brokers for broker in brokers):
            return []
        with self._admin() as client:
            places = sorted({place for broker in brokers for place in held(client, state, broker)})
        return [f"{topic}-{number}" for topic, number in places]

    @property
    def _bootstrap(self) -> str:
        return ",".join(self.members.addresses.values())

    @property
    def _security(self) -> Security | None:
        return Security(**self.members.login) if self.members.login else None

    def _admin(self) -> "AbstractContextManager[KafkaAdminClient]":
        return admin_client(self._bootstrap, route=self.members.route, security=self._security)

    def _listening(self) -> list[str]:
        """Members that accept connections."""
        route = self.members.route
        return [name for name, address in self.members.addresses.items() if accepts(address, route=route)]

    def _unreachable(self) -> list[str]:
        return unreachable(self._bootstrap, self.members.addresses, self.members.logs, route=self.members.route)

    def _unregistered(self, name: str) -> str:
        seen = f"broker {ordinal_of(name)} serves but is not registered in the cluster"
        return finding(name, seen=seen, expected="it to be registered", logs=self.members.logs)

    def _metadata(self) -> _Metadata | None:
        """The metadata; None if it cannot be read completely."""
        from kafka.errors import KafkaError

        if not any_listens(self._bootstrap, route=self.members.route):
            return None
        try:
            with self._admin() as client:
                state = cluster_state(client)
                return state, minimum_in_sync(client, {partition.topic for partition in state.partitions})
        except KafkaError:
            return None
