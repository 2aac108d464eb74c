"""What a drill observes of Kafka and ZooKeeper: metadata, which brokers answer, and the ensemble's roles."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from components.kafka.client import ClusterState, partitions_of
from components.naming import ordinal_of
from components.routes import patience
from components.zookeeper import client as zookeeper
from ops.errors import UnreachableError
from ops.kafka_cluster import answers
from ops.platform import Platform

ANSWER_SECONDS = 1.0
"""Seconds for one answer of a broker."""

REQUEST_SECONDS = 5.0
"""Seconds for one metadata request."""


@dataclass(frozen=True)
class ClusterView:
    """The cluster at one moment.

    Args:
        state: The metadata.
        silent: Names of declared brokers that do not answer requests.
    """

    state: ClusterState
    silent: frozenset[str]

    def healthy(self, brokers: int) -> bool:
        """Whether all brokers answer and are registered, and all replicas are in sync.

        Args:
            brokers: Number of declared brokers.
        """
        state = self.state
        registered = len(state.brokers) >= brokers and state.controller >= 0
        return registered and not (self.silent or state.offline or state.under_replicated)


class ClusterProbe:
    """Reads the cluster's metadata and checks whether each broker answers.

    Metadata alone is not enough: a killed broker stays registered and in sync until its ZooKeeper session expires.

    Args:
        platform: The platform.
        targets: Brokers under fault, read at each call. They are asked for metadata only if no other broker answers:
            the metadata of an isolated broker is stale.
    """

    def __init__(self, platform: Platform, targets: Collection[str] = ()) -> None:
        self._platform = platform
        self._targets = targets
        self._reader: _MetadataReader | None = None

    def __call__(self) -> ClusterView:
        """Observe the cluster.

        Raises:
            UnreachableError: No broker answers.
            kafka.errors.KafkaError: The broker that was asked for metadata failed.
        """
        platform = self._platform
        seconds = patience(platform.route, ANSWER_SECONDS)
        serving = [
            name
            for name, address in platform.brokers.items()
            if answers(address, route=platform.route, seconds=seconds, security=platform.security)
        ]
        if not serving:
            raise UnreachableError(f"no broker of stack {platform.stack} answers")
        broker = min(serving, key=lambda name: (name in self._targets, name))
        try:
            if self._reader is None:
                self._reader = _MetadataReader(platform, patience(platform.route, REQUEST_SECONDS))
            state = self._reader.read(ordinal_of(broker))
        except BaseException:
            self.close()  # its connections may hang on a lost broker; the next call opens new ones
            raise
        return ClusterView(state, frozenset(set(platform.brokers) - set(serving)))

    def close(self) -> None:
        """Close all connections."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class _MetadataReader:
    """Reads metadata from a given broker; an admin client asks whichever broker it is connected to.

    Args:
        platform: The platform.
        seconds: Seconds for one request.

    Raises:
        kafka.errors.KafkaError: No broker answers.
    """

    def __init__(self, platform: Platform, seconds: float) -> None:
        from kafka.net.manager import KafkaConnectionManager
        from kafka.net.selector import NetworkSelector

        timeout_ms = int(seconds * 1000)
        settings = {**platform.kafka_options(), "client_id": "millrace-drill", "request_timeout_ms": timeout_ms}
        self._loop = NetworkSelector(**settings)
        self._loop.start()
        self._manager = KafkaConnectionManager(self._loop, **settings)
        try:
            self._manager.bootstrap(timeout_ms)
        except BaseException:
            self.close()
            raise

    def read(self, broker: int) -> ClusterState:
        """The metadata that a broker holds.

        Raises:
            kafka.errors.KafkaError: It does not answer.
        """
        from kafka.protocol.metadata import MetadataRequest

        request = MetadataRequest(topics=None, allow_auto_topic_creation=False)
        answer: dict[str, Any] = self._manager.run(self._send, request, broker).to_dict()
        brokers: Sequence[dict[str, Any]] = answer["brokers"]
        return ClusterState(
            brokers={found["node_id"]: f"{found['host']}:{found['port']}" for found in brokers},
            controller=answer["controller_id"],
            partitions=partitions_of(answer["topics"]),
        )

    async def _send(self, request: Any, broker: int) -> Any:
        return await self._manager.send(request, node_id=broker)

    def close(self) -> None:
        """Close all connections."""
        self._manager.close()
        self._loop.close()


Roles = dict[str, str | None]
"""Role of each ZooKeeper member: ``leader``, ``follower``, or None while it does not serve."""


def ensemble_roles(platform: Platform) -> Roles:
    """The current roles of ZooKeeper's members."""
    states = zookeeper.member_states(platform.zookeeper, route=platform.route)
    return {name: state.mode for name, state in states.items()}
