"""What each broker holds."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.kafka.client import ClusterState, cluster_state
from ops.kafka_cluster import replica_sizes

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


@dataclass(frozen=True, kw_only=True)
class BrokerView:
    """One broker.

    Args:
        id: Its id.
        address: ``host:port`` that it advertises; None if it is not registered.
        rack: Its rack; None without one.
        controller: Whether it is the controller.
        replicas: Replicas that it holds.
        leaders: Partitions that it leads.
        preferred: Partitions of which it is the preferred leader.
        disk: Bytes of its replicas on disk; None if it did not tell.
    """

    id: int
    address: str | None
    rack: str | None
    controller: bool
    replicas: int
    leaders: int
    preferred: int
    disk: int | None

    def to_json(self) -> dict[str, Any]:
        """Stable keys for programs; sizes in bytes, unknown values null."""
        return {
            "broker": self.id,
            "address": self.address,
            "rack": self.rack,
            "controller": self.controller,
            "replicas": self.replicas,
            "leaders": self.leaders,
            "preferredLeaders": self.preferred,
            "diskBytes": self.disk,
        }


def read_brokers(client: "KafkaAdminClient") -> list[BrokerView]:
    """Registered brokers, and those that are not but have replicas; by id."""
    state = cluster_state(client)
    sizes = {broker: sum(found.values()) for broker, found in replica_sizes(client, sorted(state.brokers)).items()}
    return views_of(state, sizes)


def views_of(state: ClusterState, disk: dict[int, int]) -> list[BrokerView]:
    """The same from the cluster's metadata and bytes by broker."""
    replicas = Counter(broker for partition in state.partitions for broker in partition.replicas)
    leaders = Counter(partition.leader for partition in state.partitions)
    preferred = Counter(partition.replicas[0] for partition in state.partitions if partition.replicas)
    return [
        BrokerView(
            id=broker,
            address=state.brokers.get(broker),
            rack=state.racks.get(broker),
            controller=broker == state.controller,
            replicas=replicas[broker],
            leaders=leaders[broker],
            preferred=preferred[broker],
            disk=disk.get(broker),
        )
        for broker in sorted({*state.brokers, *replicas})
    ]
