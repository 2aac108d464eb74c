"""The command lines of Kafka's performance tools."""

from dataclasses import dataclass

from components.quantities import MIB
from ops.benchmark.plan import Plan

END_TO_END_RECORDS = 2000
"""Records of the end-to-end tool, each sent after the previous one was consumed."""

CONSUMER_PATIENCE_MS = 30_000
"""Milliseconds without a record after which the consumer gives up. The tool's default of 10 s is too short on a busy
machine, where joining the consumer group alone takes seconds."""

LOGIN_FILE = "/tmp/millrace-client.properties"  # noqa: S108  in the tool's own container
"""Where a tool finds how to log in, in its own container: nothing of it may be in its arguments or environment."""

_SMALLEST_REQUEST = MIB
"""Default of ``max.request.size``, in bytes."""

_REQUEST_OVERHEAD = 1024
"""Upper bound of the bytes of a request with one record, besides the record's value."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One run of one of Kafka's tools.

    Args:
        name: Its name in this run: ``producer-0``.
        command: Program and arguments.
        heap: Heap of its JVM, in bytes.
        memory: Memory limit of its container, in bytes.
    """

    name: str
    command: tuple[str, ...]
    heap: int
    memory: int

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables: the heap for Kafka's scripts, and a locale whose numbers the parser expects."""
        return {"KAFKA_HEAP_OPTS": f"-Xms{self.heap // MIB}m -Xmx{self.heap // MIB}m", "LC_ALL": "C"}


def producer_tools(plan: Plan, bootstrap: str, login: str | None = None) -> list[Tool]:
    """The producers, which run in parallel.

    All other properties keep the producer's defaults: idempotence is on, a record is retried for two minutes
    (``delivery.timeout.ms``), and no record waits to fill a batch (``linger.ms``).

    Args:
        plan: What to measure.
        bootstrap: Bootstrap servers as the tools reach them, separated by commas.
        login: Path of the properties file with which they log in; None where brokers ask for nothing.
    """
    properties = (
        f"bootstrap.servers={bootstrap}",
        "acks=all",
        f"buffer.memory={plan.buffer}",
        # The brokers decide how large a record may be, not this producer.
        f"max.request.size={max(_SMALLEST_REQUEST, plan.size + _REQUEST_OVERHEAD)}",
        *plan.properties,
    )
    return [
        _tool(
            plan,
            f"producer-{number}",
            *("kafka-producer-perf-test.sh", "--topic", plan.topic),
            *("--num-records", str(rate * plan.seconds), "--record-size", str(plan.size)),
            *_config("--producer.config", login),
            *("--throughput", str(rate if plan.throttled else -1), "--producer-props", *properties),
        )
        for number, rate in enumerate(plan.shares(plan.rate))
    ]


def consumer_tool(plan: Plan, bootstrap: str, records: int, login: str | None = None) -> Tool:
    """The consumer, which reads so many records from the beginning of the topic."""
    return _tool(
        plan,
        "consumer",
        *("kafka-consumer-perf-test.sh", "--bootstrap-server", bootstrap, "--topic", plan.topic),
        *("--messages", str(records), "--group", plan.topic, "--timeout", str(CONSUMER_PATIENCE_MS)),
        *_config("--consumer.config", login),
    )


def end_to_end_tool(plan: Plan, bootstrap: str, login: str | None = None) -> Tool:
    """The tool that sends a record, waits until it has consumed it, and sends the next.

    Only some versions have a script for it; its class has the same name in all of them.
    """
    return _tool(
        plan,
        "end-to-end",
        *("kafka-run-class.sh", "org.apache.kafka.tools.EndToEndLatency"),
        *(bootstrap, plan.topic, str(END_TO_END_RECORDS), "all", str(plan.size)),
        *([] if login is None else [login]),
    )


def _config(option: str, login: str | None) -> list[str]:
    return [] if login is None else [option, login]


def _tool(plan: Plan, name: str, script: str, *arguments: str) -> Tool:
    return Tool(name=name, command=(f"/opt/kafka/bin/{script}", *arguments), heap=plan.heap, memory=plan.memory)
