"""The drills: what each breaks, what it promises, and where it applies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.kafka.client import ClusterState
from ops.drills import promises
from ops.drills.cluster_view import Roles
from ops.drills.promises import Rule
from ops.errors import RefusedError
from ops.platform import Platform

ON_DOCKER_ONLY = "it needs a container's namespaces and process, which Kubernetes does not expose"


@dataclass(frozen=True)
class InitialState:
    """A platform before a drill.

    Args:
        platform: The platform.
        cluster: Kafka's metadata.
        roles: The ensemble's roles.
    """

    platform: Platform
    cluster: ClusterState
    roles: Roles

    @property
    def controller(self) -> str:
        """Name of the broker that is the controller."""
        return f"kafka-{self.cluster.controller}"

    @property
    def ensemble_leader(self) -> str | None:
        """Name of the ensemble's leader, or None if it has none."""
        return next((member for member, role in self.roles.items() if role == "leader"), None)


Candidates = Callable[[InitialState], Sequence[str]]
"""Members that a drill can target; by default it takes the first."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A drill.

    Args:
        name: Its name on the command line.
        breaks: What it does, as a short phrase.
        promise: What it promises, as a short phrase.
        fault: Kind of its fault; see :data:`ops.drills.faults.KINDS`.
        candidates: Members that it can target.
        rules: Its promises; empty for a drill of Redis, see :func:`ops.drills.redis_figures.judge_redis`.
        hold: How long the fault lasts, in seconds.
        docker_only: Whether it applies to Docker only.
        redis: Whether it targets Redis instead of Kafka or ZooKeeper.
        rolling: Whether it targets all candidates, one after the other.
    """

    name: str
    breaks: str
    promise: str
    fault: str
    candidates: Candidates
    rules: Sequence[Rule] = ()
    hold: float = 20.0
    docker_only: bool = False
    redis: bool = False
    rolling: bool = False

    def refusal(self, platform: Platform) -> str | None:
        """Why the drill does not apply to a platform, or None."""
        return ON_DOCKER_ONLY if self.docker_only and platform.on_kubernetes else None

    def targets(self, initial: InitialState, member: str | None) -> list[str]:
        """The members to break, in this order.

        Args:
            initial: The platform before the drill.
            member: The requested member; None lets the drill choose.

        Raises:
            RefusedError: The drill cannot target the requested member.
        """
        candidates = list(self.candidates(initial))
        if member is None and candidates:
            return candidates if self.rolling else candidates[:1]
        if member not in candidates or self.rolling:
            what = "all brokers and takes no --member" if self.rolling else ", ".join(candidates) or "no member now"
            raise RefusedError(f"{self.name} can target {what}")
        return [member]


def _brokers(initial: InitialState) -> list[str]:
    """All brokers, the controller last: its loss is a drill of its own."""
    return sorted(initial.platform.brokers, key=lambda name: (name == initial.controller, name))


def _controller(initial: InitialState) -> list[str]:
    return [initial.controller]


def _ensemble_leader(initial: InitialState) -> list[str]:
    return [] if initial.ensemble_leader is None else [initial.ensemble_leader]


def _redis(initial: InitialState) -> list[str]:
    return list(initial.platform.redis)


_COMMON = (promises.none_lost, promises.in_order, promises.no_errors)

_ALL = (
    Drill(
        name="broker-loss",
        breaks="kills a broker and keeps it down",
        promise="at least 1,000 messages published meanwhile, none lost, no client error, in sync within 60 s",
        fault="loss",
        candidates=_brokers,
        rules=(*_COMMON, promises.is_gone, promises.enough_published, promises.in_sync),
        hold=20.0,
    ),
    Drill(
        name="controller-loss",
        breaks="kills the controller and keeps it down",
        promise="a new controller within 30 s, no message lost, in sync within 60 s",
        fault="loss",
        candidates=_controller,
        rules=(*_COMMON, promises.is_gone, promises.new_controller, promises.in_sync),
        hold=25.0,
    ),
    Drill(
        name="zookeeper-leader-loss",
        breaks="kills the ensemble's leader",
        promise="a new leader within 30 s, no message lost, no client error",
        fault="loss",
        candidates=_ensemble_leader,
        rules=(*_COMMON, promises.new_ensemble_leader, promises.in_sync),
        hold=15.0,
    ),
    Drill(
        name="network-partition",
        breaks="cuts a broker off from all other members, while clients still reach it",
        promise="no message lost, in sync within 60 s",
        fault="network-partition",
        candidates=_brokers,
        rules=(*_COMMON, promises.in_sync),
        hold=30.0,
        docker_only=True,
    ),
    Drill(
        name="redis-restart",
        breaks="kills Redis and starts it again",
        promise="all keys survive, except at most the last second of writes; back within 30 s",
        fault="loss",
        candidates=_redis,
        hold=5.0,
        redis=True,
    ),
    Drill(
        name="rolling-restart",
        breaks="restarts all brokers one by one, each once all replicas are in sync, the controller last",
        promise="no message lost, no client error, no partition below min.insync.replicas",
        fault="restart",
        candidates=_brokers,
        rules=(*_COMMON, promises.above_minimum, promises.in_sync),
        hold=0.0,
        rolling=True,
    ),
    Drill(
        name="disk-full",
        breaks="makes all writes of a broker fail as on a full disk",
        promise="the broker goes offline, no message is lost, and it returns when there is space",
        fault="full-disk",
        candidates=_brokers,
        rules=(*_COMMON, promises.goes_offline, promises.in_sync),
        hold=20.0,
        docker_only=True,
    ),
)

DRILLS: Mapping[str, Drill] = {drill.name: drill for drill in _ALL}
"""All drills by name."""
