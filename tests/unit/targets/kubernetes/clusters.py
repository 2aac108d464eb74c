"""A fake Kubernetes cluster, its clock and the servers in its pods, for providers that are called as plain classes.

Time passes only in sleep, so minutes of waiting take no time and the order of events is fixed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from components.errors import ClusterError
from components.kafka import health as kafka_health
from components.kafka import safety as broker_safety
from components.kafka.client import ClusterState, Partition
from components.kafka.safety import BrokerSafety
from components.kafka.security import Security
from components.routes import DIRECT, Route
from components.safety import Safety, reference
from components.targets.kubernetes.client import Claim, Pod, StatefulSetState, StorageClass
from components.waiting import wait_until
from components.zookeeper import client as zookeeper
from components.zookeeper import safety as ensemble_safety
from components.zookeeper.client import MemberState
from components.zookeeper.safety import EnsembleSafety

NAMESPACE = "streaming"
OLD, NEW = "revision-1", "revision-2"
LABELS = {"app.kubernetes.io/instance": "p", "app.kubernetes.io/name": "w"}
PORTS = {"zookeeper": 2181, "kafka": 29092, "redis": 6379}
SAFETY = {"zookeeper": EnsembleSafety, "kafka": BrokerSafety, "redis": Safety}


def address(member: str) -> str:
    workload = member.rpartition("-")[0]
    return f"{member}.{workload}.{NAMESPACE}.svc:{PORTS[workload]}"


def inputs(workload: str, replicas: int, **changes: Any) -> dict[str, Any]:
    """The common inputs of a workload's resources, in no particular order."""
    members = [f"{workload}-{ordinal}" for ordinal in reversed(range(replicas))]
    props = {
        "safety": reference(SAFETY[workload]),
        "workload": workload,
        "members": {member: address(member) for member in members},
        "route": {"context": "test", "namespace": NAMESPACE, "hosts": []},
        "deadline": 60.0,
        "login": {"password": "secret"} if workload == "zookeeper" else None,
        "founded": workload == "zookeeper",
    }
    return {**props, **changes}


