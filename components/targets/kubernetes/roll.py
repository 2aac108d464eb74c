"""Replaces the pods of a StatefulSet that are out of date, one at a time.

The StatefulSet replaces no pod by itself (``OnDelete``). Every step reads from the cluster which pods are out of date,
so an interrupted roll goes on where it stopped.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

from components.dynamic import Props, engine_is_gone, in_order, progress
from components.errors import ClusterError, UnhealthyError
from components.safety import Members, Safety, in_restart_order, safety_of
from components.targets.kubernetes.client import Cluster, Pod, StatefulSetState, connect, pod_findings
from components.targets.kubernetes.pods import founding_map
from components.targets.routes import open_route
from components.waiting import wait_until

UNRECOVERABLE_SECONDS = 15.0
"""Seconds that an unrecoverable state other than a missing image must last before the roll gives up."""

IMAGE_PULL_SECONDS = 180.0
"""Seconds that an image may be missing, for rolls of an earlier version, whose properties do not say it."""

_LOG_LINES, _SHOWN_LINES = 60, 10
"""Lines of a crashed server's log that are read, and how many of them are shown."""

Check = Callable[[], list[str]]
"""Returns what is still wrong; empty when nothing is."""

_Answer = TypeVar("_Answer")


class Pods:
    """The StatefulSet of a workload and its pods; every call reads the cluster.

    Args:
        props: Properties of the roll.
    """

    def __init__(self, props: Props) -> None:
        self._route = props["route"]
        self.namespace: str = props["route"]["namespace"]
        self.workload: str = props["workload"]
        self.members = in_order(props["members"])

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster; a failed connection is tried again by the next call."""
        return connect(self._route.get("kubeconfig"), self._route["context"])

    def stateful_set(self) -> StatefulSetState | None:
        """The StatefulSet, or None where there is none."""
        return self.cluster.stateful_set(self.namespace, self.workload)

    def all(self) -> dict[str, Pod]:
        """The pods by name, including those of members that are being removed."""
        state = self.stateful_set()
        return {} if state is None else self._of(state)

    def ready(self) -> list[str]:
        """Members whose pods serve, as Kubernetes sees them."""
        pods = self.all()
        return [name for name in self.members if name in pods and pods[name].ready and not pods[name].deleting]

    def outdated(self) -> dict[str, Pod]:
        """Pods of members that were created from an earlier template, by name."""
        state = self.stateful_set()
        if state is None:
            return {}
        return {
            name: pod
            for name, pod in self._of(state).items()
            if name in self.members and pod.revision != state.update_revision and not pod.deleting
        }

    def identities(self) -> dict[str, str]:
        """The uid of each member's pod."""
        return {name: pod.uid for name, pod in sorted(self.all().items()) if name in self.members}

    def findings(self) -> list[str]:
        """Members that are missing or not ready, with the reasons that Kubernetes gives."""
        return pod_findings(list(self.members), self.all())

    def unobserved(self) -> list[str]:
        """A finding while the StatefulSet is missing, or its controller has not seen the last change."""
        state = self.stateful_set()
        if state is None:
            return [f"StatefulSet {self.workload} does not exist; expected it in namespace {self.namespace}"]
        if state.observed_generation != state.generation:
            return [f"StatefulSet {self.workload}: its controller has not seen the change yet"]
        return []

    def last_log_lines(self) -> list[str]:
        """The last log lines of pods that do not serve; empty if the API does not answer."""
        shown: list[str] = []
        with suppress(ClusterError):
            for name, pod in self.all().items():
                if pod.scheduled and not pod.ready and not pod.deleting:
                    lines = _without_stack(self.cluster.last_log_lines(self.namespace, name, _LOG_LINES))
                    shown += ["\n".join([f"last log lines of {name}:", *lines])] if lines else []
        return shown

    def _of(self, state: StatefulSetState) -> dict[str, Pod]:
        return {pod.name: pod for pod in self.cluster.pods(self.namespace, state.labels)}


class _Unrecoverable:
    """How long each pod has been in an unrecoverable state.

    Args:
        image_seconds: Seconds that an image may be missing: the node pulls it again and again, and a registry may be
            away for a moment.
    """

    def __init__(self, image_seconds: float) -> None:
        self._image_seconds = image_seconds
        self._since: dict[str, float] = {}

    def findings(self, pod: Pod) -> list[str]:
        """Why a pod is not ready; empty when it is.

        Raises:
            UnhealthyError: The pod has been unrecoverable for too long.
        """
        if not pod.unrecoverable:
            self._since.pop(pod.uid, None)
        if pod.ready and not pod.deleting:
            return []
        reasons = [f"{pod.name}: {reason}" for reason in pod.reasons] or [f"{pod.name}: it is not ready yet"]
        if not pod.unrecoverable:
            return reasons
        now = time.monotonic()
        patience = self._image_seconds if pod.lacks_image else UNRECOVERABLE_SECONDS
        if now - self._since.setdefault(pod.uid, now) > patience:
            raise UnhealthyError(
                f"{pod.name} will not become ready by waiting; what was created is still there", reasons
            )
        return reasons


