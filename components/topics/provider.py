"""Dynamic provider of a set of topics: plans, applies and reads them in batches."""

from collections.abc import Collection, Iterable, Mapping

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.dynamic import Props, failures, in_order, is_known, plain_errors, progress
from components.errors import ClusterError, TopicError, UnhealthyError
from components.kafka.client import admin_client, any_listens, cluster_state
from components.kafka.health import broker_findings, unreachable
from components.kafka.security import security_of
from components.targets.routes import open_route
from components.topics import client as topics
from components.topics.rules import TopicSpec, normal_value
from components.topics.safety import (
    ObservedTopic,
    change_lines,
    done_lines,
    inputs_of,
    leavers_of,
    leaving_refusals,
    refusals,
    specs_of,
    without_throttles,
)
from components.waiting import wait_until

SETTLE_SECONDS = 5.0
"""Seconds for which a read tries again while the answer may be incomplete, as when brokers have just started."""


class TopicSetProvider(ResourceProvider):
    """Manages the topics of one set and touches no others."""

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse, already in ``preview``, what Kafka would refuse and what would lose records."""
        if not (is_known(news.get("topics")) and is_known(news.get("brokers"))):
            return CheckResult(news, [])
        old = specs_of(_olds) if is_known(_olds.get("topics")) else {}
        new, before, now = specs_of(news), leavers_of(_olds), leavers_of(news)
        for line in [*change_lines(old, new, now), *done_lines(old, now)] if _olds else ():
            progress(line)
        problems = [*refusals(old, new, len(news["brokers"]) or None), *leaving_refusals(old, new, before, now)]
        return CheckResult(news, failures(problems))

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Leave it to the engine, but for who chose a replication factor: that changes no topic, and is kept anyway."""
        keys = (_olds.keys() | _news.keys()) - {"__provider", "factorsByDefault"}
        return DiffResult(changes=None if any(_olds.get(key) != _news.get(key) for key in keys) else False)

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create the topics; the next ``up`` retries a failed create.

        In a cluster of the same stack, topics that are exactly as declared were created by a set that the state lost:
        a killed ``destroy`` removes the set first and the data last.
        """
        listed = leavers_of(props).delete
        _apply(props, owned=(), listed=listed, resumed=props.get("ownCluster", False))
        place = ",".join(sorted(props["brokers"])) or props["bootstrap"]
        return CreateResult(f"{place}/{props['setName']}", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Change what differs, and delete topics that left the declaration and are listed to be deleted.

        The old inputs stay in the state until all is done, so after an interruption the next ``up`` goes on. Names that
        were listed before and are not the set's left in an earlier update: others may have created them again.
        """
        owned = specs_of(_olds)
        _apply(_news, owned=owned, listed=leavers_of(_news).delete - (leavers_of(_olds).delete - owned.keys()))
        return UpdateResult(_news)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Report the topics as they are, so that a refresh shows drift and the next ``up`` corrects it.

        A read that may be incomplete changes nothing: a topic that the state lacks is no longer this set's, and the
        next ``up`` would refuse it. So topics are kept as last known if

        * Kafka or its route fails, no broker answers, the answer has an error, a declared broker is not registered or
          there is no controller;
        * the answer lacks a topic, or partitions, that the controller still has
          (:func:`~components.topics.client.observe_confirmed`);
        * all topics of a set of several are absent: more likely, something else answers at the address. The changed
          trigger makes the next ``up`` compare them again; it creates those that are absent and refuses none, as the
          set still owns them.
        """
        specs = specs_of(props)
        state = {key: value for key, value in props.items() if key != "__provider"}
        observed = _read(props, specs)
        if isinstance(observed, str):
            progress(f"topics were not read: {observed}; they are kept as last known")
            return ReadResult(id_, dict(state), dict(state))
        if len(specs) > 1 and not observed:
            progress(
                f"topics: none of the set's {len(specs)} exists at {props['bootstrap']}; they are kept as last known. "
                "Check that this is the right cluster: `pulumi up` creates the topics that are absent from it"
            )
            state["trigger"] = {"refresh": "all topics were absent"}
            return ReadResult(id_, dict(state), dict(state))
        actual = {
            name: TopicSpec(
                name=name,
                partitions=topic.partitions,
                replication_factor=topic.replication_factor,
                config={
                    key: normal_value(key, value)
                    for key, value in without_throttles(topic.config, specs[name].config).items()
                },
                protect=specs[name].protect,
            )
            for name, topic in observed.items()
        }
        state["topics"] = inputs_of(actual)
        return ReadResult(id_, dict(state), dict(state))

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Delete the set's topics, if it may delete them together; those that are already gone are no error.

        The state keeps all of them until all are gone.
        """
        specs = specs_of(_props)
        if not specs:
            return
        if protected := sorted(name for name, spec in specs.items() if spec.protect or _props.get("protect")):
            raise TopicError(
                f"topics are protected: {', '.join(protected)}",
                ["to delete them, set protect to false and run `pulumi up` first"],
            )
        if not _props.get("deleteWithSet"):
            raise TopicError(
                f"the set {_props['setName']} would be deleted with its topics and their records: {', '.join(specs)}",
                [
                    "to delete them together, set delete_with_set and run `pulumi up` first",
                    "to keep them, set the resource option retain_on_delete and run `pulumi up` first",
                ],
            )
        _delete(_props, specs)


