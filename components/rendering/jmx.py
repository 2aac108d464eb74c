"""The rules of the JMX agent: which of a broker's thousands of beans become metrics, and under which names."""

from collections.abc import Sequence
from typing import Any

PORT = 7071
"""Port inside a broker's container on which the agent serves its metrics."""

_TOPICS = "kafka.server:type=BrokerTopicMetrics"
_REQUESTS = ("FetchConsumer", "FetchFollower", "Produce")
"""Requests whose time is worth a metric; brokers have some sixty more kinds."""

_REPLICAS = "kafka.server:type=ReplicaManager"

# Beans as Kafka's documentation lists them: https://kafka.apache.org/39/documentation.html#monitoring
_RULES: Sequence[tuple[str, str, str, str, str]] = (
    (f"{_TOPICS},name=BytesInPerSec", "Count", "kafka_server_bytes_in_total", "COUNTER", "Bytes from producers"),
    (f"{_TOPICS},name=BytesOutPerSec", "Count", "kafka_server_bytes_out_total", "COUNTER", "Bytes to consumers"),
    (
        f"{_TOPICS},name=MessagesInPerSec",
        "Count",
        "kafka_server_messages_in_total",
        "COUNTER",
        "Records from producers",
    ),
    (
        f"{_REPLICAS},name=UnderReplicatedPartitions",
        "Value",
        "kafka_server_under_replicated_partitions",
        "GAUGE",
        "Partitions that this broker leads and that lack a replica in sync",
    ),
    (
        f"{_REPLICAS},name=UnderMinIsrPartitionCount",
        "Value",
        "kafka_server_under_min_isr_partitions",
        "GAUGE",
        "Partitions that this broker leads with fewer replicas in sync than min.insync.replicas",
    ),
    (f"{_REPLICAS},name=IsrShrinksPerSec", "Count", "kafka_server_isr_shrinks_total", "COUNTER", "Shrunk sets in sync"),
    (
        "kafka.controller:type=KafkaController,name=ActiveControllerCount",
        "Value",
        "kafka_controller_active",
        "GAUGE",
        "Whether this broker is the controller",
    ),
    (
        "kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent",
        "OneMinuteRate",
        "kafka_server_request_handler_idle_ratio",
        "GAUGE",
        "Share of time that request handlers are idle",
    ),
)

_LATENCIES: Sequence[tuple[str, str, str, str]] = (
    (
        "kafka.network:type=RequestMetrics,name=TotalTimeMs,request=*",
        "kafka_network_request_p99_milliseconds",
        "kafka_network_requests_total",
        "requests",
    ),
    (
        "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs",
        "kafka_log_flush_p99_milliseconds",
        "kafka_log_flushes_total",
        "flushes of the log",
    ),
)
"""Histograms, of which the count and the 99th percentile are taken."""


def jmx_config() -> str:
    """The text of the agent's configuration file."""
    import yaml

    rules = [_rule(*rule) for rule in _RULES]
    for bean, slowest, number, what in _LATENCIES:
        rules += [
            _rule(bean, "99thPercentile", slowest, "GAUGE", f"99th percentile of the time of {what}"),
            _rule(bean, "Count", number, "COUNTER", f"Number of {what}"),
        ]
    named = [rule[0] for rule in (*_RULES, *_LATENCIES)]
    beans = sorted({bean.replace("*", request) for bean in named for request in _REQUESTS})
    config: dict[str, Any] = {"lowercaseOutputName": True, "includeObjectNames": beans, "rules": rules}
    return yaml.safe_dump(config, sort_keys=False, width=200)


def _rule(bean: str, attribute: str, name: str, kind: str, text: str) -> dict[str, Any]:
    """A rule: the agent matches a pattern such as ``kafka.log<type=LogFlushStats, name=…><>Count``."""
    domain, _, keys = bean.partition(":")
    pairs = [pair.partition("=")[::2] for pair in keys.split(",")]
    asked = [key for key, value in pairs if value == "*"]
    pattern = ", ".join(f"{key}={'(.+)' if value == '*' else value}" for key, value in pairs)
    rule: dict[str, Any] = {"pattern": f"{domain}<{pattern}><>{attribute}: ", "name": name, "type": kind, "help": text}
    return rule | ({"labels": {key: f"${number}" for number, key in enumerate(asked, start=1)}} if asked else {})
