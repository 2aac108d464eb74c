"""Plans the changes of a set of topics: which are refused, and what the cluster needs."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from components.changes import changes
from components.topics.rules import THROTTLES, TopicSpec, normal_value, set_problems, spec_problems


@dataclass(frozen=True, kw_only=True)
class ObservedTopic:
    """A topic as the cluster has it.

    Args:
        replicas: Broker ids of each partition's replicas, by partition; the first is the preferred leader.
        config: Dynamic topic configuration only, without broker defaults.
    """

    replicas: tuple[tuple[int, ...], ...]
    config: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def partitions(self) -> int:
        """Number of partitions."""
        return len(self.replicas)

    @property
    def replication_factor(self) -> int:
        """Replicas of the partition that has the most."""
        return max(map(len, self.replicas), default=0)


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """Changes in the order in which they are applied; each part may be empty."""

    create: tuple[TopicSpec, ...] = ()
    add_partitions: Mapping[str, int] = field(default_factory=dict[str, int])
    """New total of partitions, by topic."""
    set_config: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    reset_config: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    reassign: Mapping[str, int] = field(default_factory=dict[str, int])
    """New replication factor, by topic."""
    delete: tuple[str, ...] = ()


def plan_topics(
    declared: Mapping[str, TopicSpec], observed: Mapping[str, ObservedTopic], leaving: Collection[str]
) -> TopicPlan:
    """Compare the declaration with the cluster.

    Args:
        declared: The topics that must exist, by name.
        observed: The topics that exist, by name; those neither declared nor leaving are left alone.
        leaving: Names of the set's topics that the stack file lists to be deleted.
    """
    existing = {name: spec for name, spec in declared.items() if name in observed}
    set_config: dict[str, Mapping[str, str]] = {}
    reset_config: dict[str, tuple[str, ...]] = {}
    for name, spec in existing.items():
        actual = without_throttles(observed[name].config, spec.config)
        changed = {key: value for key, value in spec.config.items() if _differs(key, value, actual)}
        if changed:
            set_config[name] = changed
        if extra := tuple(sorted(set(actual) - set(spec.config))):
            reset_config[name] = extra
    return TopicPlan(
        create=tuple(spec for name, spec in sorted(declared.items()) if name not in observed),
        add_partitions={
            name: spec.partitions for name, spec in existing.items() if spec.partitions > observed[name].partitions
        },
        set_config=set_config,
        reset_config=reset_config,
        reassign={
            name: spec.replication_factor
            for name, spec in existing.items()
            if any(len(replicas) != spec.replication_factor for replicas in observed[name].replicas)
        },
        delete=tuple(sorted(name for name in leaving if name not in declared and name in observed)),
    )


def without_throttles(observed: Mapping[str, str], declared: Collection[str]) -> dict[str, str]:
    """A topic's configuration without undeclared throttles: other tools set and remove these around reassignments.

    Args:
        observed: The topic's dynamic configuration.
        declared: Keys that the topic declares.
    """
    return {key: value for key, value in observed.items() if key not in THROTTLES or key in declared}


def matches(spec: TopicSpec, topic: ObservedTopic) -> bool:
    """Whether a topic is exactly as declared, so that nothing would have to change."""
    return plan_topics({spec.name: spec}, {spec.name: topic}, ()) == TopicPlan() and (
        spec.partitions == topic.partitions
    )


def _differs(key: str, value: str, actual: Mapping[str, str]) -> bool:
    return key not in actual or normal_value(key, actual[key]) != normal_value(key, value)


def specs_of(props: Mapping[str, Any]) -> dict[str, TopicSpec]:
    """The topics of a resource's inputs, by name. The engine passes numbers as floats."""
    declared = cast("Mapping[str, Mapping[str, Any]]", props.get("topics") or {})
    by_default = set(cast("Sequence[str]", props.get("factorsByDefault") or ()))
    return {
        name: TopicSpec(
            name=name,
            partitions=int(topic["partitions"]),
            replication_factor=int(topic["replicationFactor"]),
            config=dict(topic.get("config") or {}),
            protect=bool(topic.get("protect")),
            factor_by_default=name in by_default,
        )
        for name, topic in sorted(declared.items())  # the engine does not keep the order of keys
    }


def inputs_of(specs: Mapping[str, TopicSpec]) -> dict[str, dict[str, Any]]:
    """The topics as a resource's inputs: the inverse of :func:`specs_of`."""
    return {
        name: {
            "partitions": spec.partitions,
            "replicationFactor": spec.replication_factor,
            "config": dict(spec.config),
            "protect": spec.protect,
        }
        for name, spec in sorted(specs.items())
    }


