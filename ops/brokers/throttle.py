"""Kafka's own replication throttle, for what is moved here and nothing else.

A broker's rate applies only to replicas that a topic's ``*.throttled.replicas`` names, and never to those in sync, so
records with acks=all are not slowed down. The journal names each key before it is set; where another tool has set one,
nothing is touched.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from components.kafka.client import batches
from ops.brokers.journal import Move, Throttle
from ops.errors import OpsError, RefusedError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
LEADERS, FOLLOWERS = "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"

_Keys = Mapping[str, str]


def throttle_of(moves: Iterable[Move], rate: int) -> Throttle:
    """The throttle for moves: the old replicas send, the new ones receive.

    Args:
        moves: The moves.
        rate: Bytes per second and broker.
    """
    leaders: dict[str, list[str]] = defaultdict(list)
    followers: dict[str, list[str]] = defaultdict(list)
    brokers: set[int] = set()
    for one in moves:
        adding = [broker for broker in one.after if broker not in one.before]
        if adding:
            leaders[one.topic] += [f"{one.partition}:{broker}" for broker in one.before]
            followers[one.topic] += [f"{one.partition}:{broker}" for broker in adding]
            brokers |= {*one.before, *adding}
    return Throttle(
        rate=rate,
        brokers=sorted(brokers),
        leaders={topic: ",".join(named) for topic, named in sorted(leaders.items())},
        followers={topic: ",".join(named) for topic, named in sorted(followers.items())},
    )


def refuse_foreign(client: "KafkaAdminClient", throttle: Throttle) -> None:
    """Refuse to set a throttle where another tool has set one.

    Raises:
        RefusedError: Names each key.
    """
    if found := sorted(_found(client, _wanted(throttle))):
        foreign = [f"{key} of {kind} {name}" for kind, name, key in found]
        raise RefusedError("a replication throttle is set already, by another tool; nothing was done", foreign)


def put(client: "KafkaAdminClient", throttle: Throttle) -> None:
    """Set a throttle.

    Raises:
        OpsError: A broker refused it.
    """
    _alter(client, _wanted(throttle))


def remove(client: "KafkaAdminClient", throttle: Throttle) -> None:
    """Remove a throttle; keys with a different value are another tool's by now and stay."""
    wanted = _wanted(throttle)
    found = _found(client, wanted)
    existing = _existing(client)
    ours: dict[tuple[str, str], dict[str, str | None]] = defaultdict(dict)
    for (kind, name), keys in wanted.items():
        for key, value in keys.items():
            # A broker need not show a rate that it has; to delete one that is not set does no harm.
            if name in existing[kind] and found.get((kind, name, key), value if kind == "broker" else None) == value:
                ours[kind, name][key] = None
    _alter(client, ours)


def _existing(client: "KafkaAdminClient") -> Mapping[str, set[str]]:
    """Names of the brokers that run and of the topics that exist, by kind."""
    brokers = {str(broker["broker_id"]) for broker in client.describe_cluster()["brokers"]}
    return {"broker": brokers, "topic": set(client.list_topics())}


def _wanted(throttle: Throttle) -> dict[tuple[str, str], _Keys]:
    """The keys by kind (``broker`` or ``topic``) and name."""
    rates: dict[tuple[str, str], _Keys] = {
        ("broker", str(broker)): dict.fromkeys(RATES, str(throttle.rate)) for broker in throttle.brokers
    }
    topics: dict[tuple[str, str], _Keys] = {
        ("topic", topic): {LEADERS: throttle.leaders[topic], FOLLOWERS: throttle.followers[topic]}
        for topic in throttle.leaders
    }
    return rates | topics


def _resource(kind: str, name: str, configs: Any) -> Any:
    from kafka.admin import ConfigResource, ConfigResourceType

    return ConfigResource(ConfigResourceType[kind.upper()], name, configs)


def _found(client: "KafkaAdminClient", wanted: Mapping[tuple[str, str], _Keys]) -> dict[tuple[str, str, str], str]:
    """The keys that are set now, of brokers that run and topics that exist."""
    existing = _existing(client)
    asked = [(kind, name) for kind, name in wanted if name in existing[kind]]
    found: dict[tuple[str, str, str], str] = {}
    for batch in batches(asked):
        resources = [_resource(kind, name, list(wanted[kind, name])) for kind, name in batch]
        answer: dict[str, Any] = client.describe_configs(resources, config_filter="all")
        for kind, name in batch:
            for key, entry in answer.get(kind, {}).get(name, {}).items():
                if key in wanted[kind, name] and entry["value"]:
                    found[kind, name, key] = entry["value"]
    return found


def _alter(client: "KafkaAdminClient", changes: Mapping[tuple[str, str], Mapping[str, str | None]]) -> None:
    from kafka.admin import AlterConfigOp

    for batch in batches(changes.items()):
        resources = [
            _resource(
                kind,
                name,
                {
                    key: (AlterConfigOp.DELETE, None) if value is None else (AlterConfigOp.SET, value)
                    for key, value in keys.items()
                },
            )
            for (kind, name), keys in batch
        ]
        answer = client.alter_configs(resources, raise_on_unknown=False)
        if refused := [
            f"{name}: {result}" for one in answer.values() for name, result in one.items() if result != "OK"
        ]:
            raise OpsError("the cluster refused to change the replication throttle", refused)
