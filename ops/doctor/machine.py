"""Checks of what the stack runs on: the Docker engine and its machine, or the Kubernetes cluster."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from components.errors import ClusterError, PreflightError
from components.stack_file.images import choose_images
from components.targets.docker.preflight import Needs, preflight
from components.targets.kubernetes.client import connect, contexts
from ops.console import size
from ops.doctor.local_stack import LocalStack
from ops.doctor.outcome import Outcome, ok, skipped, wrong

MIN_FREE_SHARE = 0.10
"""Share of the engine's disk that must be free: brokers stop when their disk is full. Kafka's usual alert
is at 15 percent (Strimzi's prometheus-kafka-rules.yaml); below 10 there is little time left."""

MAX_SKEW_SECONDS = 2.0
"""The largest clock difference in seconds: synchronized clocks differ by milliseconds; timestamps depend on them."""


def engine(local: LocalStack) -> Outcome:
    """A Docker engine answers."""
    if local.settings.on_kubernetes:
        return skipped("the stack runs on Kubernetes")
    try:
        found = local.engine
    except PreflightError as error:
        return wrong("; ".join(error.problems), "make engine (or systemctl start docker)")
    return ok(f"answers, {size(found.memory())} of memory")


def disk(local: LocalStack) -> Outcome:
    """The engine's disk has free space."""
    if local.settings.on_kubernetes:
        return skipped("the stack runs on Kubernetes")
    info = local.docker.info()
    root = Path(str(info["DockerRootDir"]))
    if not _is_local() or not root.exists():
        return skipped("the engine's disk is not on this machine")
    usage = shutil.disk_usage(root)
    seen = f"{size(usage.free)} of {size(usage.total)} free at {root}"
    return ok(seen) if usage.free >= MIN_FREE_SHARE * usage.total else wrong(seen, "docker system prune")


def _is_local() -> bool:
    return os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")


def images(local: LocalStack) -> Outcome:
    """The images of `up` are on the engine or can be pulled."""
    if local.settings.on_kubernetes:
        return skipped("nodes pull their images themselves")
    chosen = choose_images(local.settings, os.environ)
    references = list(dict.fromkeys((chosen.zookeeper, chosen.kafka, chosen.redis)))
    return _preflight(
        local, f"{', '.join(references)} ({chosen.reason})", "make images, then . ./activate", images=references
    )


def ports(local: LocalStack) -> Outcome:
    """The ports that members need on this machine are free or used by this platform."""
    if local.settings.on_kubernetes:
        return skipped("Kubernetes needs no ports on this machine")
    needed = {member: [port] for member, port in local.settings.host_ports().items()}
    listed = ", ".join(str(port) for [port] in needed.values())
    fix = f"stop it, or pulumi config set -s {local.name} --path millrace:SERVER.port PORT"
    return _preflight(local, f"{listed} are free or this platform's", fix, ports=needed)


def memory(local: LocalStack) -> Outcome:
    """The members' memory limits fit into the memory of the engine's machine."""
    if local.settings.on_kubernetes:
        return skipped("Kubernetes schedules by memory itself")
    settings = local.settings
    limits = {f"zookeeper-{number}": int(settings.zookeeper.memory) for number in range(settings.zookeeper.replicas)}
    limits |= {f"kafka-{number}": int(settings.kafka.memory) for number in range(settings.kafka.replicas)}
    limits["redis-0"] = int(settings.redis.memory)
    fix = f"lower memory and heap in {local.stack_file.name}"
    return _preflight(local, f"limits of {size(sum(limits.values()))} fit", fix, memory=limits)


def _preflight(
    local: LocalStack,
    seen: str,
    fix: str,
    *,
    images: Sequence[str] = (),
    ports: Mapping[str, Sequence[int]] | None = None,
    memory: Mapping[str, int] | None = None,
) -> Outcome:
    """Run the preflight check of `up` for one kind of requirement."""
    needs = Needs(
        platform=local.platform_name,
        bind_address=local.settings.bind_address,
        images=images,
        ports=ports or {},
        memory=memory or {},
    )
    reachable = local.engine  # outside of try: an unreachable engine is a finding of its own
    try:
        preflight(reachable, needs)
    except PreflightError as error:
        return wrong("; ".join(error.problems), fix)
    return ok(seen)


def clock(local: LocalStack) -> Outcome:
    """This machine, the engine and a member agree on the time."""
    skews: dict[str, float] = {}
    if not local.settings.on_kubernetes:
        before = time.time()
        system_time = datetime.fromisoformat(str(local.docker.info()["SystemTime"])[:26] + "+00:00")
        skews["the engine"] = system_time.timestamp() - (before + time.time()) / 2
    if local.is_up:
        name = next(iter(local.platform.redis))
        with local.platform.redis_client(seconds=5.0) as client:
            client.ping()  # connect first: connecting must not count as clock difference
            before = time.time()
            seconds, microseconds = client.time()
            skews[name] = seconds + microseconds / 1e6 - (before + time.time()) / 2
    return judge_clocks(skews)


def judge_clocks(skews: Mapping[str, float]) -> Outcome:
    """Judge clock differences.

    Args:
        skews: Seconds by which each clock is ahead of this machine.
    """
    if not skews:
        return skipped("nothing is running whose clock could be read")
    seen = ", ".join(f"{name} {skew:+.1f} s" for name, skew in skews.items())
    if all(abs(skew) <= MAX_SKEW_SECONDS for skew in skews.values()):
        return ok(seen)
    return wrong(f"{seen} relative to this machine", "timedatectl set-ntp true (on the machine that is wrong)")


def kubernetes(local: LocalStack) -> Outcome:
    """The kubeconfig has the context that the stack file names, and the cluster answers."""
    settings = local.settings.kubernetes
    if not local.settings.on_kubernetes or settings.context is None:
        return skipped("the stack runs on Docker")
    fix = f"kubectl config get-contexts, then pulumi config set -s {local.name} --path millrace:kubernetes.context NAME"
    try:
        known = contexts(settings.kubeconfig)
        if settings.context not in known:
            listed = ", ".join(known) or "none"
            return wrong(f'the kubeconfig has no context "{settings.context}"; it has {listed}', fix)
        cluster = connect(settings.kubeconfig, settings.context)
        return ok(f"{settings.context} runs Kubernetes {cluster.server_version()}")
    except ClusterError as error:
        return wrong("; ".join([error.headline, *error.problems]), fix)
