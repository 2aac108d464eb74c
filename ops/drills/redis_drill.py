"""A drill of Redis: steady writes, a fault, healing, and a check which acknowledged writes survived."""

import time
from typing import Any

from ops.drills.measures import Phases
from ops.drills.plan import Plan
from ops.drills.redis_figures import RedisFigures, redis_figures
from ops.drills.redis_load import RedisLoad, Write
from ops.drills.scratch import delete_keys
from ops.drills.session import Session
from ops.platform import Platform

RECOVERY_SECONDS = 60.0
"""How long to wait until Redis accepts writes again, in seconds."""


def obstacles(platform: Platform) -> list[str]:
    """Settings under which Redis would lose its keys at a restart."""
    with platform.redis_client() as connected:
        client: Any = connected  # the library's own types of these commands are incomplete
        if not int(client.info("persistence")["aof_enabled"]):
            return ["the append-only file is off, so a restart keeps only the last snapshot; set redis.appendOnly"]
        policy = client.config_get("appendfsync").get("appendfsync")
    return [f"appendfsync is {policy}; the promise needs always or everysec"] if policy == "no" else []


def run(fault: str, plan: Plan, session: Session) -> tuple[RedisFigures, Phases, list[Write]]:
    """Run the drill.

    Args:
        fault: Kind of its fault.
        plan: What to do.
        session: Injects and heals the fault.

    Returns:
        Its figures, its phases, and the acknowledged writes.

    Raises:
        KeyboardInterrupt: A signal came; everything is healed and deleted.
    """
    prefix = plan.keys
    session.journal.keys = prefix
    session.journal.write()
    load = RedisLoad(session.platform, prefix, rate=plan.rate, size=plan.size)
    try:
        with load:
            start = time.monotonic()
            session.say(f"load: {plan.rate:g} writes per second of {plan.size} bytes")
            session.pause("steady load before the fault", plan.seconds)
            with session.broken(fault, plan.targets[0]):
                session.pause(f"{plan.targets[0]} is broken", plan.hold)

            def is_back() -> bool:
                return bool(load.writes) and load.writes[-1].at > session.healed_at

            session.wait_until("seconds of recovery", is_back, RECOVERY_SECONDS)
            session.pause("steady load after recovery", plan.seconds)
            end = time.monotonic()
        writes = list(load.writes)
        lost = load.missing(writes)
    finally:
        delete_keys(session.platform, prefix)
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
