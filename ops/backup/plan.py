"""What a restore would do, and why it must not: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.errors import count
from components.topics.safety import ObservedTopic
from components.topics.settings import TopicSpec, count_problems
from ops.backup.model import Acl, Commit, Cut, Place, RedisSummary
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
"""Configuration that topics have while records are written to them: nothing is deleted or compacted before it was
counted, timestamps are taken as they are however old, and a record is taken that went through compressed before."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for.

    Args:
        topics: Names of the topics.
        groups: Whether committed offsets are restored.
        acls: Whether access rules are.
        redis: Whether keys of Redis are.
        replication: Replication factor of topics that are made; None for the archive's.
    """

    topics: Sequence[str]
    groups: bool = True
    acls: bool = True
    redis: bool = True
    replication: int | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """The platform that is restored into.

    Args:
        brokers: How many brokers there are.
        topics: Those of the topics that exist.
        held: First and last offset of each partition of theirs.
        groups: Groups that have committed offsets.
        acls: Its access rules; None where it has no authorizer.
        redis: Its version, and how many keys of others each database has at least.
        retention: What holds for topics that have no setting of their own, by its key of a topic; -1 is no limit.
    """

    brokers: int
    topics: Mapping[str, ObservedTopic] = field(default_factory=dict[str, ObservedTopic])
    held: Mapping[Place, tuple[int, int]] = field(default_factory=dict[Place, tuple[int, int]])
    groups: Sequence[str] = ()
    acls: Sequence[Acl] | None = None
    redis: RedisSummary | None = None
    retention: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Plan:
    """What a restore does.

    Args:
        specs: All topics as they are in the end.
        create: Names of those that are made.
        fill: Names of those that exist and are empty.
        groups: The archive's committed offsets, by group.
        acls: Access rules that are made.
        redis: Whether keys of Redis are written.
        warnings: What the person should know.
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
        """The topics as they are while records are written to them."""
        return {name: replace(spec, config={**spec.config, **WHILE_RESTORING}) for name, spec in self.specs.items()}


def refusals(cut: Cut, redis: RedisSummary | None, wanted: Wanted, target: Target) -> list[str]:
    """Everything that speaks against a restore; nothing where it can be done.

    Args:
        cut: What the archive's backup began with.
        redis: The archive's keys, or None where it has none.
        wanted: What is asked for.
        target: The platform.
    """
    problems: list[str] = []
    for name in wanted.topics:
        problems += _existing(cut, name, target) if name in target.topics else _absent(cut, name, wanted, target)
    if wanted.groups:
        taken = sorted(set(_chosen_groups(cut, wanted)) & set(target.groups))
        problems += [f"group {group} has committed offsets already; stop it and delete it first" for group in taken]
    if wanted.acls and cut.acls and target.acls is None:
        problems.append(
            f"the archive has {count(len(cut.acls), 'access rule')}, and the platform has no authorizer; "
            "--no-acls leaves them out"
        )
    if wanted.redis and redis and redis.keys and target.redis:
        problems += _redis(redis, target.redis)
    return problems


def _existing(cut: Cut, name: str, target: Target) -> list[str]:
    partitions, there = len(cut.topics[name].spans), target.topics[name].partitions
    problems: list[str] = []
    held = sum(end - begin for place, (begin, end) in target.held.items() if place.topic == name)
    if held:
        problems.append(f"topic {name} holds {count(held, 'record')} already; only an empty one is filled")
    if partitions != there:
        problems.append(f"topic {name} has {count(there, 'partition')}; the archive's has {partitions}")
    return problems


def _absent(cut: Cut, name: str, wanted: Wanted, target: Target) -> list[str]:
    problems = count_problems(_spec(cut, name, wanted), target.brokers)
    cure = f"; `--replication-factor {target.brokers}` makes it with as many as there are"
    return [
        f"topic {name}: {problem}{cure if 'more than' in problem and wanted.replication is None else ''}"
        for problem in problems
    ]


def _redis(archived: RedisSummary, server: RedisSummary) -> list[str]:
    problems = [
        f"Redis holds keys already, in database {database}; only an empty one is filled (--no-redis leaves it out)"
        for database in sorted(server.keys)
    ]
    if is_newer(archived.version, server.version):
        problems.append(
            f"the keys are of Redis {archived.version}; Redis {server.version} is older and cannot read them"
        )
    return problems


def plan(cut: Cut, redis: RedisSummary | None, wanted: Wanted, target: Target) -> Plan:
    """What is done where nothing speaks against it."""
    specs: dict[str, TopicSpec] = {}
    warnings: list[str] = []
    for name in wanted.topics:
        there = target.topics.get(name)
        if there is None:
            specs[name] = _spec(cut, name, wanted)
            minimum = cut.topics[name].config.get("min.insync.replicas")
            if specs[name].config.get("min.insync.replicas") != minimum:
                warnings.append(
                    f"topic {name}: min.insync.replicas {minimum} is lowered to {wanted.replication}, "
                    "its replication factor"
                )
        else:
            specs[name] = TopicSpec(
                name=name,
                partitions=there.partitions,
                replication_factor=there.replication_factor,
                config=there.config,
            )
    return Plan(
        specs=specs,
        create=[name for name in wanted.topics if name not in target.topics],
        fill=[name for name in wanted.topics if name in target.topics],
        groups=_chosen_groups(cut, wanted) if wanted.groups else {},
        acls=[rule for rule in cut.acls or () if rule not in (target.acls or ())] if wanted.acls else [],
        redis=bool(wanted.redis and redis and redis.keys),
        warnings=warnings,
    )


def _chosen_groups(cut: Cut, wanted: Wanted) -> dict[str, list[Commit]]:
    chosen = {
        group: [commit for commit in commits if commit.topic in wanted.topics] for group, commits in cut.groups.items()
    }
    return {group: commits for group, commits in chosen.items() if commits}


def _spec(cut: Cut, name: str, wanted: Wanted) -> TopicSpec:
    """A topic of the archive as it is made; a lower replication factor lowers what needs as many replicas in sync."""
    topic = cut.topics[name]
    config = dict(topic.config)
    minimum = config.get("min.insync.replicas", "1")
    if wanted.replication is not None and int(minimum) > wanted.replication:
        config["min.insync.replicas"] = str(wanted.replication)
    return TopicSpec(
        name=name,
        partitions=len(topic.spans),
        replication_factor=wanted.replication or topic.replication,
        config=config,
    )


def translate(
    commits: Sequence[Commit], before: Mapping[Place, Mapping[int, int]], bases: Mapping[Place, int]
) -> list[Commit]:
    """Committed offsets where the records are now.

    Args:
        commits: A group's committed offsets in the partitions that were backed up.
        before: How many records of the archive stand before each of these offsets.
        bases: The offset that the first restored record of each partition has.
    """
    return [
        commit.model_copy(
            update={"offset": bases.get(commit.place, 0) + before.get(commit.place, {}).get(commit.offset, 0)}
        )
        for commit in commits
    ]
