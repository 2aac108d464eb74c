"""What a restore would do, and what prevents it; does no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.errors import count
from components.topics.rules import TopicSpec, count_problems
from components.topics.safety import ObservedTopic
from ops.backup.archive.model import Acl, Commit, Cut, PartitionId, RedisSummary
from ops.backup.redis_keys import is_newer

_FOREVER = str(2**63 - 1)

WHILE_RESTORING: Mapping[str, str] = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": _FOREVER,
    "message.timestamp.after.max.ms": _FOREVER,
    "message.timestamp.difference.max.ms": _FOREVER,
    "max.message.bytes": str(2**31 - 1),
}
"""Topic configuration while records are written: nothing is deleted or compacted before it was counted, old timestamps
are accepted unchanged, and records that were small enough only when compressed are accepted too."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to restore.

    Args:
        topics: Names of the topics.
        groups: Whether to restore committed offsets.
        acls: Whether to restore ACLs.
        redis: Whether to restore Redis keys.
        replication: Replication factor of created topics; None for that of the archive.
    """

    topics: Sequence[str]
    groups: bool = True
    acls: bool = True
    redis: bool = True
    replication: int | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """The platform to restore into.

    Args:
        brokers: Number of brokers.
        topics: The topics to restore that already exist.
        held: First and end offset of each of their partitions.
        groups: Groups with committed offsets.
        acls: Its ACLs; None if it has no authorizer.
        redis: Its version, and a lower bound of the number of user keys by database.
        retention: The brokers' retention defaults, by topic configuration key; -1 for no limit.
    """

    brokers: int
    topics: Mapping[str, ObservedTopic] = field(default_factory=dict[str, ObservedTopic])
    held: Mapping[PartitionId, tuple[int, int]] = field(default_factory=dict[PartitionId, tuple[int, int]])
    groups: Sequence[str] = ()
    acls: Sequence[Acl] | None = None
    redis: RedisSummary | None = None
    retention: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Plan:
    """The plan of a restore.

    Args:
        specs: All topics after the restore.
        create: Names of topics to create.
        fill: Names of existing, empty topics.
        groups: Committed offsets in the archive, by group.
        acls: ACLs to create.
        redis: Whether to write Redis keys.
        warnings: Warnings for the user.
    """

    specs: Mapping[str, TopicSpec]
    create: Sequence[str]
    fill: Sequence[str]
    groups: Mapping[str, Sequence[Commit]]
    acls: Sequence[Acl]
    redis: bool
    warnings: Sequence[str]

    @property
    def while_restoring(self) -> dict[str, TopicSpec]:
        """The topics while records are written."""
        return {name: replace(spec, config={**spec.config, **WHILE_RESTORING}) for name, spec in self.specs.items()}


def refusals(cut: Cut, redis: RedisSummary | None, request: Request, target: Target) -> list[str]:
    """Everything that prevents a restore; empty if it can be done.

    Args:
        cut: The cut of the archive.
        redis: The keys in the archive, or None.
        request: What to restore.
        target: The platform.
    """
    problems: list[str] = []
    for name in request.topics:
        problems += _existing(cut, name, target) if name in target.topics else _absent(cut, name, request, target)
    if request.groups:
        conflicts = sorted(set(_chosen_groups(cut, request)) & set(target.groups))
        problems += [f"group {group} already has committed offsets; stop and delete it first" for group in conflicts]
    if request.acls and cut.acls and target.acls is None:
        problems.append(
            f"the archive has {count(len(cut.acls), 'ACL')}, but the platform has no authorizer; --no-acls skips them"
        )
    if request.redis and redis and redis.keys and target.redis:
        problems += _redis(redis, target.redis)
    return problems


def _existing(cut: Cut, name: str, target: Target) -> list[str]:
    archived, existing = len(cut.topics[name].spans), target.topics[name].partitions
    problems: list[str] = []
    held = sum(end - begin for partition, (begin, end) in target.held.items() if partition.topic == name)
    if held:
        problems.append(f"topic {name} already holds {count(held, 'record')}; only an empty topic can be filled")
    if archived != existing:
        problems.append(f"topic {name} has {count(existing, 'partition')}; in the archive it has {archived}")
    return problems


def _absent(cut: Cut, name: str, request: Request, target: Target) -> list[str]:
    spec = _spec(cut, name, request)
    problems = [f"topic {name}: {problem}" for problem in count_problems(spec, target.brokers)]
    if request.replication is None and spec.replication_factor > target.brokers:
        problems.append(f"topic {name}: `--replication-factor {target.brokers}` creates it with fewer replicas")
    return problems


def _redis(archived: RedisSummary, server: RedisSummary) -> list[str]:
    problems = [
        f"Redis database {database} already holds keys; only an empty one can be filled (--no-redis skips Redis)"
        for database in sorted(server.keys)
    ]
    if is_newer(archived.version, server.version):
        problems.append(
            f"the keys come from Redis {archived.version}; Redis {server.version} is older and cannot read them"
        )
    return problems


def plan(cut: Cut, redis: RedisSummary | None, request: Request, target: Target) -> Plan:
    """Plan a restore that nothing prevents."""
    specs: dict[str, TopicSpec] = {}
    warnings: list[str] = []
    for name in request.topics:
        existing = target.topics.get(name)
        if existing is None:
            specs[name] = _spec(cut, name, request)
            minimum = cut.topics[name].config.get("min.insync.replicas")
            if specs[name].config.get("min.insync.replicas") != minimum:
                warnings.append(
                    f"topic {name}: min.insync.replicas {minimum} is lowered to {request.replication}, "
                    "its replication factor"
                )
        else:
            specs[name] = TopicSpec(
                name=name,
                partitions=existing.partitions,
                replication_factor=existing.replication_factor,
                config=existing.config,
            )
    return Plan(
        specs=specs,
        create=[name for name in request.topics if name not in target.topics],
        fill=[name for name in request.topics if name in target.topics],
        groups=_chosen_groups(cut, request) if request.groups else {},
        acls=[rule for rule in cut.acls or () if rule not in (target.acls or ())] if request.acls else [],
        redis=bool(request.redis and redis and redis.keys),
        warnings=warnings,
    )


def _chosen_groups(cut: Cut, request: Request) -> dict[str, list[Commit]]:
    chosen = {
        group: [commit for commit in commits if commit.topic in request.topics] for group, commits in cut.groups.items()
    }
    return {group: commits for group, commits in chosen.items() if commits}


def _spec(cut: Cut, name: str, request: Request) -> TopicSpec:
    """The topic to create; a lower replication factor lowers ``min.insync.replicas`` too."""
    topic = cut.topics[name]
    config = dict(topic.config)
    minimum = config.get("min.insync.replicas", "1")
    if request.replication is not None and int(minimum) > request.replication:
        config["min.insync.replicas"] = str(request.replication)
    return TopicSpec(
        name=name,
        partitions=len(topic.spans),
        replication_factor=request.replication or topic.replication,
        config=config,
    )


def translate(
    commits: Sequence[Commit], before: Mapping[PartitionId, Mapping[int, int]], bases: Mapping[PartitionId, int]
) -> list[Commit]:
    """Translate committed offsets to the restored records.

    Args:
        commits: A group's committed offsets in the backed-up partitions.
        before: Number of records in the archive before each of these offsets.
        bases: The offset of the first restored record, by partition.
    """
    return [
        commit.model_copy(
            update={
                "offset": bases.get(commit.partition_id, 0) + before.get(commit.partition_id, {}).get(commit.offset, 0)
            }
        )
        for commit in commits
    ]