def refusals(old: Mapping[str, TopicSpec], new: Mapping[str, TopicSpec], brokers: int | None) -> list[str]:
    """Why a change of a set's declaration is refused: one line per topic and reason.

    Args:
        old: The topics as declared before.
        new: The topics as declared now.
        brokers: Number of brokers, or None if it is not known.
    """
    lines = set_problems(new)
    for name, spec in new.items():
        lines += [f'topic "{name}": {problem}' for problem in spec_problems(spec, brokers)]
        if name in old and spec.partitions < old[name].partitions:
            lines.append(
                f'topic "{name}": {old[name].partitions} partitions cannot become {spec.partitions}; '
                "Kafka cannot remove partitions without losing records. Create a new topic and move its consumers"
            )
        if name in old and spec.factor_by_default and spec.replication_factor < old[name].replication_factor:
            before, after = old[name].replication_factor, spec.replication_factor
            lines.append(
                f'topic "{name}" would get {after} instead of {before} replicas by a changed default; to keep them, '
                f"declare replicationFactor: {before} for the topic; for fewer, declare replicationFactor: {after}"
            )
    return lines


@dataclass(frozen=True, kw_only=True)
class Leavers:
    """What a declaration says of topics that are no longer declared.

    Args:
        delete: Names of topics to delete, with their records.
        release: Names of topics that stay in the cluster and are no longer the set's.
        protect: Whether no topic of the set may be deleted.
    """

    delete: frozenset[str] = frozenset()
    release: frozenset[str] = frozenset()
    protect: bool = False


def leavers_of(props: Mapping[str, Any]) -> Leavers:
    """What a resource's inputs say of topics that are no longer declared."""
    return Leavers(
        delete=frozenset(props.get("toDelete") or ()),
        release=frozenset(props.get("toRelease") or ()),
        protect=bool(props.get("protect")),
    )


def leaving_refusals(
    old: Mapping[str, TopicSpec], new: Mapping[str, TopicSpec], before: Leavers, now: Leavers
) -> list[str]:
    """Why topics may not leave a set: one line for each reason.

    A topic leaves only if it is listed, never because its declaration is absent. That holds for empty topics too, since
    a preview does not ask the cluster whether a topic has records.

    Args:
        old: The topics as declared before.
        new: The topics as declared now.
        before: What was said of leaving topics before.
        now: What is said of them now.
    """
    lines = list_problems(new, now.delete, now.release)
    gone = old.keys() - new.keys() - now.release
    protected = sorted(name for name in gone if old[name].protect or before.protect or now.protect)
    if protected:
        lines.append(
            f"protected topics would be deleted: {', '.join(protected)}; to delete them, set protect to false (the "
            "topic's, and the platform's or set's), run `pulumi up`, then remove them from topics and list them in "
            "topicsToDelete"
        )
    if unlisted := sorted(gone - now.delete - set(protected)):
        lines.append(
            f"no longer declared, which alone deletes nothing: {', '.join(unlisted)}; to delete a topic with its "
            "records, list it in topicsToDelete; to keep it and no longer manage it, in topicsToRelease"
            + (_RENAMED if new.keys() - old.keys() else "")
        )
    return lines


_RENAMED = (
    ". If it was renamed: Kafka cannot rename a topic; declare both, move producers and consumers, then list the old "
    "one in topicsToDelete"
)


def list_problems(declared: Collection[str], delete: Collection[str], release: Collection[str]) -> list[str]:
    """What is wrong with lists of topics that leave, one line each: a name belongs into one of the three.

    Args:
        declared: Names of the declared topics.
        delete: Names of the topics to delete.
        release: Names of the topics to keep and no longer manage.
    """
    places = {"topics": declared, "topicsToDelete": delete, "topicsToRelease": release}
    named = Counter(name for names in places.values() for name in set(names))
    return [
        f'topic "{name}" is in {" and in ".join(place for place, names in places.items() if name in names)}; '
        "remove it from all but one"
        for name, times in sorted(named.items())
        if times > 1
    ]


def change_lines(old: Mapping[str, TopicSpec], new: Mapping[str, TopicSpec], now: Leavers | None = None) -> list[str]:
    """A change of a set's declaration, one line per kind of change; none restarts a broker.

    Args:
        old: The topics as declared before.
        new: The topics as declared now.
        now: What is said of topics that leave; None if nothing.
    """
    now, gone = now or Leavers(), old.keys() - new.keys()
    parts = {
        "creates": sorted(new.keys() - old.keys()),
        "deletes, with their records,": sorted(gone & now.delete),
        "no longer manages, and keeps,": sorted(gone & now.release),
        "changes": [
            f"{name} ({'; '.join(_differences(old[name], new[name]))})"
            for name in new
            if name in old and old[name] != new[name]
        ],
    }
    lines = [f"topics: {verb} {', '.join(names)}" for verb, names in parts.items() if names]
    return [*lines, "topics: no broker restarts for these"] if lines else []


def done_lines(old: Mapping[str, TopicSpec], now: Leavers) -> list[str]:
    """Listed topics that a set no longer has, in one line: their names can be removed from the stack file."""
    done = sorted((now.delete | now.release) - old.keys())
    return (
        [f"topics: {', '.join(done)} left earlier; topicsToDelete and topicsToRelease need not list them"]
        if done
        else []
    )


def _differences(old: TopicSpec, new: TopicSpec) -> list[str]:
    return changes(inputs_of({old.name: old})[old.name], inputs_of({new.name: new})[new.name])
