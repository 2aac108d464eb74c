"""Processor time and memory."""

import re
from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
from policies.view.kubernetes import PodContainer
from policies.view.quantities import java_size, mib, redis_size
from policies.view.servers import KAFKA, REDIS, ZOOKEEPER, Server
from policies.view.settings import redis_setting
from policies.view.stack import Stack

_HEAP = re.compile(r"-Xmx(\w+)")
_SHARE = re.compile(r"-XX:MaxRAMPercentage=([\d.]+)")
_VARIABLES = ("KAFKA_HEAP_OPTS", "KAFKA_OPTS", "SERVER_JVMFLAGS", "JVMFLAGS", "JAVA_TOOL_OPTIONS")
_DEFAULT_HEAP = {KAFKA: 2**30, ZOOKEEPER: 512 * 2**20}
"""What the distribution's start scripts take where nothing is said."""


def heap(server: Server, memory: int) -> int:
    """The heap that a server gets, in bytes."""
    words = " ".join([*(server.variable(name) or "" for name in _VARIABLES), server.script])
    sizes = _HEAP.findall(words)
    if sizes:
        return java_size(sizes[-1]) or 0
    shares = _SHARE.findall(words)
    return int(memory * float(shares[-1]) / 100) if shares else _DEFAULT_HEAP[str(server.kind)]


def _limits(server: Server, judgement: Judgement) -> Iterator[str]:
    if server.memory is None:
        yield f"{server} has no memory limit"
    if isinstance(server, PodContainer):
        requests = server.spec.object("resources", "requests")
        for name in ("cpu", "memory"):
            if name not in requests:
                yield f"{server} requests no {name}"


def _heap(server: Server, judgement: Judgement) -> Iterator[str]:
    if server.memory is None:
        return
    percent = int(judgement.limits[f"{server.kind}Percent"])
    size = heap(server, server.memory)
    if size > server.memory * percent // 100:
        yield f"{server} has a heap of {mib(size)} in {mib(server.memory)}: more than {percent} % of its memory"


def _redis_memory(server: Server, judgement: Judgement) -> Iterator[str]:
    size = redis_size(redis_setting(server, "maxmemory") or "0") or 0
    policy = redis_setting(server, "maxmemory-policy")
    percent = int(judgement.limits["percent"])
    if size == 0:
        yield f"{server} has no maxmemory"
    elif server.memory is not None and size > server.memory * percent // 100:
        yield f"{server} has a maxmemory of {mib(size)} in {mib(server.memory)}: more than {percent} %"
    if policy is None:
        yield f"{server} names no maxmemory-policy"
    elif policy == "noeviction" and judgement.production and not judgement.limits["noeviction"]:
        yield f"{server} evicts nothing: writes fail when its memory is full"


def of_kind(*kinds: str) -> "_Servers":
    """Servers of some kinds."""
    return _Servers(kinds)


class _Servers:
    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = kinds

    def __call__(self, stack: Stack) -> list[Server]:
        return [server for server in stack.servers if server.kind in self._kinds]


RULES = (
    Rule(
        name="requests-and-limits",
        title="Every container has a limit of memory, on Kubernetes also requests",
        reason="Without them one server takes the memory of all others, and brokers are the first to be evicted.",
        remedy="Set resources.requests and limits.memory; on Docker memory.",
        source="https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/",
        severity="high",
        subjects=lambda stack: stack.all_containers,
        check=_limits,
    ),
    Rule(
        name="heap-leaves-room",
        title="The Java heap leaves room below the memory limit",
        reason="Brokers live on the page cache, which counts against the limit; a heap near it gets them killed.",
        remedy="Lower -Xmx (KAFKA_HEAP_OPTS; the scripts' default is 1 GiB) or raise the limit.",
        source="https://kafka.apache.org/39/documentation.html#os",
        severity="high",
        subjects=of_kind(KAFKA, ZOOKEEPER),
        check=_heap,
        limits={
            "kafkaPercent": Limit(default=60, meaning="Most of a broker's memory that the heap may take"),
            "zookeeperPercent": Limit(default=80, meaning="Most of a ZooKeeper server's memory that the heap may take"),
        },
    ),
    Rule(
        name="redis-bounded-memory",
        title="Redis has a bound of memory below its limit, and says what it evicts",
        reason="Without a bound it is killed when the limit is reached, at the latest while it forks to save.",
        remedy="Set maxmemory and maxmemory-policy.",
        source="https://redis.io/docs/latest/develop/reference/eviction/",
        severity="high",
        subjects=of_kind(REDIS),
        check=_redis_memory,
        limits={
            "production": PRODUCTION,
            "percent": Limit(default=80, meaning="Most of the memory limit that maxmemory may take"),
            "noeviction": Limit(default=False, meaning="Whether noeviction may be used in production, as for queues"),
        },
    ),
)
