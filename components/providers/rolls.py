"""Dynamic provider that rolls a StatefulSet's pods: one at a time, and none while its cluster could not spare it.

The StatefulSet replaces no pod by itself (``OnDelete``). What is out of date is read from the cluster at every step,
so that a roll which was interrupted goes on where it stopped.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

from pulumi.dynamic import CheckResult, CreateResult, ReadResult, ResourceProvider, UpdateResult

from components.changes import changes
from components.clients import kafka, zookeeper
from components.clients.cluster import Cluster, Pod, StatefulSetState, connect, pod_findings
from components.clients.rolling import next_member, restart_blockers, unsparing
from components.clients.routes import Route, route
from components.clients.topics import minimum_in_sync
from components.clients.waiting import wait_until
from components.errors import ClusterError, UnhealthyError, count
from components.providers.base import Props, in_order, is_known, orphaned, plain_errors, progress
from components.providers.health import kafka_findings

_PATIENCE = 15.0
"""Seconds for which a state that waiting cannot mend must last before the roll gives up: a pull may be tried again."""

_LOG_LINES, _SHOWN_LINES = 60, 10
"""Lines of a crashed server's log that are read, and shown of these."""

Look = Callable[[], list[str]]


class GatedRollProvider(ResourceProvider):
    """Replaces pods that are out of date."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Say, in preview too, which members a change restarts and why."""
        for line in _told(_olds, news):
            progress(line)
        return CheckResult(news, [])

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until all pods serve; a failed create is tried again by the next ``up``."""
        return CreateResult(f"{props['route']['namespace']}/{props['workload']}", _rolled(props))

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Replace the pods that are out of date."""
        return UpdateResult(_rolled(_news))

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Look once. A roll whose pods are out of date or do not serve is forgotten, so that the next ``up`` rolls."""
        roll = _Roll(props)
        inputs = {key: value for key, value in props.items() if key not in ("identities", "__provider")}
        problems = [*roll.outdated().values(), *roll.pod_findings()]
        if problems:
            progress(f"{props['workload']}: {problems[0]}")
            return ReadResult(None, {})
        return ReadResult(id_, {**inputs, "identities": roll.identities()}, inputs)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Stop the members calmly, while what they depend on is still there, and wait until they are gone."""
        _Roll(_props).stop()


def _told(old: Props, new: Props) -> list[str]:
    """What a change of inputs means for the members."""
    if not old or not is_known(new.get("members")):
        return []
    name, before, after = new["workload"], in_order(old["members"]), in_order(new["members"])
    lines: list[str] = []
    reasons = changes(old.get("template"), new.get("template"))
    stay = [member for member in before if member in after]
    if reasons:
        lines.append(f"{name}: restarts {', '.join(stay)}, one at a time, because of")
        lines += [f"  {reason}" for reason in reasons]
    added, removed = [item for item in after if item not in before], [item for item in before if item not in after]
    kept = "" if reasons else "; the others are not restarted"
    lines += [f"{name}: adds {', '.join(added)}{kept}"] if added else []
    lines += [f"{name}: removes {', '.join(removed)}{kept}"] if removed else []
    return lines


def _rolled(props: Props) -> Props:
    roll = _Roll(props)
    roll.run()
    return {**props, "identities": roll.identities()}


