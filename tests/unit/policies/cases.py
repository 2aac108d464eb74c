"""Cases of every rule: stacks that break it and stacks that just follow it, each a sample with few changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from policies.rules.rule import Result, Rule
from policies.view.stack import Stack
from tests.unit.policies.samples import (
    REMOVED,
    START_KAFKA,
    UNKNOWN,
    Change,
    Plain,
    changed,
    cluster,
    dynamic,
    engine,
    line,
    manifest,
    plain,
    stack,
    topic,
)

TODAY = date(2030, 1, 1)
"""The day on which all cases are checked."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A sample with changes, and the result of a rule.

    Args:
        rule: The rule's name.
        says: What the case shows.
        findings: Number of findings.
        changes: Changes of the sample.
        base: The sample.
        undecided: Number of undecided subjects.
        stack: The stack's name, which decides whether it is production.
        config: The rule's configured limits.
    """

    rule: str
    says: str
    findings: int
    changes: Sequence[Change | Plain]
    base: Callable[[], list[Plain]] = cluster
    undecided: int = 0
    stack: str = "prod"
    config: Mapping[str, Any] = field(default_factory=dict)

    def result(self, rule: Rule) -> Result:
        """The result of a rule."""
        return rule.evaluate(self.changed_stack, self.config, today=TODAY)

    @cached_property
    def changed_stack(self) -> Stack:
        """The stack; rules do not change it."""
        return stack(changed(self.base(), self.changes), self.stack)

    def holds(self, rule: Rule) -> bool:
        """Whether the rule has the expected result."""
        result = self.result(rule)
        return (len(result.findings), len(result.undecided)) == (self.findings, self.undecided)


CASES: list[Case] = []


def case(rule: str, says: str, findings: int, *changes: Change | Plain, **options: Any) -> None:
    """Add a case."""
    CASES.append(Case(rule=rule, says=says, findings=findings, changes=changes, **options))


# Short names of what many cases change.
KAFKA, ZOOKEEPER, REDIS = "StatefulSet kafka", "StatefulSet zookeeper", "StatefulSet redis"
POD = "spec/template/spec"
SERVER = f"{POD}/containers/0"
K0, K1, K2, Z0, R0 = (
    f"Container {name}-{n}" for name, n in (("kafka", 0), ("kafka", 1), ("kafka", 2), ("zookeeper", 0), ("redis", 0))
)
PROPERTIES = ("ConfigMap kafka-config", "data/server.properties")
NO_FILE = (*PROPERTIES, "")


def properties(old: str, new: str) -> Change:
    """An edit of server.properties."""
    return (*PROPERTIES, line(old, new))


def redis(old: str, new: str) -> Change:
    """An edit of redis.conf."""
    return ("ConfigMap redis-config", "data/redis.conf", line(old, new))


def declared(partitions: int = 6, replicas: int = 3, **config: str) -> Change:
    """A different declared topic."""
    return ("TopicSet topics", "topics/jobs", topic(partitions, replicas, **config))


def own_list(*networks: str) -> list[Change]:
    """Containers without a list of members, whose ensemble keeps it, on these networks."""
    config = {"file": "/etc/zoo.cfg", "content": "autopurge.purgeInterval=1\nreconfigEnabled=true\n"}
    return [
        change
        for number, network in enumerate(networks)
        for change in (
            (f"Container zookeeper-{number}", "envs", env("ZOOKEEPER_SERVERS", REMOVED)),
            (f"Container zookeeper-{number}", "uploads", [config]),
            (f"Container zookeeper-{number}", "networksAdvanced", [{"name": network}]),
        )
    ]


def env(name: str, value: object) -> Callable[[list[Any]], list[Any]]:
    """An edit of a container's variables: sets or removes one."""

    def edit(entries: list[Any]) -> list[Any]:
        if entries and isinstance(entries[0], dict):
            kept = [item for item in entries if item["name"] != name]
            return kept + ([] if value is REMOVED else [{"name": name, "value": value}])
        kept = [item for item in entries if not str(item).startswith(f"{name}=")]
        return kept + ([] if value is REMOVED else [f"{name}={value}"])

    return edit


def all_three(path: str, value: object, kind: str = "kafka") -> list[Change]:
    """The same change in all three containers of a kind."""
    return [(f"Container {kind}-{index}", path, value) for index in range(3)]


# Replication
R = "replication-above-min-isr"
case(R, "the factor equals the minimum", 2, properties("min.insync.replicas=2", "min.insync.replicas=3"))
case(
    R,
    "the minimum is above the factor",
    1,
    properties("state.log.replication.factor=3", "state.log.replication.factor=1"),
)
case(
    R,
    "one replica, one in sync",
    0,
    properties("state.log.replication.factor=3", "state.log.replication.factor=1"),
    properties("min.isr=2", "min.isr=1"),
)
case(
    R,
    "two replicas, one in sync",
    0,
    properties("state.log.replication.factor=3", "state.log.replication.factor=2"),
    properties("min.isr=2", "min.isr=1"),
)
case(R, "Kafka's own defaults", 0, NO_FILE)
case(R, "a topic's factor equals its minimum", 1, declared(replicas=2, **{"min.insync.replicas": "2"}))
case(R, "a topic inherits the brokers' minimum", 1, declared(replicas=2))
case(R, "a topic sets its own minimum", 0, declared(replicas=2, **{"min.insync.replicas": "1"}))
case(
    R,
    "a topic inherits the brokers' factor",
    1,
    ("TopicSet topics", "topics/jobs", {"partitions": 1, "config": {"min.insync.replicas": "3"}}),
)
case(R, "topics without brokers in the stack", 1, (KAFKA, "", None), declared(1, 2, **{"min.insync.replicas": "2"}))
case(R, "a topic without brokers in the stack has Kafka's default minimum", 0, (KAFKA, "", None), declared(1, 2))
case(
    R, "a topic without factor or brokers", 0, (KAFKA, "", None), ("TopicSet topics", "topics/jobs", {"partitions": 1})
)
case(R, "a minimum in a variable", 2, *[(K0, "envs", env("KAFKA_MIN_INSYNC_REPLICAS", 3))], base=engine)
case(
    R,
    "a controller is no broker",
    0,
    properties("min.insync.replicas=2", "min.insync.replicas=3\nprocess.roles=controller"),
)

case(
    R,
    "a topic inherits the brokers' factor, which is enough",
    0,
    ("TopicSet topics", "topics/jobs", {"partitions": 1, "config": {"min.insync.replicas": "2"}}),
)
case(R, "a minimum after a colon", 2, properties("min.insync.replicas=2", "min.insync.replicas : 3"))
case(R, "a minimum on a continuation line", 2, properties("min.insync.replicas=2", "min.insync.replicas=\\\n  3"))
case(
    R,
    "a file that is no properties file",
    0,
    properties("min.insync.replicas=2", "min.insync.replicas=\\uXY"),
    undecided=1,
)

