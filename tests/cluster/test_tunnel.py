"""The tunnel to pods through a real Kubernetes API: Redis, ZooKeeper and Kafka, with this project's own clients.

Runs on the cluster of ``make cluster``, in a separate namespace that is deleted at the end.

Not covered: slow or broken networks, since the API server and the nodes share one machine.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from redis import Redis
from redis.exceptions import RedisError

from components.kafka import client as kafka
from components.kafka.health import kafka_findings, round_trip_findings
from components.redis import client as redis
from components.targets.kubernetes.client import Cluster, connect
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.port_forward import PodRefused, PortForward
from components.targets.kubernetes.tunnel import Tunnel
from components.targets.routes import open_route as route
from components.zookeeper import client as zookeeper
from offline.cluster.layout import KUBECONFIG

pytestmark = pytest.mark.cluster

CONTEXT = "millrace-test"
BROKERS = 3
RECORDS, RECORD_BYTES, SECONDS = 2000, 1000, 10.0
PORTS = {"redis": 6379, "zookeeper": 2181, "kafka": 9092}


class Lab:
    """A namespace with Redis, ZooKeeper and three brokers, and the description of the route to them."""

    def __init__(self) -> None:
        self.namespace = f"millrace-test-tunnel-{uuid.uuid4().hex[:6]}"
        self.cluster: Cluster = connect(str(KUBECONFIG), CONTEXT)
        self.hosts = [
            self.host(pod) for pod in ("redis-0", "zookeeper-0", *(f"kafka-{number}" for number in range(BROKERS)))
        ]
        self.via = {
            "kubeconfig": str(KUBECONFIG),
            "context": CONTEXT,
            "namespace": self.namespace,
            "hosts": [*self.hosts, self.host("absent-0")],
        }

    def host(self, pod: str) -> str:
        return f"{pod}.{pod.rpartition('-')[0]}.{self.namespace}.svc.cluster.local"

    def address(self, pod: str) -> str:
        return f"{self.host(pod)}:{PORTS[pod.rpartition('-')[0]]}"

    @property
    def brokers(self) -> dict[str, str]:
        return {f"kafka-{number}": self.address(f"kafka-{number}") for number in range(BROKERS)}

    @property
    def bootstrap(self) -> str:
        return ",".join(self.brokers.values())

    def ask(self, method: str, path: str, body: Any = None) -> None:
        status, answer = self.cluster._requests._api.request(method, path, body, "application/json")
        assert status < 300, answer

    def make(self) -> None:
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        base = f"/api/v1/namespaces/{self.namespace}"
        self.ask("POST", f"{base}/configmaps", {"metadata": {"name": "files"}, "data": self.files()})
        for name, replicas in {"redis": 1, "zookeeper": 1, "kafka": BROKERS}.items():
            service = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"app": name}}
            service["ports"] = [{"port": PORTS[name]}]
            self.ask("POST", f"{base}/services", {"metadata": {"name": name}, "spec": service})
            self.ask(
                "POST",
                f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets",
                stateful_set(name, replicas, self.host(f"{name}-0").replace(f"{name}-0", "$(POD)")),
            )

    def files(self) -> dict[str, str]:
        return {
            "zoo.cfg": "dataDir=/tmp/data\nclientPort=2181\nadmin.enableServer=false\n4lw.commands.whitelist=*\n",
            "server.properties": (
                f"listeners=PLAINTEXT://:9092\nzookeeper.connect={self.address('zookeeper-0')}\nlog.dirs=/tmp/data\n"
                "offsets.topic.replication.factor=3\ngroup.initial.rebalance.delay.ms=0\n"
            ),
        }

    def remove(self) -> None:
        self.ask("DELETE", f"/api/v1/namespaces/{self.namespace}", {"gracePeriodSeconds": 0})


def stateful_set(name: str, replicas: int, host: str) -> dict[str, Any]:
    command = {
        "redis": ["redis-server", "--save", "", "--protected-mode", "no"],
        "zookeeper": ["/opt/kafka/bin/zookeeper-server-start.sh", "/files/zoo.cfg"],
        "kafka": [
            *("/opt/kafka/bin/kafka-server-start.sh", "/files/server.properties"),
            *("--override", "broker.id=$(ORDINAL)"),
            *("--override", f"advertised.listeners=PLAINTEXT://{host}:9092"),
        ],
    }[name]
    labels = "metadata.labels['apps.kubernetes.io/pod-index']"
    container = {
        "name": name,
        "image": "millrace/redis:7.0" if name == "redis" else "millrace/kafka:3.9.2",
        "command": command,
        "env": [
            {"name": "KAFKA_HEAP_OPTS", "value": "-Xmx256m"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "ORDINAL", "valueFrom": {"fieldRef": {"fieldPath": labels}}},
        ],
        "volumeMounts": [{"name": "files", "mountPath": "/files"}],
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "enableServiceLinks": False,
            "containers": [container],
            "volumes": [{"name": "files", "configMap": {"name": "files"}}],
        },
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    assert KUBECONFIG.is_file(), "there is no cluster: `make cluster`"
    made = Lab()
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture
def tunnel(lab: Lab) -> Iterator[Tunnel]:
    dial = PortForward(Access(lab.via["kubeconfig"], lab.via["context"]), lab.namespace)
    with Tunnel(lab.via["hosts"], dial) as opened:
        yield opened


def soon(look: Callable[[], Any], within: float = 40) -> Any:
    """Retry ``look`` while its result is false or a starting server raises an error; returns its last result."""
    end = time.monotonic() + within
    while True:
        try:
            if (found := look()) or time.monotonic() > end:
                return found
        except (OSError, KafkaError, RedisError):
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


def redis_at(address: str) -> Any:
    host, _, port = address.rpartition(":")
    return Redis(host, int(port), socket_timeout=5, retry=None)


def socks(tunnel: Tunnel, host: str, port: int) -> int:
    """The SOCKS reply code to a connection request by host name."""
    proxy = (tunnel.proxy_url or "").removeprefix("socks5h://").partition(":")
    with socket.create_connection((proxy[0], int(proxy[2])), timeout=10) as connection:
        connection.sendall(b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2))
        answer = b""
        while len(answer) < 12 and (chunk := connection.recv(12 - len(answer))):
            answer += chunk
    assert answer[:2] == b"\x05\x00"
    return answer[3]


def test_redis_is_reachable_at_a_local_address(lab: Lab, tunnel: Tunnel) -> None:
    client = redis_at(tunnel.local(lab.address("redis-0")))
    assert soon(client.ping)
    value = os.urandom(3_000_000)
    client.set("key", value)
    assert client.get("key") == value, "bytes must arrive as they were sent"
    expected = {"append_only": False, "save": [], "logs": {}, "route": tunnel, "password": None, "writes": True}
    assert redis.findings(member="redis-0", address=lab.address("redis-0"), **expected) == []


def test_unreachable_names_and_ports_are_refused_with_the_right_reason(lab: Lab, tunnel: Tunnel) -> None:
    soon(lambda: tunnel.connect(lab.address("redis-0"), 5))
    assert socks(tunnel, lab.host("redis-0"), 6379) == 0
    assert socks(tunnel, lab.host("redis-0"), 6380) == 5, "nothing listens there"
    assert socks(tunnel, lab.host("absent-0"), 6379) == 4, "there is no such pod"
    assert socks(tunnel, "kubernetes.default.svc", 443) == 2, "not one of this stack's pods"
    with pytest.raises(PodRefused, match="nothing listens on port 6380 of redis-0"):
        tunnel.connect(f"{lab.host('redis-0')}:6380", 5)
    with pytest.raises(PodRefused, match='pods "absent-0" not found'):
        tunnel.connect(f"{lab.host('absent-0')}:6379", 5)


def test_a_deleted_pod_s_connections_end_and_new_ones_reach_its_successor(lab: Lab, tunnel: Tunnel) -> None:
    address = lab.address("redis-0")
    client = redis_at(tunnel.local(address))
    assert soon(client.ping)
    client.set("before", "x")
    pod = lab.cluster.pods(lab.namespace, {"app": "redis"})[0]
    with tunnel.connect(address, 20) as idle:
        lab.cluster.delete_pod(lab.namespace, pod.name, pod.uid, 0)
        start = time.monotonic()
        assert idle.recv(1) == b"", "a dead pod must not leave its clients waiting"
        assert time.monotonic() - start < 15
    assert soon(lambda: client.get("before") is None), "the new pod starts without the old one's keys"
    assert lab.cluster.pods(lab.namespace, {"app": "redis"})[0].uid != pod.uid
    lab.cluster.delete_pod(lab.namespace, pod.name, pod.uid)
    assert client.ping(), "deleting by the old UID does not delete the new pod"


def test_an_ensemble_is_healthy_through_the_tunnel(lab: Lab, tunnel: Tunnel) -> None:
    members = {"zookeeper-0": lab.address("zookeeper-0")}
    assert soon(lambda: not zookeeper.role_findings(members, {}, route=tunnel))
    assert zookeeper.session_findings(list(members.values()), route=tunnel) == []


def test_brokers_are_reachable_at_their_own_addresses(
    lab: Lab, tunnel: Tunnel, record_testsuite_property: Callable[[str, object], None]
) -> None:
    def settled() -> bool:
        return not kafka_findings(lab.bootstrap, lab.brokers, {}, round_trip=False, route=tunnel)

    assert soon(settled), "every broker is registered with its address inside the cluster"
    with kafka.admin_client(lab.bootstrap, route=tunnel) as client:
        state = kafka.cluster_state(client)
        assert round_trip_findings(lab.bootstrap, client, state, route=tunnel) == []
    servers: dict[str, Any] = {"bootstrap_servers": lab.bootstrap.split(","), "proxy_url": tunnel.proxy_url}
    admin = KafkaAdminClient(**servers)
    admin.create_topics({"load": {"num_partitions": 6, "replication_factor": BROKERS}}, wait_for_metadata=True)
    admin.close()
    written = [_written(servers)]
    while written[-1] >= SECONDS and len(written) < 3:  # a busy machine may disturb one
        written.append(_written(servers))
    wanted = RECORDS * len(written)
    start = time.monotonic()
    consumer = KafkaConsumer("load", **servers, group_id="readers", auto_offset_reset="earliest")
    read = 0
    while read < wanted and time.monotonic() < start + 30:
        read += sum(map(len, consumer.poll(timeout_ms=1000).values()))
    consumer.close()
    fetched = time.monotonic() - start
    record_testsuite_property("seconds to write, to read", (round(min(written), 2), round(fetched, 2)))
    assert read == wanted
    assert min(written) < SECONDS


def _written(servers: dict[str, Any]) -> float:
    """Seconds that the records take to be written."""
    start = time.monotonic()
    with KafkaProducer(**servers, acks="all") as producer:
        for sent in [producer.send("load", os.urandom(RECORD_BYTES)) for _ in range(RECORDS)]:
            sent.get(timeout=30)
    return time.monotonic() - start


def test_a_route_is_opened_once_and_leaves_nothing_after_closing(lab: Lab) -> None:
    before = set(threading.enumerate())
    files = len(list(Path("/proc/self/fd").iterdir()))
    opened = route(lab.via)
    assert isinstance(opened, Tunnel)
    assert route(dict(lab.via)) is opened
    connections = [opened.connect(lab.address("redis-0"), 5) for _ in range(5)]
    opened.close()
    assert all(connection.recv(1) == b"" for connection in connections)
    for connection in connections:
        connection.close()
    assert not set(threading.enumerate()) - before
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
