"""The cluster's metadata from a broker of one's choice; an admin client asks whichever it is connected to."""

from collections.abc import Sequence
from typing import Any

from components.kafka.client import ClusterState, partitions_of
from ops.platform import Platform


class MetadataReader:
    """Connections to the brokers of a platform.

    Args:
        platform: The platform.
        seconds: Seconds for one request.

    Raises:
        kafka.errors.KafkaError: No broker answers.
    """

    def __init__(self, platform: Platform, seconds: float) -> None:
        from kafka.net.manager import KafkaConnectionManager
        from kafka.net.selector import NetworkSelector

        milliseconds = int(seconds * 1000)
        settings = {**platform.kafka_options(), "client_id": "millrace-drill", "request_timeout_ms": milliseconds}
        self._loop = NetworkSelector(**settings)
        self._loop.start()
        self._manager = KafkaConnectionManager(self._loop, **settings)
        try:
            self._manager.bootstrap(milliseconds)
        except BaseException:
            self.close()
            raise

    def read(self, broker: int) -> ClusterState:
        """The metadata as this broker knows it.

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