class Clock:
    """A clock in seconds that advances only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: list[Callable[[], None]] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds <= 1, "the awaited state is checked every second"
        self.now += max(seconds, 0.01)
        for happens in self.then:
            happens()

    def runs(self, patch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        """Make modules use this clock."""
        for module in modules:
            patch.setattr(module, "wait_until", partial(wait_until, clock=self, sleep=self.sleep))
            if hasattr(module, "time"):
                patch.setattr(module, "time", SimpleNamespace(monotonic=self))


@dataclass
class FakePod:
    """A pod; its current state, and the second since which it has that state."""

    name: str
    uid: str
    revision: str
    since: float = 0.0
    ready: bool = True
    deleting: bool = False
    reasons: tuple[str, ...] = ()
    unrecoverable: bool = False
    lacks_image: bool = False


@dataclass
class ConfigMaps:
    """The ConfigMaps of a cluster, by name."""

    config_maps: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]], kw_only=True)

    def create_config_map(self, namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> None:
        assert (namespace, labels) == (NAMESPACE, LABELS)
        self.config_maps.setdefault(name, dict(data))

    def delete_config_map(self, namespace: str, name: str) -> None:
        assert namespace == NAMESPACE
        self.config_maps.pop(name, None)


@dataclass
class FakeCluster(ConfigMaps):
    """One StatefulSet with its pods; a deleted pod disappears after 2 s, and its successor is ready 3 s later.

    Args:
        clock: The clock.
        workload: The StatefulSet's name.
        replicas: Its pods.
        revision: The revision of its pods at first.
        update_revision: The revision of new pods.
    """

    is_broken_on_purpose = False
    """Whether pods that serve may be deleted, as a drill does."""

    clock: Clock
    workload: str
    replicas: int
    revision: str = OLD
    update_revision: str = NEW
    stop_seconds: float = 2.0
    start_seconds: float = 3.0
    observed: bool = True
    there: bool = True
    comes_back: Callable[[FakePod], bool] = lambda _: True
    """Whether a new pod becomes ready."""
    before_delete: Callable[[str], None] = lambda _: None
    log_lines: list[str] = field(default_factory=list)
    budget_refuses: Callable[[], bool] = lambda: False
    """Whether the disruption budget lets no pod go now."""
    evicted: list[str] = field(default_factory=list)
    """Pods that left by an eviction; they are among the deleted ones too."""
    deleted: list[str] = field(default_factory=list)
    scaled: list[int] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.by_name = {name: self._make(name, self.revision) for name in self.names()}
        for pod in self.by_name.values():
            pod.ready = True
        self.clock.then.append(self.happens)

    def names(self) -> list[str]:
        return [f"{self.workload}-{ordinal}" for ordinal in range(self.replicas)]

    def _make(self, name: str, revision: str) -> FakePod:
        self.made += 1
        return FakePod(name, f"uid-{self.made}", revision, self.clock.now, ready=False)

    def happens(self) -> None:
        for pod in list(self.by_name.values()):
            age = self.clock.now - pod.since
            if pod.deleting and age >= self.stop_seconds:
                del self.by_name[pod.name]
            elif not pod.deleting and not pod.ready and age >= self.start_seconds and pod.revision == NEW:
                pod.ready = self.comes_back(pod)
        for name in self.names():
            if name not in self.by_name:
                self.by_name[name] = self._make(name, self.update_revision)

    # Queries of providers

    def stateful_set(self, namespace: str, name: str) -> StatefulSetState | None:
        assert (namespace, name) == (NAMESPACE, self.workload)
        if not self.there:
            return None
        return StatefulSetState(
            generation=2,
            observed_generation=2 if self.observed else 1,
            replicas=self.replicas,
            created=len(self.by_name),
            update_revision=self.update_revision,
            current_revision=OLD,
            labels=LABELS,
        )

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        assert namespace == NAMESPACE
        assert selector == LABELS, "no other pods are queried"
        return [
            Pod(
                name=pod.name,
                uid=pod.uid,
                node="node",
                phase="Running",
                ready=pod.ready,
                deleting=pod.deleting,
                revision=pod.revision,
                zone=None,
                ip="",
                scheduled=True,
                reasons=() if pod.ready else pod.reasons,
                unrecoverable=pod.unrecoverable,
                lacks_image=pod.lacks_image,
            )
            for pod in self.by_name.values()
        ]

    def evict_pod(self, namespace: str, name: str, uid: str) -> None:
        assert self.by_name[name].ready, "one that is not ready would be refused while others are away"
        if self.budget_refuses():
            raise ClusterError(f"cannot create pods/eviction {name} in namespace {namespace} now: the budget says no")
        self.evicted.append(name)
        self._remove(namespace, name, uid)

    def delete_pod(self, namespace: str, name: str, uid: str, grace_seconds: int | None = None) -> None:
        assert grace_seconds is None, "a server keeps its own grace period"
        assert self.is_broken_on_purpose or not self.by_name[name].ready, "one that serves is evicted"
        self._remove(namespace, name, uid)

    def _remove(self, namespace: str, name: str, uid: str) -> None:
        assert namespace == NAMESPACE
        assert self.by_name[name].uid == uid, "never a successor"
        self.before_delete(name)
        self.deleted.append(name)
        pod = self.by_name[name]
        pod.deleting, pod.ready, pod.unrecoverable, pod.since = True, False, False, self.clock.now

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        assert (namespace, name) == (NAMESPACE, self.workload)
        self.scaled.append(replicas)
        if not self.there:
            return
        self.replicas = replicas
        for pod in self.by_name.values():
            if pod.name not in self.names():
                pod.deleting, pod.ready, pod.since = True, False, self.clock.now

    def last_log_lines(self, namespace: str, pod: str, lines: int = 10) -> list[str]:
        assert namespace == NAMESPACE
        return self.log_lines


class FakeServers:
    """ZooKeeper or Kafka in the pods of a cluster: a server runs while its pod is ready.

    Args:
        cluster: The cluster.
        patch: Replaces the real clients by these servers.
        sync_seconds: Seconds for which a returned broker is still out of sync.
    """

    def __init__(self, cluster: FakeCluster, patch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.leader = f"{cluster.workload}-0"
        self.sync_seconds = 4.0
        self.topics: dict[str, tuple[int, tuple[int, ...]]] = {"orders": (2, (0, 1, 2))}
        """Minimum of in-sync replicas, and replicas, of each topic; each topic has one partition."""
        self.stuck: set[int] = set()
        """Brokers whose replicas are never in sync."""
        self.unregistered: set[int] = set()
        """Brokers whose pods are ready, but which are absent from the cluster's metadata."""
        self.listens = True
        self.routes: list[Route] = []
        self.voting = {number + 1 for number in range(cluster.replicas)}
        """Ids of the ensemble members that have a vote."""
        self.changes: list[str] = []
        """Votes that were given and taken: ``+2``, ``-3``."""
        patch.setattr(zookeeper, "member_state", self.member_state)
        patch.setattr(ensemble_safety, "voters", self.voters)
        patch.setattr(ensemble_safety, "change_voters", self.change_voters)
        cluster.clock.runs(patch, ensemble_safety)
        for module in (kafka_health, broker_safety):
            patch.setattr(module, "any_listens", self.any_listens)
            patch.setattr(module, "admin_client", self.admin_client)
            patch.setattr(module, "cluster_state", lambda client: self.state())
            patch.setattr(module, "accepts", self.accepts)
        patch.setattr(broker_safety, "minimum_in_sync", self.minimum_in_sync)

    def _serving(self) -> list[FakePod]:
        return [pod for pod in self.cluster.by_name.values() if pod.ready]

    def elect(self) -> None:
        """The lowest member with a vote takes over if the leader is away."""
        zookeeper_like = self.cluster.workload == "zookeeper"
        serving = sorted(pod.name for pod in self._serving() if not zookeeper_like or _id(pod.name) in self.voting)
        if self.leader not in serving and serving:
            self.leader = serving[0]

    def member_state(self, at: str, *, route: Route) -> MemberState:
        self.elect()
        self.routes.append(route)
        member = at.partition(".")[0]
        pod = self.cluster.by_name.get(member)
        if pod is None or pod.deleting:
            return MemberState(listens=False)
        serving = [item for item in self._serving() if _id(item.name) in self.voting]
        if not (pod.ready and len(serving) > len(self.voting) // 2):
            return MemberState(listens=True)
        if _id(member) not in self.voting:
            return MemberState(listens=True, mode="observer")
        if member == self.leader:
            followers, voters = len(serving) - 1, len(self.voting)
            return MemberState(listens=True, mode="leader", synced_followers=followers, voters=voters)
        return MemberState(listens=True, mode="follower")

    def voters(self, addresses: Sequence[str], *, route: Route) -> dict[int, str]:
        self.routes.append(route)
        assert addresses
        return {number: f"zookeeper-{number - 1}:2888:3888" for number in sorted(self.voting)}

    def change_voters(
        self,
        addresses: Sequence[str],
        password: str,
        *,
        joins: zookeeper.Joining | None = None,
        leaves: int | None = None,
        route: Route,
    ) -> None:
        assert password == "secret"
        self.routes.append(route)
        if joins is not None:
            self.changes.append(f"+{joins.number}")
            self.voting.add(joins.number)
        if leaves is not None:
            self.changes.append(f"-{leaves}")
            self.voting.remove(leaves)

    def any_listens(self, bootstrap: str, *, route: Route) -> bool:
        self.routes.append(route)
        return self.listens and bool(self._serving())

    def accepts(self, at: str, *, route: Route) -> bool:
        self.routes.append(route)
        return any(pod.name == at.partition(".")[0] for pod in self._serving())

    @contextmanager
    def admin_client(self, bootstrap: str, *, route: Route, security: Security | None) -> Iterator[object]:
        from kafka.errors import KafkaConnectionError

        self.routes.append(route)
        if not (self.listens and self._serving()):
            raise KafkaConnectionError
        yield object()

    def state(self) -> ClusterState:
        self.elect()
        ids = {int(pod.name.rpartition("-")[2]): pod for pod in self._serving()}
        now = self.cluster.clock.now
        synced = [
            number
            for number, pod in sorted(ids.items())
            if number not in self.stuck
            and (pod.since == 0 or now - pod.since >= self.cluster.start_seconds + self.sync_seconds)
        ]
        partitions = [
            Partition(topic, 0, synced[0] if synced else -1, replicas, tuple(r for r in replicas if r in synced))
            for topic, (_, replicas) in self.topics.items()
        ]
        brokers = {number: address(pod.name) for number, pod in ids.items() if number not in self.unregistered}
        return ClusterState(brokers, int(self.leader.rpartition("-")[2]), partitions)

    def minimum_in_sync(self, client: object, names: set[str]) -> dict[str, int]:
        assert names == set(self.topics)
        return {topic: minimum for topic, (minimum, _) in self.topics.items()}


def _id(member: str) -> int:
    """A member's id: ZooKeeper counts from 1."""
    return int(member.rpartition("-")[2]) + 1


class FakeClaims(ConfigMaps):
    """A cluster's claims and storage classes; a deleted claim disappears after ``removal_seconds``."""

    def __init__(self, clock: Clock, claims: Mapping[str, int], storage_class: str | None = "standard") -> None:
        super().__init__()
        self.clock = clock
        self.removal_seconds = 5.0
        self.growth_seconds = 5.0
        self.unexpanded: dict[str, dict[str, Any]] = {}
        """Claims that do not grow, with what is reported of them."""
        self.running: list[str] = []
        """Members whose pods have a node."""
        self.classes = {"standard": True, "rigid": False, "keeps": True}
        self.there = {name: claim(name, size, storage_class) for name, size in claims.items()}
        self.going: dict[str, float] = {}
        self.changes: list[tuple[Any, ...]] = []
        clock.then.append(self.happens)

    def happens(self) -> None:
        for name, since in list(self.going.items()):
            if self.clock.now - since >= self.removal_seconds:
                del self.there[name], self.going[name]
        for name, item in self.there.items():
            if item.growing and self.clock.now >= self.growth_seconds and name not in self.unexpanded:
                self.there[name] = replace(item, capacity=item.requested)

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[SimpleNamespace]:
        assert (namespace, selector) == (NAMESPACE, LABELS)
        return [SimpleNamespace(name=name, scheduled=True) for name in self.running]

    def claims(self, namespace: str, selector: Mapping[str, str]) -> dict[str, Claim]:
        assert (namespace, selector) == (NAMESPACE, LABELS)
        return {name: replace(item, **self.unexpanded.get(name, {})) for name, item in self.there.items()}

    def storage_class(self, name: str | None) -> StorageClass | None:
        if name == "unseen":
            raise ClusterError("forbidden")
        if name not in self.classes:
            return None
        reclaim = "Retain" if name == "keeps" else "Delete"
        return StorageClass(
            name=name, expandable=self.classes[name], binding_mode="Immediate", default=False, reclaim=reclaim
        )

    def create_claim(
        self, namespace: str, name: str, labels: Mapping[str, str], size: int, storage_class: str | None
    ) -> None:
        assert (namespace, labels) == (NAMESPACE, LABELS)
        assert type(size) is int, "the engine sends floats; an API requires whole bytes"
        assert name not in self.there
        self.changes.append(("create", name, size, storage_class))
        self.there[name] = claim(name, size, storage_class or "standard")  # as admission does

    def resize_claim(self, namespace: str, name: str, size: int) -> None:
        assert namespace == NAMESPACE
        assert type(size) is int
        self.changes.append(("resize", name, size))
        self.there[name] = replace(self.there[name], requested=size)

    def delete_claim(self, namespace: str, name: str) -> None:
        assert namespace == NAMESPACE
        self.changes.append(("delete", name))
        self.going[name] = self.clock.now
        self.there[name] = replace(self.there[name], deleting=True)


def claim(name: str, size: int, storage_class: str | None = "standard") -> Claim:
    return Claim(
        name=name,
        requested=size,
        capacity=size,
        storage_class=storage_class,
        phase="Bound",
        volume="v",
        deleting=False,
    )


def connected(patch: pytest.MonkeyPatch, module: ModuleType, cluster: object) -> list[tuple[Any, ...]]:
    """Let a module's providers reach this cluster directly; returns the arguments with which it was requested."""
    asked: list[tuple[Any, ...]] = []

    def connect(kubeconfig: str | None, context: str) -> Any:
        asked.append((kubeconfig, context))
        return cluster

    def route(via: Mapping[str, Any] | None) -> Route:
        assert via is not None
        assert via["namespace"] == NAMESPACE
        return DIRECT

    patch.setattr(module, "connect", connect)
    patch.setattr(module, "open_route", route)
    return asked
