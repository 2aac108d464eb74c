"""Rules on broker settings."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.servers import Server
from policies.view.settings import kafka_flag, kafka_number, kafka_setting
from policies.view.stack import Stack, Topic
from policies.view.values import undecided, whole

_DOCS = "https://kafka.apache.org/39/documentation.html#"
_HOUR = 3600 * 1000
_DAY = 24 * _HOUR
_PLACEHOLDER = "$"
_EVERYWHERE = ("", "0.0.0.0", "[::]")


def _addresses(server: Server) -> list[str]:
    """``host:port`` of each advertised listener; variables that only the running server knows stay in the text."""
    text = kafka_setting(server, "advertised.listeners") or ""
    return [part.partition("://")[2] or part for part in re.split(r",\s*", text) if part]


def _identity(server: Server, address: str) -> tuple[str, ...]:
    """What makes an address unique: a computed one is as unique as the arguments it is computed from."""
    if _PLACEHOLDER not in address:
        return (address,)
    return (address, *server.command, server.hostname or server.urn)


def _shared(stack: Stack) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for server in stack.brokers:
        found.update({_identity(server, address) for address in _addresses(server)})
    return found


def _listeners(server: Server, context: Context) -> Iterator[str]:
    addresses = _addresses(server)
    if not addresses:
        yield f"{server} sets no advertised listeners: clients are sent to its host name"
    shared = _shared(context.stack)
    for address in addresses:
        constant = _PLACEHOLDER not in address
        if address.rpartition(":")[0] in _EVERYWHERE:
            yield f"{server} advertises {address}, which no client can connect to"
        elif (constant and server.replicas > 1) or shared[_identity(server, address)] > 1:
            yield f"{server} shares the advertised address {address} with a different broker"


def _auto_create(server: Server, context: Context) -> Iterator[str]:
    if context.production and kafka_flag(server, "auto.create.topics.enable", True):
        yield f"{server} creates any topic that a client names"


def _unclean(subject: Server | Topic, context: Context) -> Iterator[str]:
    key = "unclean.leader.election.enable"
    if isinstance(subject, Topic):
        allowed = str(subject.config.get(key, "false")).lower() == "true"
    else:
        allowed = kafka_flag(subject, key, False)
    if allowed:
        yield f"{subject} lets an out-of-sync replica become leader"


def _deletion(server: Server, context: Context) -> Iterator[str]:
    allowed = context.limits["deletion"]
    if not context.production or allowed == "always":
        return
    if allowed == "managed" and context.stack.topics:
        return
    if kafka_flag(server, "delete.topic.enable", True):
        yield f"{server} lets clients delete topics"


def _retention(subject: Server | Topic, context: Context) -> Iterator[str]:
    if isinstance(subject, Topic):
        policy, time, size = _retention_of_topic(subject)
    else:
        policy, time, size = _retention_of_broker(subject)
    shortest = int(context.limits["shortestHours"]) * _HOUR
    longest = int(context.limits["longestDays"]) * _DAY
    if policy == "compact":
        return
    if time == -1 and size == -1:
        yield f"{subject} keeps records without a time or size limit"
    elif time is not None and 0 <= time < shortest:
        yield f"{subject} keeps records for less than {context.limits['shortestHours']} hour(s)"
    elif time is not None and time > longest:
        yield f"{subject} keeps records for more than {context.limits['longestDays']} days"


def _retention_of_topic(topic: Topic) -> tuple[str, int | None, int | None]:
    """A topic's cleanup policy, retention in ms and in bytes; None or -1 where the brokers' setting counts."""
    time, size = (whole(str(topic.config.get(key, ""))) for key in ("retention.ms", "retention.bytes"))
    return str(topic.config.get("cleanup.policy", "delete")), time, -1 if size is None else size


def _retention_of_broker(server: Server) -> tuple[str, int | None, int | None]:
    """A broker's cleanup policy, retention in ms and in bytes; -1 is no limit."""
    time = 7 * _DAY
    for key, unit in (("log.retention.ms", 1), ("log.retention.minutes", 60 * 1000), ("log.retention.hours", _HOUR)):
        text = kafka_setting(server, key)
        if text is not None:
            number = kafka_number(server, key, 0)
            time = number * unit if number >= 0 else -1
            break
    return (
        kafka_setting(server, "log.cleanup.policy") or "delete",
        time,
        kafka_number(server, "log.retention.bytes", -1),
    )


