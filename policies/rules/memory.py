"""Rules on memory and CPU."""

import re
from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.kubernetes import PodContainer
from policies.view.servers import KAFKA, REDIS, ZOOKEEPER, Server
from policies.view.settings import redis_setting
from policies.view.sizes import java_size, mib, redis_size

_HEAP = re.compile(r"-Xmx(\w+)")
_SHARE = re.compile(r"-XX:MaxRAMPercentage=([\d.]+)")
_VARIABLES = ("KAFKA_HEAP_OPTS", "KAFKA_OPTS", "SERVER_JVMFLAGS", "JVMFLAGS", "JAVA_TOOL_OPTIONS")
_DEFAULT_HEAP = {KAFKA: 2**30, ZOOKEEPER: 512 * 2**20}
"""Bytes that the distributions' start scripts set by default."""


def heap(server: Server, memory: int) -> int:
    """Heap size in bytes.

    Args:
        server: A Kafka or ZooKeeper server.
        memory: Its memory limit in bytes.
    """
    words = " ".join([*(server.variable(name) or "" for name in _VARIABLES), server.script])
    sizes = _HEAP.findall(words)
    if sizes:
        return java_size(sizes[-1]) or 0
    shares = _SHARE.findall(words)
    return int(memory * float(shares[-1]) / 100) if shares else _DEFAULT_HEAP[str(server.kind)]


def _limits(server: Server, context: Context) -> Iterator[str]:
    if server.memory is None:
        yield f"{server} has no memory limit"
    if isinstance(server, PodContainer):
        requests = server.spec.object("resources", "requests")
        for name in ("cpu", "memory"):
            if name not in requests:
                yield f"{server} requests no {name}"


def _heap(server: Server, context: Context) -> Iterator[str]:
    if server.memory is None:
        return
    percent = int(context.limits[f"{server.kind}Percent"])
    size = heap(server, server.memory)
    if size > server.memory * percent // 100:
        yield f"{server} has a heap of {mib(size)}: more than {percent} % of its limit of {mib(server.memory)}"


def _redis_memory(server: Server, context: Context) -> Iterator[str]:
    size = redis_size(redis_setting(server, "maxmemory") or "0") or 0
    policy = redis_setting(server, "maxmemory-policy")
    percent = int(context.limits["percent"])
    if size == 0:
        yield f"{server} has no maxmemory"
    elif server.memory is not None and size > server.memory * percent // 100:
        yield f"{server} has a maxmemory of {mib(size)}: more than {percent} % of its limit of {mib(server.memory)}"
    if policy is None:
        yield f"{server} sets no maxmemory-policy"
    elif policy == "noeviction" and context.production and not context.limits["noeviction"]:
        yield f"{server} evicts nothing: writes fail when its memory is full"


RULES = (
    Rule(
        name="requests-and-limits",
        title="Every container has a memory limit, on Kubernetes also CPU and memory requests",
        reason="Without them, one server can take the memory of all others, and brokers are evicted first.",
        remedy="Set resources.requests and limits.memory; on Docker, memory.",
        source="https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
        severity="high",
        subjects=lambda stack: stack.all_containers,
        check=_limits,
    ),
    Rule(
        name="heap-leaves-room",
        title="The Java heap leaves room below the memory limit",
        reason="Brokers need the page cache, which counts against the limit; a heap near the limit gets them killed.",
        remedy="Lower -Xmx (KAFKA_HEAP_OPTS; the scripts' default is 1 GiB) or raise the limit.",
        source="https://kafka.apache.org/39/documentation.html#os",
        severity="high",
        subjects=lambda stack: stack.servers_of(KAFKA, ZOOKEEPER),
        check=_heap,
        limits={
            "kafkaPercent": Limit(default=60, meaning="Maximum heap in percent of a broker's memory limit"),
            "zookeeperPercent": Limit(default=80, meaning="Maximum heap in percent of a ZooKeeper server's limit"),
        },
    ),
    Rule(
        name="redis-bounded-memory",
        title="Redis has a maxmemory below its memory limit, and an eviction policy",
        reason="Without maxmemory, it is killed when it reaches the limit, at the latest while it forks to save.",
        remedy="Set maxmemory and maxmemory-policy.",
        source="https://redis.io/docs/latest/develop/reference/eviction/",
        severity="high",
        subjects=lambda stack: stack.servers_of(REDIS),
        check=_redis_memory,
        limits={
            "production": PRODUCTION,
            "percent": Limit(default=80, meaning="Maximum maxmemory in percent of the memory limit"),
            "noeviction": Limit(default=False, meaning="Whether production may use noeviction, for example for queues"),
        },
    ),
)
