"""Checks the lag of the consumer groups."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.kafka.client import ClusterState, batches
from components.kafka.security import Security
from exporter.connections import REQUEST_SECONDS, cluster_state_from_any, reachable_admin
from exporter.periodic import Outcome

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition

GROUPS_AT_ONCE = 200
"""Maximum groups per request for committed offsets."""

PARTITIONS_AT_ONCE = 1000
"""Maximum partitions per request for end offsets."""

Lag = Mapping[tuple[str, str, int], int]
"""Number of records that a group has not consumed, by group, topic and partition."""

Committed = Mapping[str, Mapping["TopicPartition", int]]
"""Committed offset by group and partition."""


class GroupsCheck:
    """Checks all consumer groups.

    If a broker does not answer, its groups or the partitions that it leads are left out and the run fails; the results
    of the other brokers are still reported.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        security: Who asks; None where brokers ask for nothing.
    """

    def __init__(self, bootstrap: str, security: Security | None = None) -> None:
        self._bootstrap = bootstrap
        self._security = security

    def run(self) -> Outcome[Lag]:
        """Run the check once."""
        from kafka.errors import KafkaError

        try:
            with reachable_admin(self._bootstrap, self._security) as client:
                reader = _LagReader(client)
                return Outcome(reader.lag(), "; ".join(reader.problems) or None)
        except (KafkaError, OSError) as error:
            return Outcome({}, f"no broker answers: {error}")


class _LagReader:
    """Reads the lag once; ``problems`` lists what could not be read."""

    def __init__(self, client: "KafkaAdminClient") -> None:
        self._client = client
        self.problems: list[str] = []

    def lag(self) -> Lag:
        state = cluster_state_from_any(self._client)
        committed: dict[str, Mapping[TopicPartition, int]] = {}
        for broker in sorted(state.brokers):
            committed |= self._committed(broker)
        return lag(committed, self._ends(state, {part for offsets in committed.values() for part in offsets}))

    def _committed(self, broker: int) -> dict[str, Mapping["TopicPartition", int]]:
        """Committed offsets of the groups that a broker coordinates."""
        from kafka.errors import KafkaError

        committed: dict[str, Mapping[TopicPartition, int]] = {}
        try:
            groups = [group["group_id"] for group in self._client.list_groups([broker])]
            for batch in batches(groups, GROUPS_AT_ONCE):
                for group, offsets in self._client.list_group_offsets(dict.fromkeys(batch)).items():
                    committed[group] = {part: entry.offset for part, entry in offsets.items() if entry.offset >= 0}
        except KafkaError as error:
            self.problems.append(f"groups of broker {broker}: {error}")
        return committed

    def _ends(self, state: ClusterState, wanted: set["TopicPartition"]) -> dict["TopicPartition", int]:
        """The end offset of each wanted partition that has a leader."""
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec
        from kafka.errors import KafkaError

        led: dict[int, list[TopicPartition]] = defaultdict(list)
        for partition in state.partitions:
            part = TopicPartition(partition.topic, partition.number)
            if part in wanted and partition.leader >= 0:
                led[partition.leader].append(part)
        ends: dict[TopicPartition, int] = {}
        for leader, partitions in led.items():
            try:
                for batch in batches(partitions, PARTITIONS_AT_ONCE):
                    specs = dict.fromkeys(batch, OffsetSpec.LATEST)
                    answer = self._client.list_partition_offsets(specs, timeout_ms=int(REQUEST_SECONDS * 1000))
                    ends |= {part: entry.offset for part, entry in answer.items()}
            except KafkaError as error:
                self.problems.append(f"partitions led by broker {leader}: {error}")
        return ends


def lag(committed: Committed, ends: Mapping["TopicPartition", int]) -> Lag:
    """Lag of each group; partitions whose end offset is unknown are left out.

    A committed offset beyond the end, as after a topic was recreated, is a lag of 0.
    """
    return {
        (group, part.topic, part.partition): max(ends[part] - offset, 0)
        for group, offsets in committed.items()
        for part, offset in offsets.items()
        if part in ends
    }
