"""The command lines of the distribution's tools."""

from dataclasses import dataclass

from components.quantities import MIB
from ops.benchmark.plan import Plan

END_TO_END_RECORDS = 2000
"""Records of which each is sent only after the one before was read; its time is the same at any rate."""

CONSUMER_PATIENCE_MS = 30_000
"""Milliseconds without a record after which the consumer's tool gives up. Its own 10 s are too few where a group
forms on a busy machine: that alone takes it some seconds."""

_SMALLEST_REQUEST = MIB
"""Bytes of a request that the producer itself allows (``max.request.size``)."""

_REQUEST_OVERHEAD = 1024
"""Bytes of a request with one record beside the record's value, generously."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One run of one of the distribution's tools.

    Args:
        name: What it is called in this run: ``producer-0``.
        command: Program and arguments.
        heap: Bytes of heap of its JVM.
        memory: Bytes of memory that its container may use.
    """

    name: str
    command: tuple[str, ...]
    heap: int
    memory: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the distribution's scripts read, and numbers written as the parser expects them."""
        return {"KAFKA_HEAP_OPTS": f"-Xms{self.heap // MIB}m -Xmx{self.heap // MIB}m", "LC_ALL": "C"}


def producer_tools(plan: Plan, bootstrap: str) -> list[Tool]:
    """The producers' tools, which run side by side.

    All settings but these are the producer's own defaults: idempotence is on, it retries for two minutes
    (``delivery.timeout.ms``), and nothing is held back to fill a batch (``linger.ms``).

    Args:
        plan: What to measure.
        bootstrap: Brokers as they are reached from beside them, separated by commas.
    """
    properties = (
        f"bootstrap.servers={bootstrap}",
        "acks=all",
        f"buffer.memory={plan.buffer}",
        # What a record may be is the brokers' decision, not this producer's.
        f"max.request.size={max(_SMALLEST_REQUEST, plan.size + _REQUEST_OVERHEAD)}",
        *plan.properties,
    )
    return [
        _tool(
            plan,
            f"producer-{number}",
            *("kafka-producer-perf-test.sh", "--topic", plan.topic),
            *("--num-records", str(rate * plan.seconds), "--record-size", str(plan.size)),
            *("--throughput", str(rate if plan.throttled else -1), "--producer-props", *properties),
        )
        for number, rate in enumerate(plan.shares(plan.rate))
    ]


def consumer_tool(plan: Plan, bootstrap: str, records: int) -> Tool:
    """The consumer's tool, which reads so many records from the beginning of the topic."""
    return _tool(
        plan,
        "consumer",
        *("kafka-consumer-perf-test.sh", "--bootstrap-server", bootstrap, "--topic", plan.topic),
        *("--messages", str(records), "--group", plan.topic, "--timeout", str(CONSUMER_PATIENCE_MS)),
    )


def end_to_end_tool(plan: Plan, bootstrap: str) -> Tool:
    """The tool that sends a record, waits until it has read it, and sends the next.

    It has a script of its own only in some versions; the class has the same name in all of them.
    """
    return _tool(
        plan,
        "end-to-end",
        *("kafka-run-class.sh", "org.apache.kafka.tools.EndToEndLatency"),
        *(bootstrap, plan.topic, str(END_TO_END_RECORDS), "all", str(plan.size)),
    )


def _tool(plan: Plan, name: str, script: str, *arguments: str) -> Tool:
    return Tool(name=name, command=(f"/opt/kafka/bin/{script}", *arguments), heap=plan.heap, memory=plan.memory)
