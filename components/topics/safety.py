"""Plans the changes of a set of topics: which are refused, and what the cluster needs."""

from collections.abc import Collection, Mapping
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
    declared: Mapping[str, TopicSpec], observed: Mapping[str, ObservedTopic], owned: Collection[str]
) -> TopicPlan:
    """Compare the declaration with the cluster.

    Args:
        declared: The topics that must exist, by name.
        observed: The topics that exist, by name; those neither declared nor owned are left alone.
        owned: Names that this set created or adopted before; those no longer declared are deleted.
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
        delete=tuple(sorted(name for name in owned if name not in declared and name in observed)),
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
    return {
        name: TopicSpec(
            name=name,
            partitions=int(topic["partitions"]),
            replication_factor=int(topic["replicationFactor"]),
            config=dict(topic.get("config") or {}),
            protect=bool(topic.get("protect")),
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
    for name, spec in old.items():
        if name not in new and spec.protect:
            lines.append(
                f'topic "{name}" is protected and would be deleted; to delete it, '
                "set protect to false, run `pulumi up`, then remove it"
            )
    return lines


def change_lines(old: Mapping[str, TopicSpec], new: Mapping[str, TopicSpec]) -> list[str]:
    """A change of a set's declaration, one line per kind of change; none restarts a broker."""
    parts = {
        "creates": sorted(new.keys() - old.keys()),
        "deletes, with their records,": sorted(old.keys() - new.keys()),
        "changes": [
            f"{name} ({'; '.join(_differences(old[name], new[name]))})"
            for name in new
            if name in old and old[name] != new[name]
        ],
    }
    lines = [f"topics: {verb} {', '.join(names)}" for verb, names in parts.items() if names]
    return [*lines, "topics: no broker restarts for these"] if lines else []


def _differences(old: TopicSpec, new: TopicSpec) -> list[str]:
    return changes(inputs_of({old.name: old})[old.name], inputs_of({new.name: new})[new.name])