def _read(props: Props, specs: Mapping[str, TopicSpec]) -> dict[str, ObservedTopic] | str:
    """Read the topics; try again for a few seconds while the answer may be incomplete.

    Returns:
        The topics that exist, by name, or in one line why they were not read.
    """
    from kafka.errors import KafkaError

    bootstrap, brokers = props["bootstrap"], in_order(props["brokers"])
    observed: dict[str, ObservedTopic] = {}

    def attempt() -> list[str]:
        try:
            with admin_client(bootstrap, route=route, security=security_of(props)) as client:
                observed.update(topics.observe_confirmed(client, specs, brokers))
        except (KafkaError, OSError, ClusterError) as error:
            return [_line(error)]
        return []

    try:
        route = open_route(props.get("route"))
        if not any_listens(bootstrap, route=route):
            return f"no broker answers at {bootstrap}"
        wait_until(attempt, what="Kafka", deadline=SETTLE_SECONDS, report=lambda _line: None)
    except UnhealthyError as error:
        return error.problems[0]
    except (OSError, ClusterError) as error:
        return _line(error)
    return observed


def _line(error: Exception) -> str:
    """An error as one line."""
    return (str(error).splitlines() or [type(error).__name__])[0].removeprefix("StaleMetadata: ")


def _delete(props: Props, names: Collection[str]) -> None:
    """Delete topics; try again until the deadline while Kafka does not answer or an answer may lack topics."""
    from kafka.errors import KafkaError

    bootstrap, brokers, logs = props["bootstrap"], in_order(props["brokers"]), props["logs"]
    route = open_route(props.get("route"))

    def attempt() -> list[str]:
        if not any_listens(bootstrap, route=route):
            return unreachable(bootstrap, brokers, logs, route=route)
        try:
            topics.delete_topics(bootstrap, names, route=route, security=security_of(props))
        except KafkaError as error:
            return [f"Kafka: the deletion of topics was interrupted ({_line(error)}); expected an answer"]
        return []

    wait_until(attempt, what="Kafka", deadline=float(props["deadline"]), report=progress)


def _apply(props: Props, owned: Iterable[str], listed: Collection[str], *, resumed: bool = False) -> None:
    """Wait until every broker is registered, then apply the topics.

    Replicas can only be placed on registered brokers. A connection that breaks midway, as while brokers restart, is
    no failure before the deadline: applying again continues from what exists.
    """
    from kafka.errors import KafkaError

    bootstrap, brokers, logs = props["bootstrap"], in_order(props["brokers"]), props["logs"]
    deadline = float(props["deadline"])
    now_owned, asked, route = set(owned), set[str](), open_route(props.get("route"))

    def check_and_apply() -> list[str]:
        if not any_listens(bootstrap, route=route):
            return unreachable(bootstrap, brokers, logs, route=route)
        try:
            with admin_client(bootstrap, route=route, security=security_of(props)) as client:
                if brokers and (missing := broker_findings(cluster_state(client), brokers, logs)):
                    return missing
            topics.apply_topics(
                bootstrap=bootstrap,
                declared=specs_of(props),
                owned=now_owned,
                asked=asked,
                adopt=props["existing"] == "adopt",
                own_cluster=bool(props.get("ownCluster")),
                resumed=resumed,
                deadline=deadline,
                report=progress,
                listed=listed,
                route=route,
                security=security_of(props),
            )
        except KafkaError as error:
            return [f"Kafka: a change of topics was interrupted ({error}); expected an answer"]
        return []

    wait_until(check_and_apply, what="Kafka", deadline=deadline, report=progress)
