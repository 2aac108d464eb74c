"""A drill from the question whether it may begin to the report of how it ended."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.clients.kafka import cluster_state
from ops.drills import journal, kafka_drill, redis_drill, wellness
from ops.drills.catalogue import Drill, Surroundings
from ops.drills.figures import Evidence, Figures, figures_of
from ops.drills.interruption import Interruption
from ops.drills.measures import Phases
from ops.drills.plan import Plan, Request
from ops.drills.promises import Promise, judge
from ops.drills.redis_load import RedisFigures, Write, judge_redis
from ops.drills.sampler import ensemble_roles
from ops.drills.session import Session
from ops.errors import BrokenError, RefusedError, UnreachableError
from ops.kafka_cluster import kafka_errors
from ops.platform import Platform

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a drill ended.

    Args:
        drill: The drill.
        platform: The platform.
        plan: What was to be done.
        started: When it began, in seconds since 1970.
        phases: When what happened, in seconds of the monotonic clock.
        figures: What was measured.
        promises: The promises, judged.
        evidence: All that was seen, in a drill of Kafka or ZooKeeper.
        writes: The acknowledged writes, in a drill of Redis.
    """

    drill: Drill
    platform: Platform
    plan: Plan
    started: float
    phases: Phases
    figures: Figures | RedisFigures
    promises: Sequence[Promise]
    evidence: Evidence | None = None
    writes: Sequence[Write] = ()

    @property
    def kept(self) -> bool:
        """Whether all promises were kept."""
        return all(promise.kept for promise in self.promises)


def prepare(drill: Drill, platform: Platform, request: Request, say: Say) -> tuple[Plan, Surroundings]:
    """Settle what will be done, and refuse it where it must not or cannot be.

    Raises:
        RefusedError: The drill does not apply, the platform could not survive it, or another drill is unfinished.
        BrokenError: The platform is not well as it is.
        UnreachableError: It does not answer.
    """
    if reason := drill.refusal(platform):
        raise RefusedError(f"{drill.name} does not apply on {platform.target}: {reason}")
    journal.refuse_unfinished(platform.stack)
    if found := wellness.problems(platform):
        raise BrokenError(f"stack {platform.stack} is not well, so nothing was broken on top of that", found)
    with platform.admin() as client:
        around = Surroundings(platform, cluster_state(client), ensemble_roles(platform))
    members = list(drill.choice(around)) if drill.rolling else []
    members = members if drill.rolling and request.member is None else [drill.member(around, request.member)]
    _refuse_what_cannot_survive(drill, around, members, request, say)
    return (
        Plan(
            identity=uuid.uuid4().hex[:12],
            rate=request.rate,
            size=request.size,
            seconds=request.seconds,
            hold=drill.hold if request.hold is None else request.hold,
            members=members,
            limits=request.limits,
        ),
        around,
    )


def _refuse_what_cannot_survive(
    drill: Drill, around: Surroundings, members: Sequence[str], request: Request, say: Say
) -> None:
    """Refuse to strike a platform that would lose data or stop serving.

    Raises:
        RefusedError: With all reasons.
    """
    platform = around.platform
    if drill.redis:
        reasons = redis_drill.obstacles(platform)
    elif members[0] in platform.zookeeper:
        reasons = wellness.too_few(platform.zookeeper, "ZooKeeper member")
    else:
        reasons = wellness.too_few(platform.brokers, "broker")
    if reasons:
        raise RefusedError(f"stack {platform.stack} cannot survive {drill.name}", reasons)
    brokers = [int(member.rpartition("-")[2]) for member in members if member in platform.brokers]
    minimum = wellness.minimums(platform) if brokers else {}
    if lines := wellness.unsparing_topics(around.state, brokers, minimum):
        if not request.force:
            cure = "raise their replication factor, or give --force to go on without them"
            raise RefusedError(f"not all topics can survive {drill.name}", [*lines, cure])
        for line in lines:
            say(f"warning: {line}")


def conduct(drill: Drill, plan: Plan, around: Surroundings, say: Say) -> Outcome:
    """Break the platform as planned, heal it, and judge what was promised.

    Raises:
        KeyboardInterrupt: A signal came; all is healed and removed.
        UnreachableError: The engine or the cluster does not answer. What could not be healed stays in the journal.
    """
    from redis.exceptions import RedisError

    platform, started = around.platform, time.time()
    entry = journal.Journal(stack=platform.stack, drill=drill.name)
    entry.write()
    try:
        with Interruption() as interruption, kafka_errors(f"{drill.name} on stack {platform.stack}"):
            session = Session(platform, entry, interruption, say)
            return _strike(drill, plan, around, session, started)
    except RedisError as error:
        raise UnreachableError(f"{drill.name} on stack {platform.stack}: Redis: {error}") from error
    finally:
        if entry.settled:
            entry.remove()
        else:
            say(f"not all is healed or removed; run `ops -s {platform.stack} drill heal`")


def _strike(drill: Drill, plan: Plan, around: Surroundings, session: Session, started: float) -> Outcome:
    platform = around.platform
    if drill.redis:
        measured, phases, writes = redis_drill.run(drill.fault, plan, session)
        promises = judge_redis(measured, plan.limits)
        return Outcome(
            drill=drill,
            platform=platform,
            plan=plan,
            started=started,
            phases=phases,
            figures=measured,
            promises=promises,
            writes=writes,
        )
    evidence = kafka_drill.run(drill, plan, session, around)
    figures = figures_of(evidence)
    return Outcome(
        drill=drill,
        platform=platform,
        plan=plan,
        started=started,
        phases=evidence.phases,
        figures=figures,
        promises=judge(drill.rules, figures, plan.limits),
        evidence=evidence,
    )
