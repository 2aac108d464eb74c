"""Replication of topics."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
from policies.view.servers import KAFKA, Server
from policies.view.settings import is_broker, kafka_number
from policies.view.stack import KafkaCluster, Stack, Topic
from policies.view.values import whole

_KAFKA_DOCS = "https://kafka.apache.org/39/documentation.html#brokerconfigs_"

_MIN_ISR = "min.insync.replicas"
_FACTORS = (
    ("default.replication.factor", 1, _MIN_ISR, 1),
    ("offsets.topic.replication.factor", 3, _MIN_ISR, 1),
    ("transaction.state.log.replication.factor", 3, "transaction.state.log.min.isr", 2),
)
"""Replication factors of a broker with Kafka's own defaults, and the minimum in sync that holds for each."""


def brokers(stack: Stack) -> list[Server]:
    """Servers that keep records."""
    return [server for server in stack.servers if server.kind == KAFKA and is_broker(server)]


def _brokers_and_topics(stack: Stack) -> list[Server | Topic]:
    return [*brokers(stack), *stack.topics]


def _replication_of_topic(topic: Topic, stack: Stack) -> tuple[int, int]:
    """A topic's replication factor and minimum in sync, from its brokers where it says nothing."""
    own = brokers(stack)
    replicas = topic.replicas
    if replicas is None:
        replicas = kafka_number(own[0], "default.replication.factor", 1) if own else 1
    declared = whole(str(topic.config.get(_MIN_ISR, "")))
    if declared is not None:
        return replicas, declared
    return replicas, kafka_number(own[0], _MIN_ISR, 1) if own else 1


def _above_min_isr(subject: Server | Topic, judgement: Judgement) -> Iterator[str]:
    if isinstance(subject, Topic):
        pairs = [("replication factor", *_replication_of_topic(subject, judgement.stack))]
    else:
        pairs = [
            (key, kafka_number(subject, key, default), kafka_number(subject, least, least_default))
            for key, default, least, least_default in _FACTORS
        ]
    for name, replicas, least in pairs:
        if least > max(replicas - 1, 1):
            yield f"{subject}: {name} is {replicas}, and {least} must be in sync: with one away nobody can write"


def _enough_in_production(subject: Server | Topic, judgement: Judgement) -> Iterator[str]:
    if not judgement.production:
        return
    replicas, least = int(judgement.limits["replicationFactor"]), int(judgement.limits["minInSyncReplicas"])
    if isinstance(subject, Topic):
        found = _replication_of_topic(subject, judgement.stack)
        wanted = [("replication factor", found[0], replicas), (_MIN_ISR, found[1], least)]
    else:
        factors = [(key, kafka_number(subject, key, default), replicas) for key, default, _, _ in _FACTORS]
        in_sync = [(key, kafka_number(subject, key, default), least) for _, _, key, default in _FACTORS[1:]]
        wanted = factors + in_sync
    for name, value, limit in wanted:
        if value < limit:
            yield f"{subject}: {name} is {value}, and production takes {limit} or more"


def _within_brokers(subject: KafkaCluster | Topic, judgement: Judgement) -> Iterator[str]:
    if isinstance(subject, Topic):
        there = subject.brokers or judgement.stack.brokers
        if there and subject.replicas and subject.replicas > there:
            yield f"{subject}: replication factor {subject.replicas} with {there} broker(s)"
        return
    for server in subject.servers:
        for key, default, _, _ in _FACTORS if is_broker(server) else ():
            replicas = kafka_number(server, key, default)
            if replicas > subject.brokers:
                yield f"{server}: {key} is {replicas} with {subject.brokers} broker(s)"


RULES = (
    Rule(
        name="replication-above-min-isr",
        title="The replication factor is above the minimum in sync",
        reason="With both equal, one broker away, as in every restart, stops all writes with acks=all.",
        remedy="Raise the replication factor or lower min.insync.replicas, so that one replica may be away.",
        source="https://github.com/strimzi/strimzi-kafka-operator/issues/9469",
        severity="critical",
        subjects=_brokers_and_topics,
        check=_above_min_isr,
    ),
    Rule(
        name="production-replication",
        title="Production keeps three replicas, two of them in sync",
        reason="With fewer, one lost disk loses records that were acknowledged.",
        remedy="Set default.replication.factor, offsets and transaction factors to 3, min.insync.replicas to 2.",
        source="https://kafka.apache.org/39/documentation.html#topicconfigs_min.insync.replicas",
        severity="critical",
        subjects=_brokers_and_topics,
        check=_enough_in_production,
        limits={
            "production": PRODUCTION,
            "replicationFactor": Limit(default=3, meaning="Least replication factor"),
            "minInSyncReplicas": Limit(default=2, meaning="Least min.insync.replicas"),
        },
    ),
    Rule(
        name="replication-within-brokers",
        title="No replication factor is above the number of brokers",
        reason="Topics can't be made; where it is the offsets topic's, no consumer group works and nothing says why.",
        remedy="Set the factor to the number of brokers or less; Kafka's own default for internal topics is 3.",
        source=f"{_KAFKA_DOCS}offsets.topic.replication.factor",
        severity="critical",
        subjects=lambda stack: [*stack.clusters, *stack.topics],
        check=_within_brokers,
    ),
)
