"""What a benchmark does: pure, so that it can be looked at before anything runs."""

import secrets
from dataclasses import dataclass, field

from components.quantities import MIB

TOPIC_PREFIX = "__millrace_bench_"
"""Start of the names of a benchmark's topics and consumer groups; it never touches topics of yours."""

FAULT_AT, FAULT_ENDS_AT = 0.4, 0.6
"""When the fault comes and when it is mended, as parts of the run."""

_LONGEST_STALL_SECONDS = 40
"""Seconds of records that a producer can hold back. The tool takes a record's time when it hands it to the producer;
were the producer's buffer full, it would wait with the next record and not count that wait as latency."""

_SMALLEST_BUFFER, _LARGEST_BUFFER = 32 * MIB, 256 * MIB
_HEAP_BESIDE_BUFFER = 96 * MIB
_MEMORY_BESIDE_HEAP = 160 * MIB
_RECORD_OVERHEAD = 128
"""Bytes that a record takes in the producer beside its value, generously."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Args:
        rate: Records a second, all producers together; with ``throttled`` False only the number of records follows
            from it.
        size: Bytes of a record's value.
        seconds: Length of the run.
        producers: Producers that share the rate.
        partitions: Partitions of the topic.
        throttled: Whether the rate is kept; else records are sent as fast as they are taken.
        consumer: Whether the records are read again, and the time from end to end is measured.
        through: What happens to the platform in the middle of the run: ``broker-loss``, or None.
        properties: Further settings of the producers, each ``name=value``; they override those that are set here.
        identity: What tells this run from others, in names of containers and topics.
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
        """The topic that is made for the run."""
        return TOPIC_PREFIX + self.identity

    @property
    def records(self) -> int:
        """Records that are sent, all producers together."""
        return sum(self.shares(self.rate)) * self.seconds

    def shares(self, total: int) -> list[int]:
        """What each producer has of a total; the first ones take what cannot be divided."""
        share, rest = divmod(total, self.producers)
        return [share + (producer < rest) for producer in range(self.producers)]

    @property
    def buffer(self) -> int:
        """Bytes that a producer may hold back (``buffer.memory``)."""
        needed = self.shares(self.rate)[0] * (self.size + _RECORD_OVERHEAD) * _LONGEST_STALL_SECONDS
        return min(max(-(-needed // MIB) * MIB, _SMALLEST_BUFFER), _LARGEST_BUFFER)

    @property
    def heap(self) -> int:
        """Bytes of heap of a tool's JVM."""
        return self.buffer + _HEAP_BESIDE_BUFFER

    @property
    def memory(self) -> int:
        """Bytes of memory that a tool's container may use."""
        return self.heap + _MEMORY_BESIDE_HEAP