class _Roll:
    """One look at a StatefulSet, its pods and the cluster that they form; and the roll itself."""

    def __init__(self, props: Props) -> None:
        self._props = props
        self._name: str = props["workload"]
        self._members = in_order(props["members"])
        self._logs = cast("Mapping[str, str]", props["logs"])
        self._deadline = float(props["deadline"])
        self._namespace: str = props["route"]["namespace"]
        self._cluster: Cluster = connect(props["route"].get("kubeconfig"), props["route"]["context"])
        self._route: Route = route(props["route"])
        self._safety = _SAFETY[props["kind"]](self._members, self._logs, self._route)
        self._hopeless_since: dict[str, float] = {}

    def run(self) -> None:
        """Replace what is out of date, then wait until all serve.

        Raises:
            UnhealthyError: A member cannot be spared, or does not come back.
        """
        state = self._cluster.stateful_set(self._namespace, self._name)
        if state is not None and state.replicas != len(self._members):  # an interrupted `destroy` had stopped them
            self._cluster.scale(self._namespace, self._name, len(self._members))
        self._wait(self._unobserved, self._name)
        while outdated := self.outdated():
            pods = self._pods()
            ready = {name: pods[name].ready for name in outdated if name in pods}
            if not ready:
                continue  # they have left meanwhile
            member = next_member(ready, self._safety.last())
            # Members that serve nothing may need each other to serve: without a quorum none of an ensemble does.
            more = list(ready.values()).count(False) > 1
            self._replace(pods[member], done=len(self._members) - len(outdated), more=more)
        self._wait(self._all_findings, self._name)

    def stop(self) -> None:
        """Stop all members."""
        self._cluster.scale(self._namespace, self._name, 0)

        def left() -> list[str]:
            return [f"{name}: it is stopping" for name in self._pods()]

        self._wait(left, self._name, state="stopped")

    def outdated(self) -> dict[str, str]:
        """Members whose pods were made from another template, with the words to say so."""
        state = self._cluster.stateful_set(self._namespace, self._name)
        if state is None:
            return {}
        return {
            name: f"{name} is out of date"
            for name, pod in self._pods_of(state).items()
            if name in self._members and pod.revision != state.update_revision and not pod.deleting
        }

    def identities(self) -> dict[str, str]:
        """The uid of each member's pod."""
        return {name: pod.uid for name, pod in sorted(self._pods().items()) if name in self._members}

    def pod_findings(self) -> list[str]:
        """Members that are not there or not ready, with the reasons that Kubernetes gives."""
        return pod_findings(list(self._members), self._pods())

    def _replace(self, pod: Pod, *, done: int, more: bool) -> None:
        """Restart one member when it can be spared; wait until it is back, or made where ``more`` serve nothing."""
        name = pod.name
        look = self._safety.blockers if pod.ready else self._safety.hard_blockers
        self._wait(partial(look, name), name, state="safe to restart")
        for line in self._safety.losses(name) if pod.ready else ():
            progress(line)
        if orphaned():  # the next `up` rolls too; two rolls at once would not know of each other
            raise UnhealthyError(f"{name} was not restarted: the update that asked for it was killed")
        progress(f"{self._name}: restarting {name} ({done + 1} of {len(self._members)})")
        self._cluster.delete_pod(self._namespace, name, pod.uid, None)

        def back() -> list[str]:
            there = self._pods().get(name)
            if there is None or there.uid == pod.uid:
                return [f"{name}: the old pod is stopping; expected a new one"]
            return [] if more else self._findings_of(there) or self._safety.return_findings(name)

        self._wait(back, name)

    def _all_findings(self) -> list[str]:
        pods = self._pods()
        for name in self._members:
            if name in pods:
                self._findings_of(pods[name])
        return self.pod_findings()

    def _findings_of(self, pod: Pod) -> list[str]:
        """What a pod waits for.

        Raises:
            UnhealthyError: Waiting cannot mend it.
        """
        if not pod.hopeless:
            self._hopeless_since.pop(pod.uid, None)
        if pod.ready and not pod.deleting:
            return []
        reasons = [f"{pod.name}: {reason}" for reason in pod.reasons] or [f"{pod.name}: it is not ready yet"]
        if not pod.hopeless:
            return reasons
        now = time.monotonic()
        if now - self._hopeless_since.setdefault(pod.uid, now) > _PATIENCE:
            raise UnhealthyError(f"{pod.name} will not become ready by waiting; what was made is still there", reasons)
        return reasons

    def _last_lines(self) -> list[str]:
        """The end of the logs of members that do not serve, where the API still answers."""
        shown: list[str] = []
        with suppress(ClusterError):
            for name, pod in self._pods().items():
                if pod.scheduled and not pod.ready and not pod.deleting:
                    lines = _telling(self._cluster.last_log_lines(self._namespace, name, _LOG_LINES))
                    shown += ["\n".join([f"{name}'s last lines:", *lines])] if lines else []
        return shown

    def _unobserved(self) -> list[str]:
        state = self._cluster.stateful_set(self._namespace, self._name)
        if state is None:
            return [f"StatefulSet {self._name} is not there; expected one in namespace {self._namespace}"]
        if state.observed_generation != state.generation:
            return [f"StatefulSet {self._name}: its controller has not seen the change yet"]
        return []

    def _pods(self) -> dict[str, Pod]:
        state = self._cluster.stateful_set(self._namespace, self._name)
        return {} if state is None else self._pods_of(state)

    def _pods_of(self, state: StatefulSetState) -> dict[str, Pod]:
        return {pod.name: pod for pod in self._cluster.pods(self._namespace, state.labels)}

    def _wait(self, look: Look, what: str, *, state: str = "healthy") -> None:
        def patient() -> list[str]:
            try:
                return look()
            except ClusterError as error:  # an API server may be away for a moment
                return [str(error)]

        try:
            wait_until(patient, what=what, deadline=self._deadline, report=progress, state=state)
        except UnhealthyError as error:
            raise UnhealthyError(error.headline, [*error.problems, *self._last_lines()]) from None


