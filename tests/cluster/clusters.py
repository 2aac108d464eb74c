"""Stacks on the test cluster, and helpers that query it."""

import json
from pathlib import Path
from typing import Any

import yaml

from components.routes import Route
from components.targets.routes import open_route as route
from offline.cluster.kubectl import kubectl
from offline.cluster.layout import KUBECONFIG
from offline.cluster.storage import recycle_volumes
from tests.integration.stacks import PROJECT, Stack

CONTEXT = "millrace-test"
NAMESPACES = "millrace-test-"
"""Prefix of the names of all namespaces that tests create; anything with this prefix may be removed."""


def overlay() -> dict[str, Any]:
    """The tests' changes to the prod stack file."""
    return yaml.safe_load((Path(__file__).parent / "overlay.yaml").read_text())


class ClusterStack(Stack):
    """A copy of this project with one stack on the test cluster."""

    kubeconfig: Path | None = None
    """The kubeconfig of the CLI; None for the cluster's own, whose user may do everything."""

    def __init__(self, folder: Path, name: str, source: str, changes: dict[str, Any]) -> None:
        super().__init__(folder, name, source)
        for section, values in changes.items():
            for key, value in values.items() if isinstance(values, dict) else [(None, values)]:
                self.set(f"{section}.{key}" if key else section, value)

    def environment(self) -> dict[str, str]:
        """Variables for the CLI, with a passphrase, which production needs."""
        access = {} if self.kubeconfig is None else {"KUBECONFIG": str(self.kubeconfig)}
        return super().environment() | {"PULUMI_CONFIG_PASSPHRASE": "of these tests"} | access

    @property
    def namespace(self) -> str:
        """The stack's namespace."""
        return self.config["millrace:kubernetes"]["namespace"]

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl in the stack's namespace."""
        return kubectl("-n", self.namespace, *words, stdin=stdin)

    def objects(self, kind: str) -> dict[str, Any]:
        """The objects of a kind, by name."""
        items = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def ready(self, workload: str) -> list[str]:
        """Names of a workload's pods that are ready and not being deleted."""
        pods = json.loads(self.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={workload}", "-o", "json"))[
            "items"
        ]
        return [pod["metadata"]["name"] for pod in pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]

    def route(self) -> Route:
        """The tunnel to the stack's pods."""
        servers = self.outputs()["kafkaInternalBootstrapServers"].split(",")
        hosts = [server.rpartition(":")[0] for server in servers]
        hosts.append(f"redis-0.redis.{self.namespace}.svc.cluster.local")
        return route({"context": CONTEXT, "namespace": self.namespace, "hosts": hosts})

    def servers(self) -> list[str]:
        """The brokers' addresses in the cluster."""
        return self.outputs()["kafkaInternalBootstrapServers"].split(",")

    def destroy(self) -> None:
        """Destroy the stack and remove any leftovers."""
        try:
            self.change("destroy", check=False)
        finally:
            remove_namespaces(self.namespace)


def deployer(folder: Path) -> Path:
    """A kubeconfig of a ServiceAccount that has the rights of docs/rbac.yaml and no others."""
    name = f"{NAMESPACES}deployer"
    role, binding = yaml.safe_load_all((PROJECT / "docs" / "rbac.yaml").read_text())
    role["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = name
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "deployer", "namespace": name}]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer", "namespace": name}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([namespace, account, role, binding]))
    token = kubectl("-n", name, "create", "token", "deployer", "--duration=4h").strip()
    config = yaml.safe_load(KUBECONFIG.read_text())
    for user in config["users"]:
        user["user"] = {"token": token}
    made = folder / "deployer.kubeconfig"
    made.touch(mode=0o600)
    made.write_text(yaml.safe_dump(config))
    return made


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod's Ready condition is True."""
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in pod["status"].get("conditions", []))


def remove_namespaces(start: str = NAMESPACES) -> None:
    """Remove namespaces whose names begin with ``start`` and their cluster roles; empty volumes without a claim."""
    assert start.startswith(NAMESPACES)
    names = [
        name for name in kubectl("get", "namespaces", "-o", "name").split() if name.startswith(f"namespace/{start}")
    ]
    if names:
        kubectl("delete", *names, "--wait", "--timeout=150s")
    roles = kubectl("get", "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/part-of=millrace", "-o", "name")
    if left := [name for name in roles.split() if name.partition("/")[2].startswith(start)]:
        kubectl("delete", *left, "--ignore-not-found")
    recycle_volumes()