R = "production-replication"
case(R, "a factor of two", 1, properties("default.replication.factor=3", "default.replication.factor=2"))
case(R, "one in sync", 1, properties("min.insync.replicas=2", "min.insync.replicas=1"))
case(R, "one in sync for transactions", 1, properties("log.min.isr=2", "log.min.isr=1"))
case(R, "one in sync, elsewhere", 0, properties("min.insync.replicas=2", "min.insync.replicas=1"), stack="dev")
case(R, "Kafka's own defaults", 2, NO_FILE, declared(**{"min.insync.replicas": "2"}))
case(R, "a topic with two replicas", 1, declared(replicas=2, **{"min.insync.replicas": "2"}))
case(R, "a topic with one in sync", 1, declared(**{"min.insync.replicas": "1"}))
case(R, "a configured limit", 4, config={"replicationFactor": 4.0})
case(R, "a stack with a neutral name, with pods", 1, properties("min.isr=2", "min.isr=1"), stack="blue")
case(
    R,
    "a stack with a neutral name, without pods",
    0,
    (K0, "envs", env("KAFKA_MIN_INSYNC_REPLICAS", 1)),
    base=engine,
    stack="blue",
)
case(
    R,
    "production by configuration",
    1,
    (K0, "envs", env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", 1)),
    base=engine,
    stack="blue",
    config={"production": "true"},
)
case(R, "no production by configuration", 0, properties("min.isr=2", "min.isr=1"), config={"production": "false"})

R = "replication-within-brokers"
case(R, "fewer brokers than the default for internal topics", 2, (KAFKA, "spec/replicas", 2), NO_FILE)
case(R, "fewer brokers than replicas", 3, (KAFKA, "spec/replicas", 2))
case(R, "one container fewer", 6, (K2, "", None), base=engine)
case(R, "a controller counts as no broker", 6, (K2, "envs", env("KAFKA_PROCESS_ROLES", "controller")), base=engine)
case(R, "a topic with more replicas than brokers", 1, declared(replicas=4))
case(
    R,
    "a topic of a single resource",
    1,
    plain("kafka:index/topic:Topic", "other", {"partitions": 1, "replicationFactor": 4}),
)
case(
    R,
    "a topic of a single resource within the brokers",
    0,
    plain("kafka:index/topic:Topic", "other", {"partitions": 1, "replicationFactor": 3}),
)
case(R, "a topic without a factor", 0, ("TopicSet topics", "topics/jobs", {"partitions": 1}))
case(R, "a topic whose brokers are unknown", 0, (KAFKA, "", None), ("TopicSet topics", "brokers", {}))

# Brokers
R = "advertised-listeners"
LISTENERS = "KAFKA_ADVERTISED_LISTENERS"
case(R, "a constant for three pods", 1, (KAFKA, f"{SERVER}/command/3", "advertised.listeners=PLAINTEXT://kafka:9092"))
case(
    R,
    "a constant for one pod",
    0,
    (KAFKA, f"{SERVER}/command/3", "advertised.listeners=PLAINTEXT://kafka:9092"),
    (KAFKA, "spec/replicas", 1),
)
case(R, "nothing advertised", 1, (KAFKA, f"{SERVER}/command/3", "broker.id=1"))
case(R, "every address", 1, (KAFKA, f"{SERVER}/command/3", "advertised.listeners=PLAINTEXT://0.0.0.0:9092"))
case(
    R,
    "two containers with one address",
    2,
    (K0, "envs", env(LISTENERS, "A://kafka-0:1,B://localhost:9093")),
    base=engine,
)
case(
    R,
    "two containers with one script and other arguments",
    0,
    *[
        change
        for n in (0, 1)
        for change in (
            (f"Container kafka-{n}", "command", ["bash", "/start-kafka.sh", str(n), f"kafka-{n}", f"localhost:{n}"]),
            (f"Container kafka-{n}", "uploads", [{"file": "/start-kafka.sh", "content": START_KAFKA}]),
        )
    ],
    base=engine,
)
case(
    R,
    "two containers with one script and the same arguments",
    2,
    *[
        change
        for n in (0, 1)
        for change in (
            (f"Container kafka-{n}", "command", ["bash", "/start-kafka.sh", "0", "kafka-0", f"localhost:{n}"]),
            (f"Container kafka-{n}", "uploads", [{"file": "/start-kafka.sh", "content": START_KAFKA}]),
        )
    ],
    base=engine,
)
case(
    R,
    "a computed address is as unique as the container",
    0,
    *[(item, "envs", env(LISTENERS, "A://$HOST:1")) for item in (K0, K1)],
    base=engine,
)
case(
    R,
    "a computed address with the same host name",
    2,
    *[
        change
        for item in (K0, K1)
        for change in ((item, "envs", env(LISTENERS, "A://$HOST:1")), (item, "hostname", "kafka"))
    ],
    base=engine,
)

case(R, "a container that advertises every address", 1, (K0, "envs", env(LISTENERS, "A://0.0.0.0:1")), base=engine)
case(R, "a comma at the end", 0, (K0, "envs", env(LISTENERS, "A://x:1,")), base=engine)
R = "no-auto-create"
case(R, "switched on", 1, properties("create.topics.enable=false", "create.topics.enable=true"))
case(R, "Kafka's own default", 1, NO_FILE)
case(R, "switched on in dev", 0, properties("create.topics.enable=false", "create.topics.enable=true"), stack="dev")
case(R, "switched on by a variable", 1, (K0, "envs", env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "TRUE")), base=engine)

AUTO = env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "true")
case(
    R,
    "an unknown image",
    1,
    (K0, "envs", AUTO),
    (K0, "image", "acme/streams:1.0"),
    (K0, "@sources", {}),
    base=engine,
)
case(
    R,
    "a server whose arguments look like a tool's",
    1,
    (K0, "envs", AUTO),
    (K0, "command", ["x=kafka-headless:9092"]),
    base=engine,
)
case(
    R,
    "a tool with a server's variables",
    0,
    (K0, "envs", AUTO),
    (K0, "command", ["sh", "-c", "kafka-topics --list"]),
    base=engine,
)
case(
    R,
    "a different program of the same family",
    0,
    (K0, "envs", ["CONNECT_X=1"]),
    (K0, "image", "cp-kafka-connect:7.9"),
    (K0, "@sources", {}),
    base=engine,
)

R = "no-unclean-election"
case(R, "switched on", 1, properties("election.enable=false", "election.enable=true"))
case(R, "switched on for a topic", 1, declared(**{"unclean.leader.election.enable": "true"}))
case(R, "off for a topic", 0, declared(**{"unclean.leader.election.enable": "false"}))
case(R, "switched on in dev", 1, properties("election.enable=false", "election.enable=true"), stack="dev")
case(R, "Kafka's own default", 0, NO_FILE)

R = "topic-deletion"
case(R, "on, and no topic is declared", 1, ("TopicSet topics", "", None))
case(R, "Kafka's own default, and no topic is declared", 1, ("TopicSet topics", "", None), NO_FILE)
case(R, "off", 0, ("TopicSet topics", "", None), properties("delete.topic.enable=true", "delete.topic.enable=false"))
case(R, "on in dev", 0, ("TopicSet topics", "", None), stack="dev")
case(R, "on where always allowed", 0, ("TopicSet topics", "", None), config={"deletion": "always"})
case(R, "on where never allowed", 1, config={"deletion": "never"})

case(R, "on where topics are declared", 0)
R = "retention-bounds"
MS = "log.retention.ms=604800000"
case(R, "no limit", 1, properties(MS, "log.retention.ms=-1"))
case(R, "no limit, in hours", 1, properties(MS, "log.retention.hours=-1"))
case(R, "no limit of time but of size", 0, properties(MS, "log.retention.ms=-1\nlog.retention.bytes=1000"))
case(R, "no limit, compacted", 0, properties(MS, "log.retention.ms=-1\nlog.cleanup.policy=compact"))
case(R, "too short", 1, properties(MS, "log.retention.ms=3599999"))
case(R, "short", 0, properties(MS, "log.retention.ms=3600000"))
case(R, "too short, in minutes", 1, properties(MS, "log.retention.minutes=59"))
case(R, "in minutes", 0, properties(MS, "log.retention.minutes=60"))
case(R, "not kept at all", 1, properties(MS, "log.retention.ms=0"))
case(R, "long", 0, properties(MS, "log.retention.hours=9600"))
case(R, "too long", 1, properties(MS, "log.retention.hours=9601"))
case(R, "Kafka's own default", 0, NO_FILE)
case(R, "a topic without limit", 1, declared(**{"retention.ms": "-1"}))
case(R, "a topic with a limit of size", 0, declared(**{"retention.ms": "-1", "retention.bytes": "1000"}))
case(R, "a topic that is compacted", 0, declared(**{"retention.ms": "-1", "cleanup.policy": "compact"}))
case(R, "a topic without settings", 0, declared())
case(R, "a topic kept too long", 1, declared(**{"retention.ms": str(401 * 24 * 3600 * 1000)}))
case(R, "a configured limit", 1, declared(**{"retention.ms": "7200000"}), config={"shortestHours": 3.0})

