"""Watches the platform while something is broken: who leads, which replicas are in sync, which brokers answer."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from components.clients import zookeeper
from components.clients.kafka import ClusterState
from components.clients.routes import patience
from components.errors import PlatformError
from ops.drills.background import Background
from ops.drills.metadata import MetadataReader
from ops.errors import UnreachableError
from ops.kafka_cluster import answers
from ops.platform import Platform

PAUSE_SECONDS = 0.2
"""Seconds between two looks; more where a look takes more than a quarter of that, so that watching is no load."""

ANSWER_SECONDS = 1.0
"""Seconds for one answer of a broker itself."""

REQUEST_SECONDS = 5.0
"""Seconds for one request of metadata."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sample(Generic[T]):
    """What was seen once.

    Args:
        at: When the answer came, in seconds of the monotonic clock.
        seen: What was seen; None where nobody answered.
    """

    at: float
    seen: T | None


class Sampler(Background, Generic[T]):
    """Looks again and again in a thread of its own, from when it is entered until it is left.

    Args:
        look: Takes a look; errors of the platform or its clients count as no answer.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        super().__init__("sampler")
        self.samples: list[Sample[T]] = []
        self._look = look

    def _work(self) -> None:
        from kafka.errors import KafkaError

        while not self._stop.is_set():
            start = time.monotonic()
            try:
                seen = self._look()
            except (KafkaError, PlatformError, OSError):
                seen = None
            now = time.monotonic()
            self.samples.append(Sample(now, seen))
            self._stop.wait(max(PAUSE_SECONDS, 4 * (now - start)) - (now - start))


@dataclass(frozen=True)
class ClusterView:
    """The cluster as one look found it.

    Args:
        state: The metadata.
        silent: Declared brokers that did not answer a client themselves.
    """

    state: ClusterState
    silent: frozenset[str]

    def well(self, brokers: int) -> bool:
        """Whether all brokers answer and are registered, and all partitions have all replicas in sync."""
        state = self.state
        registered = len(state.brokers) >= brokers and state.controller >= 0
        return registered and not (self.silent or state.offline or state.under_replicated)


class ClusterLook:
    """Reads the cluster's metadata, and asks each broker itself whether it serves.

    Metadata alone would not do: a broker that was killed stays in it, in sync, until its session with ZooKeeper ends.

    Args:
        platform: The platform.
        distrusted: Brokers that are asked for metadata only where no other answers: one that is cut from the others
            tells what it knew last. Looked at each time.
    """

    def __init__(self, platform: Platform, distrusted: Collection[str] = ()) -> None:
        self._platform = platform
        self._distrusted = distrusted
        self._reader: MetadataReader | None = None

    def __call__(self) -> ClusterView:
        """Look once.

        Raises:
            UnreachableError: No broker answers.
            kafka.errors.KafkaError: One that did does not any more.
        """
        platform = self._platform
        seconds = patience(platform.route, ANSWER_SECONDS)
        serving = [
            name
            for name, address in platform.brokers.items()
            if answers(address, route=platform.route, seconds=seconds)
        ]
        if not serving:
            raise UnreachableError(f"no broker of stack {platform.stack} answers")
        broker = min(serving, key=lambda name: (name in self._distrusted, name))
        try:
            if self._reader is None:
                self._reader = MetadataReader(platform, patience(platform.route, REQUEST_SECONDS))
            state = self._reader.read(int(broker.rpartition("-")[2]))
        except BaseException:
            self.close()  # its connections may hang on a broker that is gone; the next look makes new ones
            raise
        return ClusterView(state, frozenset(set(platform.brokers) - set(serving)))

    def close(self) -> None:
        """Close all connections."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


Roles = dict[str, str | None]
"""Each ZooKeeper member's role: ``leader``, ``follower``, or None while it serves nothing."""


def ensemble_roles(platform: Platform) -> Roles:
    """The roles that ZooKeeper's members have now."""
    states = zookeeper.member_states(platform.zookeeper, route=platform.route)
    return {name: state.mode for name, state in states.items()}
