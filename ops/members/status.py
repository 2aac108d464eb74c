"""The status of a platform: role, state and disk use of every member, and the lag of consumer groups."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from components.errors import PlatformError, count
from components.findings import finding
from components.kafka.client import ClusterState, cluster_state
from components.kafka.health import cluster_findings, unreachable
from components.naming import ordinal_of
from components.routes import patience
from components.zookeeper.client import MemberState, member_states, role_findings
from ops.groups.progress import Group, group_names, read_groups
from ops.kafka_cluster import answers, replica_sizes
from ops.platform import Platform

if TYPE_CHECKING:
    from kafka import TopicPartition

ANSWER_SECONDS = 3.0
"""Timeout of one answer: a slower member counts as down, so that a table never takes a minute."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member.

    Args:
        name: ``kafka-0``.
        address: ``host:port``.
        up: Whether it answers and serves requests.
        role: ``leader``, ``follower`` or ``observer``; ``controller`` or ``broker``; ``master`` or ``slave``; ""
            if unknown.
        led: Partitions that a broker leads; None for other servers.
        held: Replicas that a broker has; None for other servers.
        lagging: Its replicas that are not in sync; None for other servers.
        disk: Bytes: a broker's logs, an ensemble member's data (its own estimate), Redis' memory; None if unknown.
    """

    name: str
    address: str
    up: bool
    role: str = ""
    led: int | None = None
    held: int | None = None
    lagging: int | None = None
    disk: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Stable keys for programs; sizes in bytes, unknown values null."""
        return {
            "name": self.name,
            "address": self.address,
            "up": self.up,
            "role": self.role or None,
            "partitionsLed": self.led,
            "partitionsHeld": self.held,
            "partitionsLagging": self.lagging,
            "sizeBytes": self.disk,
        }


@dataclass(frozen=True, kw_only=True)
class Status:
    """The status of a platform.

    Args:
        stack: The stack's name.
        members: All members, including those that do not answer.
        groups: Consumer groups.
        problems: Everything wrong with the platform; lag of consumers does not count.
    """

    stack: str
    members: Sequence[Member]
    groups: Sequence[Group] = field(default_factory=tuple[Group, ...])
    problems: Sequence[str] = field(default_factory=tuple[str, ...])

    @property
    def headline(self) -> str:
        """Healthy, or the number of problems."""
        if self.problems:
            return f"{self.stack}: {count(len(self.problems), 'problem')}"
        partitions = sum(member.led or 0 for member in self.members)
        return (
            f"{self.stack} is healthy: {count(len(self.members), 'member')}, {count(partitions, 'partition')} in sync"
        )

    def to_json(self) -> dict[str, Any]:
        """Stable keys for programs.

        ``stack``, ``healthy`` (whether there are no problems), ``problems`` (texts), ``members`` (see :class:`Member`)
        and ``groups`` (``group``, ``state``, ``members``, ``lag`` in records).
        """
        return {
            "stack": self.stack,
            "healthy": not self.problems,
            "problems": list(self.problems),
            "members": [member.to_json() for member in self.members],
            "groups": [
                {"group": group.name, "state": group.state, "members": len(group.members), "lag": group.lag}
                for group in self.groups
            ],
        }


def read_status(platform: Platform) -> Status:
    """Ask all members at once; a member that does not answer is part of the result, never an error."""
    with ThreadPoolExecutor(4) as pool:
        ensemble = pool.submit(_ensemble, platform)
        ensemble_roles = pool.submit(role_findings, platform.zookeeper, platform.logs, route=platform.route)
        brokers = pool.submit(_kafka, platform)
        caches = pool.submit(_redis, platform)
        servers, kafka_problems, groups = brokers.result()
        redis, redis_problems = caches.result()
        return Status(
            stack=platform.stack,
            members=[*ensemble.result(), *servers, *redis],
            groups=groups,
            problems=[*ensemble_roles.result(), *kafka_problems, *redis_problems],
        )