case(
    R,
    "not kept at all, in hours, with a limit of size",
    1,
    properties(MS, "log.retention.hours=0\nlog.retention.bytes=1000"),
)
R = "partition-budget"
case(R, "too many", 1, declared(4001))
case(R, "just as many as there may be", 0, declared(4000))
case(R, "a configured limit", 1, config={"partitionsPerBroker": 5.0})
case(
    R,
    "two sets on the same brokers",
    1,
    declared(2001),
    dynamic(
        "TopicSet",
        "more",
        {"bootstrap": "kafka:9092", "brokers": {"a": "", "b": "", "c": ""}, "topics": {"more": topic(2000)}},
    ),
)
case(
    R,
    "two sets on other brokers",
    0,
    declared(2001),
    dynamic(
        "TopicSet",
        "more",
        {"bootstrap": "other:9092", "brokers": {"a": "", "b": "", "c": ""}, "topics": {"more": topic(2000)}},
    ),
)
case(R, "single topics", 1, plain("kafka:index/topic:Topic", "other", {"partitions": 4001, "replicationFactor": 3}))
case(
    R,
    "single topics whose brokers are unknown",
    0,
    (KAFKA, "", None),
    ("TopicSet topics", "", None),
    plain("kafka:index/topic:Topic", "other", {"partitions": 4001}),
    undecided=1,
)
case(R, "a topic without a factor has one replica", 0, ("TopicSet topics", "topics/jobs", {"partitions": 12000}))

# Ensembles
R = "odd-ensemble"
case(R, "four members", 1, (ZOOKEEPER, "spec/replicas", 4))
case(R, "one member", 1, (ZOOKEEPER, "spec/replicas", 1))
case(R, "one member in dev", 0, (ZOOKEEPER, "spec/replicas", 1), stack="dev")
case(R, "two members in dev", 1, (ZOOKEEPER, "spec/replicas", 2), stack="dev")
case(R, "five members", 0, (ZOOKEEPER, "spec/replicas", 5))
case(R, "three of five", 1, config={"least": 5.0})
case(
    R,
    "containers that list two members",
    2,
    *all_three("envs", env("ZOOKEEPER_SERVERS", "a:1:2;b:1:2"), "zookeeper"),
    base=engine,
)
case(
    R,
    "containers that list two members, in the other image's variables",
    2,
    *all_three("envs", lambda old: ["ZOO_SERVERS=server.1=a:1:2 server.2=b:1:2"], "zookeeper"),
    base=engine,
)
case(
    R,
    "containers without a member list",
    3,
    *all_three("envs", env("ZOOKEEPER_SERVERS", REMOVED), "zookeeper"),
    base=engine,
)
case(R, "containers of an ensemble that keeps its list of members itself", 0, *own_list("a", "a", "a"), base=engine)
case(R, "one of them on a network of its own", 3, *own_list("a", "a", "b"), base=engine)

R = "ensemble-purges"
case(R, "the default", 1, ("ConfigMap zookeeper-config", "data/zoo.cfg", "clientPort=2181\n"))
case(R, "never", 1, ("ConfigMap zookeeper-config", "data/zoo.cfg", "autopurge.purgeInterval=0\n"))
case(R, "the default of an image", 1, (Z0, "envs", env("ZOOKEEPER_AUTOPURGE_PURGE_INTERVAL", REMOVED)), base=engine)

# Availability
R = "disruption-budget"
BUDGET = "PodDisruptionBudget kafka"
case(R, "none", 1, (BUDGET, "", None))
case(R, "one in a different namespace", 1, (BUDGET, "metadata/namespace", "other"))
case(R, "one of other pods", 1, (BUDGET, "spec/selector/matchLabels/app", "other"))
case(
    R,
    "two",
    1,
    manifest(
        "policy/v1",
        "PodDisruptionBudget",
        "second",
        spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "kafka"}}},
    ),
)
case(R, "one that allows none", 1, (BUDGET, "spec/maxUnavailable", 0))
case(R, "one that allows two", 1, (BUDGET, "spec/maxUnavailable", 2))
case(R, "one in percent", 1, (BUDGET, "spec/maxUnavailable", "50%"))
case(R, "two must be available", 0, (BUDGET, "spec/maxUnavailable", REMOVED), (BUDGET, "spec/minAvailable", 2))
case(R, "all must be available", 1, (BUDGET, "spec/maxUnavailable", REMOVED), (BUDGET, "spec/minAvailable", 3))
case(
    R,
    "selected by expression",
    0,
    (BUDGET, "spec/selector", {"matchExpressions": [{"key": "app", "operator": "In", "values": ["kafka"]}]}),
)
case(
    R,
    "not selected by expression",
    3,
    (BUDGET, "spec/selector", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["kafka"]}]}),
)
case(
    R,
    "a stateless workload needs none",
    0,
    manifest(
        "apps/v1",
        "Deployment",
        "web",
        spec={"template": {"spec": {"containers": [{"name": "web", "image": "web:1.0"}]}}},
    ),
)
case(
    R,
    "a Deployment of a broker needs one",
    1,
    manifest(
        "apps/v1",
        "Deployment",
        "web",
        spec={"template": {"spec": {"containers": [{"name": "web", "image": "redis:7.2"}]}}},
    ),
)
case(
    R,
    "a Job needs none",
    0,
    manifest(
        "batch/v1",
        "Job",
        "web",
        spec={"template": {"spec": {"containers": [{"name": "web", "image": "x:1.0", "command": ["redis-server"]}]}}},
    ),
)

R = "grace-period"
GRACE = f"{POD}/terminationGracePeriodSeconds"
case(R, "a broker's is too short", 1, (KAFKA, GRACE, 119))
case(R, "a broker's is Kubernetes' default", 1, (KAFKA, GRACE, REMOVED))
case(R, "a different server's is too short", 1, (REDIS, GRACE, 29))
case(R, "a different server's is Kubernetes' default", 0, (REDIS, GRACE, REMOVED))
case(R, "a broker's elsewhere", 0, (KAFKA, GRACE, 30), stack="dev")
case(R, "a broker's is too short elsewhere", 1, (KAFKA, GRACE, 29), stack="dev")
case(R, "a different server's elsewhere", 0, (REDIS, GRACE, 10), stack="dev")
case(R, "a different server's is too short elsewhere", 1, (REDIS, GRACE, 9), stack="dev")
case(R, "a container's", 1, (K0, "stopTimeout", 60), base=engine)
case(R, "a container's is the engine's default", 1, (K0, "stopTimeout", REMOVED), base=engine)
case(R, "a container's on removal", 1, (K0, "destroyGraceSeconds", 60), base=engine)
case(R, "a configured limit", 1, config={"kafkaSeconds": 300.0})
case(
    R,
    "a server that is not Kafka, ZooKeeper or Redis",
    0,
    (REDIS, GRACE, 1),
    (REDIS, f"{SERVER}/image", "nginx:1.27"),
    (REDIS, f"{SERVER}/command", []),
)

for text, findings, undecided in (("1m29s", 1, 0), ("1m59.9s", 1, 0), ("2m", 0, 0), ("120000ms", 0, 0), ("soon", 0, 1)):
    task = {"containerSpec": {"image": "apache/kafka:3.9.2", "stopGracePeriod": text}}
    service = plain("docker:index/service:Service", "broker", {"taskSpec": task})
    case(R, f"a service's of {text}", findings, service, base=engine, undecided=undecided)

R = "spread"
ANTI = f"{POD}/affinity/podAntiAffinity"
PREFERRED = {
    "preferredDuringSchedulingIgnoredDuringExecution": [
        {
            "weight": 1,
            "podAffinityTerm": {
                "labelSelector": {"matchLabels": {"app": "kafka"}},
                "topologyKey": "kubernetes.io/hostname",
            },
        }
    ]
}
ZONES = f"{POD}/topologySpreadConstraints"
case(R, "no anti-affinity", 1, (KAFKA, ANTI, REMOVED))
case(
    R,
    "anti-affinity to others",
    1,
    (KAFKA, f"{ANTI}/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchLabels/app", "other"),
)
case(
    R,
    "anti-affinity by zone only",
    1,
    (KAFKA, f"{ANTI}/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey", "topology.kubernetes.io/zone"),
)
case(R, "a preference", 1, (KAFKA, ANTI, PREFERRED))
case(R, "a preference where it is enough", 0, (KAFKA, ANTI, PREFERRED), config={"nodes": "preferred"})
case(R, "no zones", 1, (KAFKA, ZONES, REMOVED))
case(R, "zones of others", 1, (KAFKA, f"{ZONES}/0/labelSelector/matchLabels/app", "other"))
case(R, "neither", 2, (KAFKA, ZONES, REMOVED), (KAFKA, ANTI, REMOVED))
case(R, "neither in dev", 0, (KAFKA, ZONES, REMOVED), (KAFKA, ANTI, REMOVED), stack="dev")
case(R, "one pod", 0, (REDIS, ZONES, REMOVED), (REDIS, ANTI, REMOVED))
case(R, "two pods", 2, (REDIS, ZONES, REMOVED), (REDIS, ANTI, REMOVED), (REDIS, "spec/replicas", 2))