def _budget(group: "TopicGroup", context: Context) -> Iterator[str]:
    limit = int(context.limits["partitionsPerBroker"])
    replicas = sum(topic.partitions * (topic.replicas or 1) for topic in group.topics)
    brokers = group.topics[0].brokers or context.stack.broker_count or undecided("the number of brokers")
    if replicas > limit * brokers:
        yield f"{replicas} partition replicas on {brokers} broker(s): more than {limit} each"


class TopicGroup:
    """Topics on the same brokers."""

    def __init__(self, topics: list[Topic]) -> None:
        self.topics = topics
        self.urn = topics[0].urn

    def __str__(self) -> str:
        return f"topics of {self.topics[0].resource}"


def _groups(stack: Stack) -> list[TopicGroup]:
    groups: Mapping[str, list[Topic]] = {}
    for topic in stack.topics:
        groups.setdefault(topic.resource.props.text("bootstrap"), []).append(topic)
    return [TopicGroup(topics) for topics in groups.values()]


RULES = (
    Rule(
        name="advertised-listeners",
        title="Each broker advertises its own addresses",
        reason="Clients must reach the broker that leads a partition; a shared address may reach a different one.",
        remedy="Set advertised.listeners to a name that only this broker has: in the cluster, the pod's name in the "
        "headless Service; outside, one Service per broker.",
        source=f"{_DOCS}brokerconfigs_advertised.listeners",
        severity="critical",
        subjects=lambda stack: stack.brokers,
        check=_listeners,
    ),
    Rule(
        name="no-auto-create",
        title="In production, brokers create no undeclared topics",
        reason="A misspelled name becomes a topic with default partitions and replicas.",
        remedy="Set auto.create.topics.enable=false (Kafka's default is true) and declare topics.",
        source=f"{_DOCS}brokerconfigs_auto.create.topics.enable",
        severity="high",
        subjects=lambda stack: stack.brokers,
        check=_auto_create,
        limits={"production": PRODUCTION},
    ),
    Rule(
        name="no-unclean-election",
        title="An out-of-sync replica never becomes leader",
        reason="Otherwise, acknowledged records are lost.",
        remedy="Leave unclean.leader.election.enable at false.",
        source=f"{_DOCS}brokerconfigs_unclean.leader.election.enable",
        severity="critical",
        subjects=lambda stack: stack.brokers_and_topics,
        check=_unclean,
    ),
    Rule(
        name="topic-deletion",
        title="In production, only the stack that declares topics deletes them",
        reason="A client may delete records permanently; a preview shows the deletion of a declared topic.",
        remedy="Declare the topics in the stack, or set delete.topic.enable=false.",
        source=f"{_DOCS}brokerconfigs_delete.topic.enable",
        severity="high",
        subjects=lambda stack: stack.brokers,
        check=_deletion,
        limits={
            "production": PRODUCTION,
            "deletion": Limit(
                default="managed",
                choices=("managed", "never", "always"),
                meaning="When brokers may delete topics; managed: if the stack declares topics",
            ),
        },
    ),
    Rule(
        name="retention-bounds",
        title="Retention is within bounds",
        reason="Without a limit, disks fill; with a short one, a consumer that was down for a weekend loses records.",
        remedy="Set log.retention.ms, the topic's retention.ms or a size limit, or use compaction.",
        source=f"{_DOCS}topicconfigs_retention.ms",
        severity="medium",
        subjects=lambda stack: stack.brokers_and_topics,
        check=_retention,
        limits={
            "shortestHours": Limit(default=1, meaning="Minimum retention in hours"),
            "longestDays": Limit(default=400, meaning="Maximum retention in days"),
        },
    ),
    Rule(
        name="partition-budget",
        title="No broker holds more partitions than it can recover",
        reason="Every replica costs file handles, memory, and recovery time after a failure or restart.",
        remedy="Declare fewer partitions, or run more brokers.",
        source="https://www.confluent.io/blog/how-choose-number-topics-partitions-kafka-cluster/",
        severity="medium",
        subjects=_groups,
        check=_budget,
        limits={"partitionsPerBroker": Limit(default=4000, meaning="Maximum declared partition replicas per broker")},
    ),
)
