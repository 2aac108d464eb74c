"""A drill of Kafka or ZooKeeper: steady load, a fault, healing, recovery, and a check of the records."""

import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from components.errors import count
from components.kafka.safety import restart_blockers
from components.naming import ordinal_of
from ops.drills import health
from ops.drills.catalogue import Drill, InitialState
from ops.drills.cluster_view import ClusterProbe, ClusterView, Roles, ensemble_roles
from ops.drills.kafka_figures import Evidence, formed_after, recovered_after
from ops.drills.kafka_load import SteadyLoad
from ops.drills.kafka_readers import LiveReader, read_back
from ops.drills.measures import Phases
from ops.drills.plan import Plan
from ops.drills.sampler import Sampler
from ops.drills.scratch import create_topic, delete_topic, replication_factor
from ops.drills.session import Session
from ops.drills.verdict import compare
from ops.errors import BrokenError

PARTITIONS = 6
"""Partitions of a drill's topic: each of three brokers leads two."""

MINIMUM_IN_SYNC = 2
"""``min.insync.replicas`` of a drill's topic."""

STABLE_SECONDS = 2.0
"""Seconds for which the platform must be healthy before it counts as recovered."""

RECOVERY_SECONDS = 180.0
"""How long to wait for recovery, in seconds."""


@dataclass(frozen=True)
class Watch:
    """Observes the platform while a drill runs.

    Args:
        cluster: Samples of the cluster.
        ensemble: Samples of the ensemble's roles.
        brokers: Number of declared brokers.
    """

    cluster: Sampler[ClusterView]
    ensemble: Sampler[Roles]
    brokers: int

    def healthy_since(self, moment: float) -> float | None:
        """When the platform became healthy after a moment and stayed so; None if it is not healthy now."""
        cluster = recovered_after(self.cluster.samples, self.brokers, moment)
        ensemble = formed_after(self.ensemble.samples, moment)
        return None if cluster is None or ensemble is None else moment + max(cluster, ensemble)

    def recovered(self, moment: float) -> bool:
        """Whether the platform has been healthy for :data:`STABLE_SECONDS` after a moment."""
        since = self.healthy_since(moment)
        return since is not None and time.monotonic() - since >= STABLE_SECONDS


def run(drill: Drill, plan: Plan, session: Session, initial: InitialState) -> Evidence:
    """Run a drill.

    Args:
        drill: The drill.
        plan: What to do.
        session: Injects and heals faults.
        initial: The platform before the drill.

    Raises:
        KeyboardInterrupt: A signal came; everything is healed and deleted.
        BrokenError: The platform did not recover between two restarts.
    """
    platform = session.platform
    options = platform.kafka_options()
    topic = plan.topic
    minimum = {**health.minimums(platform), topic: MINIMUM_IN_SYNC}
    with ExitStack() as stack:
        stack.enter_context(_own_topic(session, topic))
        probe = stack.enter_context(closing(ClusterProbe(platform, session.targets)))
        watch = Watch(
            stack.enter_context(Sampler(probe)),
            stack.enter_context(Sampler(lambda: ensemble_roles(platform))),
            len(platform.brokers),
        )
        load = SteadyLoad(options, topic, rate=plan.rate, size=plan.size)
        with LiveReader(options, topic, load.run) as reader:
            with load:
                start = time.monotonic()
                session.say(f"load: {plan.rate:g} messages per second of {plan.size} bytes, acks=all")
                session.pause("steady load before the fault", plan.seconds)
                _break(drill, plan, session, watch, minimum)
                session.say("waiting until all replicas are in sync")
                session.wait_until("seconds of recovery", lambda: watch.recovered(session.healed_at), RECOVERY_SECONDS)
                session.pause("steady load after recovery", plan.seconds)
                recovered = watch.healthy_since(session.healed_at)
                end = time.monotonic()
            session.pause("last messages", 1.0)  # the consumer still receives what was acknowledged last
        session.say(f"reading back {count(len(load.acknowledged), 'acknowledged message')}")
        verdict = compare(load.acknowledged, *read_back(options, topic, load.run, checkpoint=session.check))
    return Evidence(
        phases=Phases(start, session.fault_at, session.healed_at, recovered, end),
        targets=session.targets,
        brokers=len(platform.brokers),
        controller=initial.cluster.controller,
        topic=topic,
        minimum=minimum,
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
    """Create the drill's topic and delete it at the end; the journal lists it in case this process is killed."""
    platform = session.platform
    config = {
        "min.insync.replicas": str(min(MINIMUM_IN_SYNC, replication_factor(platform))),
        # Uncompressed whatever the brokers' default: reading back must not need a codec that is not installed.
        "compression.type": "uncompressed",
        "retention.ms": "-1",
    }
    session.journal.topic = topic
    session.journal.write()
    try:
        create_topic(platform, topic, partitions=PARTITIONS, config=config)
        yield
    finally:
        delete_topic(platform, topic, report=session.say)
        session.journal.topic = None
        session.journal.write()


def _break(drill: Drill, plan: Plan, session: Session, watch: Watch, minimum: Mapping[str, int]) -> None:
    """Hold the fault as long as planned, or restart one member after the other."""
    if not drill.rolling:
        with session.broken(drill.fault, plan.targets[0]):
            session.pause(f"{plan.targets[0]} is broken", plan.hold)
        return
    for position, member in enumerate(plan.targets):
        since = session.healed_at  # 0.0 before the first restart
        if not session.wait_until(
            "seconds until all replicas are in sync", partial(watch.recovered, since), RECOVERY_SECONDS
        ):
            raise BrokenError(
                f"not all replicas were in sync {RECOVERY_SECONDS:.0f} s after {plan.targets[position - 1]}'s restart"
            )
        view = watch.cluster.samples[-1].value
        if view is not None and (blockers := restart_blockers(view.state, ordinal_of(member), minimum)):
            raise BrokenError(f"{member} cannot be restarted now", blockers)
        with session.broken(drill.fault, member):
            pass
