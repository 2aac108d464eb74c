"""Reads a cluster's topics, and changes them in batches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.errors import TopicError, count
from components.kafka.client import (
    BATCH,
    REQUEST_SECONDS,
    admin_client,
    batches,
    cluster_state,
    complete_replicas,
    controller_errors,
    partitions_of,
    require_readable,
    topic_configs,
)
from components.kafka.health import broker_findings
from components.kafka.reassignment import Reassignments, in_progress
from components.kafka.security import Security
from components.routes import DIRECT, Route
from components.topics.reassignment import change_factors, when_done
from components.topics.rules import TopicSpec
from components.topics.safety import ObservedTopic, TopicPlan, matches, plan_topics

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


def observe(client: "KafkaAdminClient", names: Collection[str]) -> dict[str, ObservedTopic]:
    """Read those of the named topics that the broker that answers knows.

    Raises:
        kafka.errors.KafkaError: They cannot be read, or the answer lacks a part of a topic.
    """
    if not names:
        return {}
    wanted = set(names)
    described = {topic["name"]: topic for topic in client.describe_topics() if topic["name"] in wanted}
    require_readable(described.values())
    replicas = {name: complete_replicas(name, partitions_of([described[name]])) for name in sorted(described)}
    configs = topic_configs(client, replicas)
    return {
        name: ObservedTopic(
            replicas=replicas[name],
            config={
                key: entry["value"]
                for key, entry in configs[name].items()
                # Other sources are broker defaults, which are not drift.
                if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"
            },
        )
        for name in replicas
    }


def observe_confirmed(
    client: "KafkaAdminClient", known: Mapping[str, TopicSpec], brokers: Mapping[str, str]
) -> dict[str, ObservedTopic]:
    """Read topics such that those missing from the result do not exist.

    After a restart, a broker answers before it knows the cluster: the controller sends it the list of brokers first and
    the topics later, in parts. Such an answer looks like that of a cluster without topics, however often it is read.
    So what an answer lacks, a topic or a partition, is taken as absent only if the controller would create it. It is
    asked for a dry run, for which it reads ZooKeeper, not its metadata.

    Args:
        client: An admin client.
        known: The topics as last known, by name.
        brokers: Address that each declared broker must advertise, by name; empty if any broker will do.

    Raises:
        kafka.errors.KafkaError: They cannot be read, or the answer may be incomplete.
    """
    from kafka.errors import StaleMetadata

    state = cluster_state(client)
    if findings := broker_findings(state, brokers, {}):
        raise StaleMetadata(findings[0])
    if not state.brokers:
        raise StaleMetadata("Kafka: no broker is registered; expected at least one")
    observed = observe(client, known)
    with controller_errors():
        _confirm_absent(client, [name for name in sorted(known) if name not in observed])
        _confirm_fewer(
            client,
            {
                name: known[name].partitions
                for name, topic in observed.items()
                if topic.partitions < known[name].partitions
            },
        )
    return observed


def _confirm_absent(client: "KafkaAdminClient", names: Sequence[str]) -> None:
    """Raise unless the controller would create all the topics."""
    from kafka.errors import PolicyViolationError

    for batch in batches(names):
        answer = client.create_topics(batch, validate_only=True, raise_errors=False)
        # The broker's policy is asked last, once it is certain that there is no such topic.
        _require_confirmation(answer, PolicyViolationError.errno)


def _confirm_fewer(client: "KafkaAdminClient", partitions: Mapping[str, int]) -> None:
    """Raise unless the controller would add partitions to all the topics, up to the given numbers."""
    for batch in batches(sorted(partitions)):
        wanted = {name: partitions[name] for name in batch}
        answer = client.create_partitions(wanted, validate_only=True, raise_errors=False)
        _require_confirmation(answer.to_dict())


def _require_confirmation(answer: Mapping[str, Any], *accepted: int) -> None:
    from kafka.errors import StaleMetadata

    if refused := [_reason(entry) for entry in _refused(answer) if entry["error_code"] not in accepted]:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise StaleMetadata(f"a broker's answer is incomplete; the controller says of {refused[0]}{more}")


def apply_topics(
    *,
    bootstrap: str,
    declared: Mapping[str, TopicSpec],
    owned: set[str],
    adopt: bool,
    deadline: float,
    report: Callable[[str], None],
    asked: set[str] | None = None,
    own_cluster: bool = False,
    resumed: bool = False,
    listed: Collection[str] = (),
    route: Route = DIRECT,
    security: Security | None = None,
) -> None:
    """Change the cluster's topics to match the declaration. Topics that match are left alone, so this can be repeated.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.
        declared: The topics that must exist, by name.
        owned: Names that this set created or adopted before; names created now are added.
        adopt: Whether declared topics that exist but are not owned are taken over.
        deadline: Seconds for the replicas of one batch to move after a change of replication factor.
        report: Called with a line of progress.
        asked: Names whose creation an earlier attempt of the same update asked for; those asked for now are added.
        own_cluster: Whether empty topics that are exactly as declared are this set's: an interrupted update made them.
        resumed: Whether topics that are exactly as declared are this set's, with records too.
        listed: Names to delete. No other topic is deleted, and of these only what is owned and not declared.
        route: How brokers are reached.
        security: Who asks; None where brokers ask for nothing.

    Raises:
        TopicError: A declared or listed topic is not this set's, or the cluster refused a change.
        kafka.errors.KafkaError: The cluster cannot be read or changed now, or what a broker answered is out of date.
    """
    asked = set[str]() if asked is None else asked
    with admin_client(bootstrap, route=route, security=security) as client, controller_errors():
        leaving = owned.intersection(listed) - declared.keys()
        observed = observe(client, {*declared, *listed})
        _confirm_absent(client, sorted(leaving - observed.keys()))
        _refuse_strangers(observed.keys() & set(listed) - owned)
        if not adopt:
            foreign = {name: topic for name, topic in observed.items() if name in declared and name not in owned}
            same = {name: topic for name, topic in foreign.items() if matches(declared[name], topic)}
            left = same.keys() if resumed else same.keys() & asked
            if own_cluster and not resumed:
                left |= same.keys() - _with_records(client, same)
            _refuse_foreign([name for name in foreign if name not in left])
        moving: Reassignments = in_progress(client) if observed.keys() & declared.keys() else {}
        plan = plan_topics(declared, when_done(observed, moving), leaving)
        _create(client, plan.create, owned, asked, report)
        _add_partitions(client, plan.add_partitions)
        _change_config(client, plan)
        change_factors(client, declared, plan.reassign, moving, deadline=deadline, report=report)
        _delete(client, plan.delete)


def delete_topics(
    bootstrap: str, names: Collection[str], *, route: Route = DIRECT, security: Security | None = None
) -> None:
    """Delete the named topics; those that do not exist are no error. Can be repeated until it succeeds.

    Raises:
        TopicError: The cluster refused a deletion.
        kafka.errors.KafkaError: The cluster cannot be asked now, a deletion is not complete yet, or what a broker
            answered may lack topics.
    """
    with admin_client(bootstrap, route=route, security=security) as client, controller_errors():
        existing = sorted(set(client.list_topics()) & set(names))
        _confirm_absent(client, sorted(set(names).difference(existing)))
        _delete(client, existing)


def _delete(client: "KafkaAdminClient", names: Sequence[str]) -> None:
    from kafka.errors import KafkaTimeoutError, RequestTimedOutError, UnknownTopicOrPartitionError

    for batch in batches(names):
        answer = client.delete_topics(batch, raise_errors=False)
        # The controller deletes it as soon as all its brokers are there; or does not know it, for now or any longer.
        if pending := _names(answer, RequestTimedOutError.errno, UnknownTopicOrPartitionError.errno):
            raise KafkaTimeoutError(f"still being deleted: {', '.join(pending)}")
        _raise_refusals("deletion", answer)


def _refuse_strangers(names: Collection[str]) -> None:
    """Refuse to delete topics that exist and are not this set's."""
    if names:
        raise TopicError(
            f"{count(len(names), 'topic')} to delete exist and are not this stack's: {', '.join(sorted(names))}; "
            "nothing was changed",
            [
                "remove them from topicsToDelete; a topic can be deleted from here only after it was declared here and "
                "taken over (millrace:existingTopics: adopt)"
            ],
        )


