"""Kafka's own tools on the staging platform: their figures, what they leave, and the loss of a broker.

Not covered: latency, which depends on how busy this machine is; bench/RESULTS.md holds measurements.
"""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from components.kafka.client import admin_client, cluster_state
from ops.benchmark.host import BENCHMARK_LABEL
from ops.benchmark.plan import TOPIC_PREFIX
from tests.integration.ops.conftest import Ops
from tests.integration.stacks import Stack, eventually

PARTITIONS = 12

pytestmark = pytest.mark.docker


def topics_and_groups(stack: Stack) -> list[str]:
    with admin_client(stack.outputs()["kafkaBootstrapServers"]) as client:
        names = [*client.list_topics(), *(group["group_id"] for group in client.list_groups())]
    return [name for name in names if name.startswith(TOPIC_PREFIX)]


def containers(stack: Stack) -> list[Any]:
    filters = {"label": [BENCHMARK_LABEL, f"millrace.platform={stack.platform}"]}
    return docker.from_env().containers.list(all=True, filters=filters, ignore_removed=True)


def nothing_is_left(stack: Stack) -> bool:
    return not containers(stack) and not topics_and_groups(stack)


@contextmanager
def watching_end_offsets(stack: Stack) -> Iterator[dict[str, int]]:
    """Number of records in each benchmark topic while it exists, read by a separate client."""
    from kafka import TopicPartition
    from kafka.admin import OffsetSpec
    from kafka.errors import KafkaError

    seen: dict[str, int] = {}
    bootstrap, over = stack.outputs()["kafkaBootstrapServers"], threading.Event()

    def look() -> None:
        with admin_client(bootstrap) as client:
            while not over.wait(0.3):
                for topic in [name for name in client.list_topics() if name.startswith(TOPIC_PREFIX)]:
                    specs = {TopicPartition(topic, number): OffsetSpec.LATEST for number in range(PARTITIONS)}
                    with suppress(KafkaError):  # it is being created or deleted
                        seen[topic] = sum(found.offset for found in client.list_partition_offsets(specs).values())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_the_report_s_figures_are_those_of_the_topic(ops: Ops, stack: Stack, tmp_path: Path):
    with watching_end_offsets(stack) as seen:
        done = ops(
            *("bench", "--seconds", "10", "--rate", "500", "--size", "1024", "--producers", "2", "--consumer"),
            *("--report", str(tmp_path), "--min-rate", "100"),
        )
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["records"] == {"asked": 5000, "acknowledged": 5000, "stored": 5000}
    assert made["consumer"]["records"] == 5000
    # The end-to-end tool writes 2,000 more into the topic, after the producers' records were counted.
    assert list(seen.values()) == [7000]
    assert made["endToEnd"]["p50_ms"] <= made["endToEnd"]["p99_ms"]
    assert made["platform"]["minInSyncReplicas"] == 2
    assert made["platform"]["replicationFactor"] == 3
    assert len(made["producers"]) == 2
    assert "records in the topic\t5000\n" in done.stdout
    assert (tmp_path / "throughput.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.md").read_text()
    assert "kafka-producer-perf-test.sh --topic __millrace_bench_" in page, "a reader can run it by hand"
    assert nothing_is_left(stack)


def test_a_broken_limit_ends_with_1_and_is_named(ops: Ops, stack: Stack):
    done = ops("bench", "--seconds", "2", "--rate", "200", "--max-p95", "0", "--json", check=False)
    assert done.returncode == 1
    assert "the limit is 0 ms" in done.stderr
    assert json.loads(done.stdout)["broken"], "the figures are shown all the same"
    assert nothing_is_left(stack)


def test_records_that_the_brokers_refuse_are_reported_with_the_tool_s_last_lines(ops: Ops, stack: Stack):
    done = ops("bench", "--seconds", "30", "--rate", "20", "--size", str(2 * 1024**2), check=False)
    assert done.returncode == 1
    assert "no record was accepted" in done.stderr
    assert "larger than the max message size the server will accept" in done.stderr
    assert "its last lines:" in done.stderr
    assert "Traceback" not in done.stderr
    assert nothing_is_left(stack)


def test_ctrl_c_leaves_nothing(stack: Stack):
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "--stack", stack.name, "bench", "--seconds", "120", "--rate", "50"],
        cwd=stack.folder,
        env=stack.ops_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: any(each.status == "running" for each in containers(stack)), 60, "the tool's container")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert nothing_is_left(stack)


def test_no_record_is_lost_or_doubled_through_the_loss_of_a_broker(ops: Ops, stack: Stack, tmp_path: Path):
    ops(
        *("bench", "--seconds", "75", "--rate", "2000", "--size", "1024", "--through", "broker-loss"),
        *("--min-rate", "1500", "--report", str(tmp_path)),
    )
    made = json.loads((tmp_path / "report.json").read_text())
    assert made["records"] == {"asked": 150_000, "acknowledged": 150_000, "stored": 150_000}
    killed, healed, recovered = made["events"]
    assert "is killed" in killed["text"]
    # The start is computed from lines of the tool: here from the last one, for the fault from the first.
    assert killed["time"] - made["began"] == pytest.approx(0.4 * 75, abs=3)
    assert killed["time"] < healed["time"] < made["began"] + 75
    assert recovered["time"] >= healed["time"]
    longest = max(window["max_ms"] for window in made["producers"][0]["windows"])
    assert longest > 1000, "the loss of a broker must show in the figures"
    with admin_client(stack.outputs()["kafkaBootstrapServers"]) as client:
        state = cluster_state(client)
    assert len(state.brokers) == 3
    assert not state.under_replicated
    assert nothing_is_left(stack)


def test_production_is_not_loaded_by_mistake(ops: Ops, stack: Stack):
    done = ops("bench", "--yes-on", "prod", check=False)
    assert done.returncode == 4
    assert "--yes-on names stack prod" in done.stderr
    assert nothing_is_left(stack)
