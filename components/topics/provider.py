"""Dynamic provider of a set of topics: plans, applies and reads them in batches."""

from collections.abc import Iterable

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, ResourceProvider, UpdateResult

from components.dynamic import Props, failures, in_order, is_known, plain_errors, progress
from components.errors import TopicError
from components.kafka.client import admin_client, any_listens, broker_findings, cluster_state, unreachable
from components.targets.routes import open_route
from components.topics import client as topics
from components.topics.rules import TopicSpec, normal_value
from components.topics.safety import change_lines, inputs_of, refusals, specs_of, without_throttles
from components.waiting import wait_until


class TopicSetProvider(ResourceProvider):
    """Manages the topics of one set and touches no others."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Refuse, already in ``preview``, what Kafka would refuse and what would lose records."""
        if not (is_known(news.get("topics")) and is_known(news.get("brokers"))):
            return CheckResult(news, [])
        old = specs_of(_olds) if is_known(_olds.get("topics")) else {}
        new = specs_of(news)
        for line in change_lines(old, new) if _olds else ():
            progress(line)
        return CheckResult(news, failures("topics", refusals(old, new, len(news["brokers"]) or None)))

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Create the topics; the next ``up`` retries a failed create."""
        _apply(props, owned=())
        place = ",".join(sorted(props["brokers"])) or props["bootstrap"]
        return CreateResult(f"{place}/{props['setName']}", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Change what differs, and delete owned topics that left the declaration."""
        _apply(_news, owned=specs_of(_olds))
        return UpdateResult(_news)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Report the topics as they are, so that a refresh shows drift and the next ``up`` corrects it."""
        specs = specs_of(props)
        state = {key: value for key, value in props.items() if key != "__provider"}
        route = open_route(props.get("route"))
        if not any_listens(props["bootstrap"], route=route):
            progress(f"topics were not read: no broker answers at {props['bootstrap']}; they are kept as last known")
            return ReadResult(id_, dict(state), dict(state))
        with admin_client(props["bootstrap"], route=route) as client:
            observed = topics.observe(client, specs)
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
        """Delete the set's topics, unless one is protected; topics that are already gone are no error."""
        specs = specs_of(_props)
        if protected := sorted(name for name, spec in specs.items() if spec.protect):
            raise TopicError(
                f"topics are protected: {', '.join(protected)}",
                ["to delete them, set protect to false and run `pulumi up` first"],
            )
        topics.delete_topics(_props["bootstrap"], specs, route=open_route(_props.get("route")))


def _apply(props: Props, owned: Iterable[str]) -> None:
    """Wait until every broker is registered, then apply the topics.

    Replicas can only be placed on registered brokers. A connection that breaks midway, as while brokers restart, is
    no failure before the deadline: applying again continues from what exists.
    """
    from kafka.errors import KafkaError

    bootstrap, brokers, logs = props["bootstrap"], in_order(props["brokers"]), props["logs"]
    deadline = float(props["deadline"])
    now_owned, route = set(owned), open_route(props.get("route"))

    def check_and_apply() -> list[str]:
        if not any_listens(bootstrap, route=route):
            return unreachable(bootstrap, brokers, logs, route=route)
        try:
            with admin_client(bootstrap, route=route) as client:
                if brokers and (missing := broker_findings(cluster_state(client), brokers, logs)):
                    return missing
            topics.apply_topics(
                bootstrap=bootstrap,
                declared=specs_of(props),
                owned=now_owned,
                adopt=props["existing"] == "adopt",
                deadline=deadline,
                report=progress,
                route=route,
            )
        except KafkaError as error:
            return [f"Kafka: a change of topics was interrupted ({error}); expected an answer"]
        return []

    wait_until(check_and_apply, what="Kafka", deadline=deadline, report=progress)
