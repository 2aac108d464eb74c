"""What a benchmark is going to do. Pure."""

import secrets
from dataclasses import dataclass, field

from components.quantities import MIB

TOPIC_PREFIX = "__millrace_bench_"
"""Prefix of a benchmark's topics and consumer groups; it uses no other topics."""

FAULT_AT, FAULT_ENDS_AT = 0.4, 0.6
"""When the fault is injected and healed, as fractions of the run."""

_LONGEST_STALL_SECONDS = 40
"""Seconds of records that a producer can buffer. The tool's clock of a record starts when the producer accepts it: if
the buffer were full, the wait before that would not count as latency."""

_SMALLEST_BUFFER, _LARGEST_BUFFER = 32 * MIB, 256 * MIB
_HEAP_BESIDE_BUFFER = 96 * MIB
_MEMORY_BESIDE_HEAP = 160 * MIB
_RECORD_OVERHEAD = 128
"""Upper bound of the bytes that a record takes in the producer besides its value."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Args:
        rate: Records per second, all producers together; if not ``throttled``, it only sets the number of records.
        size: Bytes of a record's value.
        seconds: Length of the run.
        producers: Producers that share the rate.
        partitions: Partitions of the topic.
        throttled: Whether producers keep to the rate; otherwise they send as fast as the brokers accept.
        consumer: Whether to consume the records too, and to measure end-to-end latency.
        through: Fault in the middle of the run: ``broker-loss``, or None.
        properties: Further producer properties, each ``name=value``; they override the defaults.
        identity: Unique id of this run, used in names of containers and topics.
    """

    rate: int = 2000
    size: int = 1024
    seconds: int = 30
    producers: int = 1
    partitions: int = 12
    throttled: bool = True
    consumer: bool = False
    through: str | None = None
    properties: tuple[str, ...] = ()
    identity: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def topic(self) -> str:
        """The run's topic."""
        return TOPIC_PREFIX + self.identity

    @property
    def records(self) -> int:
        """Number of records to send, all producers together."""
        return sum(self.shares(self.rate)) * self.seconds

    def shares(self, total: int) -> list[int]:
        """Each producer's share of a total; the first ones take the remainder."""
        share, rest = divmod(total, self.producers)
        return [share + (producer < rest) for producer in range(self.producers)]

    @property
    def buffer(self) -> int:
        """Bytes that a producer can buffer (``buffer.memory``)."""
        needed = self.shares(self.rate)[0] * (self.size + _RECORD_OVERHEAD) * _LONGEST_STALL_SECONDS
        return min(max(-(-needed // MIB) * MIB, _SMALLEST_BUFFER), _LARGEST_BUFFER)

    @property
    def heap(self) -> int:
        """Heap of a tool's JVM, in bytes."""
        return self.buffer + _HEAP_BESIDE_BUFFER

    @property
    def memory(self) -> int:
        """Memory limit of a tool's container, in bytes."""
        return self.heap + _MEMORY_BESIDE_HEAP
