"""The drills: what each breaks, what it promises, and where it applies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.kafka.client import ClusterState
from ops.drills import promises
from ops.drills.promises import Rule
from ops.drills.sampler import Roles
from ops.errors import RefusedError
from ops.platform import Platform

ON_DOCKER_ONLY = "it works on a container's namespaces and process, which Kubernetes does not lend"


@dataclass(frozen=True)
class Surroundings:
    """What members are chosen by.

    Args:
        platform: The platform.
        state: Kafka's metadata.
        roles: The ensemble's roles.
    """

    platform: Platform
    state: ClusterState
    roles: Roles

    @property
    def controller(self) -> str:
        """The broker that is the controller."""
        return f"kafka-{self.state.controller}"

    @property
    def ensemble_leader(self) -> str | None:
        """The member that leads the ensemble."""
        return next((member for member, role in self.roles.items() if role == "leader"), None)


Choice = Callable[[Surroundings], Sequence[str]]
"""Members that a drill may strike; the first is struck where none was asked for."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """A drill.

    Args:
        name: Its name on the command line.
        breaks: What it does, in a few words.
        promise: What holds meanwhile, in a few words.
        fault: Kind of its fault; see :data:`ops.drills.faults.KINDS`.
        choice: Members that it may strike.
        rules: Its promises; a drill of Redis has its own.
        hold: Seconds for which the fault is kept up.
        docker_only: Whether it applies to Docker only.
        redis: Whether it strikes Redis instead of the cluster of brokers and ensemble.
        rolling: Whether all members of the choice are struck, one after the other.
    """

    name: str
    breaks: str
    promise: str
    fault: str
    choice: Choice
    rules: Sequence[Rule] = ()
    hold: float = 20.0
    docker_only: bool = False
    redis: bool = False
    rolling: bool = False

    def refusal(self, platform: Platform) -> str | None:
        """Why the drill does not apply to a platform, or None."""
        return ON_DOCKER_ONLY if self.docker_only and platform.on_kubernetes else None

    def member(self, surroundings: Surroundings, asked: str | None) -> str:
        """The member to strike.

        Raises:
            RefusedError: Another was asked for than this drill can strike.
        """
        possible = list(self.choice(surroundings))
        if asked is None and possible:
            return possible[0]
        if asked not in possible or self.rolling:
            what = "all brokers, so it takes no member" if self.rolling else ", ".join(possible) or "nobody now"
            raise RefusedError(f"{self.name} can strike {what}")
        return asked


def _brokers(around: Surroundings) -> list[str]:
    """All brokers, the controller last: it is lost in a drill of its own."""
    return sorted(around.platform.brokers, key=lambda name: (name == around.controller, name))


def _controller(around: Surroundings) -> list[str]:
    return [around.controller]


def _ensemble_leader(around: Surroundings) -> list[str]:
    return [] if around.ensemble_leader is None else [around.ensemble_leader]


def _redis(around: Surroundings) -> list[str]:
    return list(around.platform.redis)


_KEPT = (promises.none_lost, promises.in_order, promises.no_errors)

_ALL = (
    Drill(
        name="broker-loss",
        breaks="kills a broker and keeps it down",
        promise="1,000 or more messages published meanwhile, none lost, no client error, in sync within 60 s",
        fault="loss",
        choice=_brokers,
        rules=(*_KEPT, promises.is_gone, promises.enough_published, promises.in_sync),
        hold=20.0,
    ),
    Drill(
        name="controller-loss",
        breaks="kills the broker that is the controller",
        promise="another controller within 30 s, none lost, in sync within 60 s",
        fault="loss",
        choice=_controller,
        rules=(*_KEPT, promises.is_gone, promises.new_controller, promises.in_sync),
        hold=25.0,
    ),
    Drill(
        name="zookeeper-leader-loss",
        breaks="kills the ensemble's leader",
        promise="another leader within 30 s, none lost, no client error",
        fault="loss",
        choice=_ensemble_leader,
        rules=(*_KEPT, promises.new_ensemble_leader, promises.in_sync),
        hold=15.0,
    ),
    Drill(
        name="network-partition",
        breaks="cuts a broker from all other members, while clients still reach it",
        promise="none lost, in sync within 60 s",
        fault="network-partition",
        choice=_brokers,
        rules=(*_KEPT, promises.in_sync),
        hold=30.0,
        docker_only=True,
    ),
    Drill(
        name="redis-restart",
        breaks="kills Redis and starts it again",
        promise="keys are there after, but for at most the last second; back within 30 s",
        fault="loss",
        choice=_redis,
        hold=5.0,
        redis=True,
    ),
    Drill(
        name="rolling-restart",
        breaks="restarts one broker after the other, each once all replicas are in sync, the controller last",
        promise="none lost, no client error, no partition below min.insync.replicas",
        fault="restart",
        choice=_brokers,
        rules=(*_KEPT, promises.above_minimum, promises.in_sync),
        hold=0.0,
        rolling=True,
    ),
    Drill(
        name="disk-full",
        breaks="lets all writes of a broker fail as on a full disk",
        promise="the broker goes offline, none lost, it returns when there is room",
        fault="full-disk",
        choice=_brokers,
        rules=(*_KEPT, promises.goes_offline, promises.in_sync),
        hold=20.0,
        docker_only=True,
    ),
)

DRILLS: Mapping[str, Drill] = {drill.name: drill for drill in _ALL}
"""All drills by name."""
