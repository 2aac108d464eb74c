"""The command line and the monitoring of a production stack, through the Kubernetes API only."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.routes import host_and_port
from ops.errors import ExitCode
from tests.cluster.clusters import ClusterStack, overlay
from tests.integration.ops.conftest import Ops, runner
from tests.integration.passwords import change_password
from tests.integration.stacks import standing

WATCHED = {
    **overlay(),
    "kubernetes": {"context": "millrace-test", "namespace": "millrace-test-watched"},
    "monitor": {"enabled": True, "interval": "2s", "prometheus": {"enabled": True, "storage": "512MiB"}},
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStack]:
    """The prod stack file with the overlay and its monitoring, up and healthy."""
    folder = tmp_path_factory.mktemp("watched") / "project"
    stack = ClusterStack(folder, "test-watched", "Pulumi.prod.yaml", WATCHED)
    with standing(stack):
        yield stack


@pytest.fixture
def ops(watched: ClusterStack) -> Ops:
    return runner(watched)


def test_monitoring_runs_in_the_cluster_and_reaches_all_servers(watched: ClusterStack) -> None:
    assert watched.ready("exporter") == ["exporter-0"]
    assert watched.ready("prometheus") == ["prometheus-0"]
    seen = watched.kubectl(
        *("exec", "prometheus-0", "--", "/bin/promtool", "query", "instant", "http://127.0.0.1:9090"),
        "sum(kafka_broker_online) + sum(zookeeper_up) + sum(redis_up)",
    )
    assert "=> 7 " in seen, "three brokers, three ensemble members and Redis"
    assert watched.up().changed() == {}


def test_status_reports_a_healthy_platform_and_the_members_roles(ops: Ops) -> None:
    status = json.loads(ops("status", "--json").stdout)
    assert status["healthy"], status["problems"]
    roles = {member["name"]: member["role"] for member in status["members"]}
    assert sorted(roles) == [
        *("kafka-0", "kafka-1", "kafka-2", "redis-0"),
        *("zookeeper-0", "zookeeper-1", "zookeeper-2"),
    ]
    assert list(roles.values()).count("controller") == 1
    assert list(roles.values()).count("leader") == 1


def test_the_doctor_finds_no_problem_with_the_cluster(ops: Ops) -> None:
    found = {check["check"]: check for check in json.loads(ops("doctor", "--json", check=False).stdout)}
    assert {name: found[name]["state"] for name in ("stack file", "kubernetes", "members")} == {
        "stack file": "ok",
        "kubernetes": "ok",
        "members": "ok",
    }, found


def test_records_are_written_and_read_through_the_tunnel(ops: Ops) -> None:
    ops("produce", "dlq", "--key-separator", ":", stdin="a:1\nb:2\nc:3\n")
    lines = ops("consume", "dlq", "--format", "json").stdout.splitlines()
    assert {json.loads(line)["key"]: json.loads(line)["value"] for line in lines} == {"a": "1", "b": "2", "c": "3"}


def test_the_end_of_a_member_s_log_is_shown(ops: Ops, watched: ClusterStack) -> None:
    shown = ops("logs", "kafka-0", "--tail", "5").stdout.splitlines()
    assert len(shown) == 5
    assert set(shown) <= set(watched.kubectl("logs", "kafka-0").splitlines())


def test_a_changed_redis_password_is_accepted_beside_the_previous_one(watched: ClusterStack) -> None:
    def readers() -> dict[str, str]:
        return {member: watched.objects("pods")[member]["metadata"]["uid"] for member in ("redis-0", "exporter-0")}

    route = watched.route()
    server = f"redis-0.redis.{watched.namespace}.svc.cluster.local:6379"
    change_password(watched, lambda: host_and_port(route.local(server)), readers)


def test_a_backup_of_production_is_complete(ops: Ops, tmp_path: Path) -> None:
    archive = tmp_path / "prod.tar"
    ops("backup", str(archive), "--topics", "dlq")
    assert "dlq" in ops("archive", "verify", str(archive)).stdout + ops("archive", "show", str(archive)).stdout


def test_unconfirmed_and_unsupported_drills_are_refused(ops: Ops) -> None:
    refused = ops("drill", "broker-loss", check=False)
    assert refused.returncode == ExitCode.REFUSED
    assert "--yes-on test-watched" in refused.stderr
    assert ops("drill", "network-partition", "--yes-on", "test-watched", check=False).returncode == ExitCode.REFUSED


@pytest.mark.parametrize("drill", ["broker-loss", "zookeeper-leader-loss", "rolling-restart", "redis-restart"])
def test_a_lost_pod_loses_no_data(ops: Ops, drill: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    ops("drill", drill, "--yes-on", "test-watched", "--seconds", "5", "--hold", "5", "--report", str(report))
    promises = json.loads((report / "report.json").read_text())["promises"]
    assert promises
    assert all(promise["kept"] for promise in promises), promises


def test_the_benchmark_runs_in_a_pod_that_is_removed(ops: Ops, watched: ClusterStack) -> None:
    flags = ("--rate", "300", "--seconds", "10", "--topic-partitions", "3", "--yes-on", "test-watched", "--json")
    report = json.loads(ops("bench", *flags).stdout)
    assert report["records"] == {"asked": 3000, "acknowledged": 3000, "stored": 3000}
    assert not [name for name in watched.objects("pods") if "bench" in name]