def _refuse_foreign(names: Sequence[str]) -> None:
    """Refuse declared topics that this set did not create."""
    if names:
        raise TopicError(
            f"{count(len(names), 'declared topic')} exist already and are not this stack's: {', '.join(names)}",
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
    client: "KafkaAdminClient",
    specs: Sequence[TopicSpec],
    owned: set[str],
    asked: set[str],
    report: Callable[[str], None],
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
        asked.update(request)  # the controller may create them although no answer comes
        answer = client.create_topics(request, timeout_ms=int(REQUEST_SECONDS * 1000), raise_errors=False)
        owned.update(topic["name"] for topic in answer["topics"] if not topic["error_code"])
        # They were absent from a broker's answer: it is out of date, or the controller is still deleting them.
        if existing := _names(answer, TopicAlreadyExistsError.errno):
            asked.difference_update(existing)
            raise TopicAlreadyExistsError(f"not known yet, or still being deleted: {', '.join(existing)}")
        _raise_refusals("creation", answer)
        created += len(batch)
        if len(specs) > BATCH:
            report(f"created {created} of {count(len(specs), 'topic')}")
    if specs:
        client.wait_for_topics([spec.name for spec in specs], timeout_ms=int(REQUEST_SECONDS * 1000))


def _add_partitions(client: "KafkaAdminClient", totals: Mapping[str, int]) -> None:
    from kafka.errors import InvalidPartitionsError, StaleMetadata

    for batch in batches(totals.items()):
        answer: dict[str, Any] = client.create_partitions(dict(batch), raise_errors=False).to_dict()
        # They had fewer partitions in a broker's answer: it is out of date.
        if enough := _names(answer, InvalidPartitionsError.errno):
            raise StaleMetadata(f"more partitions than a broker's answer had: {', '.join(enough)}")
        _raise_refusals("partitions", answer)


def _refused(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of an answer that have an error."""
    return [entry for entry in answer.get("topics") or answer.get("results") or () if entry["error_code"]]


def _names(answer: Mapping[str, Any], *error_codes: int) -> list[str]:
    """The topics of an answer that have one of these errors."""
    return [entry["name"] for entry in _refused(answer) if entry["error_code"] in error_codes]


def _reason(entry: Mapping[str, Any]) -> str:
    """A refused topic's name, and why."""
    from kafka import errors

    kind = errors.for_code(entry["error_code"])
    return f"{entry['name']}: {entry.get('error_message') or kind.description or kind.__name__}"


def _raise_refusals(what: str, answer: Mapping[str, Any]) -> None:
    """Raise one error for all topics that the broker refused in an answer."""
    if refused := [_reason(entry) for entry in _refused(answer)]:
        raise TopicError(f"the cluster refused the {what} of {count(len(refused), 'topic')}", refused)


def _change_config(client: "KafkaAdminClient", plan: TopicPlan) -> None:
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
    from kafka.errors import UnknownTopicOrPartitionError

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
        # The answer has errors as text. The topics exist: this broker is the one that does not know them yet.
        if unknown := [line for line in refused if UnknownTopicOrPartitionError.__name__ in line]:
            raise UnknownTopicOrPartitionError(unknown[0])
        if refused:
            raise TopicError(f"the cluster refused the configuration of {count(len(refused), 'topic')}", refused)
