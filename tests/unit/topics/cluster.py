"""A fabricated cluster behind the calls of kafka-python's admin client that topics need."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka.errors import InvalidPartitionsError, TopicAlreadyExistsError

from components.kafka.security import Security
from components.routes import Route
from components.topics.rules import TopicSpec

BROKERS = {"kafka-0": "127.0.0.1:1", "kafka-1": "127.0.0.1:2"}


class Answer(dict[str, Any]):
    """A response of ``create_partitions``."""

    def to_dict(self) -> dict[str, Any]:
        return dict(self)


@dataclass
class FakeCluster:
    """A cluster whose brokers may know less than its controller."""

    topics: dict[str, TopicSpec] = field(default_factory=dict[str, TopicSpec])
    """The topics that exist, as the controller knows them."""
    unknown: set[str] = field(default_factory=set[str])
    """Topics that the broker that answers does not know yet."""
    known_partitions: dict[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    """Partitions that the broker that answers knows, of topics of which it does not know all."""
    topic_errors: dict[str, int] = field(default_factory=dict[str, int])
    without_config: set[str] = field(default_factory=set[str])
    without_replicas: set[str] = field(default_factory=set[str])
    brokers: Sequence[int] = (0, 1)
    controller: int = 0
    refusal: int = 0
    """Error of the controller for every dry run of a topic that does not exist."""
    deletion: int = 0
    """Error of the controller for every deletion."""
    failure: Exception | None = None
    """Raised by every connection."""
    controller_moves: bool = False
    reads: int = 0
    securities: set[Security | None] = field(default_factory=set[Security | None])
    """Who connected."""
    changes: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    """Requests that were no dry runs."""

    def any_listens(self, bootstrap: str, *, route: Route) -> bool:
        return True

    @contextmanager
    def admin_client(self, bootstrap: str, *, route: Route, security: Security | None) -> Iterator["FakeCluster"]:
        self.securities.add(security)
        self.reads += 1
        if self.failure:
            raise self.failure
        yield self

    def describe_cluster(self) -> dict[str, Any]:
        brokers = [{"broker_id": number, "host": "127.0.0.1", "port": number + 1} for number in self.brokers]
        return {"brokers": brokers, "controller_id": self.controller}

    def describe_topics(self) -> list[dict[str, Any]]:
        return [self._described(spec) for name, spec in self.topics.items() if name not in self.unknown]

    def _described(self, spec: TopicSpec) -> dict[str, Any]:
        replicas = [] if spec.name in self.without_replicas else list(range(spec.replication_factor))
        partitions = [
            {"partition_index": number, "leader_id": 0, "replica_nodes": replicas, "isr_nodes": replicas}
            for number in self.known_partitions.get(spec.name, range(spec.partitions))
        ]
        return {"name": spec.name, "error_code": self.topic_errors.get(spec.name, 0), "partitions": partitions}

    def describe_configs(self, resources: Sequence[Any], *, config_filter: str) -> dict[str, Any]:
        assert config_filter == "all", "otherwise a topic without configuration of its own looks unreadable"
        return {"topic": {resource.name: self._config(resource.name) for resource in resources}}

    def _config(self, name: str) -> dict[str, Any]:
        if name in self.without_config:
            return {}
        default = {"segment.bytes": {"value": "1", "config_source": "DEFAULT_CONFIG"}}
        own = self.topics[name].config.items()
        return default | {key: {"value": value, "config_source": "DYNAMIC_TOPIC_CONFIG"} for key, value in own}

    def create_topics(
        self,
        wanted: Mapping[str, Any] | Sequence[str],
        timeout_ms: int | None = None,
        *,
        validate_only: bool = False,
        raise_errors: bool,
    ) -> dict[str, Any]:
        assert not raise_errors
        if self.controller_moves:
            raise RuntimeError("Failed to find active controller id!")  # what kafka-python raises
        errors = {name: TopicAlreadyExistsError.errno if name in self.topics else self.refusal for name in wanted}
        if not validate_only:
            self.changes.append(("create", sorted(wanted)))
        return {"topics": [{"name": name, "error_code": code} for name, code in errors.items()]}

    def wait_for_topics(self, names: Sequence[str], timeout_ms: int) -> None:
        pass

    def create_partitions(
        self, totals: Mapping[str, int], *, validate_only: bool = False, raise_errors: bool
    ) -> Answer:
        assert not raise_errors
        enough = {name: total <= self.topics[name].partitions for name, total in totals.items()}
        codes = {name: InvalidPartitionsError.errno if is_enough else 0 for name, is_enough in enough.items()}
        if not validate_only:
            self.changes.append(("partitions", dict(totals)))
        return Answer(results=[{"name": name, "error_code": code} for name, code in codes.items()])

    def alter_configs(self, resources: Sequence[Any], *, raise_on_unknown: bool) -> dict[str, dict[str, str]]:
        names = [resource.name for resource in resources]
        self.changes.append(("config", names))
        return {"topic": {name: "UnknownTopicOrPartitionError" if name in self.unknown else "OK" for name in names}}

    def delete_topics(self, names: Sequence[str], *, raise_errors: bool) -> dict[str, Any]:
        self.changes.append(("delete", list(names)))
        return {"topics": [{"name": name, "error_code": self.deletion} for name in names]}

    def list_topics(self) -> list[str]:
        return [name for name in self.topics if name not in self.unknown]

    def alter_partition_reassignments(self, moves: Mapping[Any, Any]) -> dict[Any, Any]:
        self.changes.append(("reassign", moves))
        return {}

    def list_partition_reassignments(self, partitions: Sequence[Any] | None = None) -> dict[Any, Any]:
        return {}

    def describe_log_dirs(self, topics: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
        return []


def specs(
    *names: str, partitions: int = 3, factor: int = 2, config: Mapping[str, str] | None = None
) -> dict[str, TopicSpec]:
    """Topics that differ in their names alone."""
    alike: dict[str, Any] = {"partitions": partitions, "replication_factor": factor, "config": config or {}}
    return {name: TopicSpec(name=name, **alike) for name in names}
