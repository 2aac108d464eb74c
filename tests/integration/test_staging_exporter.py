"""The exporter's image on a platform with three brokers, while members are killed and restarted."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata
from prometheus_client.parser import text_string_to_metric_families

from components.images import SETS
from tests.integration.stacks import Stack, beside, bootstrap, eventually

IMAGE = SETS["local"]["exporter"]
BROKERS = [f"kafka-{number}" for number in range(3)]
MEMBERS = [f"zookeeper-{number}" for number in range(3)]
CHECKS = ["kafka", "groups", "zookeeper", "redis"]
VARIABLES = {
    "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"{name}:29092" for name in BROKERS),
    "KAFKA_BROKERS": ",".join(f"{name}={name}:29092" for name in BROKERS),
    "ZOOKEEPER_MEMBERS": ",".join(f"{name}={name}:2181" for name in MEMBERS),
    "REDIS_MEMBERS": "redis-0=redis-0:6379",
    "REDIS_PASSWORD_FILE": "/run/secrets/redis",
    "KAFKA_HEALTH_CHECK_INTERVAL": "1s",
}
PER_TOPIC = ("kafka_under_replicated_partitions", "kafka_under_min_isr_partitions")
OF_THE_CLUSTER = (
    *PER_TOPIC,
    "kafka_active_controllers",
    "kafka_cluster_brokers",
    "kafka_cluster_topics",
    "kafka_offline_partitions",
)


class Exporter:
    """The exporter in a container."""

    def __init__(self, container: Any, password: str) -> None:
        self.container = container
        self.password = password
        self._port = int(container.attrs["NetworkSettings"]["Ports"]["9090/tcp"][0]["HostPort"])

    def text(self) -> str:
        """One scrape, which fails after a second."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.0 200 "), head
        return body

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """A metric's samples by their label values, in alphabetical order of the label names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == name
        }

    def value(self, name: str, *labels: str) -> float | None:
        """The value of one sample; None if it does not exist."""
        return self.values(name).get(labels)

    def online(self) -> dict[str, float]:
        """1 or 0 for each broker, by host."""
        return {host: value for (_, host, _), value in self.values("kafka_broker_online").items()}

    def reports_healthy(self) -> bool:
        """Whether the exporter reports a healthy platform."""
        checks = self.values("platform_check_success")
        in_sync = [self.value(name, "__total__") for name in PER_TOPIC]
        return set(checks.values()) == {1} and set(self.online().values()) == {1} and in_sync == [0, 0]


@pytest.fixture(scope="module")
def exporter(staging: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """The exporter on the platform's network: not root, a read-only file system, one check per second."""
    password = urlsplit(staging.outputs()["redisUrl"]).password or ""
    secret = tmp_path_factory.mktemp("exporter") / "redis"
    secret.write_text(f"{password}\n")
    secret.chmod(0o444)
    with running(staging, VARIABLES, secret) as container:
        exporter = Exporter(container, password)
        eventually(lambda: probe(container) == 0, what="the exporter")
        eventually(exporter.reports_healthy, what="the report of a healthy platform")
        yield exporter


def running(stack: Stack, variables: dict[str, str], secret: Path) -> AbstractContextManager[Any]:
    return beside(
        stack,
        IMAGE,
        "exporter",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="128m",
        environment=variables,
        volumes={str(secret): {"bind": "/run/secrets/redis", "mode": "ro"}},
        ports={"9090/tcp": ("127.0.0.1", None)},
    )


def probe(container: Any) -> int:
    return container.exec_run(["python3", "-m", "exporter.probe"]).exit_code


@contextmanager
def killed(stack: Stack, exporter: Exporter, *members: str) -> Iterator[None]:
    """Kill members for the block; after it, restart them and wait until the exporter reports a healthy platform."""
    containers = [stack.container(member) for member in members]
    for container in containers:
        container.kill()
    try:
        yield
    finally:
        for container in containers:
            container.start()
        eventually(exporter.reports_healthy, seconds=60, what=f"{', '.join(members)} to be reported healthy again")


def topics_of(stack: Stack) -> set[str]:
    """Names of all topics in the cluster: declared ones, the health check's and the offsets of groups."""
    return {topic["name"] for topic in stack.topics()} | {"__millrace_health", "__consumer_offsets"}


