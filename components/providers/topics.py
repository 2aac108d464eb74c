"""Dynamic provider of a set of topics: plans, applies and reads them in batches."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, ResourceProvider, UpdateResult

from components import topic_rules
from components.changes import changes
from components.clients import topics
from components.clients.kafka import admin_client, any_listens, broker_findings, cluster_state, unreachable
from components.clients.routes import route
from components.clients.waiting import wait_until
from components.errors import TopicError
from components.providers.base import Props, failures, in_order, is_known, plain_errors, progress
from components.topic_rules import TopicSpec


def specs_of(props: Mapping[str, Any]) -> dict[str, TopicSpec]:
    """The topics of a resource's inputs, by name. Numbers arrive as floats from the engine."""
    declared = cast("Mapping[str, Mapping[str, Any]]", props.get("topics") or {})
    return {
        name: TopicSpec(
            name=name,
            partitions=int(topic["partitions"]),
            replication_factor=int(topic["replicationFactor"]),
            config=dict(topic.get("config") or {}),
            protect=bool(topic.get("protect")),
        )
        for name, topic in sorted(declared.items())  # the engine keeps no order of keys
    }


def inputs_of(specs: Mapping[str, TopicSpec]) -> dict[str, Props]:
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


def refusals(old: Mapping[str, TopicSpec], new: Mapping[str, TopicSpec], brokers: int) -> list[str]:
    """Why a change of a set's declaration cannot be made: one line a topic and reason."""
    lines = topic_rules.set_problems(new)
    for name, spec in new.items():
        lines += [f'topic "{name}": {problem}' for problem in topic_rules.spec_problems(spec, brokers)]
        if name in old and spec.partitions < old[name].partitions:
            lines.append(
                f'topic "{name}": {old[name].partitions} partitions cannot become {spec.partitions}; '
                "Kafka cannot remove partitions without losing records. Make a new topic and move its consumers"
            )
    for name, spec in old.items():
        if name not in new and spec.protect:
            lines.append(
                f'topic "{name}" is protected and would be deleted; to delete it, '
                "set protect to false, run `pulumi up`, then remove it"
            )
    return lines


def described(old: Mapping[str, TopicSpec], new: Mapping[str, TopicSpec]) -> list[str]:
    """A change of a set's declaration in words; no topic's change restarts a broker."""
    parts = {
        "makes": sorted(new.keys() - old.keys()),
        "deletes, with their records,": sorted(old.keys() - new.keys()),
        "changes": [
            f"{name} ({'; '.join(_differences(old[name], new[name]))})"
            for name in new
            if name in old and old[name] != new[name]
        ],
    }
    told = [f"topics: {verb} {', '.join(names)}" for verb, names in parts.items() if names]
    return [*told, "topics: no broker restarts for these"] if told else []


def _differences(old: TopicSpec, new: TopicSpec) -> list[str]:
    return changes(inputs_of({old.name: old})[old.name], inputs_of({new.name: new})[new.name])


class TopicSetProvider(ResourceProvider):
    """Manages the topics of one set, and none but these."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse what Kafka would refuse or what would lose records, already in ``preview``."""
        if not (is_known(news.get("topics")) and is_known(news.get("brokers"))):
            return CheckResult(news, [])
        old = specs_of(_olds) if is_known(_olds.get("topics")) else {}
        new = specs_of(news)
        for line in described(old, new) if _olds else ():
            progress(line)
        return CheckResult(news, failures("topics", refusals(old, new, len(news["brokers"]))))

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Make the topics; a failed create is tried again by the next ``up``."""
        _apply(props, owned=())
        return CreateResult(f"{','.join(sorted(props['brokers']))}/{props['setName']}", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Change what differs, and delete owned topics that left the declaration."""
        _apply(_news, owned=specs_of(_olds))
        return UpdateResult(_news)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Report the topics as they are, so that a refresh shows drift and the next ``up`` mends it."""
        specs = specs_of(props)
        state = {key: value for key, value in props.items() if key != "__provider"}
        way = route(props.get("route"))
        if not any_listens(props["bootstrap"], route=way):
            progress(f"topics were not read: no broker answers at {props['bootstrap']}; they are kept as last known")
            return ReadResult(id_, dict(state), dict(state))
        with admin_client(props["bootstrap"], route=way) as client:
            observed = topics.observe(client, specs)
        actual = {
            name: TopicSpec(
                name=name,
                partitions=topic.partitions,
                replication_factor=topic.replication_factor,
                config={key: topic_rules.normal_value(key, value) for key, value in topic.config.items()},
                protect=specs[name].protect,
            )
            for name, topic in observed.items()
        }
        state["topics"] = inputs_of(actual)
        return ReadResult(id_, dict(state), dict(state))

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Delete the set's topics, unless one is protected; topics that are gone already are no error."""
        specs = specs_of(_props)
        if protected := sorted(name for name, spec in specs.items() if spec.protect):
            raise TopicError(
                f"topics are protected: {', '.join(protected)}",
                ["to delete them, set protect to false and run `pulumi up` first"],
            )
        topics.delete_topics(_props["bootstrap"], specs, route=route(_props.get("route")))


def _apply(props: Props, owned: Iterable[str]) -> None:
    """Wait until every broker is registered, then make the topics so.

    Replicas can only be placed on brokers that are there. A connection that breaks midway, as while brokers come
    back, is no failure before the deadline: applying again goes on from what exists.
    """
    from kafka.errors import KafkaError

    bootstrap, brokers, logs = props["bootstrap"], in_order(props["brokers"]), props["logs"]
    deadline = float(props["deadline"])
    made, way = set(owned), route(props.get("route"))

    def look() -> list[str]:
        if not any_listens(bootstrap, route=way):
            return unreachable(bootstrap, brokers, logs, route=way)
        try:
            with admin_client(bootstrap, route=way) as client:
                if missing := broker_findings(cluster_state(client), brokers, logs):
                    return missing
            topics.apply_topics(
                bootstrap=bootstrap,
                declared=specs_of(props),
                owned=made,
                adopt=props["existing"] == "adopt",
                deadline=deadline,
                report=progress,
                route=way,
            )
        except KafkaError as error:
            return [f"Kafka: a change of topics broke off ({error}); expected an answer"]
        return []

    wait_until(look, what="Kafka", deadline=deadline, report=progress)
