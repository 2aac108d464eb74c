"""The prod stack on a real cluster of three nodes in three zones: used, changed under load, broken, and destroyed.

Not covered: the nodes share one machine, network policies are stored but not enforced, and the test expands the
volumes in place of a storage driver.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from kafka.admin import ConfigResource
from kafka.errors import KafkaError
from redis import Redis

from components.routes import host_and_port
from offline.cluster.kubectl import kubectl
from offline.cluster.layout import NODES
from offline.cluster.storage import grant_expansions, refuse_expansions
from offline.steps import SetupError
from tests.cluster.clusters import ClusterStack, is_ready
from tests.integration.stacks import eventually
from tests.integration.traffic import Sampler, admin, consume, lost, produce, steady_load

BROKERS = ["kafka-0", "kafka-1", "kafka-2"]
TOPICS = {"messages": 100, "file_merge_requests": 50, "message_status_updates": 50, "dlq": 3, "stock_ticks": 6}


def in_sync(stack: ClusterStack) -> bool:
    """Whether every replica is in sync; False if a broker does not answer."""
    try:
        with admin(stack.servers(), stack.route().proxy_url) as client:
            topics = client.describe_topics()
    except KafkaError:
        return False
    return all(len(part["isr_nodes"]) == len(part["replica_nodes"]) for topic in topics for part in topic["partitions"])


def test_up_ends_with_every_member_ready_in_a_separate_zone(prod: ClusterStack) -> None:
    for workload, number in {"zookeeper": 3, "kafka": 3, "redis": 1}.items():
        assert len(prod.ready(workload)) == number
        pods = [pod for name, pod in prod.objects("pods").items() if name.startswith(workload)]
        assert len({pod["spec"]["nodeName"] for pod in pods}) == number, f"{workload} shares a node"
    health = prod.outputs()["health"]
    assert "Pods: 7 ready" in health
    assert "3 of 3 brokers" in health


def test_brokers_know_their_zones_and_advertise_their_own_names(prod: ClusterStack) -> None:
    with admin(prod.servers(), prod.route().proxy_url) as client:
        brokers = client.describe_cluster()["brokers"]
    nodes = {name: pod["spec"]["nodeName"] for name, pod in prod.objects("pods").items()}
    zones = {node.name: node.zone for node in NODES}
    for broker in brokers:
        name = f"kafka-{broker['broker_id']}"
        assert broker["host"] == f"{name}.kafka.{prod.namespace}.svc.cluster.local"
        assert broker["rack"] == zones[nodes[name]]


def test_topics_have_a_replica_in_each_zone(prod: ClusterStack) -> None:
    with admin(prod.servers(), prod.route().proxy_url) as client:
        made = {topic["name"]: topic for topic in client.describe_topics() if not topic["name"].startswith("__")}
    assert {name: len(topic["partitions"]) for name, topic in made.items()} == TOPICS
    for topic in made.values():
        assert all(sorted(part["replica_nodes"]) == [0, 1, 2] for part in topic["partitions"])


def test_a_second_up_and_a_refresh_change_nothing(prod: ClusterStack) -> None:
    assert prod.up("--expect-no-changes").changed() == {}
    assert prod.change("refresh", "--expect-no-changes").code == 0


def test_clients_outside_the_cluster_use_the_tunnel(prod: ClusterStack) -> None:
    route, values = prod.route(), [f"outside {number}".encode() for number in range(200)]
    produce(prod.servers(), "dlq", values, route.proxy_url)
    assert sorted(consume(prod.servers(), "dlq", proxy_url=route.proxy_url)) == sorted(values)
    host, port = host_and_port(route.local(f"redis-0.redis.{prod.namespace}.svc.cluster.local:6379"))
    with Redis(host, port, password=prod.outputs()["clientEnvironment"]["REDIS_PASSWORD"]) as redis:
        assert redis.set("key", "value")
        assert redis.get("key") == b"value"
        assert redis.config_get("maxmemory")["maxmemory"] == str(256 * 1024 * 1024)


def test_a_job_in_the_cluster_gets_its_addresses_from_the_secret(prod: ClusterStack) -> None:
    outputs = prod.outputs()
    image = prod.objects("pods")["kafka-0"]["spec"]["containers"][0]["image"]
    script = """
    set -e
    test "$REDIS_PASSWORD" != "" && test "$REDIS_URL" != ""
    seq 1000 1099 | bin/kafka-console-producer.sh --bootstrap-server $KAFKA_BOOTSTRAP_SERVERS --topic stock_ticks \
        --producer-property acks=all
    bin/kafka-console-consumer.sh --bootstrap-server $KAFKA_BOOTSTRAP_SERVERS --topic stock_ticks --from-beginning \
        --max-messages 100 --timeout-ms 60000 > /tmp/read
    sort -u /tmp/read | grep -c '^10[0-9][0-9]$'
    """
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "client",
        "image": image,
        "workingDir": "/opt/kafka",
        "command": ["bash", "-c", script],
        "envFrom": [{"secretRef": {"name": outputs["clientSecret"]}}],
        "securityContext": restricted,
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    template = {"metadata": {"labels": {"millrace.client": "true"}}, "spec": pod}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "client"}}
    prod.kubectl("create", "-f", "-", stdin=json.dumps(job | {"spec": {"backoffLimit": 0, "template": template}}))
    try:
        prod.kubectl("wait", "job/client", "--for=condition=complete", "--timeout=120s")
        assert prod.kubectl("logs", "job/client").strip().endswith("100"), "all hundred records were read back"
        plain = prod.objects("configmaps")[outputs["clientConfigMap"]]["data"]
        assert plain["KAFKA_BOOTSTRAP_SERVERS"] == outputs["kafkaBootstrapServers"]
        assert not any("PASSWORD" in key or "REDIS_URL" in key for key in plain)
    finally:
        prod.kubectl("delete", "job", "client", "--wait")


def test_the_password_is_nowhere_in_plain_text(prod: ClusterStack) -> None:
    password = prod.outputs()["clientEnvironment"]["REDIS_PASSWORD"]
    kinds = "statefulsets,configmaps,pods,services,networkpolicies,events"
    assert password not in prod.kubectl("get", kinds, "-o", "yaml")
    assert password not in prod.state()
    assert password not in prod.kubectl("logs", "redis-0")
    assert password not in prod.run("preview", "--stack", prod.name, "--diff", check=True).output


def test_preview_shows_what_a_change_restarts(prod: ClusterStack) -> None:
    prod.set("kafka.retention", "100h")
    prod.topic("dlq")["partitions"] = 4
    shown = prod.run("preview", "--stack", prod.name, check=True).output
    assert "kafka: restarts kafka-0, kafka-1, kafka-2, one at a time, because of" in shown
    assert "server.properties: log.retention.ms 604800000 -> 360000000" in shown
    assert "topics: changes dlq (partitions: 3 -> 4)" in shown
    assert "zookeeper: restarts" not in shown
    prod.set("kafka.retention", "168h")


def test_a_topic_changes_without_a_restart(prod: ClusterStack) -> None:
    before = {name: pod["metadata"]["uid"] for name, pod in prod.objects("pods").items()}
    assert set(prod.up().changed()["update"]) >= {"topics", "health"}
    assert {name: pod["metadata"]["uid"] for name, pod in prod.objects("pods").items()} == before


def test_a_broker_setting_rolls_under_load_and_no_data_is_lost(prod: ClusterStack) -> None:
    proxy, servers = prod.route().proxy_url, prod.servers()
    with admin(servers, proxy) as client:
        controller = client.describe_cluster()["controller_id"]
    watched = Sampler(servers, ["messages", "stock_ticks"], lambda: prod.ready("kafka"), proxy)
    with steady_load(servers, "messages", per_second=500, proxy_url=proxy) as load, watched as sampler:
        prod.set("kafka.numPartitions", 2)
        done = prod.up()
    restarts = re.findall(r"^ *kafka: restarting (kafka-\d) ", done.output.partition("Diagnostics")[2], re.MULTILINE)
    assert sorted(restarts) == BROKERS
    assert restarts[-1] == f"kafka-{controller}", "the controller restarts last"
    assert not load.errors
    assert load.per_second > 450, f"only {load.per_second:.0f} messages a second were sent"
    missing = lost(load, servers, proxy)
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged records are lost"
    assert sampler.samples > 20
    assert sampler.fewest_running == 2, "never two brokers down at once"
    assert sampler.fewest_in_sync == 2, "no partition fell below its min.insync.replicas"


def test_an_ensemble_setting_restarts_the_leader_last(prod: ClusterStack) -> None:
    summary = prod.outputs()["health"]
    leader = re.search(r"(zookeeper-\d) leader", summary)
    prod.set("zookeeper.syncLimit", 6)
    output = prod.up().output.partition("Diagnostics")[2]
    restarts = re.findall(r"^ *zookeeper: restarting (zookeeper-\d) ", output, re.MULTILINE)
    assert len(restarts) == 3
    assert leader is not None
    assert restarts[-1] == leader[1]
    assert "kafka: restart" not in output


def test_an_interrupted_roll_continues_where_it_stopped(prod: ClusterStack) -> None:
    before = {name: pod["metadata"]["uid"] for name, pod in prod.objects("pods").items() if name in BROKERS}

    def replaced() -> list[str]:
        now = {name: pod["metadata"]["uid"] for name, pod in prod.objects("pods").items() if name in BROKERS}
        return [name for name, uid in now.items() if uid != before.get(name)]

    prod.set("kafka.numPartitions", 3)
    prod.write()
    up = subprocess.Popen(
        ["pulumi", "up", "--stack", prod.name, "--yes", "--skip-preview", "--color", "never"],
        cwd=prod.folder,
        env=prod.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: len(replaced()) == 1, 120, "the first restart")
    plugins = psutil.Process(up.pid).children(recursive=True)
    try:
        os.kill(up.pid, signal.SIGKILL)
        up.wait()
        eventually(lambda: sorted(prod.ready("kafka")) == BROKERS, 120, "the broker that was restarting")
        first = replaced()
        prod.run("cancel", prod.name, "--yes", check=True)
        output = prod.up().output.partition("Diagnostics")[2]
    finally:
        for plugin in plugins:  # a killed CLI leaves them running; they must not continue the roll
            with suppress(psutil.NoSuchProcess):
                plugin.kill()
    restarts = re.findall(r"^ *kafka: restarting (kafka-\d) ", output, re.MULTILINE)
    assert len(first) == 1
    assert sorted([*first, *restarts]) == BROKERS, "each broker restarted once"
    assert replaced() == BROKERS
    assert in_sync(prod)


def test_refresh_detects_drift_and_up_fixes_it(prod: ClusterStack) -> None:
    prod.kubectl("patch", "service", "redis-client", "--type=merge", "-p", '{"spec": {"sessionAffinity": "ClientIP"}}')
    prod.kubectl("delete", "poddisruptionbudget", "redis")
    prod.kubectl("scale", "statefulset", "redis", "--replicas=2")
    refreshed = prod.change("refresh")
    assert "redis" in refreshed.changed().get("delete", []), "the disruption budget was deleted"
    prod.up()
    assert prod.objects("poddisruptionbudgets")["redis"]["spec"]["maxUnavailable"] == 1
    assert prod.objects("statefulsets")["redis"]["spec"]["replicas"] == 1
    eventually(lambda: prod.ready("redis") == ["redis-0"], 60, "one Redis")


def test_a_drain_respects_the_disruption_budgets(prod: ClusterStack) -> None:
    nodes_of = {name: pod["spec"]["nodeName"] for name, pod in prod.objects("pods").items()}
    eventually(lambda: in_sync(prod), 60, "all replicas in sync")
    kubectl("cordon", nodes_of["kafka-0"])
    try:
        prod.kubectl("drain", nodes_of["kafka-0"], "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s")
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "kafka-1"}}
        path = f"/api/v1/namespaces/{prod.namespace}/pods/kafka-1/eviction"
        with pytest.raises(SetupError, match="disruption budget"):
            kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
        assert sorted(prod.ready("kafka")) == ["kafka-1", "kafka-2"]
    finally:
        kubectl("uncordon", nodes_of["kafka-0"])
    eventually(lambda: sorted(prod.ready("kafka")) == BROKERS, 120, "the drained broker")
    eventually(lambda: in_sync(prod), 60, "all replicas in sync")


@pytest.fixture
def slow_to_catch_up(prod: ClusterStack) -> Iterator[str]:
    """A topic of one partition, which kafka-0 catches up on with 256 KiB a second."""
    proxy, servers = prod.route().proxy_url, prod.servers()
    rate, of_topic = "follower.replication.throttled.rate", {"follower.replication.throttled.replicas": "*"}
    with admin(servers, proxy) as client:
        client.alter_configs([ConfigResource("BROKER", "0", {rate: str(256 * 1024)})], raise_on_unknown=False)
        client.create_topics({"bulk": {"num_partitions": 1, "replication_factor": 3, "configs": of_topic}})
    try:
        yield "bulk"
    finally:
        with admin(servers, proxy) as client:
            client.alter_configs([ConfigResource("BROKER", "0", {rate: ("DELETE", None)})], raise_on_unknown=False)
            client.delete_topics(["bulk"])


def drain(stack: ClusterStack, node: str) -> None:
    stack.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")


def test_two_drains_in_a_row_leave_every_partition_writable(prod: ClusterStack, slow_to_catch_up: str) -> None:
    """As a node upgrade does it: kubectl drains one node after the other and knows nothing of replicas."""
    proxy, servers = prod.route().proxy_url, prod.servers()
    nodes_of = {name: pod["spec"]["nodeName"] for name, pod in prod.objects("pods").items()}
    watched = Sampler(servers, ["messages", slow_to_catch_up], lambda: prod.ready("kafka"), proxy)
    with steady_load(servers, "messages", proxy_url=proxy) as load, watched as sampler:
        try:
            drain(prod, nodes_of["kafka-0"])
            produce(servers, slow_to_catch_up, [os.urandom(100_000)] * 120, proxy)
            kubectl("uncordon", nodes_of["kafka-0"])
            started = time.monotonic()
            drain(prod, nodes_of["kafka-1"])
            waited = time.monotonic() - started
            with admin(servers, proxy) as client:
                (partition,) = client.describe_topics([slow_to_catch_up])[0]["partitions"]
        finally:
            for broker in ("kafka-0", "kafka-1"):
                kubectl("uncordon", nodes_of[broker])
        eventually(lambda: sorted(prod.ready("kafka")) == BROKERS, 120, "the drained brokers")
    assert waited > 30, f"the second drain waited only {waited:.0f} s: there was too little to catch up"
    assert 0 in partition["isr_nodes"], "the first broker had caught up before the second one left"
    assert sampler.samples > 100
    assert sampler.fewest_running == 2
    assert sampler.fewest_in_sync == 2, "no partition fell below its min.insync.replicas"
    assert not load.errors
    missing = lost(load, servers, proxy)
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged records are lost"
    eventually(lambda: in_sync(prod), 60, "all replicas in sync")


def test_a_killed_node_is_reported_and_no_data_is_lost(prod: ClusterStack) -> None:
    proxy, servers = prod.route().proxy_url, prod.servers()
    node = prod.objects("pods")["kafka-2"]["spec"]["nodeName"]
    with steady_load(servers, "messages", per_second=100, proxy_url=proxy) as load:
        time.sleep(3)
        subprocess.run(["docker", "kill", node], check=True, capture_output=True)
        try:
            eventually(lambda: not in_sync(prod), 60, "the loss of a broker")
            refreshed = prod.change("refresh", check=False)
            assert "kafka-2" in refreshed.output, "the gate names the broker"
            time.sleep(10)
        finally:
            subprocess.run(["docker", "start", node], check=True, capture_output=True)
        started = time.monotonic()
        eventually(lambda: sorted(prod.ready("kafka")) == BROKERS, 120, "the lost broker")
        eventually(lambda: in_sync(prod), 120, "all replicas in sync")
        recovery = time.monotonic() - started
    assert recovery < 60, f"all replicas were in sync only after {recovery:.0f} s"
    assert not load.errors
    missing = lost(load, servers, proxy)
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged records are lost"
    eventually(lambda: all(map(is_ready, prod.objects("pods").values())), 120, "all pods")
    assert "Pods: 7 ready" in (prod.up(), prod.outputs())[1]["health"]
    assert prod.up().changed() == {}


def test_a_broker_joins_and_leaves_under_load_and_loses_nothing(prod: ClusterStack) -> None:
    prod.set("kubernetes.spread", "preferred")  # there are three nodes
    prod.up()
    uids = {name: pod["metadata"]["uid"] for name, pod in prod.objects("pods").items()}
    prod.set("kafka.replicas", 4)
    shown = prod.run("preview", "--stack", prod.name, check=True).output
    assert "kafka: adds kafka-3; the others are not restarted" in shown
    proxy, servers = prod.route().proxy_url, prod.servers()
    watched = Sampler(servers, ["messages", "stock_ticks"], lambda: prod.ready("kafka"), proxy)
    with steady_load(servers, "messages", proxy_url=proxy) as load, watched as sampler:
        prod.up()
        assert len(prod.ready("kafka")) == 4
        prod.topic("stock_ticks")["partitions"] = 30
        prod.up()  # some of the new partitions are on kafka-3
        prod.set("kafka.replicas", 3)
        left = prod.up()
    assert "off broker 3, 20 at a time" in left.output
    assert sorted(prod.ready("kafka")) == BROKERS
    with admin(servers, proxy) as client:
        topics = client.describe_topics()
    replicas = [part["replica_nodes"] for topic in topics for part in topic["partitions"]]
    assert not any(3 in nodes for nodes in replicas)
    assert {
        len(part["replica_nodes"]) for topic in topics if topic["name"] in TOPICS for part in topic["partitions"]
    } == {3}
    assert not load.errors
    missing = lost(load, servers, proxy)
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged records are lost"
    assert sampler.samples > 20
    assert sampler.fewest_in_sync == 3, "no partition has fewer replicas in sync at any time"
    now = {name: pod["metadata"]["uid"] for name, pod in prod.objects("pods").items()}
    assert now == uids, "no other pod restarted"
    assert prod.up().changed() == {}
    prod.kubectl("delete", "persistentvolumeclaim", "data-kafka-3")  # kept, as all data is


@contextmanager
def driver(acts: Callable[[str], object], namespace: str) -> Iterator[None]:
    """A storage driver that acts on growing claims once a second."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(1):
            acts(namespace)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_volumes_grow_in_place_and_never_shrink(prod: ClusterStack) -> None:
    before = prod.objects("statefulsets")["kafka"]["metadata"]["uid"]
    prod.set("kafka.storage", "20GiB")
    shown = prod.run("preview", "--stack", prod.name, check=True).output
    assert "kafka: volumes grow from 2048MiB to 20480MiB in place; nothing restarts" in shown
    with driver(refuse_expansions, prod.namespace):
        failed = prod.up(check=False)
    assert failed.code != 0
    assert "the storage driver cannot expand volumes of kafka" in failed.output
    assert "data-kafka-0: its volume has 10240MiB; expected 20480MiB" in failed.output
    assert "Traceback" not in failed.output
    with driver(grant_expansions, prod.namespace):
        done = prod.up()
    assert "kafka-storage" in done.changed()["update"], "requested before, and awaited now"
    assert "kafka: restart" not in done.output
    assert "kafka" not in done.changed().get("replace", [])
    assert prod.objects("statefulsets")["kafka"]["metadata"]["uid"] == before
    claims = prod.objects("persistentvolumeclaims")
    wanted = {claims[name]["spec"]["resources"]["requests"]["storage"] for name in claims if "kafka" in name}
    assert wanted == {"20Gi"}
    assert {claims[name]["status"]["capacity"]["storage"] for name in claims if "kafka" in name} == {"20Gi"}
    prod.set("kafka.storage", "10GiB")
    refused = prod.run("preview", "--stack", prod.name)
    assert refused.code != 0
    assert 'kafka.storage: "20480MiB" -> "10240MiB": Kubernetes cannot shrink volumes' in refused.output
    prod.set("kafka.storage", "20GiB")
    assert prod.up().changed() == {}


def test_destroy_leaves_nothing_but_protected_volumes(prod: ClusterStack) -> None:
    produce(prod.servers(), "dlq", [b"to be kept"], prod.route().proxy_url)
    prod.set("protect", True)
    prod.up()
    refused = prod.change("destroy", check=False)
    assert refused.code != 0
    assert "protected" in refused.output
    volumes = set(prod.objects("persistentvolumeclaims"))
    assert len(volumes) >= 7
    prod.change("destroy", "--exclude-protected")
    assert prod.objects("pods") == {}
    assert set(prod.objects("persistentvolumeclaims")) == volumes
    assert prod.objects("statefulsets") == {}
    prod.set("protect", False)
    prod.set("existingTopics", "adopt")  # the topics are still in the volumes, but no longer in the stack's state
    prod.up()
    kept = consume(prod.servers(), "dlq", proxy_url=prod.route().proxy_url)
    assert b"to be kept" in kept, "the records survived the servers"
    prod.change("destroy")
    assert prod.namespace not in kubectl("get", "namespaces", "-o", "name")
    assert "millrace-test-prod" not in kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
