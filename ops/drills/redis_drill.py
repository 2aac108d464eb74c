"""A drill of Redis: steady writes, a fault, healing, and which of the acknowledged writes are there."""

import time

from ops.drills.measures import Phases
from ops.drills.plan import Plan
from ops.drills.redis_load import RedisFigures, RedisLoad, Write, redis_figures
from ops.drills.scratch import remove_keys
from ops.drills.session import Session
from ops.platform import Platform

BACK_SECONDS = 60.0
"""Seconds after which a drill ceases to wait until Redis takes writes."""


def obstacles(platform: Platform) -> list[str]:
    """Why Redis would not keep its keys, as far as is known beforehand."""
    with platform.redis_client() as client:
        if not int(client.info("persistence")["aof_enabled"]):
            return ["its append-only file is off, so a restart keeps only its last snapshot; set redis.appendOnly"]
        policy = client.config_get("appendfsync").get("appendfsync")
        return [f"appendfsync is {policy}; the promise holds for always and everysec"] if policy == "no" else []


def run(fault: str, plan: Plan, session: Session) -> tuple[RedisFigures, Phases, list[Write]]:
    """Run the drill.

    Returns:
        Its figures, when what happened, and the acknowledged writes.

    Raises:
        KeyboardInterrupt: A signal came; all is healed and removed.
    """
    prefix = plan.keys
    session.journal.keys = prefix
    session.journal.write()
    load = RedisLoad(session.platform, prefix, rate=plan.rate, size=plan.size)
    try:
        with load:
            start = time.monotonic()
            session.say(f"load: {plan.rate:g} writes a second of {plan.size} bytes")
            session.pause("steady load before the fault", plan.seconds)
            with session.broken(fault, plan.members[0]):
                session.pause(f"{plan.members[0]} is broken", plan.hold)

            def is_back() -> bool:
                return bool(load.writes) and load.writes[-1].at > session.healed_at

            session.wait_until("seconds of recovery", is_back, BACK_SECONDS)
            session.pause("steady load after recovery", plan.seconds)
            end = time.monotonic()
        writes = list(load.writes)
        lost = load.missing(writes)
    finally:
        remove_keys(session.platform, prefix)
        session.journal.keys = None
        session.journal.write()
    back = min((write.at for write in writes if write.at >= session.healed_at), default=None)
    phases = Phases(start, session.fault_at, session.healed_at, back, end)
    figures = redis_figures(
        phases=phases,
        sent=load.sent,
        failed=load.failed,
        writes=writes,
        lost=lost,
        allowed=plan.limits.redis_loss_seconds,
    )
    return figures, phases, writes