@dataclass(frozen=True)
class _Alone:
    """A server that is no cluster: it can be restarted at any time."""

    members: Mapping[str, str]
    logs: Mapping[str, str]
    route: Route

    def last(self) -> str | None:
        """The member to restart last."""
        return None

    def blockers(self, _name: str) -> list[str]:
        """What keeps a member from being restarted now."""
        return []

    def hard_blockers(self, _name: str) -> list[str]:
        """What keeps a member from being restarted now that is not ready."""
        return []

    def losses(self, _name: str) -> list[str]:
        """What is not there while a member is away, in words."""
        return []

    def return_findings(self, _name: str) -> list[str]:
        """What keeps the next member from being restarted after this one."""
        return []


class _Ensemble(_Alone):
    """ZooKeeper: a quorum stays, and the leader changes once."""

    def last(self) -> str | None:
        return next((name for name, address in self.members.items() if self._state(address).mode == "leader"), None)

    def blockers(self, _name: str) -> list[str]:
        return zookeeper.role_findings(self.members, self.logs, route=self.route)

    def return_findings(self, name: str) -> list[str]:
        return zookeeper.restart_findings(name, self.members, self.logs, route=self.route)

    def _state(self, address: str) -> zookeeper.MemberState:
        return zookeeper.member_state(address, route=self.route)


class _Brokers(_Alone):
    """Kafka: no partition falls below its minimum of replicas in sync, and the controller moves once."""

    def last(self) -> str | None:
        found = self._state()
        controller = None if found is None else found[0].controller
        return next((name for name in self.members if _broker(name) == controller), None)

    def blockers(self, name: str) -> list[str]:
        found = self._state()
        if found is None:
            return kafka.unreachable(self._bootstrap, self.members, self.logs, route=self.route)
        # A broker that is away holds nothing, or its partitions are under-replicated; a new one may need room first.
        return [*restart_blockers(found[0], _broker(name), found[1]), *kafka.partition_findings(found[0])]

    def hard_blockers(self, name: str) -> list[str]:
        found = self._state()
        return [] if found is None else restart_blockers(found[0], _broker(name), found[1])

    def losses(self, name: str) -> list[str]:
        found = self._state()
        lost = [] if found is None else unsparing(found[0], _broker(name), found[1])
        if not lost:
            return []
        some = ", ".join(map(str, lost[:5])) + (" …" if len(lost) > 5 else "")
        return [
            f"while {name} restarts, {count(len(lost), 'partition')} cannot be written with acks=all, for want of a "
            f"replica to spare (replication factor not above min.insync.replicas): {some}"
        ]

    def return_findings(self, name: str) -> list[str]:
        mine = {name: self.members[name]}
        return kafka_findings(self._bootstrap, mine, self.logs, round_trip=False, route=self.route)

    @property
    def _bootstrap(self) -> str:
        return ",".join(self.members.values())

    def _state(self) -> tuple[kafka.ClusterState, Mapping[str, int]] | None:
        """The cluster's metadata and the topics' minimums; None where no broker answers."""
        from kafka.errors import KafkaError

        if not kafka.any_listens(self._bootstrap, route=self.route):
            return None
        try:
            with kafka.admin_client(self._bootstrap, route=self.route) as client:
                state = kafka.cluster_state(client)
                return state, minimum_in_sync(client, {partition.topic for partition in state.partitions})
        except KafkaError:
            return None


_SAFETY: Mapping[str, type[_Alone]] = {"zookeeper": _Ensemble, "kafka": _Brokers, "redis": _Alone, "server": _Alone}


def _telling(lines: Sequence[str]) -> list[str]:
    """The last lines that say something: a Java stack trace would push its own message out."""
    return [line for line in lines if not line.lstrip().startswith("at ")][-_SHOWN_LINES:]


def _broker(name: str) -> int:
    """Broker id of a member: ``kafka-0`` has 0."""
    return int(name.rpartition("-")[2])
