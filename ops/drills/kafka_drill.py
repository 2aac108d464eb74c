"""A drill of brokers or ensemble: a steady load, a fault, healing, recovery, and what became of the records."""

import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from components.kafka.safety import restart_blockers
from components.errors import count
from ops.drills import wellness
from ops.drills.catalogue import Drill, Surroundings
from ops.drills.checker import LiveReader, compare, read_back
from ops.drills.figures import Evidence, formed_after, recovered_after
from ops.drills.load import SteadyLoad
from ops.drills.measures import Phases
from ops.drills.plan import Plan
from ops.drills.sampler import ClusterLook, ClusterView, Roles, Sampler, ensemble_roles
from ops.drills.scratch import MINIMUM_IN_SYNC, make_topic, remove_topic
from ops.drills.session import Session
from ops.errors import BrokenError

STABLE_SECONDS = 2.0
"""Seconds for which all must be well before it counts as recovered."""

RECOVERY_SECONDS = 180.0
"""Seconds after which a drill ceases to wait for recovery."""


@dataclass(frozen=True)
class Watch:
    """What is seen of the platform while a drill runs.

    Args:
        cluster: Samples of Kafka's metadata.
        ensemble: Samples of ZooKeeper's roles.
        brokers: Number of declared brokers.
    """

    cluster: Sampler[ClusterView]
    ensemble: Sampler[Roles]
    brokers: int

    def well_since(self, moment: float) -> float | None:
        """When all was well again after a moment, for good as far as is known; None while it is not."""
        cluster = recovered_after(self.cluster.samples, self.brokers, moment)
        ensemble = formed_after(self.ensemble.samples, moment)
        return None if cluster is None or ensemble is None else moment + max(cluster, ensemble)

    def settled(self, moment: float) -> bool:
        """Whether all has been well for :data:`STABLE_SECONDS`, after a moment."""
        since = self.well_since(moment)
        return since is not None and time.monotonic() - since >= STABLE_SECONDS


def run(drill: Drill, plan: Plan, session: Session, around: Surroundings) -> Evidence:
    """Run a drill.

    Args:
        drill: The drill.
        plan: Its figures.
        session: What it breaks the platform with.
        around: The platform as it was found.

    Raises:
        KeyboardInterrupt: A signal came; all is healed and removed.
        BrokenError: The platform did not recover between two restarts.
    """
    platform = session.platform
    options = platform.kafka_options()
    minimum = wellness.minimums(platform)
    topic = plan.topic
    with ExitStack() as made:
        made.enter_context(_own_topic(session, topic))
        look = made.enter_context(closing(ClusterLook(platform, session.struck)))
        watch = Watch(
            made.enter_context(Sampler(look)),
            made.enter_context(Sampler(lambda: ensemble_roles(platform))),
            len(platform.brokers),
        )
        load = SteadyLoad(options, topic, rate=plan.rate, size=plan.size)
        with LiveReader(options, topic, load.run) as reader:
            with load:
                start = time.monotonic()
                session.say(f"load: {plan.rate:g} messages a second of {plan.size} bytes, acks=all")
                session.pause("steady load before the fault", plan.seconds)
                _break(drill, plan, session, watch, minimum)
                session.say("waiting until all replicas are in sync")
                session.wait_until("seconds of recovery", lambda: watch.settled(session.healed_at), RECOVERY_SECONDS)
                session.pause("steady load after recovery", plan.seconds)
                recovered = watch.well_since(session.healed_at)
                end = time.monotonic()
            session.pause("last messages", 1.0)  # what was acknowledged last is still on its way to the consumer
        session.say(f"reading back {count(len(load.acknowledged), 'acknowledged message')}")
        verdict = compare(load.acknowledged, *read_back(options, topic, load.run, checkpoint=session.check))
    return Evidence(
        phases=Phases(start, session.fault_at, session.healed_at, recovered, end),
        struck=session.struck,
        brokers=len(platform.brokers),
        controller=around.state.controller,
        topic=topic,
        minimum={**minimum, topic: MINIMUM_IN_SYNC},
        sent=load.sent,
        acknowledged=load.acknowledged,
        failed=load.failed,
        errors=load.errors,
        arrivals=reader.arrivals,
        verdict=verdict,
        cluster=watch.cluster.samples,
        roles=watch.ensemble.samples,
    )


@contextmanager
def _own_topic(session: Session, topic: str) -> Generator[None]:
    """A topic that is removed at the end, by the journal's word if not by this process."""
    session.journal.topic = topic
    session.journal.write()
    try:
        make_topic(session.platform, topic)
        yield
    finally:
        remove_topic(session.platform, topic, report=session.say)
        session.journal.topic = None
        session.journal.write()


def _break(drill: Drill, plan: Plan, session: Session, watch: Watch, minimum: Mapping[str, int]) -> None:
    """Keep the fault up for as long as was asked for, or restart one member after the other."""
    if not drill.rolling:
        with session.broken(drill.fault, plan.members[0]):
            session.pause(f"{plan.members[0]} is broken", plan.hold)
        return
    for place, member in enumerate(plan.members):
        since = session.healed_at  # 0.0 before the first restart
        if not session.wait_until(
            "seconds until all replicas are in sync", partial(watch.settled, since), RECOVERY_SECONDS
        ):
            raise BrokenError(
                f"not all replicas were in sync {RECOVERY_SECONDS:.0f} s after {plan.members[place - 1]}'s restart"
            )
        view = watch.cluster.samples[-1].seen
        broker = int(member.rpartition("-")[2])
        if view is not None and (blockers := restart_blockers(view.state, broker, minimum)):
            raise BrokenError(f"{member} cannot be restarted now", blockers)
        with session.broken(drill.fault, member):
            pass
