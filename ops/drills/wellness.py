"""Whether a platform is well, and whether it can lose a member: asked before anything is broken."""

from collections.abc import Mapping, Sequence

from components.clients import kafka, redis, zookeeper
from components.clients.findings import finding
from components.clients.kafka import ClusterState
from components.clients.rolling import unsparing
from components.clients.routes import patience
from components.clients.topics import minimum_in_sync
from components.errors import count
from ops.kafka_cluster import answers
from ops.platform import Platform

ENSEMBLE = 3
"""Members that a cluster needs at least to lose one and keep a majority, or two replicas in sync."""

SHOWN = 5
"""Topics that are named at most."""


def problems(platform: Platform) -> list[str]:
    """What is wrong with the platform now; nothing where it is well.

    Each broker is asked itself: one that was killed stays in the metadata until its session with ZooKeeper ends.

    Raises:
        UnreachableError: No broker answers.
    """
    found = zookeeper.role_findings(platform.zookeeper, platform.logs, route=platform.route)
    seconds = patience(platform.route, kafka.CONNECT_SECONDS)
    found += [
        finding(name, seen=f"nothing answers at {address}", expected="a broker that does", logs=platform.logs)
        for name, address in platform.brokers.items()
        if not answers(address, route=platform.route, seconds=seconds)
    ]
    with platform.admin() as client:
        found += kafka.cluster_findings(kafka.cluster_state(client), platform.brokers, platform.logs)
    return found + redis_problems(platform)


def redis_problems(platform: Platform) -> list[str]:
    """Redis members that do not answer."""
    from redis.exceptions import RedisError

    found: list[str] = []
    for member, address in platform.redis.items():
        try:
            redis.server_state(address, platform.redis_password, route=platform.route)
        except RedisError as error:
            found.append(f"{member}: it does not answer ({error}); expected it to")
    return found


def too_few(members: Mapping[str, str], what: str) -> list[str]:
    """The one reason why a cluster cannot lose a member, if it cannot."""
    if len(members) >= ENSEMBLE:
        return []
    return [f"the platform has {count(len(members), what)}; three are needed to lose one"]


def minimums(platform: Platform) -> Mapping[str, int]:
    """``min.insync.replicas`` of each topic."""
    with platform.admin() as client:
        return minimum_in_sync(client, client.list_topics())


def unsparing_topics(state: ClusterState, brokers: Sequence[int], minimum: Mapping[str, int]) -> list[str]:
    """Topics with partitions that take no acks=all record, or are gone, while any of the brokers is away.

    Args:
        state: The cluster's metadata.
        brokers: Ids of the brokers that the drill breaks.
        minimum: ``min.insync.replicas`` of each topic.
    """
    partitions = {str(found): found for broker in brokers for found in unsparing(state, broker, minimum)}.values()
    topics = {found.topic: len(found.replicas) for found in partitions}
    lines = [
        f"topic {topic}: replication factor {replicas} and min.insync.replicas {minimum.get(topic, 1)}; "
        "it cannot spare a broker"
        for topic, replicas in sorted(topics.items())
    ]
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {count(more, 'more topic')}"] if more > 0 else lines
