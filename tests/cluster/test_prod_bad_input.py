"""User mistakes and failures on a cluster: each gives one clear message, and the next `up` continues."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from offline.cluster import processes
from offline.cluster.kubectl import kubectl
from offline.cluster.layout import KUBECONFIG, NODES
from tests.cluster.clusters import CONTEXT, ClusterStack, is_ready, overlay
from tests.integration.stacks import Result, eventually


def refused(result: Result, *words: str) -> None:
    """Assert that the run failed with these texts and without a traceback."""
    assert result.code != 0, result.output
    for word in words:
        assert word in result.output, result.output
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def unmade(tmp_path_factory: pytest.TempPathFactory) -> ClusterStack:
    """The prod stack file with the overlay, never brought up."""
    stack = ClusterStack(tmp_path_factory.mktemp("unmade") / "project", "test-unmade", "Pulumi.prod.yaml", overlay())
    stack.set("kubernetes.namespace", "millrace-test-unmade")
    return stack


def nothing_created(stack: ClusterStack) -> bool:
    return stack.namespace not in kubectl("get", "namespaces", "-o", "name")


def test_an_unknown_context_is_refused_and_no_other_is_used(unmade: ClusterStack) -> None:
    unmade.set("kubernetes.context", "production")
    refused(
        unmade.up(check=False),
        'the kubeconfig has no context "production", which kubernetes.context names; it has millrace-test',
    )
    assert nothing_created(unmade)
    previewed = unmade.run("preview", "--stack", unmade.name, check=True).output
    assert "This preview is made without a cluster" in previewed
    unmade.set("kubernetes.context", CONTEXT)


def test_missing_permissions_are_named(unmade: ClusterStack, tmp_path: Path) -> None:
    kubectl("create", "namespace", "millrace-test-rights")
    kubectl("-n", "millrace-test-rights", "create", "serviceaccount", "guest")
    rights = ("--verb=get,list,watch", "--resource=pods,services")
    kubectl("-n", "millrace-test-rights", "create", "role", "guest", *rights)
    binding = ("--role=guest", "--serviceaccount=millrace-test-rights:guest")
    kubectl("-n", "millrace-test-rights", "create", "rolebinding", "guest", *binding)
    config = yaml.safe_load(KUBECONFIG.read_text())
    token = kubectl("-n", "millrace-test-rights", "create", "token", "guest").strip()
    config["users"][0]["user"] = {"token": token}
    guest = tmp_path / "kubeconfig"
    guest.write_text(yaml.safe_dump(config))
    unmade.set("kubernetes.kubeconfig", str(guest))
    unmade.set("kubernetes.namespace", "millrace-test-rights")
    result = unmade.up(check=False)
    refused(
        result,
        'you may not get, list, watch, create, patch, delete secrets in namespace "millrace-test-rights"',
        'you may not create, patch, delete services in namespace "millrace-test-rights"',
        'you may not get, create pods/portforward in namespace "millrace-test-rights"',
        "set kubernetes.zones to false",
    )
    assert token not in result.output
    del unmade.config["millrace:kubernetes"]["kubeconfig"]
    unmade.set("kubernetes.namespace", "millrace-test-unmade")


def test_a_missing_storage_class_is_refused_with_the_available_ones(unmade: ClusterStack) -> None:
    unmade.set("kubernetes.storageClass", "gold")
    refused(unmade.up(check=False), 'the cluster has no StorageClass "gold"; it has: rigid, standard')
    assert nothing_created(unmade)


def test_a_storage_class_without_expansion_is_reported_before_anything_changes(small: ClusterStack) -> None:
    # Claims keep their class, so the test changes the class itself.
    forbid = '{"allowVolumeExpansion": false}'
    kubectl("patch", "storageclass", "standard", "-p", forbid)
    try:
        small.set("kafka.storage", "20GiB")
        refused(small.up(check=False), 'StorageClass "standard" cannot expand volumes', "set the storage of kafka back")
    finally:
        kubectl("patch", "storageclass", "standard", "-p", '{"allowVolumeExpansion": true}')
        small.set("kafka.storage", "10GiB")
    assert small.up().changed() == {}, "not even the record of what is declared had changed"


def test_an_unschedulable_pod_is_reported_with_the_scheduler_s_reason(small: ClusterStack) -> None:
    small.set("redis.cpu", "100")
    small.set("health.deadline", "20s")
    result = small.up(check=False)
    refused(result, "redis-0: it cannot be scheduled: 0/3 nodes are available", "Insufficient cpu")
    progress = result.output.index("waiting for redis-0: it cannot be scheduled")
    assert progress < result.output.index("error:"), "the reason is shown before the deadline"
    small.set("redis.cpu", "100m")
    small.set("health.deadline", "3m")
    small.up()
    assert small.up().changed() == {}


def test_an_image_that_cannot_be_pulled_is_reported_early(small: ClusterStack) -> None:
    small.set("redis.image", "millrace/no-such-image:1")
    small.set("kubernetes.imagePullPatience", "5s")
    refused(
        small.up(check=False),
        "redis-0 will not become ready by waiting",
        "image millrace/no-such-image:1 cannot be pulled",
    )
    del small.config["millrace:redis"]["image"]
    del small.config["millrace:kubernetes"]["imagePullPatience"]
    small.up()
    assert small.ready("redis") == ["redis-0"]


def on_all_nodes(*words: str) -> None:
    for node in NODES:
        subprocess.run(["docker", "exec", node.name, "ctr", "--namespace", "k8s.io", "images", *words], check=True)


def test_a_roll_outlasts_a_budget_that_refuses_and_an_image_that_is_missing_at_first(small: ClusterStack) -> None:
    def budget(most: int) -> None:
        change = json.dumps({"spec": {"maxUnavailable": most}})
        small.kubectl("patch", "poddisruptionbudget", "redis", "--type=merge", "-p", change)

    late = "docker.io/millrace/late-redis:1"
    budget(0)
    small.set("redis.image", late)
    uid = small.objects("pods")["redis-0"]["metadata"]["uid"]
    steps = [
        threading.Timer(30, budget, [1]),
        threading.Timer(60, on_all_nodes, ("tag", "docker.io/millrace/redis:7.0", late)),
    ]
    try:
        for step in steps:
            step.start()
        output = small.up().output
    finally:
        for step in steps:
            step.join()
        on_all_nodes("rm", late)
        del small.config["millrace:redis"]["image"]
    assert "waiting for redis-0: cannot create pods/eviction redis-0 in namespace" in output
    assert "image docker.io/millrace/late-redis:1 cannot be pulled" in output
    assert small.objects("pods")["redis-0"]["metadata"]["uid"] != uid
    assert small.ready("redis") == ["redis-0"]
    small.up()


def test_a_crashing_server_is_reported_with_its_last_log_lines(small: ClusterStack) -> None:
    small.set("kafka.config", {"num.io.threads": "many"})
    refused(
        small.up(check=False),
        "container kafka keeps crashing: exit code 1",
        "last log lines of kafka-0:",
        "Invalid value many for configuration num.io.threads",
    )
    small.set("kafka.config", {})
    small.up()
    assert small.up().changed() == {}


def test_an_api_server_lost_during_an_update_is_reported_and_the_next_up_continues(small: ClusterStack) -> None:
    server = processes.pid_of("kube-apiserver")
    assert server is not None
    small.set("kafka.numPartitions", 2)
    small.set("health.deadline", "30s")
    small.write()
    up = subprocess.Popen(
        ["pulumi", "up", "--stack", small.name, "--yes", "--skip-preview", "--color", "never"],
        cwd=small.folder,
        env=small.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    first = small.objects("pods")["kafka-0"]["metadata"]["uid"]

    def restarting() -> bool:
        pod = small.objects("pods").get("kafka-0")
        return pod is None or pod["metadata"]["uid"] != first or "deletionTimestamp" in pod["metadata"]

    eventually(restarting, 60, "the roll")
    os.kill(server, signal.SIGSTOP)
    try:
        output, _ = up.communicate(timeout=200)
    finally:
        os.kill(server, signal.SIGCONT)
        up.kill()
    refused(Result(up.returncode, output), "the Kubernetes API at https://172.30.0.1:6443 does not answer")
    small.set("health.deadline", "3m")
    small.up()
    assert small.up().changed() == {}
    assert json.loads(small.kubectl("get", "pod", "kafka-0", "-o", "json"))["metadata"]["uid"] != first


def test_a_namespace_that_the_stack_no_longer_owns_stays_with_its_data(small: ClusterStack) -> None:
    before, namespace = small.objects("persistentvolumeclaims"), small.namespace
    small.set("kubernetes.namespace", "millrace-test-moved")
    refused(small.up(check=False), "kubernetes.namespace", "objects cannot move to another namespace")
    small.set("kubernetes.namespace", namespace)
    small.set("kubernetes.createNamespace", False)
    assert sorted(small.up().changed().get("delete", [])) == ["namespace", "namespace-removal"]
    claims = small.objects("persistentvolumeclaims")
    assert {name: claim["metadata"]["uid"] for name, claim in claims.items()} == {
        name: claim["metadata"]["uid"] for name, claim in before.items()
    }
    assert all(map(is_ready, small.objects("pods").values()))
    small.set("kubernetes.createNamespace", True)
    refused(small.up(check=False), "kubernetes.createNamespace", "the namespace exists already")
    small.set("kubernetes.createNamespace", False)
    assert small.up().changed() == {}
