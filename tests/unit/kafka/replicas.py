"""A fabricated cluster that moves replicas when it is asked how far they are."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from kafka import TopicPartition
from kafka.admin import ConfigResourceType
from kafka.errors import UnknownTopicOrPartitionError


class Cluster:
    """An admin client and its cluster: topics with replicas, and reassignments that end when they are listed."""

    def __init__(self, replicas: Mapping[str, Sequence[tuple[int, ...]]], brokers: int = 3) -> None:
        self.brokers = list(range(brokers))
        self.replicas = {name: list(partitions) for name, partitions in replicas.items()}
        self.moving: dict[TopicPartition, dict[str, list[int]]] = {}
        self.config: dict[str, dict[str, str]] = {}
        self.ends: dict[str, int] = {}
        self.requests: list[tuple[str, Any]] = []
        self.stuck = False
        self.refuses: set[TopicPartition] = set()
        self.disks: dict[int, set[tuple[str, int]]] = {}
        """What brokers hold beside their replicas."""

    def of(self, kind: str) -> list[Any]:
        """What was asked by the requests of one kind."""
        return [asked for made, asked in self.requests if made == kind]

    def describe_cluster(self) -> dict[str, Any]:
        brokers = [{"broker_id": n, "host": "h", "port": n, "rack": f"r{n % 3}"} for n in self.brokers]
        return {"brokers": brokers, "controller_id": 0}

    def describe_topics(self) -> list[dict[str, Any]]:
        self.requests.append(("describe", None))
        return [
            {"name": name, "error_code": 0, "partitions": [self._partition(name, n) for n in range(len(lists))]}
            for name, lists in self.replicas.items()
        ]

    def _partition(self, name: str, number: int) -> dict[str, Any]:
        replicas = self.replicas[name][number]
        shown = self.moving.get(TopicPartition(name, number), {}).get("replicas", replicas)
        return {"partition_index": number, "leader_id": shown[0], "replica_nodes": shown, "isr_nodes": replicas}

    def describe_configs(self, resources: Sequence[Any], *, config_filter: str) -> dict[str, Any]:
        assert config_filter == "all"
        assert {resource.resource_type for resource in resources} == {ConfigResourceType.TOPIC}
        source = "DYNAMIC_TOPIC_CONFIG"
        return {
            "topic": {
                resource.name: {"segment.bytes": {"value": "1", "config_source": "DEFAULT_CONFIG"}}
                | {
                    key: {"value": value, "config_source": source}
                    for key, value in self.config.get(resource.name, {}).items()
                }
                for resource in resources
            }
        }

    def create_partitions(self, totals: Mapping[str, int], *, raise_errors: bool) -> Any:
        assert not raise_errors
        self.requests.append(("partitions", totals))
        for name, total in totals.items():
            self.replicas[name] += [self.replicas[name][0]] * (total - len(self.replicas[name]))
        return SimpleNamespace(to_dict=lambda: {"results": [{"name": name, "error_code": 0} for name in totals]})

    def alter_partition_reassignments(self, moves: Mapping[TopicPartition, list[int]]) -> dict[TopicPartition, Any]:
        self.requests.append(("move", moves))
        for partition, replicas in moves.items():
            if partition not in self.refuses:
                self.move(partition, replicas)
        return {partition: UnknownTopicOrPartitionError if partition in self.refuses else None for partition in moves}

    def move(self, partition: TopicPartition, replicas: Sequence[int]) -> None:
        """Start a reassignment, as this or any other tool does."""
        old = self.replicas[partition.topic][partition.partition]
        removing = [broker for broker in old if broker not in replicas]
        adding = [broker for broker in replicas if broker not in old]
        shown = [*replicas, *removing]
        self.moving[partition] = {"replicas": shown, "adding_replicas": adding, "removing_replicas": removing}

    def list_partition_reassignments(self, partitions: Sequence[TopicPartition] | None = None) -> dict[Any, Any]:
        self.requests.append(("list", partitions))
        found = {key: value for key, value in self.moving.items() if partitions is None or key in set(partitions)}
        if partitions is not None and not self.stuck:
            for key, value in found.items():
                kept = [broker for broker in value["replicas"] if broker not in value["removing_replicas"]]
                self.replicas[key.topic][key.partition] = tuple(kept)
                del self.moving[key]
        return found

    @property
    def _manager(self) -> Any:
        return SimpleNamespace(run=lambda ask, *arguments: ask(*arguments))

    def _async_describe_log_dirs(self, topics: None, brokers: Sequence[int]) -> list[dict[str, Any]]:
        assert topics is None, "all that the brokers hold, not what the metadata shows"
        return [{"broker": broker, "log_dirs": [{"topics": self._on_disk(broker)}]} for broker in brokers]

    def _on_disk(self, broker: int) -> list[dict[str, Any]]:
        held = {(name, n) for name, lists in self.replicas.items() for n, one in enumerate(lists) if broker in one}
        return [
            {"name": name, "partitions": [{"partition_index": number, "partition_size": 1}]}
            for name, number in sorted(held | self.disks.get(broker, set()))
        ]

    def describe_log_dirs(self, topics: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
        return []

    def list_partition_offsets(self, specs: Mapping[TopicPartition, Any]) -> dict[TopicPartition, Any]:
        self.requests.append(("offsets", specs))
        return {partition: SimpleNamespace(offset=self.ends.get(partition.topic, 0)) for partition in specs}