def _ensemble(platform: Platform) -> list[Member]:
    states: Mapping[str, MemberState] = member_states(platform.zookeeper, route=platform.route)
    return [
        Member(
            name=name,
            address=platform.zookeeper[name],
            up=state.mode is not None,
            role=state.mode or "",
            disk=state.data_size,
        )
        for name, state in states.items()
    ]


def _redis(platform: Platform) -> tuple[list[Member], list[str]]:
    name, address = next(iter(platform.redis.items()))
    try:
        with platform.redis_client(seconds=patience(platform.route, ANSWER_SECONDS)) as client:
            info = client.info()
    except PlatformError as error:
        seen = error.headline.partition(": ")[2] or error.headline
        return [Member(name=name, address=address, up=False)], [
            finding(name, seen=f"no answer at {address} ({seen})", expected="an answer", logs=platform.logs)
        ]
    return [Member(name=name, address=address, up=True, role=info["role"], disk=info["used_memory"])], []


def _kafka(platform: Platform) -> tuple[list[Member], list[str], list[Group]]:
    """Brokers, what is wrong with the cluster, and the consumer groups."""
    members = [Member(name=name, address=address, up=False) for name, address in platform.brokers.items()]
    answering = _answering(platform)
    if not answering:
        found = unreachable(platform.bootstrap, platform.brokers, platform.logs, route=platform.route)
        return members, found, []
    # A client that bootstraps from a hanging broker would wait for it.
    reachable = replace(platform, brokers={name: platform.brokers[name] for name in answering})
    try:
        with reachable.admin(request_seconds=patience(platform.route, ANSWER_SECONDS)) as client:
            state = cluster_state(client)
            members = [_broker(state, member, answering) for member in members]
            # Brokers that are not registered are among the cluster's findings.
            registered = [member for member in members if ordinal_of(member.name) in state.brokers]
            problems = [*cluster_findings(state, platform.brokers, platform.logs), *_silent(platform, registered)]
            sizes = replica_sizes(client, [ordinal_of(member.name) for member in members if member.up])
            members = [replace(member, disk=_total(sizes, member)) for member in members]
            # A hanging broker may be a group's coordinator until a new one takes over.
            groups = [] if not all(member.up for member in registered) else read_groups(client, group_names(client))
    except PlatformError as error:
        members = [replace(member, up=member.name in answering) for member in members]
        return members, [*_silent(platform, members), error.headline, *error.problems], []
    return members, problems, groups


def _total(sizes: "Mapping[int, Mapping[TopicPartition, int]]", member: Member) -> int | None:
    replicas = sizes.get(ordinal_of(member.name))
    return None if replicas is None else sum(replicas.values())


def _answering(platform: Platform) -> list[str]:
    """Names of the brokers that answer; all are asked at once."""
    seconds = patience(platform.route, ANSWER_SECONDS)
    ask = partial(answers, route=platform.route, seconds=seconds, security=platform.security)
    with ThreadPoolExecutor(len(platform.brokers)) as pool:
        found = pool.map(ask, platform.brokers.values())
        return [name for name, answered in zip(platform.brokers, found, strict=True) if answered]


def _broker(state: ClusterState, member: Member, answering: Sequence[str]) -> Member:
    broker = ordinal_of(member.name)
    held = [partition for partition in state.partitions if broker in partition.replicas]
    return replace(
        member,
        up=broker in state.brokers and member.name in answering,
        role="controller" if state.controller == broker else "broker",
        led=sum(partition.leader == broker for partition in held),
        held=len(held),
        lagging=sum(broker not in partition.in_sync for partition in held),
    )


def _silent(platform: Platform, members: Sequence[Member]) -> list[str]:
    return [
        finding(member.name, seen=f"nothing answers at {member.address}", expected="an answer", logs=platform.logs)
        for member in members
        if not member.up
    ]
