"""Prepares a drill, refusing it where it could harm the platform, and runs it."""

import time
import uuid
from collections.abc import Callable
from functools import partial

from components.kafka.client import cluster_state
from components.naming import ordinal_of
from ops.drills import health, journal, kafka_drill, redis_drill
from ops.drills.catalogue import Drill, InitialState
from ops.drills.cluster_view import ensemble_roles
from ops.drills.interruption import Interruption
from ops.drills.kafka_figures import figures_of
from ops.drills.outcome import Outcome
from ops.drills.plan import Plan, Request
from ops.drills.promises import judge
from ops.drills.redis_figures import judge_redis
from ops.drills.session import Session
from ops.errors import BrokenError, RefusedError, UnreachableError
from ops.kafka_cluster import kafka_errors
from ops.platform import Platform

Say = Callable[[str], None]


def prepare(drill: Drill, platform: Platform, request: Request, say: Say) -> tuple[Plan, InitialState]:
    """Plan a drill, or refuse it.

    Raises:
        RefusedError: The drill does not apply, the platform would not survive it, or an earlier drill is unfinished.
        BrokenError: The platform is unhealthy.
        UnreachableError: The platform does not answer.
    """
    if reason := drill.refusal(platform):
        raise RefusedError(f"{drill.name} does not apply on {platform.target}: {reason}")
    journal.refuse_unfinished(platform.stack)
    if found := health.problems(platform):
        raise BrokenError(f"stack {platform.stack} is unhealthy; nothing was broken", found)
    with platform.admin() as client:
        initial = InitialState(platform, cluster_state(client), ensemble_roles(platform))
    plan = Plan(
        identity=uuid.uuid4().hex[:12],
        rate=request.rate,
        size=request.size,
        seconds=request.seconds,
        hold=drill.hold if request.hold is None else request.hold,
        targets=drill.targets(initial, request.member),
        limits=request.limits,
    )
    _refuse_harm(drill, plan, initial, force=request.force, say=say)
    return plan, initial


def _refuse_harm(drill: Drill, plan: Plan, initial: InitialState, *, force: bool, say: Say) -> None:
    """Refuse a drill by which the platform would lose data or stop serving.

    Raises:
        RefusedError: With all reasons.
    """
    platform = initial.platform
    if drill.redis:
        reasons = redis_drill.obstacles(platform)
    elif plan.targets[0] in platform.zookeeper:
        reasons = health.too_few(platform.zookeeper, "ZooKeeper member")
    else:
        reasons = health.too_few(platform.brokers, "broker")
    if reasons:
        raise RefusedError(f"stack {platform.stack} cannot survive {drill.name}", reasons)
    brokers = [ordinal_of(member) for member in plan.targets if member in platform.brokers]
    topics = health.topics_at_risk(initial.cluster, brokers, health.minimums(platform)) if brokers else []
    if topics and not force:
        advice = "raise their replication factor, or give --force to go on without them"
        raise RefusedError(f"not all topics can survive {drill.name}", [*topics, advice])
    for topic in topics:
        say(f"warning: {topic}")


def conduct(drill: Drill, plan: Plan, initial: InitialState, say: Say) -> Outcome:
    """Break the platform as planned, heal it, and judge the promises.

    Raises:
        KeyboardInterrupt: A signal came; everything is healed and deleted.
        UnreachableError: The engine or the platform does not answer; the journal keeps what could not be healed.
    """
    from redis.exceptions import RedisError

    platform, started = initial.platform, time.time()
    entry = journal.Journal(stack=platform.stack, drill=drill.name)
    entry.write()
    try:
        with Interruption() as interruption, kafka_errors(f"{drill.name} on stack {platform.stack}"):
            session = Session(platform, entry, interruption, say)
            return _run(drill, plan, initial, session, started)
    except RedisError as error:
        raise UnreachableError(f"{drill.name} on stack {platform.stack}: Redis: {error}") from error
    finally:
        if entry.empty:
            entry.remove()
        else:
            say(f"healing or cleaning up failed; run `ops -s {platform.stack} drill heal`")


def _run(drill: Drill, plan: Plan, initial: InitialState, session: Session, started: float) -> Outcome:
    outcome = partial(Outcome, drill=drill, platform=initial.platform, plan=plan, started=started)
    if drill.redis:
        measured, phases, writes = redis_drill.run(drill.fault, plan, session)
        return outcome(phases=phases, figures=measured, promises=judge_redis(measured, plan.limits), writes=writes)
    evidence = kafka_drill.run(drill, plan, session, initial)
    figures = figures_of(evidence)
    promises = judge(drill.rules, figures, plan.limits)
    return outcome(phases=evidence.phases, figures=figures, promises=promises, evidence=evidence)
