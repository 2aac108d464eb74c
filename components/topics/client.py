"""Reads a cluster's topics, and changes them in batches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.errors import TopicError, count
from components.kafka.client import BATCH, REQUEST_SECONDS, admin_client, batches
from components.routes import DIRECT, Route
from components.topics.reassignment import Reassignments, change_factors, in_progress, when_done
from components.topics.rules import TopicSpec
from components.topics.safety import ObservedTopic, TopicPlan, matches, plan_topics

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


def observe(client: "KafkaAdminClient", names: Collection[str]) -> dict[str, ObservedTopic]:
    """Read those of the named topics that exist."""
    from kafka.admin import ConfigResource, ConfigResourceType

    if not names:
        return {}
    existing = set(client.list_topics()) & set(names)
    observed: dict[str, ObservedTopic] = {}
    for batch in batches(sorted(existing)):
        described: list[dict[str, Any]] = client.describe_topics(batch)
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in batch]
        configs: dict[str, Any] = client.describe_configs(resources)["topic"]
        for topic in described:
            partitions = sorted(topic["partitions"], key=lambda partition: partition["partition_index"])
            observed[topic["name"]] = ObservedTopic(
                replicas=tuple(tuple(partition["replica_nodes"]) for partition in partitions),
                config={
                    key: entry["value"]
                    for key, entry in configs.get(topic["name"], {}).items()
                    # Other sources are broker defaults, which are not drift.
                    if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"
                },
            )
    return observed


def apply_topics(
    *,
    bootstrap: str,
    declared: Mapping[str, TopicSpec],
    owned: set[str],
    adopt: bool,
    deadline: float,
    report: Callable[[str], None],
    route: Route = DIRECT,
) -> None:
    """Change the cluster's topics to match the declaration. Topics that match are left alone, so this can be repeated.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        declared: The topics that must exist, by name.
        owned: Names that this set created or adopted before; names created now are added.
        adopt: Whether declared topics that exist but are not owned are taken over.
        deadline: Seconds for the replicas of one batch to move after a change of replication factor.
        report: Called with a line of progress.
        route: How brokers are reached.

    Raises:
        TopicError: A declared topic is not this set's, or the cluster refused a change.
    """
    with admin_client(bootstrap, route=route) as client:
        observed = observe(client, {*declared, *owned})
        if not adopt:
            _refuse_foreign(client, declared, observed, owned)
        moving: Reassignments = in_progress(client) if observed.keys() & declared.keys() else {}
        plan = plan_topics(declared, when_done(observed, moving), owned)
        _create(client, plan.create, owned, report)
        _add_partitions(client, plan.add_partitions)
        _change_config(client, plan)
        change_factors(client, declared, plan.reassign, moving, deadline=deadline, report=report)
        for batch in batches(plan.delete):
            _raise_refusals("deletion", client.delete_topics(batch, raise_errors=False))


def delete_topics(bootstrap: str, names: Collection[str], *, route: Route = DIRECT) -> None:
    """Delete those of the named topics that exist."""
    with admin_client(bootstrap, route=route) as client:
        for batch in batches(sorted(set(client.list_topics()) & set(names))):
            _raise_refusals("deletion", client.delete_topics(batch, raise_errors=False))


def _refuse_foreign(
    client: "KafkaAdminClient",
    declared: Mapping[str, TopicSpec],
    observed: Mapping[str, ObservedTopic],
    owned: Collection[str],
) -> None:
    """Refuse declared topics that this set did not create.

    A topic that is exactly as declared and empty counts as left behind by an interrupted run: owning it can lose
    nothing.
    """
    foreign = [name for name in declared if name in observed and name not in owned]
    same = {name: observed[name] for name in foreign if matches(declared[name], observed[name])}
    empty = same.keys() - _with_records(client, same)
    taken = [name for name in foreign if name not in empty]
    if taken:
        raise TopicError(
            f"{count(len(taken), 'declared topic')} exist already and are not this stack's: {', '.join(taken)}",
            ["to take them over, set millrace:existingTopics to adopt; otherwise rename the declared topics"],
        )


def _with_records(client: "KafkaAdminClient", topics: Mapping[str, ObservedTopic]) -> set[str]:
    """Names of the topics that have, or had, records."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    found: set[str] = set()
    for batch in batches(topics.items()):
        specs = {
            TopicPartition(name, number): OffsetSpec.LATEST
            for name, topic in batch
            for number in range(topic.partitions)
        }
        offsets = client.list_partition_offsets(specs)
        found |= {partition.topic for partition, result in offsets.items() if result.offset}
    return found


def _create(
    client: "KafkaAdminClient", specs: Sequence[TopicSpec], owned: set[str], report: Callable[[str], None]
) -> None:
    from kafka.errors import TopicAlreadyExistsError

    created = 0
    for batch in batches(specs):
        request = {
            spec.name: {
                "num_partitions": spec.partitions,
                "replication_factor": spec.replication_factor,
                "configs": dict(spec.config),
            }
            for spec in batch
        }
        answer = client.create_topics(request, timeout_ms=int(REQUEST_SECONDS * 1000), raise_errors=False)
        deleting = [topic["name"] for topic in answer["topics"] if topic["error_code"] == TopicAlreadyExistsError.errno]
        owned.update(topic["name"] for topic in answer["topics"] if not topic["error_code"])
        if deleting:  # they were absent a moment ago: the controller is still deleting them
            raise TopicAlreadyExistsError(f"still being deleted: {', '.join(deleting)}")
        _raise_refusals("creation", answer)
        created += len(batch)
        if len(specs) > BATCH:
            report(f"created {created} of {count(len(specs), 'topic')}")
    if specs:
        client.wait_for_topics([spec.name for spec in specs], timeout_ms=int(REQUEST_SECONDS * 1000))


def _add_partitions(client: "KafkaAdminClient", totals: Mapping[str, int]) -> None:
    for batch in batches(totals.items()):
        answer = client.create_partitions(dict(batch), raise_errors=False)
        _raise_refusals("partitions", answer.to_dict())


def _raise_refusals(what: str, answer: Mapping[str, Any]) -> None:
    """Raise one error for all topics that the broker refused in an answer."""
    from kafka import errors

    refused: list[str] = []
    for entry in answer.get("topics") or answer.get("results") or ():
        if entry["error_code"]:
            kind = errors.for_code(entry["error_code"])
            refused.append(f"{entry['name']}: {entry.get('error_message') or kind.description or kind.__name__}")
    if refused:
        raise TopicError(f"the cluster refused the {what} of {count(len(refused), 'topic')}", refused)


def _change_config(client: "KafkaAdminClient", plan: TopicPlan) -> None:
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType

    resources: list[Any] = []
    for name in sorted({*plan.set_config, *plan.reset_config}):
        changes: dict[str, tuple[AlterConfigOp, str | None]] = {
            key: (AlterConfigOp.SET, value) for key, value in plan.set_config.get(name, {}).items()
        }
        changes |= dict.fromkeys(plan.reset_config.get(name, ()), (AlterConfigOp.DELETE, None))
        resources.append(ConfigResource(ConfigResourceType.TOPIC, name, changes))
    for batch in batches(resources):
        answer: dict[str, str] = client.alter_configs(batch, raise_on_unknown=False).get("topic", {})
        refused = [f"{name}: {result}" for name, result in answer.items() if result != "OK"]
        if refused:
            raise TopicError(f"the cluster refused the configuration of {count(len(refused), 'topic')}", refused)