class Roll:
    """The roll of one workload. While the API server does not answer, every step waits, until the deadline.

    Args:
        props: Properties of the resource :class:`~components.targets.kubernetes.component.GatedRoll`.
    """

    def __init__(self, props: Props) -> None:
        self.pods = Pods(props)
        self._deadline = float(props["deadline"])
        members = Members(
            addresses=self.pods.members,
            logs=props["logs"],
            route=open_route(props["route"]),
            deadline=self._deadline,
            login=props.get("login") or {},
        )
        self._safety: Safety = safety_of(props["safety"], members)
        self._founded = bool(props.get("founded"))
        self._unrecoverable = _Unrecoverable(float(props.get("imagePullPatience") or IMAGE_PULL_SECONDS))

    def run(self) -> None:
        """Replace the pods that are out of date, then wait until all serve.

        Raises:
            UnhealthyError: A member may not be stopped, or does not come back.
        """
        pods = self.pods
        state = self._answer(pods.stateful_set, pods.workload)
        if state is not None and state.replicas != len(pods.members):  # an interrupted `destroy` had stopped them
            self._scale(len(pods.members))
        self._wait(pods.unobserved, pods.workload)
        outdated = self._answer(pods.outdated, pods.workload)
        if outdated:  # new members first: with them, the group can do without one of the others
            self._join(name for name in pods.members if name not in outdated)
        while outdated := self._answer(pods.outdated, pods.workload):
            serving = {name: pod.ready for name, pod in outdated.items()}
            member = in_restart_order(serving, self._answer(self._safety.last, pods.workload))[0]
            # Members that do not serve may need each other: without a quorum, no member of an ensemble serves.
            others_down = list(serving.values()).count(False) > 1
            self._replace(outdated[member], done=len(pods.members) - len(outdated), others_down=others_down)
        self._wait(self._all_findings, pods.workload)
        self._join(pods.members)
        if self._founded:  # the group exists: no member may found another one
            pods.cluster.delete_config_map(pods.namespace, founding_map(pods.workload))

    def _join(self, names: Iterable[str]) -> None:
        """Make members part of their group; the error says what their pods lack."""
        try:
            self._safety.join(list(names), progress)
        except UnhealthyError as error:
            problems = [*error.problems, *self.pods.findings(), *self.pods.last_log_lines()]
            raise UnhealthyError(error.headline, problems) from None

    def outsiders(self) -> list[str]:
        """Members that serve and are not part of their group."""
        return self._safety.outsiders()

    def identities(self) -> dict[str, str]:
        """The uid of each member's pod."""
        return self._answer(self.pods.identities, self.pods.workload)

    def stop(self) -> None:
        """Stop all members and wait until they are gone."""
        pods = self.pods
        self._scale(0)
        self._wait(lambda: [f"{name}: it is stopping" for name in pods.all()], pods.workload, state="stopped")

    def _scale(self, replicas: int) -> None:
        pods = self.pods
        self._answer(lambda: pods.cluster.scale(pods.namespace, pods.workload, replicas), pods.workload)

    def _replace(self, pod: Pod, *, done: int, others_down: bool) -> None:
        """Restart one member when it may be stopped, and wait for it.

        Args:
            pod: The member's pod.
            done: Members that are up to date.
            others_down: Whether more members are out of date and down; then it only waits for the new pod to exist.
        """
        pods, name = self.pods, pod.name
        self._wait(lambda: self._safety.stop_findings(name, pods.ready()), name, state="safe to restart")
        for line in self._safety.interruptions(name) if pod.ready else ():
            progress(line)
        progress(f"{pods.workload}: restarting {name} ({done + 1} of {len(pods.members)})")
        self._wait(lambda: self._removal(pod), name, state="safe to restart")

        def back() -> list[str]:
            current = pods.all().get(name)
            if current is None or current.uid == pod.uid:
                return [f"{name}: the old pod is stopping; expected a new one"]
            return [] if others_down else self._unrecoverable.findings(current) or self._safety.return_findings(name)

        self._wait(back, name)

    def _removal(self, pod: Pod) -> list[str]:
        """Remove a pod; returns why it must stay for now.

        A pod that is Ready is evicted, so that the disruption budget counts it together with those that a drain takes.
        One that is not Ready is deleted: the budget counts it as away already, and would refuse it while others are
        away too, though to replace it may be what brings them all back.
        """
        pods, ready = self.pods, self.pods.ready()
        # Asked again here: the budget may have refused for minutes.
        if needed := self._safety.stop_findings(pod.name, ready):
            return needed
        if engine_is_gone():  # the next `up` rolls too, and two rolls must not run at once
            raise UnhealthyError(f"{pod.name} was not restarted: the update that asked for it was killed")
        if pod.name in ready:
            pods.cluster.evict_pod(pods.namespace, pod.name, pod.uid)
        else:
            pods.cluster.delete_pod(pods.namespace, pod.name, pod.uid)
        return []

    def _all_findings(self) -> list[str]:
        pods = self.pods.all()
        for name in self.pods.members:
            if name in pods:
                self._unrecoverable.findings(pods[name])
        return self.pods.findings()

    def _answer(self, ask: Callable[[], _Answer], what: str) -> _Answer:
        """The answer of the API server, which may be away for a moment."""
        answers: list[_Answer] = []

        def asked() -> list[str]:
            answers.append(ask())
            return []

        self._wait(asked, what, state="known")
        return answers[0]

    def _wait(self, check: Check, what: str, *, state: str = "healthy") -> None:
        def tolerant() -> list[str]:
            try:
                return check()
            except ClusterError as error:  # the API server may be unavailable for a moment
                return [str(error)]

        try:
            wait_until(tolerant, what=what, deadline=self._deadline, report=progress, state=state)
        except UnhealthyError as error:
            raise UnhealthyError(error.headline, [*error.problems, *self.pods.last_log_lines()]) from None


def _without_stack(lines: Sequence[str]) -> list[str]:
    """The last lines without Java stack frames, which would push out the message."""
    return [line for line in lines if not line.lstrip().startswith("at ")][-_SHOWN_LINES:]
