"""Tools in pods of the platform's namespace."""

import json
import shlex
import threading
import time
from typing import Any

from components.targets.kubernetes.client import Cluster, Pod
from components.targets.kubernetes.objects import format_quantity
from components.naming import CLIENT_LABEL, PART_OF_LABEL, PLATFORM_LABEL, PROJECT
from ops.benchmark.hosts import BENCHMARK_LABEL, OnLine
from ops.benchmark.output import ToolError, stamped
from ops.benchmark.tools import Tool
from ops.drills.faults.pods import cluster_of, namespace_of
from ops.platform import Platform

USER = 1000
"""The image's own user, by number: a name cannot be checked not to be root."""

BROKERS = "kafka"
"""The brokers' StatefulSet, whose image the tools run in."""

START_SECONDS = 120
"""Seconds for a pod to be scheduled and its image to be there."""

_LOOK_SECONDS = 1.0
_LOG_LINES = 1000
"""Lines that are read at each look: more than a tool prints in between, where it works."""


class KubernetesHost:
    """Runs tools in pods that keep the restricted pod security profile.

    Args:
        platform: The platform.
        identity: The run's identity.

    Raises:
        ClusterError: The API server does not answer.
    """

    def __init__(self, platform: Platform, identity: str) -> None:
        self._cluster: Cluster = cluster_of(platform)
        self._namespace = namespace_of(platform)
        self._platform = platform
        self._secrets = self._cluster.pull_secrets(self._namespace, BROKERS)
        self._identity = identity
        self._starting, self._ended = threading.Lock(), False
        self.bootstrap: str = platform.outputs["kafkaInternalBootstrapServers"]

    def run(self, tool: Tool, on_line: OnLine) -> int:
        """Run a tool in a pod that is removed when it has ended."""
        name = self._name(tool)
        with self._starting:  # else one that starts while all are removed would be left
            if self._ended:
                raise ToolError(f"{tool.name} was not started: the run was ended")
            self._cluster.create_pod(self._namespace, self._manifest(tool))
        try:
            return self._follow(name, tool, on_line)
        finally:
            self._remove(name)

    def by_hand(self, tool: Tool) -> str:
        """The same pod with ``kubectl``, and its lines."""
        kubectl, name = f"kubectl --namespace {self._namespace}", self._name(tool)
        pod = shlex.quote(json.dumps(self._manifest(tool)))
        return f"echo {pod} | {kubectl} create --filename - && {kubectl} logs --follow --pod-running-timeout=2m {name}"

    def remove_all(self) -> None:
        """Remove this run's pods, and start no more."""
        with self._starting:
            self._ended = True
            self._remove()

    def left_behind(self) -> list[str]:
        """A ``kubectl delete`` for each pod of another run that has ended and was not removed."""
        return [
            f"kubectl --namespace {self._namespace} delete pod {pod.name}"
            for pod in self._cluster.pods(self._namespace, {PLATFORM_LABEL: self._platform.name})
            if pod.phase in ("Succeeded", "Failed") and self._identity not in pod.name
        ]

    def _name(self, tool: Tool) -> str:
        return f"bench-{self._identity}-{tool.name}"

    def _follow(self, name: str, tool: Tool, on_line: OnLine) -> int:
        """Pass on what a pod prints until it has ended."""
        told, deadline = 0.0, time.monotonic() + START_SECONDS
        while True:
            # The pod first: what it printed before it ended is in the log that is read after.
            pod = self._pod(name, tool)
            lines = map(stamped, self._cluster.log_lines(self._namespace, name, _LOG_LINES))
            for line in [line for line in lines if line.time > told]:
                on_line(line)
                told = line.time
            if pod.phase in ("Succeeded", "Failed"):
                return int(pod.phase == "Failed")
            if pod.phase == "Pending" and (pod.hopeless or time.monotonic() > deadline):
                raise ToolError(f"{tool.name}: its pod does not start", list(pod.reasons))
            time.sleep(_LOOK_SECONDS)

    def _pod(self, name: str, tool: Tool) -> Pod:
        for pod in self._own_pods():
            if pod.name == name:
                return pod
        raise ToolError(f"{tool.name}: its pod {name} was deleted before it had ended")

    def _own_pods(self) -> list[Pod]:
        return self._cluster.pods(self._namespace, {BENCHMARK_LABEL: self._identity})

    def _remove(self, only: str | None = None) -> None:
        for pod in self._own_pods():
            if only in (None, pod.name):
                self._cluster.delete_pod(self._namespace, pod.name, pod.uid, grace_seconds=0)

    def _manifest(self, tool: Tool) -> dict[str, Any]:
        """The pod: it may do nothing but talk to brokers, and keeps the restricted pod security profile."""
        memory = format_quantity(tool.memory)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self._name(tool),
                "labels": {
                    BENCHMARK_LABEL: self._identity,
                    CLIENT_LABEL: "true",
                    PLATFORM_LABEL: self._platform.name,  # not the members' label: their policies deny all others
                    PART_OF_LABEL: PROJECT,
                },
            },
            "spec": {
                **({"imagePullSecrets": [{"name": name} for name in self._secrets]} if self._secrets else {}),
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "tool",
                        "image": self._platform.images["kafka"],
                        "command": list(tool.command),
                        "env": [{"name": name, "value": value} for name, value in tool.environment.items()],
                        "resources": {
                            "requests": {"cpu": "250m", "memory": memory},
                            "limits": {"memory": memory},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                            "readOnlyRootFilesystem": True,
                        },
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  in the container
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
            },
        }
