"""Rules on replication."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.servers import Server
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
"""A broker's replication factors, each with the minimum in sync that applies to it, and Kafka's defaults of both."""


def _replication_of_topic(topic: Topic, stack: Stack) -> tuple[int, int]:
    """A topic's replication factor and minimum in sync; the brokers' where the topic sets none."""
    own = stack.brokers
    replicas = topic.replicas
    if replicas is None:
        replicas = kafka_number(own[0], "default.replication.factor", 1) if own else 1
    declared = whole(str(topic.config.get(_MIN_ISR, "")))
    if declared is not None:
        return replicas, declared
    return replicas, kafka_number(own[0], _MIN_ISR, 1) if own else 1


def _above_min_isr(subject: Server | Topic, context: Context) -> Iterator[str]:
    if isinstance(subject, Topic):
        pairs = [("replication factor", *_replication_of_topic(subject, context.stack))]
    else:
        pairs = [
            (key, kafka_number(subject, key, default), kafka_number(subject, least, least_default))
            for key, default, least, least_default in _FACTORS
        ]
    for name, replicas, least in pairs:
        if least > max(replicas - 1, 1):
            yield f"{subject}: {name} is {replicas} and {least} must be in sync: writes stop when one replica is down"


def _enough_in_production(subject: Server | Topic, context: Context) -> Iterator[str]:
    if not context.production:
        return
    replicas, least = int(context.limits["replicationFactor"]), int(context.limits["minInSyncReplicas"])
    if isinstance(subject, Topic):
        found = _replication_of_topic(subject, context.stack)
        wanted = [("replication factor", found[0], replicas), (_MIN_ISR, found[1], least)]
    else:
        factors = [(key, kafka_number(subject, key, default), replicas) for key, default, _, _ in _FACTORS]
        in_sync = [(key, kafka_number(subject, key, default), least) for _, _, key, default in _FACTORS[1:]]
        wanted = factors + in_sync
    for name, value, limit in wanted:
        if value < limit:
            yield f"{subject}: {name} is {value}; production needs {limit} or more"


def _within_brokers(subject: KafkaCluster | Topic, context: Context) -> Iterator[str]:
    if isinstance(subject, Topic):
        brokers = subject.brokers or context.stack.broker_count
        if brokers and subject.replicas and subject.replicas > brokers:
            yield f"{subject}: replication factor {subject.replicas} with {brokers} broker(s)"
        return
    for server in subject.servers:
        for key, default, _, _ in _FACTORS if is_broker(server) else ():
            replicas = kafka_number(server, key, default)
            if replicas > subject.brokers:
                yield f"{server}: {key} is {replicas} with {subject.brokers} broker(s)"


RULES = (
    Rule(
        name="replication-above-min-isr",
        title="The replication factor is above min.insync.replicas",
        reason="If both are equal, every broker restart stops all writes with acks=all.",
        remedy="Raise the replication factor or lower min.insync.replicas, so that one replica may be down.",
        source="https://github.com/strimzi/strimzi-kafka-operator/issues/9469",
        severity="critical",
        subjects=lambda stack: stack.brokers_and_topics,
        check=_above_min_isr,
    ),
    Rule(
        name="production-replication",
        title="Production keeps three replicas, two of them in sync",
        reason="With fewer, losing one disk loses acknowledged records.",
        remedy="Set default.replication.factor, offsets and transaction factors to 3, min.insync.replicas to 2.",
        source="https://kafka.apache.org/39/documentation.html#topicconfigs_min.insync.replicas",
        severity="critical",
        subjects=lambda stack: stack.brokers_and_topics,
        check=_enough_in_production,
        limits={
            "production": PRODUCTION,
            "replicationFactor": Limit(default=3, meaning="Minimum replication factor"),
            "minInSyncReplicas": Limit(default=2, meaning="Minimum min.insync.replicas"),
        },
    ),
    Rule(
        name="replication-within-brokers",
        title="No replication factor exceeds the number of brokers",
        reason="Topics cannot be created; if it is the offsets topic's, consumer groups fail without an error.",
        remedy="Set the factor to at most the number of brokers; Kafka's default for internal topics is 3.",
        source=f"{_KAFKA_DOCS}offsets.topic.replication.factor",
        severity="critical",
        subjects=lambda stack: [*stack.clusters, *stack.topics],
        check=_within_brokers,
    ),
)