R = "gated-roll"
case(R, "nothing replaces pods", 1, ("GatedRoll kafka-roll", "", None))
case(R, "a roll of a different workload", 1, ("GatedRoll kafka-roll", "workload", "other"))
case(R, "a rolling update of brokers", 1, (KAFKA, "spec/updateStrategy", {"type": "RollingUpdate"}))
case(R, "the default of brokers", 1, (KAFKA, "spec/updateStrategy", REMOVED))
case(R, "a rolling update in dev", 0, (KAFKA, "spec/updateStrategy", REMOVED), stack="dev")
case(R, "a rolling update of one broker", 0, (KAFKA, "spec/updateStrategy", REMOVED), (KAFKA, "spec/replicas", 1))
case(R, "a rolling update of others", 0, (ZOOKEEPER, "spec/updateStrategy", REMOVED))
case(
    R,
    "a Deployment",
    0,
    manifest(
        "apps/v1",
        "Deployment",
        "web",
        spec={"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": "apache/kafka:3.9.2"}]}}},
    ),
)

R = "gates-cover-members"
case(R, "a deadline that is too short", 1, ("HealthGate health", "deadline", 9))
case(R, "a deadline that is short enough", 0, ("HealthGate health", "deadline", 10))
case(R, "a deadline that is long enough", 0, ("HealthGate health", "deadline", 3600))
case(R, "a deadline that is too long", 1, ("TopicSet topics", "deadline", 3601))
case(R, "no deadline", 1, ("MemberStorage kafka-storage", "deadline", REMOVED))
case(R, "a roll with one member fewer", 1, ("GatedRoll kafka-roll", "members/kafka-2", REMOVED))
case(R, "storage with one member fewer", 1, ("MemberStorage kafka-storage", "members/kafka-2", REMOVED))
case(R, "a health gate with one broker fewer", 1, ("HealthGate health", "kafka/brokers/kafka-2", REMOVED))
case(R, "a health gate that checks no Kafka", 0, ("HealthGate health", "kafka", REMOVED))
case(R, "topics with one broker fewer", 1, ("TopicSet topics", "brokers/kafka-2", REMOVED))
case(R, "topics with one broker fewer than containers", 1, ("TopicSet topics", "brokers/kafka-2", REMOVED), base=engine)
case(R, "topics of brokers elsewhere", 0, (KAFKA, "", None), ("TopicSet topics", "brokers/kafka-2", REMOVED))
case(R, "a third-party resource of the same name", 0, plain("other:index:HealthGate", "other", {}))

R = "no-service-links"
case(R, "the default", 1, (KAFKA, f"{POD}/enableServiceLinks", REMOVED))
case(R, "switched on", 1, (KAFKA, f"{POD}/enableServiceLinks", True))
case(
    R,
    "a server that is not Kafka, ZooKeeper or Redis",
    0,
    (REDIS, f"{POD}/enableServiceLinks", True),
    (REDIS, f"{SERVER}/image", "nginx:1.27"),
    (REDIS, f"{SERVER}/command", []),
)

# Memory
R = "requests-and-limits"
case(R, "no limit", 1, (KAFKA, f"{SERVER}/resources/limits", REMOVED))
case(R, "no CPU request", 1, (KAFKA, f"{SERVER}/resources/requests/cpu", REMOVED))
case(R, "nothing", 3, (KAFKA, f"{SERVER}/resources", REMOVED))
case(R, "nothing of an init container", 3, (KAFKA, f"{POD}/initContainers", [{"name": "init", "image": "x:1.0"}]))
case(R, "no limit of a container", 1, (K0, "memory", REMOVED), base=engine)
case(
    R,
    "a service",
    1,
    plain("docker:index/service:Service", "web", {"taskSpec": {"containerSpec": {"image": "web:1.0"}}}),
    base=engine,
)
case(
    R,
    "a service with a limit",
    0,
    plain(
        "docker:index/service:Service",
        "web",
        {"taskSpec": {"containerSpec": {"image": "web:1.0"}, "resources": {"limits": {"memoryBytes": 1000000}}}},
    ),
    base=engine,
)

