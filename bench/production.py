"""Production on the test cluster: `pulumi up` against kubectl and the topic command, and previews of it."""

import json
from pathlib import Path

from bench.measure import Comparison, Figure, in_turn, timed
from bench.stacks import NAME, settings_of, topic_command
from components.stack_file.settings import Settings
from components.targets.kubernetes.pods import founding_map
from offline.cluster import lifecycle
from offline.cluster.kubectl import kubectl
from offline.cluster.layout import KUBECONFIG
from offline.cluster.storage import recycle_volumes
from offline.steps import SetupError
from tests.cluster.clusters import ClusterStack, overlay
from tests.integration.stacks import Stack
from tests.manifests import manifests
from tests.unit.mocks import run_on_cluster

ROUNDS = 3
PREVIEWS = 5
PLAIN = "millrace-test-plain"
_READY_SECONDS = 300


def compare(folder: Path) -> Comparison:
    """Create the same platform both ways; the order alternates from round to round."""
    stack = _stack(folder)
    elsewhere = {"millrace:kubernetes": {**stack.config["millrace:kubernetes"], "namespace": PLAIN}}
    plain = PlainPlatform(settings_of({**stack.config, **elsewhere}, "Pulumi.prod.yaml"))
    ours = Figure("`pulumi up --yes --skip-preview` (what `make up` runs)")
    total = Figure("kubectl and the topic command, total")
    ready = Figure("`kubectl apply` until all pods are ready")
    topics = Figure("the same topics with `kafka-topics.sh` in a pod")

    def through_pulumi() -> None:
        with timed(ours):
            stack.up()
        stack.change("destroy")
        recycle_volumes(namespace=stack.namespace)

    def through_kubectl() -> None:
        try:
            with timed(total):
                with timed(ready):
                    plain.apply()
                with timed(topics):
                    plain.make_topics()
        finally:
            plain.remove()

    plain.remove()
    try:
        for number in range(ROUNDS):
            steps = (through_pulumi, through_kubectl)
            in_turn(1, *(steps if number % 2 == 0 else reversed(steps)))
            print(f"round {number + 1}: {ours.seconds[-1]:.1f} s and {total.seconds[-1]:.1f} s", flush=True)
    finally:
        stack.change("destroy", check=False)
        _remove(stack.namespace, platform=stack.platform)
    return Comparison(
        title="From nothing to a healthy production platform with its topics",
        how="On the test cluster: three nodes on one machine, the images on every node, volumes created beforehand. "
        "Pulumi.prod.yaml with the sizes of tests/cluster/overlay.yaml: 7 pods and 5 topics of 209 partitions. The "
        "same manifests by `kubectl apply`, then one call of the topic command per topic, in a Kafka pod. "
        "`pulumi up` ends when the health gate has passed; kubectl when the last topic is created.",
        figures=[ours, total, ready, topics],
        ratios=[("`pulumi up` / (kubectl + topics)", ours.median / total.median)],
        bounds="target: at most 1.30",
    )


def preview(folder: Path) -> Comparison:
    """Time previews of production, in turn."""
    without = Figure("`pulumi preview -s prod`, no cluster")
    as_json = Figure("the same with `--json`")
    asked = Figure("`pulumi preview` on the test cluster, before the first `up`")
    alone, stack = Stack(folder / "alone", NAME, "Pulumi.prod.yaml"), _stack(folder)

    def run(figure: Figure, previewed: Stack, *flags: str) -> None:
        nowhere = {"KUBECONFIG": str(folder / "no-kubeconfig")}
        with timed(figure):
            previewed.run("preview", "--stack", previewed.name, *flags, check=True, environment=nowhere)

    in_turn(PREVIEWS, lambda: run(without, alone), lambda: run(as_json, alone, "--json"), lambda: run(asked, stack))
    return Comparison(
        title="A preview of production",
        how="A preview of all of Pulumi.prod.yaml, before anything exists. With a cluster, the program first checks "
        "the version, permissions and storage class there.",
        figures=[without, as_json, asked],
        ratios=[("without a cluster, in seconds", without.median), ("with one, in seconds", asked.median)],
        bounds="target: under 5 s without a cluster",
    )


class PlainPlatform:
    """The platform as kubectl creates it: the same manifests, and nothing that Pulumi adds.

    Args:
        settings: The stack file's settings, with this platform's namespace.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        made = manifests(run_on_cluster(settings, PLAIN), secrets=True)
        # Pulumi writes it only until the ensemble exists.
        founding = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": founding_map("zookeeper"), "namespace": PLAIN},
            "data": {"members": str(settings.zookeeper.replicas)},
        }
        # The namespace comes first, as in a hand-written file.
        self._manifests = sorted([*made, founding], key=lambda item: item["kind"] != "Namespace")

    def apply(self) -> None:
        """Apply all manifests at once and wait until every pod is ready."""
        self._run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": self._manifests}))
        for item in self._manifests:
            if item["kind"] == "StatefulSet":
                ready = f"--for=jsonpath={{.status.readyReplicas}}={item['spec']['replicas']}"
                self._run("wait", f"statefulset/{item['metadata']['name']}", ready, f"--timeout={_READY_SECONDS}s")

    def make_topics(self) -> None:
        """Create the topics one after the other."""
        server = f"kafka-0:{self._settings.kafka.internal_port}"
        for spec in self._settings.topic_specs():
            self._run("exec", "kafka-0", "--", *topic_command(spec, server))

    def remove(self) -> None:
        """Remove everything and its data; pods get 1 s, as brokers without ensemble use their full grace period."""
        self._run("delete", "statefulsets", "--all", "--cascade=orphan")
        self._run("delete", "pods", "--all", "--grace-period=1")
        _remove(PLAIN, platform=PLAIN)

    def _run(self, *words: str, stdin: str | None = None) -> str:
        return kubectl("-n", PLAIN, *words, stdin=stdin)


def _remove(namespace: str, platform: str) -> None:
    """Remove what is left of a platform; platforms of tests on the same cluster stay."""
    kubectl("delete", "namespace", namespace, "--ignore-not-found", f"--timeout={_READY_SECONDS}s")
    label = f"app.kubernetes.io/instance={platform}"
    kubectl("delete", "clusterrole,clusterrolebinding", "-l", label, "--ignore-not-found")
    recycle_volumes(namespace=namespace)


def _stack(folder: Path) -> ClusterStack:
    """The prod stack file on the test cluster, in its own namespace, not up yet."""
    if not lifecycle.healthy():
        raise SetupError("the test cluster is not healthy; start it with `make cluster`")
    stack = ClusterStack(folder / "pulumi", NAME, "Pulumi.prod.yaml", overlay())
    stack.set("images", "local")  # the nodes have these
    stack.set("kubernetes.namespace", "millrace-test-bench")
    stack.set("kubernetes.kubeconfig", str(KUBECONFIG))
    return stack
