"""Whether a platform is healthy, and whether it survives the loss of a member; checked before anything is broken."""

from collections.abc import Mapping, Sequence

from components.errors import count
from components.findings import finding
from components.kafka import client as kafka
from components.kafka.client import ClusterState, minimum_in_sync
from components.kafka.health import cluster_findings
from components.kafka.safety import without_spare
from components.redis import client as redis
from components.routes import patience
from components.zookeeper import client as zookeeper
from ops.kafka_cluster import answers
from ops.platform import Platform

MINIMUM_MEMBERS = 3
"""Minimum members of a cluster that loses one and still has a majority, or two in-sync replicas."""

SHOWN = 5
"""Maximum number of topics that are named."""


def problems(platform: Platform) -> list[str]:
    """What is wrong with the platform now; empty if it is healthy.

    Each broker is asked itself: a killed one stays in the metadata until its ZooKeeper session expires.

    Raises:
        UnreachableError: No broker answers.
    """
    found = zookeeper.role_findings(platform.zookeeper, platform.logs, route=platform.route)
    seconds = patience(platform.route, kafka.CONNECT_SECONDS)
    found += [
        finding(name, seen=f"nothing answers at {address}", expected="a broker that does", logs=platform.logs)
        for name, address in platform.brokers.items()
        if not answers(address, route=platform.route, seconds=seconds, security=platform.security)
    ]
    with platform.admin() as client:
        found += cluster_findings(kafka.cluster_state(client), platform.brokers, platform.logs)
    return found + _redis_problems(platform)


def _redis_problems(platform: Platform) -> list[str]:
    from redis.exceptions import RedisError

    found: list[str] = []
    for member, address in platform.redis.items():
        try:
            redis.server_state(address, platform.redis_password, route=platform.route)
        except RedisError as error:
            found.append(f"{member}: no answer ({error}); expected one")
    return found


def too_few(members: Mapping[str, str], what: str) -> list[str]:
    """Why a cluster is too small to lose a member; empty if it is large enough.

    Args:
        members: Addresses by member.
        what: Noun for a member.
    """
    if len(members) >= MINIMUM_MEMBERS:
        return []
    return [f"the platform has {count(len(members), what)}; it needs three to lose one"]


def minimums(platform: Platform) -> Mapping[str, int]:
    """``min.insync.replicas`` of each topic."""
    with platform.admin() as client:
        return minimum_in_sync(client, client.list_topics())


def topics_at_risk(state: ClusterState, brokers: Sequence[int], minimum: Mapping[str, int]) -> list[str]:
    """Topics with partitions that reject acks=all records or are unavailable while one of the brokers is down.

    Args:
        state: The cluster's metadata.
        brokers: Ids of the brokers that the drill breaks.
        minimum: ``min.insync.replicas`` of each topic.
    """
    partitions = {str(found): found for broker in brokers for found in without_spare(state, broker, minimum)}.values()
    topics = {found.topic: len(found.replicas) for found in partitions}
    lines = [
        f"topic {topic}: replication factor {replicas} and min.insync.replicas {minimum.get(topic, 1)}; "
        "it cannot lose a broker"
        for topic, replicas in sorted(topics.items())
    ]
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {count(more, 'more topic')}"] if more > 0 else lines
