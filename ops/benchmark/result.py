"""What a run found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.benchmark.fault import Event
from ops.benchmark.output import Consumed, EndToEnd, Total, Window


@dataclass(frozen=True, kw_only=True)
class ProducerRun:
    """What one producer's tool said.

    Args:
        name: The tool's name.
        windows: Its periodic lines.
        total: Its last line.
    """

    name: str
    windows: Sequence[Window]
    total: Total


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was found.

    Args:
        facts: What a reader must know of the platform and the machine.
        producers: What each producer's tool said.
        stored: Records in the topic when all producers had ended.
        consumed: What the consumer's tool said; None where it was not asked.
        end_to_end: What the tool for the time from end to end said; None likewise.
        events: What happened to the platform in the meantime.
        commands: The command line of each tool.
    """

    facts: Mapping[str, Any]
    producers: Sequence[ProducerRun]
    stored: int
    consumed: Consumed | None = None
    end_to_end: EndToEnd | None = None
    events: Sequence[Event] = ()
    commands: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def acknowledged(self) -> int:
        """Records that the tools counted as acknowledged."""
        return sum(producer.total.records for producer in self.producers)

    @property
    def rate(self) -> float:
        """Acknowledged records a second: the sum of what the tools report."""
        return sum(producer.total.rate for producer in self.producers)

    @property
    def worst(self) -> Total:
        """The total of the producer with the highest 95th percentile: percentiles of several cannot be put together."""
        return max((producer.total for producer in self.producers), key=lambda total: total.p95_ms)
