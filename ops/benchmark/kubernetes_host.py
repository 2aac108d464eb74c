"""Runs tools in pods of the platform's namespace."""

import json
import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from components.kafka.files import SECURE_FILES, own_client_properties
from components.naming import CLIENT_LABEL, PART_OF_LABEL, PLATFORM_LABEL, PROJECT
from components.targets.kubernetes.client import Cluster, Pod
from components.targets.kubernetes.quantity import format_quantity
from ops.benchmark.host import BENCHMARK_LABEL, FORGETTING, USER, OnLine
from ops.benchmark.output import ToolError, stamped
from ops.benchmark.tools import LOGIN_FILE, Tool
from ops.drills.faults.pods import cluster_of, namespace_of
from ops.platform import Platform

BROKERS = "kafka"
"""The brokers' StatefulSet; the tools run in its image."""

START_SECONDS = 120
"""Seconds for a pod to be scheduled and its image to be pulled."""

_FOLDER = SECURE_FILES.login.rpartition("/")[0]
_OWNER_READS = 0o400
"""Mode of files with a login; Kubernetes lets the pod's group read them too, since their owner is root."""

_POLL_SECONDS = 1.0
_LOG_LINES = 1000
"""Lines that are read at each poll: more than a working tool prints in between."""


class KubernetesHost:
    """Runs tools in pods that satisfy the ``restricted`` pod security standard.

    Args:
        platform: The platform.
        identity: The run's id.

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
        self.login = None if platform.security is None else LOGIN_FILE
        # The brokers' own login, which is in the namespace already: nothing secret passes through here.
        self._files = [] if self.login is None else login_sources(self._cluster.file_sources(self._namespace, BROKERS))

    def run(self, tool: Tool, on_line: OnLine) -> int:
        """Run a tool in a pod, which is deleted when the tool has exited."""
        name = self._name(tool)
        with self._starting:  # otherwise a pod that starts during remove_all would stay
            if self._ended:
                raise ToolError(f"{tool.name} was not started: the run has ended")
            self._cluster.create_pod(self._namespace, self._manifest(tool))
        try:
            return self._follow(name, tool, on_line)
        finally:
            self._remove(name)

    def command_line(self, tool: Tool) -> str:
        """``kubectl`` commands that create the same pod and follow its log."""
        kubectl, name = f"kubectl --namespace {self._namespace}", self._name(tool)
        pod = shlex.quote(json.dumps(self._manifest(tool)))
        return f"echo {pod} | {kubectl} create --filename - && {kubectl} logs --follow --pod-running-timeout=2m {name}"

    def remove_all(self) -> None:
        """Delete this run's pods, and start no more."""
        with self._starting:
            self._ended = True
            self._remove()

    def cleanup_commands(self) -> list[str]:
        """A ``kubectl delete`` command for each terminated pod of other runs."""
        return [
            f"kubectl --namespace {self._namespace} delete pod {pod.name}"
            for pod in self._cluster.pods(self._namespace, {PLATFORM_LABEL: self._platform.name})
            if pod.phase in ("Succeeded", "Failed") and self._identity not in pod.name
        ]

    def _name(self, tool: Tool) -> str:
        return f"bench-{self._identity}-{tool.name}"

    def _follow(self, name: str, tool: Tool, on_line: OnLine) -> int:
        """Pass on the lines of a pod until it has terminated; returns the tool's exit status."""
        last, deadline = 0.0, time.monotonic() + START_SECONDS
        while True:
            # The pod before its log: the log then holds all that the pod printed before it terminated.
            pod = self._pod(name, tool)
            lines = map(stamped, self._cluster.log_lines(self._namespace, name, _LOG_LINES))
            for line in [line for line in lines if line.time > last]:
                on_line(line)
                last = line.time
            if pod.phase in ("Succeeded", "Failed"):
                return int(pod.phase == "Failed")
            if pod.phase == "Pending" and (pod.unrecoverable or time.monotonic() > deadline):
                raise ToolError(f"{tool.name}: its pod does not start", list(pod.reasons))
            time.sleep(_POLL_SECONDS)

    def _pod(self, name: str, tool: Tool) -> Pod:
        for pod in self._own_pods():
            if pod.name == name:
                return pod
        raise ToolError(f"{tool.name}: its pod {name} was deleted before it had terminated")

    def _own_pods(self) -> list[Pod]:
        return self._cluster.pods(self._namespace, {BENCHMARK_LABEL: self._identity})

    def _remove(self, only: str | None = None) -> None:
        for pod in self._own_pods():
            if only in (None, pod.name):
                self._cluster.delete_pod(self._namespace, pod.name, pod.uid, grace_seconds=0)

    def _manifest(self, tool: Tool) -> dict[str, Any]:
        """The pod: it can only talk to brokers, and satisfies the ``restricted`` pod security standard."""
        memory = format_quantity(tool.memory)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self._name(tool),
                "labels": {
                    BENCHMARK_LABEL: self._identity,
                    CLIENT_LABEL: "true",
                    PLATFORM_LABEL: self._platform.name,  # not the members' label: their policies deny others
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
                    **({"fsGroup": USER} if self._files else {}),
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "tool",
                        "image": self._platform.images["kafka"],
                        "command": [*self._keeper(), *tool.command],
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
                        "volumeMounts": [
                            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  in the container
                            *([{"name": "login", "mountPath": _FOLDER, "readOnly": True}] if self._files else []),
                        ],
                    }
                ],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}, *self._volumes()],
            },
        }

    def _volumes(self) -> list[dict[str, Any]]:
        """The volume with the login, which only the tool's user can read."""
        if not self._files:
            return []
        return [{"name": "login", "projected": {"sources": self._files, "defaultMode": _OWNER_READS}}]

    def _keeper(self) -> list[str]:
        """What runs the tool where it logs in: writes the file that names the login's files, and removes it."""
        if self.login is None:
            return []
        script = f'umask 077; printf %s "$1" > "$0"; shift; {FORGETTING}'
        return ["bash", "-c", script, self.login, own_client_properties(SECURE_FILES)]


def login_sources(sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sources of a broker's files, without all that a tool needs not to log in, such as the broker's key."""
    needed = {"secret": SECURE_FILES.login, "configMap": SECURE_FILES.truststore}
    return [
        {kind: {"name": source[kind]["name"], "items": [{"key": key, "path": key}]}}
        for kind, path in needed.items()
        for key in [path.rpartition("/")[2]]
        for source in sources
        if kind in source
    ]
