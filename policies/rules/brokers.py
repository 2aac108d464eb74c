"""Settings of brokers."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from policies.rules.replication import brokers
from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
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
    """``host:port`` of each advertised listener; what a start script computes stands with its variables."""
    text = kafka_setting(server, "advertised.listeners") or ""
    return [part.partition("://")[2] or part for part in re.split(r",\s*", text) if part]


def _identity(server: Server, address: str) -> tuple[str, ...]:
    """What tells an address from another: a computed one is as different as the arguments it is made from."""
    if _PLACEHOLDER not in address:
        return (address,)
    return (address, *server.command, server.hostname or server.urn)


def _shared(stack: Stack) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for server in brokers(stack):
        found.update({_identity(server, address) for address in _addresses(server)})
    return found


def _listeners(server: Server, judgement: Judgement) -> Iterator[str]:
    addresses = _addresses(server)
    if not addresses:
        yield f"{server} advertises no address of its own: clients are sent to whatever its host name is"
    shared = _shared(judgement.stack)
    for address in addresses:
        constant = _PLACEHOLDER not in address
        if address.rpartition(":")[0] in _EVERYWHERE:
            yield f"{server} advertises {address}, to which nobody can connect"
        elif (constant and server.replicas > 1) or shared[_identity(server, address)] > 1:
            yield f"{server} shares the advertised address {address} with another broker"


def _auto_create(server: Server, judgement: Judgement) -> Iterator[str]:
    if judgement.production and kafka_flag(server, "auto.create.topics.enable", True):
        yield f"{server} makes whatever topic a client names"


def _unclean(subject: Server | Topic, judgement: Judgement) -> Iterator[str]:
    key = "unclean.leader.election.enable"
    if isinstance(subject, Topic):
        allowed = str(subject.config.get(key, "false")).lower() == "true"
    else:
        allowed = kafka_flag(subject, key, False)
    if allowed:
        yield f"{subject} lets a replica lead that is not in sync"


def _deletion(server: Server, judgement: Judgement) -> Iterator[str]:
    allowed = judgement.limits["deletion"]
    if not judgement.production or allowed == "always":
        return
    if allowed == "managed" and judgement.stack.topics:
        return
    if kafka_flag(server, "delete.topic.enable", True):
        yield f"{server} deletes a topic for any client that may, and no topic is declared in the stack"


def _retention(subject: Server | Topic, judgement: Judgement) -> Iterator[str]:
    if isinstance(subject, Topic):
        policy, time, size = _retention_of_topic(subject)
    else:
        policy, time, size = _retention_of_broker(subject)
    shortest = int(judgement.limits["shortestHours"]) * _HOUR
    longest = int(judgement.limits["longestDays"]) * _DAY
    if policy == "compact":
        return
    if time == -1 and size == -1:
        yield f"{subject} keeps records without limit of time or size"
    elif time is not None and 0 <= time < shortest:
        yield f"{subject} keeps records for less than {judgement.limits['shortestHours']} hour(s)"
    elif time is not None and time > longest:
        yield f"{subject} keeps records for more than {judgement.limits['longestDays']} days"


def _retention_of_topic(topic: Topic) -> tuple[str, int | None, int | None]:
    """A topic's own; what it leaves to the brokers is judged there."""
    time, size = (whole(str(topic.config.get(key, ""))) for key in ("retention.ms", "retention.bytes"))
    return str(topic.config.get("cleanup.policy", "delete")), time, -1 if size is None else size


def _retention_of_broker(server: Server) -> tuple[str, int | None, int | None]:
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


def _budget(group: "TopicGroup", judgement: Judgement) -> Iterator[str]:
    limit = int(judgement.limits["partitionsPerBroker"])
    replicas = sum(topic.partitions * (topic.replicas or 1) for topic in group.topics)
    there = group.topics[0].brokers or judgement.stack.brokers or undecided("the number of brokers")
    if replicas > limit * there:
        yield f"{replicas} replicas of partitions on {there} broker(s): more than {limit} each"


class TopicGroup:
    """Topics of the same brokers."""

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


def _brokers_and_topics(stack: Stack) -> list[Server | Topic]:
    return [*brokers(stack), *stack.topics]


RULES = (
    Rule(
        name="advertised-listeners",
        title="Each broker advertises addresses of its own",
        reason="Clients connect to the very broker that leads a partition; a shared address reaches any other.",
        remedy="Set advertised.listeners of each broker to a name that only it has; a pod's own name by the headless "
        "Service, outside the cluster a Service for each broker.",
        source=f"{_DOCS}brokerconfigs_advertised.listeners",
        severity="critical",
        subjects=brokers,
        check=_listeners,
    ),
    Rule(
        name="no-auto-create",
        title="Production makes no topic that is not declared",
        reason="A misspelt name becomes a topic with default partitions and replicas.",
        remedy="Set auto.create.topics.enable=false (Kafka's default is true) and declare topics.",
        source=f"{_DOCS}brokerconfigs_auto.create.topics.enable",
        severity="high",
        subjects=brokers,
        check=_auto_create,
        limits={"production": PRODUCTION},
    ),
    Rule(
        name="no-unclean-election",
        title="A replica that is not in sync never leads",
        reason="Records that were acknowledged are lost.",
        remedy="Leave unclean.leader.election.enable at false.",
        source=f"{_DOCS}brokerconfigs_unclean.leader.election.enable",
        severity="critical",
        subjects=_brokers_and_topics,
        check=_unclean,
    ),
    Rule(
        name="topic-deletion",
        title="Production deletes topics only where they are declared",
        reason="A client with the right deletes records for good; a declared topic's deletion shows in the preview.",
        remedy="Declare the topics in the stack, or set delete.topic.enable=false.",
        source=f"{_DOCS}brokerconfigs_delete.topic.enable",
        severity="high",
        subjects=brokers,
        check=_deletion,
        limits={
            "production": PRODUCTION,
            "deletion": Limit(
                default="managed",
                choices=("managed", "never", "always"),
                meaning="When brokers may delete topics; managed: where the stack declares topics",
            ),
        },
    ),
    Rule(
        name="retention-bounds",
        title="Records are kept for a time within bounds",
        reason="Without a limit disks fill; with a short one a consumer that was away for a weekend loses records.",
        remedy="Set log.retention.ms or the topic's retention.ms, or a limit of bytes, or compact.",
        source=f"{_DOCS}topicconfigs_retention.ms",
        severity="medium",
        subjects=_brokers_and_topics,
        check=_retention,
        limits={
            "shortestHours": Limit(default=1, meaning="Shortest retention in hours"),
            "longestDays": Limit(default=400, meaning="Longest retention in days"),
        },
    ),
    Rule(
        name="partition-budget",
        title="Each broker holds no more partitions than it can bring back",
        reason="Every replica costs file handles and memory, and time when a broker fails or restarts.",
        remedy="Declare fewer partitions, or run more brokers.",
        source="https://www.confluent.io/blog/how-choose-number-topics-partitions-kafka-cluster/",
        severity="medium",
        subjects=_groups,
        check=_budget,
        limits={"partitionsPerBroker": Limit(default=4000, meaning="Most replicas of declared partitions per broker")},
    ),
)