R = "heap-leaves-room"
LIMIT = f"{SERVER}/resources/limits/memory"
case(R, "a broker's heap takes all memory", 1, (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", "-Xmx1g")))
case(
    R,
    "a broker's heap just fits",
    0,
    (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", "-Xmx600m")),
    (KAFKA, LIMIT, "1000Mi"),
)
case(
    R,
    "a broker's heap is just too large",
    1,
    (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", "-Xmx601m")),
    (KAFKA, LIMIT, "1000Mi"),
)
case(R, "the scripts' default", 1, (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", REMOVED)))
case(
    R,
    "the scripts' default in more memory",
    0,
    (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", REMOVED)),
    (KAFKA, LIMIT, "2Gi"),
)
case(R, "a percentage", 1, (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", "-XX:MaxRAMPercentage=75")))
case(R, "a smaller percentage", 0, (KAFKA, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", "-XX:MaxRAMPercentage=50")))
case(R, "no limit: a different rule reports it", 0, (KAFKA, f"{SERVER}/resources", REMOVED))
case(R, "a ZooKeeper server's", 1, (ZOOKEEPER, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", "-Xmx900m")))
case(R, "a ZooKeeper server's default", 0, (ZOOKEEPER, f"{SERVER}/env", env("KAFKA_HEAP_OPTS", REMOVED)))
case(
    R,
    "a heap in the command",
    1,
    (ZOOKEEPER, f"{SERVER}/command", ["java", "-Xmx1000m", "org.apache.zookeeper.server.quorum.QuorumPeerMain"]),
)
case(R, "a container's", 1, (K0, "memory", 600), base=engine)
case(R, "a configured limit", 1, config={"kafkaPercent": 40.0})

case(R, "a limit in an exponent", 0, (KAFKA, LIMIT, "1e9"))
case(R, "a limit that is no quantity", 0, (KAFKA, LIMIT, "1Qi"), undecided=1)
case(R, "an infinite limit", 0, (KAFKA, LIMIT, "Infinity"), undecided=1)

R = "redis-bounded-memory"
case(R, "no maxmemory", 1, redis("maxmemory 256mb\n", ""))
case(R, "a maxmemory of 0", 1, redis("maxmemory 256mb\n", "maxmemory 0\n"))
case(R, "a maxmemory near the limit", 1, redis("maxmemory 256mb\n", "maxmemory 820mb\n"))
case(R, "a maxmemory just below", 0, redis("maxmemory 256mb\n", "maxmemory 800mb\n"), (REDIS, LIMIT, "1000Mi"))
case(R, "a maxmemory and no limit", 0, (REDIS, f"{SERVER}/resources", REMOVED))
case(R, "no policy", 1, redis("maxmemory-policy allkeys-lru\n", ""))
case(R, "no eviction", 1, redis("allkeys-lru", "noeviction"))
case(R, "no eviction in dev", 0, redis("allkeys-lru", "noeviction"), stack="dev")
case(R, "no eviction where allowed", 0, redis("allkeys-lru", "noeviction"), config={"noeviction": True})
case(R, "nothing", 2, (R0, "uploads", []), base=engine)
case(
    R,
    "arguments",
    0,
    (R0, "uploads", []),
    (R0, "command", ["redis-server", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"]),
    base=engine,
)

# Security
R = "pod-security-restricted"
CONTEXT = f"{SERVER}/securityContext"
case(R, "no security context of the container", 2, (KAFKA, CONTEXT, REMOVED))
case(R, "no security context of the pod", 2, (KAFKA, f"{POD}/securityContext", REMOVED))
case(R, "privileged", 1, (KAFKA, f"{CONTEXT}/privileged", True))
case(R, "may gain privileges", 1, (KAFKA, f"{CONTEXT}/allowPrivilegeEscalation", True))
case(R, "drops some capabilities", 1, (KAFKA, f"{CONTEXT}/capabilities", {"drop": ["NET_RAW"]}))
case(R, "adds a capability", 1, (KAFKA, f"{CONTEXT}/capabilities/add", ["SYS_ADMIN"]))
case(R, "adds the harmless capability", 0, (KAFKA, f"{CONTEXT}/capabilities/add", ["NET_BIND_SERVICE"]))
case(R, "may be root", 1, (KAFKA, f"{POD}/securityContext/runAsNonRoot", False))
case(R, "is root", 1, (KAFKA, f"{POD}/securityContext/runAsUser", 0))
case(R, "a container is root", 1, (KAFKA, f"{CONTEXT}/runAsUser", 0))
case(
    R,
    "a container sets the same itself",
    0,
    (KAFKA, f"{POD}/securityContext", REMOVED),
    (KAFKA, f"{CONTEXT}/runAsNonRoot", True),
    (KAFKA, f"{CONTEXT}/seccompProfile", {"type": "Localhost"}),
)
case(R, "unconfined", 1, (KAFKA, f"{POD}/securityContext/seccompProfile/type", "Unconfined"))
case(R, "a host port", 1, (KAFKA, f"{SERVER}/ports", [{"containerPort": 1, "hostPort": 1}]))
case(R, "ports of its own", 0, (KAFKA, f"{SERVER}/ports", [{"containerPort": 1}]))
case(R, "the node's network and processes", 2, (KAFKA, f"{POD}/hostNetwork", True), (KAFKA, f"{POD}/hostPID", True))
case(R, "a folder of the node", 1, (KAFKA, f"{POD}/volumes/1", {"name": "host", "hostPath": {"path": "/"}}))
case(
    R,
    "an init container",
    4,
    (
        KAFKA,
        f"{POD}/initContainers",
        [{"name": "init", "image": "x:1.0", "securityContext": {"privileged": True, "runAsUser": 0}}],
    ),
)
case(R, "a privileged container", 1, (K0, "privileged", True), base=engine)
case(R, "the host's network", 1, (K0, "networkMode", "host"), base=engine)
case(R, "its own network", 0, (K0, "networkMode", "bridge"), base=engine)
case(R, "a container's further capability", 1, (K0, "capabilities", {"adds": ["SYS_ADMIN"]}), base=engine)
case(
    R,
    "the engine's socket",
    1,
    (K0, "volumes/1", {"hostPath": "/var/run/docker.sock", "containerPath": "/x"}),
    base=engine,
)

R = "network-policy"
POLICY = "NetworkPolicy kafka"
case(R, "none", 1, (POLICY, "", None))
case(R, "one of other pods", 1, (POLICY, "spec/podSelector/matchLabels/app", "other"))
case(R, "one of a different namespace", 1, (POLICY, "metadata/namespace", "other"))
case(R, "one for egress", 1, (POLICY, "spec/policyTypes", ["Egress"]))
case(R, "one without policy types", 0, (POLICY, "spec/policyTypes", REMOVED))
case(R, "one that admits everyone", 1, (POLICY, "spec/ingress", [{}]))
case(R, "one that admits nobody", 0, (POLICY, "spec/ingress", REMOVED))
case(R, "one of all pods", 0, (POLICY, "spec/podSelector", {}))
case(R, "a Deployment", 1, manifest("apps/v1", "Deployment", "web", spec={"template": {"spec": {"containers": []}}}))
case(R, "a Job", 0, manifest("batch/v1", "Job", "web", spec={"template": {"spec": {"containers": []}}}))

R = "ports-on-loopback"
case(R, "every address", 1, (K0, "ports/0/ip", "0.0.0.0"), base=engine)
case(R, "the default", 1, (K0, "ports/0/ip", REMOVED), base=engine)
case(R, "the other loopback", 0, (K0, "ports/0/ip", "::1"), base=engine)
case(
    R,
    "a configured address",
    0,
    (K0, "ports/0/ip", "10.0.0.1"),
    base=engine,
    config={"addresses": ["127.0.0.1", "10.0.0.1"]},
)
case(R, "no ports", 0, (K0, "ports", REMOVED), base=engine)
case(R, "all ports", 1, (K0, "publishAllPorts", True), base=engine)
case(
    R,
    "a service",
    1,
    plain("docker:index/service:Service", "web", {"taskSpec": {}, "endpointSpec": {"ports": [{"targetPort": 1}]}}),
    base=engine,
)

R = "exposed-listener-encrypts"
LISTENERS_LINE = "listeners=INTERNAL://:29092,EXTERNAL://:9092,LOCAL://127.0.0.1:9091\n"


def speaking(internal: str, external: str, listeners: str = LISTENERS_LINE) -> Change:
    """Brokers with two listeners for others, of these protocols."""
    spoken = f"listener.security.protocol.map=INTERNAL:{internal},EXTERNAL:{external},LOCAL:PLAINTEXT\n"
    return properties("zookeeper.connect=", f"{listeners}{spoken}zookeeper.connect=")


def service(kind: str, target: object = 9092.0, **spec: Any) -> Plain:
    """A Service in front of one broker."""
    selector = {"app": "kafka", "statefulset.kubernetes.io/pod-name": "kafka-0"}
    ports = [{"port": 9094.0, "targetPort": target}]
    return manifest("core/v1", "Service", "outside", spec={"type": kind, "selector": selector, "ports": ports, **spec})


OPEN_OUTSIDE = speaking("SASL_SSL", "PLAINTEXT")
OPEN_INSIDE = speaking("PLAINTEXT", "SASL_SSL")
NAMED_PORT = (KAFKA, f"{SERVER}/ports", [{"name": "external", "containerPort": 9092.0}])
case(R, "a load balancer", 1, OPEN_OUTSIDE, service("LoadBalancer"))
case(R, "a node port", 1, OPEN_OUTSIDE, service("NodePort"))
case(R, "passwords in plain text", 1, speaking("SASL_SSL", "SASL_PLAINTEXT"), service("NodePort"))
case(R, "a port by name", 1, OPEN_OUTSIDE, NAMED_PORT, service("NodePort", "external"))
case(R, "another port by name", 0, OPEN_OUTSIDE, NAMED_PORT, service("NodePort", "metrics"))
case(R, "a Service that passes its port on", 1, OPEN_OUTSIDE, service("NodePort", ports=[{"port": 9092.0}]))
case(R, "TLS", 0, speaking("PLAINTEXT", "SSL"), service("LoadBalancer"))
case(R, "TLS outside alone", 0, OPEN_INSIDE, service("LoadBalancer"))
case(
    R,
    "both ports, one of them without TLS",
    1,
    OPEN_INSIDE,
    service("NodePort", ports=[{"port": 29092.0}, {"port": 9092.0}]),
)
case(R, "a Service inside the cluster", 0, OPEN_OUTSIDE, service("ClusterIP"))
case(R, "a Service of other pods", 0, OPEN_OUTSIDE, service("NodePort", selector={"app": "other"}))
case(R, "a Service without a selector", 0, OPEN_OUTSIDE, service("NodePort", selector={}))
case(
    R,
    "a Service of a different namespace",
    0,
    OPEN_OUTSIDE,
    {**service("NodePort"), "props": {"metadata": {"namespace": "other"}}},
)
case(R, "a different port", 0, OPEN_OUTSIDE, service("NodePort", 7071.0))
case(R, "a listener that may", 0, OPEN_OUTSIDE, service("NodePort"), config={"allowed": ["EXTERNAL"]})
case(R, "a listener that may not", 1, OPEN_OUTSIDE, service("NodePort"), config={"allowed": ["INTERNAL"]})
case(R, "a port that is not known yet", 0, OPEN_OUTSIDE, service("NodePort", UNKNOWN), undecided=1)
case(R, "Kafka's default listener", 1, (KAFKA, f"{SERVER}/command/3", "broker.id=1"), service("NodePort"))
case(
    R,
    "a listener in plain text, and one whose port a script computes",
    1,
    speaking("SASL_SSL", "PLAINTEXT", "listeners=EXTERNAL://:9092,INTERNAL://:$PORT\n"),
    service("NodePort"),
    undecided=1,
)


def published(address: object, port: float = 9092.0) -> Change:
    """A port of a broker that Docker publishes on an address."""
    return (K0, "ports", [{"internal": port, "external": port, **({} if address is REMOVED else {"ip": address})}])


MAP = "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"
PLAIN_MAP = (K0, "envs", env(MAP, "INTERNAL:SSL,EXTERNAL:PLAINTEXT"))
case(R, "a container's port on every address", 1, PLAIN_MAP, published("0.0.0.0"), base=engine)
case(R, "a container's port by default", 1, PLAIN_MAP, published(REMOVED), base=engine)
case(R, "a container's port on one address", 1, PLAIN_MAP, published("192.0.2.7"), base=engine)
case(R, "a container's port on loopback", 0, PLAIN_MAP, published("127.0.0.2"), base=engine)
case(R, "a container's port on IPv6's loopback", 0, PLAIN_MAP, published("::1"), base=engine)
case(R, "a container's other port", 0, PLAIN_MAP, published("0.0.0.0", 29092.0), base=engine)
case(R, "a container's port with TLS", 0, (K0, "envs", env(MAP, "external:ssl")), published("0.0.0.0"), base=engine)
case(
    R,
    "a protocol that is not known yet",
    0,
    (K0, "envs", env(MAP, UNKNOWN)),
    published("0.0.0.0"),
    base=engine,
    undecided=1,
)
case(R, "a protocol that is not known yet, on loopback", 0, (K0, "envs", env(MAP, UNKNOWN)), base=engine)
SWARM_KAFKA = {
    "taskSpec": {"containerSpec": {"image": "apache/kafka:3.9.2"}},
    "endpointSpec": {"ports": [{"targetPort": 9092.0}]},
}
case(R, "a published service", 1, plain("docker:index/service:Service", "web", SWARM_KAFKA), base=engine)

# Access


def access(name: str = "access", *, quota: Plain | None = None, rights: Sequence[object] = (), **props: Any) -> Plain:
    """A set with one user."""
    user = {"rights": list(rights), "quota": quota or {}}
    return dynamic("AccessSet", name, {"users": {"billing": user}, "passwords": {"billing": "hunter2-canary"}, **props})


R = "no-wildcard-right"
for right in ("write topic *", "read group *", "write transactional-id *"):
    case(R, f"the right to {right}", 1, access(rights=[right]))
case(R, "two", 2, access(rights=["read topic *", "read topic a", "write topic *"]))
case(R, "narrow rights", 0, access(rights=["write topic a", "read topic a-*", "read group billing*"]))
case(R, "no rights", 0, access())
case(R, "in dev", 1, access(rights=["read topic *"]), stack="dev")
case(R, "a right that is not known yet", 0, access(rights=[UNKNOWN]), undecided=1)
case(R, "users that are not known yet", 0, access(users=UNKNOWN), undecided=1)
case(R, "passwords that are masked", 1, access(rights=["read topic *"], passwords="[secret]", security="[secret]"))
case(R, "no users", 0, access(users={}))
case(
    R,
    "a third-party resource of the same name",
    0,
    plain("other:index:AccessSet", "x", {"users": {"a": {"rights": ["read topic *"]}}}),
)

R = "no-super-user-app"


def super_users(text: str) -> Change:
    """Brokers with super users."""
    return properties("zookeeper.connect=", f"super.users={text}\nzookeeper.connect=")


case(R, "one of two", 1, access(), super_users("User:admin; User:billing"))
case(R, "two sets with it", 2, access(), access("more"), super_users("User:billing"))
case(R, "others", 0, access(), super_users("User:admin;User:billing-2"))
case(R, "none", 0, access())
case(R, "no brokers", 0, access(), (KAFKA, "", None))
case(R, "a broker on Docker", 1, access(), (K1, "envs", env("KAFKA_SUPER_USERS", "User:billing")), base=engine)
case(
    R,
    "super users that are not known yet",
    0,
    access(),
    (K0, "envs", env("KAFKA_SUPER_USERS", UNKNOWN)),
    base=engine,
    undecided=1,
)

R = "app-quota"
BOTH = ["write topic a", "read topic b", "read group g"]
PRODUCE, CONSUME = {"producer_byte_rate": 1024.0}, {"consumer_byte_rate": 1024.0}
case(R, "neither", 2, access(rights=BOTH))
case(R, "none to read", 1, access(rights=BOTH, quota=PRODUCE))
case(R, "none to write", 1, access(rights=BOTH, quota=CONSUME))
case(R, "both", 0, access(rights=BOTH, quota=PRODUCE | CONSUME))
case(R, "a limit of the wrong kind", 1, access(rights=["write topic a"], quota=CONSUME))
case(R, "one that writes alone", 0, access(rights=["write topic a"], quota=PRODUCE))
case(R, "one that reads alone", 0, access(rights=["read topic a"], quota=CONSUME))
case(R, "one that does neither with topics", 0, access(rights=["read group g", "write transactional-id t"]))
case(R, "neither in dev", 0, access(rights=BOTH), stack="dev")
case(R, "neither in dev, as production", 2, access(rights=BOTH), stack="dev", config={"production": "true"})

R = "certificate-expiry"


def certificates(**expires: object) -> Plain:
    """Certificates that expire on these days."""
    return dynamic("Certificates", "certificates", {"platform": "x", "expires": expires})


case(R, "in 13 days", 1, certificates(kafka="2030-01-14"))
case(R, "in 14 days", 0, certificates(kafka="2030-01-15"))
case(R, "some time ago", 1, certificates(kafka="2029-12-01"))
case(R, "one of two", 1, certificates(kafka="2030-01-02", other="2030-12-31"))
case(R, "a configured limit", 1, certificates(kafka="2030-01-30"), config={"days": 30.0})
case(R, "one that is not known yet", 1, certificates(a=UNKNOWN, kafka="2030-01-02"), undecided=1)
case(R, "one without a day", 0, certificates(kafka="soon"), undecided=1)
case(R, "none is made yet", 0, dynamic("Certificates", "certificates", {"expires": None}))
case(R, "none is known yet", 0, dynamic("Certificates", "certificates", {"expires": UNKNOWN}), undecided=1)
case(
    R,
    "a third-party resource of the same name",
    0,
    plain("other:index:Certificates", "x", {"expires": {"a": "2029-01-01"}}),
)

R = "redis-password"
NO_PASSWORD = ("Secret redis-password", "stringData", {})
OPEN = (R0, "uploads/1/content", "")
case(R, "none", 1, NO_PASSWORD)
case(R, "none in dev", 0, NO_PASSWORD, stack="dev")
case(R, "an empty one", 1, ("Secret redis-password", "stringData/password.conf", 'requirepass ""\n'))
case(R, "its own users", 0, NO_PASSWORD, redis("include", "aclfile /etc/users.acl\ninclude"))
case(
    R,
    "an encoded one",
    0,
    ("Secret redis-password", "stringData", REMOVED),
    ("Secret redis-password", "data", {"password.conf": "cmVxdWlyZXBhc3MgaHVudGVyMgo="}),
)
case(R, "none in dev on loopback", 0, OPEN, base=engine, stack="dev")
case(R, "none in dev, open to others", 1, OPEN, (R0, "ports/0/ip", "0.0.0.0"), base=engine, stack="dev")
case(
    R,
    "none in dev, behind a node port",
    1,
    NO_PASSWORD,
    service("NodePort", 6379.0, selector={"app": "redis"}),
    stack="dev",
)
case(R, "none in dev, by default open to others", 1, OPEN, (R0, "ports/0/ip", REMOVED), base=engine, stack="dev")
case(
    R,
    "a variable that the official image ignores",
    1,
    OPEN,
    (R0, "envs", ["REDIS_PASSWORD=hunter2-canary"]),
    base=engine,
)
case(
    R,
    "a variable that a different image reads",
    0,
    OPEN,
    (R0, "envs", ["REDIS_PASSWORD=hunter2-canary"]),
    (R0, "image", "bitnami/redis:7.2"),
    base=engine,
)
SWARM_REDIS = {"taskSpec": {"containerSpec": {"image": "redis:7.2"}}, "endpointSpec": {"ports": [{"targetPort": 6379}]}}
case(
    R,
    "a published service in dev",
    1,
    plain("docker:index/service:Service", "web", SWARM_REDIS),
    base=engine,
    stack="dev",
)
case(
    R,
    "a service in dev",
    0,
    plain("docker:index/service:Service", "web", {**SWARM_REDIS, "endpointSpec": {}}),
    base=engine,
    stack="dev",
)

# Secrets
R = "no-plain-secret"
case(R, "a variable of a pod", 1, (KAFKA, f"{SERVER}/env", env("REDIS_PASSWORD", "hunter2-canary")))
case(R, "a variable of a container", 1, (K0, "envs", env("REDIS_PASSWORD", "hunter2-canary")), base=engine)
case(R, "an unknown value is plain too", 1, (KAFKA, f"{SERVER}/env", env("REDIS_PASSWORD", UNKNOWN)))
case(
    R,
    "a variable from a Secret",
    0,
    (KAFKA, f"{SERVER}/env/2", {"name": "REDIS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "x"}}}),
)
case(R, "a variable with a file's name", 0, (KAFKA, f"{SERVER}/env", env("REDIS_PASSWORD_FILE", "/run/secrets/x")))
case(R, "a path", 0, (KAFKA, f"{SERVER}/env", env("REDIS_PASSWORD", "/run/secrets/x")))
case(R, "a reference", 0, (KAFKA, f"{SERVER}/env", env("REDIS_PASSWORD", "$(OTHER)")))
case(R, "a URL with a password", 1, (KAFKA, f"{SERVER}/env", env("REDIS_URL", "redis://:hunter2-canary@redis:6379")))
case(R, "a URL with a reference", 0, (KAFKA, f"{SERVER}/env", env("REDIS_URL", "redis://:$(PASSWORD)@redis:6379")))
case(R, "a login", 1, (K0, "envs", env("KAFKA_OPTS", 'login password="hunter2-canary"')), base=engine)
case(R, "an argument", 1, (REDIS, f"{SERVER}/command", ["redis-server", "--requirepass", "hunter2-canary"]))
case(
    R, "an argument with a reference", 0, (REDIS, f"{SERVER}/command", ["redis-server", "--requirepass", "$(PASSWORD)"])
)
case(R, "a URL in an argument", 1, (REDIS, f"{SERVER}/command", ["x", "redis://:hunter2-canary@redis"]))
case(
    R, "a health check", 1, (R0, "healthcheck/tests", ["CMD", "redis-cli", "-a", "hunter2-canary", "ping"]), base=engine
)
case(
    R,
    "a configured exception",
    0,
    (K0, "envs", env("REDIS_PASSWORD", "hunter2-canary")),
    base=engine,
    config={"allowed": ["REDIS_PASSWORD"]},
)
case(
    R,
    "a secret beside an unknown value",
    1,
    (K0, "envs", lambda old: [UNKNOWN, *old, "A_TOKEN=hunter2-canary"]),
    base=engine,
    undecided=1,
)
case(
    R,
    "variables from a ConfigMap",
    1,
    manifest("core/v1", "ConfigMap", "more", data={"A_TOKEN": "hunter2-canary"}),
    (KAFKA, f"{SERVER}/envFrom", [{"configMapRef": {"name": "more"}}]),
)
case(
    R,
    "an init container",
    1,
    (
        KAFKA,
        f"{POD}/initContainers",
        [{"name": "init", "image": "x:1.0", "env": [{"name": "A_TOKEN", "value": "hunter2-canary"}]}],
    ),
)

case(R, "an unknown value", 0, (KAFKA, f"{SERVER}/env", env("OTHER", UNKNOWN)), undecided=1)
case(
    R,
    "variables from a ConfigMap outside the stack",
    0,
    (KAFKA, f"{SERVER}/envFrom", [{"configMapRef": {"name": "more"}}]),
    undecided=1,
)
R = "no-secret-in-configmap"
CONFIG = ("ConfigMap redis-config", "data/redis.conf")
case(R, "a password", 1, (*CONFIG, "maxmemory 1\nrequirepass hunter2-canary\n"))
case(R, "a password in a comment", 0, (*CONFIG, "maxmemory 1\n# requirepass hunter2-canary\n"))
case(R, "a keystore's password", 1, (*CONFIG, "a=1\nssl.keystore.password=hunter2-canary\n"))
case(R, "a keystore's location", 0, (*CONFIG, "a=1\nssl.keystore.location=/etc/keystore\n"))
case(R, "an entry", 1, ("ConfigMap redis-config", "data/password", "hunter2-canary"))
case(R, "an entry with a URL", 1, ("ConfigMap redis-config", "data/url", "redis://:hunter2-canary@redis"))
case(R, "a private key", 1, (*CONFIG, "-----BEGIN RSA PRIVATE KEY-----\nhunter2-canary\n"))
case(R, "an unknown entry", 0, (*CONFIG, UNKNOWN), undecided=1)
case(R, "unknown data", 0, ("ConfigMap redis-config", "data", UNKNOWN), undecided=1)
case(
    R,
    "a secret beside an unknown entry",
    1,
    (*CONFIG, UNKNOWN),
    ("ConfigMap redis-config", "data/password", "hunter2-canary"),
    undecided=1,
)
case(
    R,
    "a roll's template",
    1,
    ("GatedRoll redis-roll", "template/files/redis.conf", "maxmemory 1\nrequirepass hunter2-canary\n"),
)
case(
    R,
    "a configured exception",
    0,
    (*CONFIG, "maxmemory 1\nrequirepass hunter2-canary\n"),
    config={"allowed": ["requirepass"]},
)
case(
    R,
    "a third-party ConfigMap",
    0,
    plain("other:index:ConfigMap", "other", {"data": {"password": "hunter2-canary"}}),
)

case(R, "a reference in a script", 0, (*CONFIG, "maxmemory 1\ntoken=$(cat /etc/token)\n"))
case(R, "no data", 0, ("ConfigMap redis-config", "data", REMOVED))
case(
    R,
    "a third-party resource of the same name",
    0,
    plain("other:index:GatedRoll", "other", {"template": {"files": {"password": "hunter2-canary"}}}),
)
# Images
R = "image-pinned"
IMAGE = f"{SERVER}/image"
case(R, "latest", 1, (KAFKA, IMAGE, "apache/kafka:latest"))
case(R, "no tag", 1, (KAFKA, IMAGE, "apache/kafka"))
case(R, "a moving tag with a variant", 1, (KAFKA, IMAGE, "redis:latest-alpine"))
case(R, "a major version", 1, (KAFKA, IMAGE, "redis:7"))
case(R, "a major version with a variant's version", 1, (KAFKA, IMAGE, "redis:7-alpine3.20"))
case(R, "a minor version", 0, (KAFKA, IMAGE, "redis:7.2"))
case(R, "a digest", 0, (KAFKA, IMAGE, "redis@sha256:abc"))
case(R, "a digest and a moving tag", 0, (KAFKA, IMAGE, "redis:latest@sha256:abc"))
case(R, "an image's id", 0, (R0, "image", "sha256:abc"), base=engine)
case(R, "a registry with a port", 1, (KAFKA, IMAGE, "localhost:5000/kafka"))
case(R, "only digests are accepted", 3, config={"digest": True})
case(R, "a full version is required", 1, (KAFKA, IMAGE, "redis:7.2"), config={"numbers": 3.0})
case(R, "an image resource", 3, ("RemoteImage image", "name", "confluentinc/cp-kafka:latest"), base=engine)
case(R, "an init container", 1, (KAFKA, f"{POD}/initContainers", [{"name": "init", "image": "busybox"}]))

case(R, "a moving build of a release", 1, (KAFKA, IMAGE, "redis:7.2.1-nightly"))
R = "image-not-banned"
case(R, "withdrawn", 1, (KAFKA, IMAGE, "bitnami/kafka:3.9.0"))
case(R, "frozen", 1, (KAFKA, IMAGE, "docker.io/bitnamilegacy/kafka:3.9.0"))
case(R, "abandoned", 1, (KAFKA, IMAGE, "wurstmeister/kafka:2.13"))
case(R, "a similar name", 0, (KAFKA, IMAGE, "bitnamix/kafka:2.13"))
case(R, "a configured repository", 1, config={"banned": ["apache/kafka"]})

R = "image-registry"
case(R, "a different registry", 1, (KAFKA, IMAGE, "images.example.com/kafka:3.9.2"))
case(R, "a local registry", 1, (KAFKA, IMAGE, "localhost/kafka:3.9.2"))
case(R, "a registry with a port", 1, (KAFKA, IMAGE, "registry:5000/kafka:3.9.2"))
case(
    R,
    "a configured registry",
    0,
    (KAFKA, IMAGE, "images.example.com/kafka:3.9.2"),
    config={"registries": ["images.example.com"]},
)
case(R, "Docker Hub by name", 0, (KAFKA, IMAGE, "docker.io/library/redis:7.2"))

# Health
R = "health-check-can-fail"
PROBE = f"{SERVER}/readinessProbe/exec/command"
TESTS = "healthcheck/tests"
case(R, "a pipe without a shell", 1, (Z0, TESTS, ["CMD", "echo", "ruok", "|", "nc", "localhost", "2181"]), base=engine)
case(R, "a pipe without a shell in a pod", 1, (ZOOKEEPER, PROBE, ["echo", "ruok", "|", "nc", "localhost", "2181"]))
case(R, "a shell without -c", 1, (ZOOKEEPER, PROBE, ["sh", "echo", "&&", "x"]))
case(R, "a script in a shell", 0, (ZOOKEEPER, PROBE, ["sh", "/check.sh"]))
case(R, "a pipe in a shell", 0, (ZOOKEEPER, PROBE, ["/bin/bash", "-ec", "echo ruok | nc localhost 2181 | grep imok"]))
case(R, "always true", 1, (Z0, TESTS, ["CMD-SHELL", "nc -z localhost 2181 || true"]), base=engine)
case(R, "ends in exit 0", 1, (Z0, TESTS, ["CMD-SHELL", "nc -z localhost 2181; exit 0"]), base=engine)
case(R, "ends in exit 1 on failure", 0, (Z0, TESTS, ["CMD-SHELL", "nc -z localhost 2181 || exit 1"]), base=engine)
case(R, "only echo", 1, (Z0, TESTS, ["CMD", "echo", "ok"]), base=engine)
case(R, "only echo in a shell", 1, (Z0, TESTS, ["CMD-SHELL", "echo ok"]), base=engine)
case(R, "always fails, which is noticed soon", 0, (Z0, TESTS, ["CMD-SHELL", "exit 1"]), base=engine)
case(R, "a program", 0, (Z0, TESTS, ["CMD", "/usr/bin/nc", "-z", "localhost"]), base=engine)
case(R, "curl without --fail", 1, (Z0, TESTS, ["CMD-SHELL", "curl -s http://localhost"]), base=engine)
case(R, "curl with --fail", 0, (Z0, TESTS, ["CMD-SHELL", "curl -sf http://localhost"]), base=engine)
case(R, "switched off", 1, (Z0, TESTS, ["NONE"]), base=engine)
case(R, "none", 1, (Z0, "healthcheck", REMOVED), base=engine)
case(R, "none in a pod", 1, (ZOOKEEPER, f"{SERVER}/readinessProbe", REMOVED))
case(R, "a network probe", 0, (ZOOKEEPER, f"{SERVER}/readinessProbe", {"tcpSocket": {"port": 1}}))
case(
    R,
    "none of a server that is not Kafka, ZooKeeper or Redis",
    0,
    (REDIS, f"{SERVER}/readinessProbe", REMOVED),
    (REDIS, IMAGE, "nginx:1.27"),
    (REDIS, f"{SERVER}/command", []),
)
case(
    R,
    "none of a task",
    0,
    plain(
        "docker:index/container:Container",
        "init",
        {"image": "cp-kafka:7.9", "mustRun": False, "healthcheck": {"tests": ["CMD", "true"]}},
    ),
    base=engine,
)
case(
    R,
    "a service",
    1,
    plain("docker:index/service:Service", "web", {"taskSpec": {"containerSpec": {"image": "redis:7.2"}}}),
    base=engine,
)

case(R, "always true in a shell", 1, (ZOOKEEPER, PROBE, ["/bin/sh", "-c", "nc -z localhost 2181 || true"]))
case(R, "a program that is no shell", 0, (ZOOKEEPER, PROBE, ["nc", "-c", "x; true"]))
case(R, "a shell without a script", 0, (ZOOKEEPER, PROBE, ["sh", "-c"]))
case(R, "a shell with a file of such a name", 0, (ZOOKEEPER, PROBE, ["sh", "echo"]))
# Storage
R = "storage-retained"
case(
    R,
    "a class that deletes",
    2,
    ("StorageClass keep", "reclaimPolicy", "Delete"),
    ("StatefulSet zookeeper", "", None),
    (REDIS, "", None),
)
case(R, "a class without a reclaim policy", 4, ("StorageClass keep", "reclaimPolicy", REMOVED))
case(R, "a class that deletes, in dev", 0, ("StorageClass keep", "reclaimPolicy", "Delete"), stack="dev")
case(
    R,
    "a class outside the stack",
    0,
    ("StorageClass keep", "metadata/name", "other"),
    ("StorageClass keep", "reclaimPolicy", "Delete"),
)
case(
    R,
    "a claim of its own",
    1,
    manifest("storage.k8s.io/v1", "StorageClass", "gone"),
    manifest("core/v1", "PersistentVolumeClaim", "x", spec={"storageClassName": "gone"}),
)
case(
    R,
    "claims deleted with the pods",
    1,
    (KAFKA, "spec/persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Delete", "whenScaled": "Retain"}),
)
case(
    R,
    "claims deleted both ways",
    2,
    (KAFKA, "spec/persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Delete", "whenScaled": "Delete"}),
)
case(
    R,
    "claims kept",
    0,
    (KAFKA, "spec/persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Retain", "whenScaled": "Retain"}),
)
case(R, "no claims", 1, (KAFKA, "spec/volumeClaimTemplates", REMOVED))
case(
    R,
    "a claim by name",
    0,
    (KAFKA, "spec/volumeClaimTemplates", REMOVED),
    (KAFKA, f"{POD}/volumes/1", {"name": "data", "persistentVolumeClaim": {"claimName": "x"}}),
)
case(
    R,
    "no claims of a server that is not Kafka, ZooKeeper or Redis",
    0,
    (REDIS, "spec/volumeClaimTemplates", REMOVED),
    (REDIS, IMAGE, "nginx:1.27"),
    (REDIS, f"{SERVER}/command", []),
)

DEFAULT_KEEP = (
    "StorageClass keep",
    "metadata/annotations",
    {"storageclass.kubernetes.io/is-default-class": "true"},
)
OF_DEFAULT = ("MemberStorage kafka-storage", "storageClass", REMOVED)
case(R, "the default class deletes", 1, OF_DEFAULT, ("MemberStorage kafka-storage", "reclaimPolicy", "Delete"))
case(
    R,
    "the default class deletes, in dev",
    0,
    OF_DEFAULT,
    ("MemberStorage kafka-storage", "reclaimPolicy", "Delete"),
    stack="dev",
)
case(R, "the default class retains", 0, OF_DEFAULT, ("MemberStorage kafka-storage", "reclaimPolicy", "Retain"))
case(
    R,
    "the stack's default class deletes",
    4,
    DEFAULT_KEEP,
    OF_DEFAULT,
    ("StorageClass keep", "reclaimPolicy", "Delete"),
)
case(R, "the stack's class is not the default", 3, OF_DEFAULT, ("StorageClass keep", "reclaimPolicy", "Delete"))
case(R, "the stack's default class retains", 0, DEFAULT_KEEP, OF_DEFAULT)

R = "storage-class-known"
case(R, "the default class is known", 0, OF_DEFAULT, ("MemberStorage kafka-storage", "reclaimPolicy", "Retain"))
case(R, "the default class is not known yet", 1, OF_DEFAULT, ("MemberStorage kafka-storage", "reclaimPolicy", UNKNOWN))
case(R, "the stack's own default class", 0, DEFAULT_KEEP, OF_DEFAULT)
case(R, "a different class", 1, ("MemberStorage kafka-storage", "storageClass", "other"))
case(
    R,
    "a different class that is listed",
    0,
    ("MemberStorage kafka-storage", "storageClass", "other"),
    config={"retaining": ["other"]},
)
case(R, "the default class", 1, ("MemberStorage kafka-storage", "storageClass", REMOVED))
case(R, "the default class in dev", 0, ("MemberStorage kafka-storage", "storageClass", REMOVED), stack="dev")
case(R, "a class that the stack does not create", 1, ("StorageClass keep", "", None))

R = "volumes-protected"
case(R, "a volume", 1, ("Volume data", "@protect", False), base=engine)
case(R, "a volume in dev", 0, ("Volume data", "@protect", False), base=engine, stack="dev")
case(R, "claims of members", 1, ("MemberStorage kafka-storage", "@protect", False))
case(R, "a claim of its own", 1, manifest("core/v1", "PersistentVolumeClaim", "x", spec={"storageClassName": "keep"}))
case(R, "a third-party volume", 0, plain("other:index:Volume", "other", {}))

for name in sorted({item.rule for item in CASES}):
    case(name, "a correct stack on Kubernetes", 0)
    case(name, "a correct stack on Docker", 0, base=engine)
