"""Looks at the consumer groups: how far each is behind the end of what it reads."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from components.kafka.client import ClusterState
from exporter.kafka_check import REQUEST_SECONDS, cluster_state_from_any, reachable_admin
from exporter.watch import Outcome

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, TopicPartition

GROUPS_AT_ONCE = 200
"""Groups whose offsets are asked for in one request."""

PARTITIONS_AT_ONCE = 1000
"""Partitions whose ends are asked for in one request."""

Lag = Mapping[tuple[str, str, int], int]
"""Records that a group has not read yet, by group, topic and partition."""

Committed = Mapping[str, Mapping["TopicPartition", int]]
"""The next offset that each group reads, by partition."""

T = TypeVar("T")


class GroupsCheck:
    """Looks at all consumer groups.

    What one broker cannot tell (its groups, or the ends of partitions that it leads) is left out and makes the look
    fail; what others tell is shown all the same.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def look(self) -> Outcome[Lag]:
        """Look once."""
        from kafka.errors import KafkaError

        try:
            with reachable_admin(self._bootstrap) as client:
                look = _Look(client)
                return Outcome(look.lag(), "; ".join(look.problems) or None)
        except (KafkaError, OSError) as error:
            return Outcome({}, f"no broker answers: {error}")


class _Look:
    """One look; ``problems`` says what could not be read."""

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
        """The end of each partition that has a leader."""
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
    """How far each group is behind; partitions whose end is not known are left out.

    A group that committed more than the partition holds (its topic was made anew) is behind by nothing.
    """
    return {
        (group, part.topic, part.partition): max(ends[part] - offset, 0)
        for group, offsets in committed.items()
        for part, offset in offsets.items()
        if part in ends
    }


def batches(items: Iterable[T], size: int) -> Generator[Sequence[T]]:
    """The items in lists of at most ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