@pytest.fixture(scope="module", autouse=True)
def _a_group_with_a_lag_of_three(staging: Stack, exporter: Exporter) -> None:
    servers = bootstrap(staging)
    with KafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        for _ in range(5):
            producer.send("dlq", b"record", partition=1).get(timeout=30)
    consumer = KafkaConsumer(bootstrap_servers=servers, group_id="readers", enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition("dlq", 1)])
        consumer.commit({TopicPartition("dlq", 1): OffsetAndMetadata(2, "", -1)})
    finally:
        consumer.close()
    eventually(lambda: bool(exporter.values("kafka_consumer_group_lag")), what="the group")
    eventually(exporter.reports_healthy, what="the replicas of the new offsets topic")
    eventually(lambda: exporter.value("kafka_cluster_topics") == len(topics_of(staging)), what="the offsets topic")


def test_a_healthy_platform_is_reported_in_full(staging: Stack, exporter: Exporter) -> None:
    topics = topics_of(staging)
    assert exporter.values("platform_check_success") == {(check,): 1 for check in CHECKS}
    assert exporter.values("platform_check_duration_seconds").keys() == {(check,) for check in CHECKS}
    for moment in exporter.values("platform_check_timestamp_seconds").values():
        assert moment == pytest.approx(time.time(), abs=10)
    assert exporter.values("kafka_broker_online") == {
        (str(number), name, "29092"): 1 for number, name in enumerate(BROKERS)
    }
    assert exporter.value("kafka_cluster_brokers") == 3
    assert exporter.value("kafka_cluster_topics") == len(topics)
    assert exporter.value("kafka_active_controllers") == 1
    assert exporter.value("kafka_offline_partitions") == 0
    for name in PER_TOPIC:
        assert exporter.values(name) == {(topic,): 0 for topic in {*topics, "__total__"}}
    assert exporter.value("kafka_isr_shrink_events") is not None
    assert exporter.values("zookeeper_up") == {(member,): 1 for member in MEMBERS}
    assert sorted(role for _, role in exporter.values("zookeeper_role")) == ["follower", "follower", "leader"]
    assert exporter.value("zookeeper_quorum") == 1
    assert exporter.value("redis_up", "redis-0") == 1
    assert exporter.value("redis_role", "redis-0", "master") == 1
    used, most = (exporter.value(f"redis_{what}_memory_bytes", "redis-0") for what in ("used", "max"))
    assert used is not None
    assert most is not None
    assert 0 < used < most


def test_a_groups_lag_is_the_number_of_unread_records(exporter: Exporter) -> None:
    assert exporter.values("kafka_consumer_group_lag") == {("readers", "1", "dlq"): 3}


