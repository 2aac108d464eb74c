"""Checks of the Docker engine and its machine: what `up` would stumble over."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from components.errors import PreflightError
from components.stack_file.images import choose_images
from components.targets.docker.preflight import Needs, preflight
from ops.console import size
from ops.doctor.case import Case
from ops.doctor.report import Outcome, skipped, well, wrong

LEAST_FREE = 0.10
"""Share of the engine's disk that must be free: brokers stop for good when their disk is full. Kafka's usual alert is
at 15 percent (Strimzi's prometheus-kafka-rules.yaml); below this one there is little time left."""

MOST_SKEW = 2.0
"""Seconds that clocks may differ: synchronized ones differ by milliseconds, and times of records are only as good."""


def engine(case: Case) -> Outcome:
    """An engine answers."""
    if case.settings.on_kubernetes:
        return skipped("the stack runs on Kubernetes")
    try:
        found = case.engine
    except PreflightError as error:
        return wrong("; ".join(error.problems), "make engine (or systemctl start docker)")
    return well(f"answers, {size(found.memory())} of memory")


def disk(case: Case) -> Outcome:
    """The engine's disk has room."""
    if case.settings.on_kubernetes:
        return skipped("the stack runs on Kubernetes")
    info = case.docker.info()
    root = Path(str(info["DockerRootDir"]))
    if not _is_here() or not root.exists():
        return skipped("the engine's disk is not this machine's")
    usage = shutil.disk_usage(root)
    seen = f"{size(usage.free)} of {size(usage.total)} free at {root}"
    return well(seen) if usage.free >= LEAST_FREE * usage.total else wrong(seen, "docker system prune")


def _is_here() -> bool:
    return os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")


def images(case: Case) -> Outcome:
    """The images that `up` would run are on the engine, or can be pulled."""
    if case.settings.on_kubernetes:
        return skipped("nodes pull their images themselves")
    chosen = choose_images(case.settings, os.environ)
    references = list(dict.fromkeys((chosen.zookeeper, chosen.kafka, chosen.redis)))
    return _preflight(
        case, f"{', '.join(references)} ({chosen.reason})", "make images, then . ./activate", images=references
    )


def ports(case: Case) -> Outcome:
    """The ports on this machine that members need are free, or held by this very platform."""
    if case.settings.on_kubernetes:
        return skipped("nothing is bound on this machine")
    needed = {member: [port] for member, port in case.settings.host_ports().items()}
    listed = ", ".join(str(port) for [port] in needed.values())
    mend = f"stop it, or pulumi config set -s {case.name} --path millrace:SERVER.port PORT"
    return _preflight(case, f"{listed} are free or this platform's", mend, ports=needed)


def memory(case: Case) -> Outcome:
    """The members' memory limits fit into the engine's machine."""
    if case.settings.on_kubernetes:
        return skipped("Kubernetes schedules by memory itself")
    settings = case.settings
    limits = {f"zookeeper-{number}": int(settings.zookeeper.memory) for number in range(settings.zookeeper.replicas)}
    limits |= {f"kafka-{number}": int(settings.kafka.memory) for number in range(settings.kafka.replicas)}
    limits["redis-0"] = int(settings.redis.memory)
    mend = f"lower memory and heap in {case.stack_file.name}"
    return _preflight(case, f"limits of {size(sum(limits.values()))} fit", mend, memory=limits)


def _preflight(
    case: Case,
    seen: str,
    mend: str,
    *,
    images: Sequence[str] = (),
    ports: Mapping[str, Sequence[int]] | None = None,
    memory: Mapping[str, int] | None = None,
) -> Outcome:
    """Ask what `up` asks before it makes anything, of one kind of needs alone."""
    needs = Needs(
        platform=case.platform_name,
        bind_address=case.settings.bind_address,
        images=images,
        ports=ports or {},
        memory=memory or {},
    )
    answering = case.engine  # where none answers, that is no matter of these needs
    try:
        preflight(answering, needs)
    except PreflightError as error:
        return wrong("; ".join(error.problems), mend)
    return well(seen)


def clock(case: Case) -> Outcome:
    """This machine, the engine and a member agree on the time."""
    skews: dict[str, float] = {}
    if not case.settings.on_kubernetes:
        before = time.time()
        told = datetime.fromisoformat(str(case.docker.info()["SystemTime"])[:26] + "+00:00")
        skews["the engine"] = told.timestamp() - (before + time.time()) / 2
    if case.is_up:
        name = next(iter(case.platform.redis))
        with case.platform.redis_client(seconds=5.0) as client:
            client.ping()  # the connection is made first, so that its time is no part of the difference
            before = time.time()
            seconds, microseconds = client.time()
            skews[name] = seconds + microseconds / 1e6 - (before + time.time()) / 2
    return judge_clocks(skews)


def judge_clocks(skews: Mapping[str, float]) -> Outcome:
    """What the differences of clocks mean.

    Args:
        skews: Seconds that each is ahead of this machine.
    """
    if not skews:
        return skipped("nothing is up that could be asked for its time")
    seen = ", ".join(f"{name} {skew:+.1f} s" for name, skew in skews.items())
    if all(abs(skew) <= MOST_SKEW for skew in skews.values()):
        return well(seen)
    return wrong(f"{seen} against this machine", "timedatectl set-ntp true (on the machine that is wrong)")
