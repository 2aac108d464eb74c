"""Reads a cluster's topics, and changes them in batches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.errors import TopicError, count
from components.kafka.client import BATCH, REQUEST_SECONDS, admin_client, batches, cluster_state
from components.routes import DIRECT, Route
from components.topics.rules import TopicSpec
from components.topics.safety import ObservedTopic, TopicPlan, matches, new_replicas, plan_topics
from components.waiting import wait_until

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
        deadline: Seconds for replicas to move after a change of replication factor.
        report: Called with a line of progress.
        route: How brokers are reached.

    Raises:
        TopicError: A declared topic is not this set's, or the cluster refused a change.
    """
    with admin_client(bootstrap, route=route) as client:
        observed = observe(client, {*declared, *owned})
        if not adopt:
            _refuse_foreign(client, declared, observed, owned)
        plan = plan_topics(declared, observed, owned)
        _create(client, plan.create, owned, report)
        if plan.add_partitions:
            answer = client.create_partitions(dict(plan.add_partitions), raise_errors=False)
            _raise_refusals("partitions", answer.to_dict())
        _change_config(client, plan)
        for name, factor in plan.reassign.items():
            _reassign(client, name, factor, deadline, report)
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
    same = [name for name in foreign if matches(declared[name], observed[name])]
    taken = [name for name in foreign if name not in same or not _is_empty(client, name, observed[name].partitions)]
    if taken:
        raise TopicError(
            f"{count(len(taken), 'declared topic')} exist already and are not this stack's: {', '.join(taken)}",
            ["to take them over, set millrace:existingTopics to adopt; otherwise rename the declared topics"],
        )


def _is_empty(client: "KafkaAdminClient", name: str, partitions: int) -> bool:
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec

    specs = {TopicPartition(name, number): OffsetSpec.LATEST for number in range(partitions)}
    return all(result.offset == 0 for result in client.list_partition_offsets(specs).values())


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


def _reassign(
    client: "KafkaAdminClient", name: str, factor: int, deadline: float, report: Callable[[str], None]
) -> None:
    from kafka import TopicPartition

    current = observe(client, {name})[name].replicas
    try:
        wanted = new_replicas(current, factor, cluster_state(client).brokers)
    except ValueError as error:
        raise TopicError(f"topic {name}: {error}") from error
    moves = {TopicPartition(name, number): list(replicas) for number, replicas in wanted.items()}
    answer = client.alter_partition_reassignments(moves)
    refused = [f"{partition.partition}: {error.__name__}" for partition, error in answer.items() if error]
    if refused:
        raise TopicError(f"topic {name}: the cluster refused to move partitions", refused)

    def pending() -> list[str]:
        left = client.list_partition_reassignments(list(moves))
        return [f"{len(left)} of {count(len(moves), 'partition')} still moving"] if left else []

    what = f"topic {name} to have replication factor {factor}"
    wait_until(pending, what=what, deadline=deadline, report=report)