def test_promtool_accepts_the_metrics(exporter: Exporter) -> None:
    command = ["docker", "run", "--rm", "-i", "--entrypoint", "/bin/promtool", SETS["local"]["prometheus"]]
    done = subprocess.run(
        [*command, "check", "metrics"], input=exporter.text(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_killed_broker_is_reported_until_its_return(staging: Stack, exporter: Exporter) -> None:
    shrinks = exporter.value("kafka_isr_shrink_events") or 0
    with killed(staging, exporter, "kafka-1"):
        eventually(
            lambda: exporter.online() == {"kafka-0": 1, "kafka-1": 0, "kafka-2": 1}, what="the report of the loss"
        )
        # The broker stays registered until its ZooKeeper session expires (18 s).
        eventually(lambda: exporter.value("kafka_cluster_brokers") == 2, seconds=60, what="the end of the session")
        # Every partition has a replica on every broker; each leader removes the lost one from its in-sync replicas.
        eventually(
            lambda: exporter.value("kafka_under_replicated_partitions", "messages") == 100, what="under-replication"
        )
        under_replicated = exporter.values("kafka_under_replicated_partitions")
        by_topic = [number for (topic,), number in under_replicated.items() if topic != "__total__"]
        assert under_replicated["__total__",] == sum(by_topic)
        assert (exporter.value("kafka_isr_shrink_events") or 0) >= shrinks + 100
        assert exporter.value("kafka_under_min_isr_partitions", "__total__") == 0, (
            "two of three in-sync replicas are enough"
        )
        assert exporter.value("platform_check_success", "kafka") == 1
        eventually(lambda: exporter.value("kafka_consumer_group_lag", "readers", "1", "dlq") == 3, what="the lag")
    assert exporter.value("kafka_cluster_brokers") == 3


def test_without_brokers_scrapes_are_fast_and_have_no_stale_values(staging: Stack, exporter: Exporter) -> None:
    shrinks = exporter.value("kafka_isr_shrink_events") or 0
    succeeded = exporter.value("platform_check_timestamp_seconds", "kafka") or 0
    with killed(staging, exporter, *BROKERS):
        eventually(
            lambda: [exporter.value("platform_check_success", check) for check in CHECKS] == [0, 0, 1, 1],
            what="the report of the loss",
        )
        # A check that started before the last broker was killed may still have read some groups.
        eventually(
            lambda: exporter.values("kafka_consumer_group_lag") == {}, seconds=15, what="the end of all lag samples"
        )
        assert set(exporter.online().values()) == {0}
        for name in OF_THE_CLUSTER:
            assert exporter.values(name) == {}, f"{name} is unknown without brokers"
        assert (exporter.value("kafka_isr_shrink_events") or 0) >= shrinks
        assert (exporter.value("platform_check_timestamp_seconds", "kafka") or 0) >= succeeded
        assert probe(exporter.container) == 0, "the exporter itself is healthy"
    eventually(lambda: exporter.value("kafka_consumer_group_lag", "readers", "1", "dlq") == 3, what="the lag")


def test_a_lost_quorum_is_reported(staging: Stack, exporter: Exporter) -> None:
    with killed(staging, exporter, "zookeeper-0"):
        eventually(lambda: exporter.value("zookeeper_up", "zookeeper-0") == 0, what="the loss of a member")
        eventually(lambda: exporter.value("zookeeper_quorum") == 1, what="a quorum of the other members")
        with also_killed(staging, "zookeeper-1"):
            eventually(lambda: exporter.value("zookeeper_quorum") == 0, what="the loss of the quorum")
            assert exporter.values("zookeeper_role") == {}
            assert exporter.value("platform_check_success", "zookeeper") == 0
    eventually(lambda: exporter.values("zookeeper_up") == {(member,): 1 for member in MEMBERS}, what="all members")


@contextmanager
def also_killed(stack: Stack, member: str) -> Iterator[None]:
    container = stack.container(member)
    container.kill()
    try:
        yield
    finally:
        container.start()


def test_a_killed_redis_server_has_only_the_sample_redis_up(staging: Stack, exporter: Exporter) -> None:
    with killed(staging, exporter, "redis-0"):
        eventually(lambda: exporter.value("redis_up", "redis-0") == 0, what="the report of the loss")
        assert exporter.value("platform_check_success", "redis") == 0
        for name in ("redis_role", "redis_used_memory_bytes", "redis_max_memory_bytes"):
            assert exporter.values(name) == {}
        assert exporter.value("platform_check_success", "kafka") == 1
    assert exporter.value("redis_up", "redis-0") == 1


def test_neither_metrics_nor_logs_contain_the_password(exporter: Exporter) -> None:
    assert exporter.password
    assert exporter.password not in exporter.container.logs().decode()
    assert exporter.password not in exporter.text()


def test_killed_members_leave_no_threads_behind(exporter: Exporter) -> None:
    tasks = exporter.container.exec_run(["ls", "/proc/1/task"]).output.split()
    assert len(tasks) < 20, "failed checks left threads of their clients"


def test_the_exporter_stops_at_once_on_sigterm(exporter: Exporter) -> None:
    start = time.monotonic()
    exporter.container.stop(timeout=10)
    assert time.monotonic() - start < 5
    assert exporter.container.wait()["StatusCode"] == 0


def test_all_invalid_variables_are_reported() -> None:
    command = ["docker", "run", "--rm", "--read-only", "-e", "METRICS_PORT=http", IMAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("is not set") == 4
    assert 'METRICS_PORT is "http"' in done.stderr
    assert "Traceback" not in done.stderr
