"""Working with a running platform: status, topics, records, groups, logs and the doctor.

Not covered: the members run on this machine's Docker; the tunnel's own tests cover the route through Kubernetes.
"""

import base64
import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaConsumer

from components.kafka.client import admin_client
from components.stack_file.settings import load_settings
from components.topics.client import delete_topics, observe
from components.topics.safety import matches
from ops.doctor import machine
from ops.doctor.local_stack import LocalStack
from ops.doctor.outcome import State
from ops.errors import ExitCode
from tests.integration.ops.conftest import Ops, runner
from tests.integration.stacks import Stack, bootstrap, eventually

Foreign = Mapping[str, str]
"""Full names of the topics below, by their short ones."""

FOREIGN = {
    "plain": {"num_partitions": 2, "replication_factor": 3},
    "tuned": {
        "num_partitions": 1,
        "replication_factor": 1,
        "configs": {
            "retention.ms": "604800000",
            "cleanup.policy": "compact,delete",
            "segment.ms": "3600000",
            "min.insync.replicas": "1",
        },
    },
    "for.ever": {"num_partitions": 1, "replication_factor": 2, "configs": {"retention.ms": "-1"}},
}


@pytest.fixture(scope="module")
def servers(stack: Stack) -> str:
    """The brokers' addresses."""
    return ",".join(bootstrap(stack))


@pytest.fixture
def foreign(servers: str) -> Iterator[Foreign]:
    """Topics outside of any stack, with new names each time: brokers delete the previous ones slowly."""
    names = {short: f"work-{uuid.uuid4().hex[:8]}.{short}" for short in FOREIGN}
    with admin_client(servers) as client:
        client.create_topics({names[short]: topic for short, topic in FOREIGN.items()}, wait_for_metadata=True)
    try:
        yield names
    finally:
        delete_topics(servers, list(names.values()))


def statuses(ops: Ops) -> dict[str, Any]:
    return json.loads(ops("status", "--json", check=False).stdout)


def test_a_healthy_platform_is_reported_without_colour_or_messages(ops: Ops) -> None:
    done = ops("status")

    assert "is healthy" in done.stdout.splitlines()[0]
    assert "\x1b" not in done.stdout + done.stderr
    assert {member["role"] for member in statuses(ops)["members"]} == {
        "leader",
        "follower",
        "controller",
        "broker",
        "master",
    }


def test_stopped_members_are_shown_as_down_and_the_doctor_knows_the_fix(stack: Stack, ops: Ops) -> None:
    gone = ("redis-0", "zookeeper-2")
    try:
        for member in gone:
            stack.container(member).stop(timeout=10)
        looked, doctor = ops("status", "--json", check=False), ops("doctor", "--json", check=False)
    finally:
        for member in gone:
            stack.container(member).start()
    eventually(lambda: statuses(ops)["healthy"], 60, "the platform to be healthy")

    assert looked.returncode == doctor.returncode == ExitCode.FOUND_WRONG
    found = json.loads(looked.stdout)
    assert [member["name"] for member in found["members"] if not member["up"]] == ["zookeeper-2", "redis-0"]
    checks = {check["check"]: check for check in json.loads(doctor.stdout)}
    assert checks["containers"]["state"] == "wrong"
    assert all(f"{stack.platform}-{member}" in checks["containers"]["seen"] for member in gone)
    assert f"pulumi up -s {stack.name} --refresh" in checks["containers"]["fix"]


def test_topics_show_partitions_and_effective_values(ops: Ops, foreign: Foreign) -> None:
    listed = {line.split("\t")[0]: line.split("\t") for line in ops("topics", "list").stdout.splitlines()}
    described = json.loads(ops("topics", "describe", foreign["tuned"], "--json").stdout)[0]

    assert listed[foreign["plain"]][1:6] == ["2", "3", "2", "delete", "7d"]
    assert not any(name.startswith("__") for name in listed)
    assert described["config"] == FOREIGN["tuned"]["configs"]
    assert described["partitions"][0]["inSync"] == described["partitions"][0]["replicas"]


def test_what_is_exported_is_what_the_cluster_has_and_adopting_it_changes_nothing(
    stack: Stack, ops: Ops, servers: str, foreign: Foreign
) -> None:
    done = ops("topics", "export", "--bootstrap", servers)
    exported = yaml.safe_load(done.stdout)["config"]["millrace:topics"]
    assert "warning" not in done.stderr
    specs = {spec.name: spec for spec in load_settings({"profile": "ha", "topics": exported}, source="x").topic_specs()}
    with admin_client(servers) as client:
        before = observe(client, list(specs))
    assert set(foreign.values()) <= set(specs)
    assert all(matches(specs[name], topic) for name, topic in before.items())

    declared = stack.topics()
    own = [topic for topic in exported if topic["name"] not in foreign.values()]
    try:
        stack.set("topics", own)
        unchanged = stack.run("preview", "--stack", stack.name, "--expect-no-changes")
        assert unchanged.code == 0, unchanged.output
        stack.set("topics", exported)
        stack.set("existingTopics", "adopt")
        stack.up()
        with admin_client(servers) as client:
            assert observe(client, list(specs)) == before
    finally:
        stack.set("topics", declared)
        stack.set("existingTopics", "refuse")
        stack.set("topicsToRelease", [topic["name"] for topic in exported if topic not in own])
        stack.up()


def test_records_come_back_as_they_were_written(ops: Ops, foreign: Foreign) -> None:
    binary = base64.b64encode(b"\xff\x00").decode()
    lines = [{"key": "a", "value": "1", "headers": {"h": "v"}}, {"keyBase64": binary, "value": None}]

    said = ops("produce", foreign["plain"], "--format", "json", stdin="\n".join(map(json.dumps, lines))).stderr
    ops("produce", foreign["plain"], "--key-separator", ":", "--partition", "1", stdin="b:2\n")

    assert said.startswith(f"2 records written to {foreign['plain']} (partition ")
    found = [json.loads(line) for line in ops("consume", foreign["plain"], "--format", "json").stdout.splitlines()]
    by_key = {record.get("key") or record.get("keyBase64"): record for record in found}
    assert by_key["a"]["headers"] == [{"key": "h", "value": "v"}]
    assert by_key[binary]["value"] is None
    assert (by_key["b"]["value"], by_key["b"]["partition"]) == ("2", 1)


def test_consume_starts_and_ends_as_asked(ops: Ops, foreign: Foreign) -> None:
    ops("produce", foreign["tuned"], "--key-separator", ":", stdin="".join(f"{n}:v{n}\n" for n in range(10)))

    def values(*options: str) -> list[str]:
        return ops("consume", foreign["tuned"], *options).stdout.splitlines()

    assert values("--from", "-3") == ["v7", "v8", "v9"]
    assert values("--from", "4", "--count", "2") == ["v4", "v5"]
    assert values("--from", "end") == []
    assert values("--from", "2001-01-01T00:00:00Z", "--count", "1") == ["v0"]
    assert values("--from", "0", "--partition", "0", "--count", "1", "--key-separator", "=") == ["0=v0"]
    wrong = ops("consume", foreign["tuned"], "--partition", "7", check=False)
    assert wrong.returncode == ExitCode.REFUSED
    assert "it has 0 to 0" in wrong.stderr


def test_a_closed_pipe_ends_the_command_quietly(stack: Stack, ops: Ops, foreign: Foreign) -> None:
    ops("produce", foreign["tuned"], "--key", "k", stdin="x" * 1000 + "\n" * 3000)

    command = f"{sys.executable} -m ops --stack {stack.name} consume {foreign['tuned']} --format json | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=stack.folder,
        env=stack.ops_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["offset"] == 0


def test_a_wrong_line_stops_produce_with_a_count_of_written_records(ops: Ops, foreign: Foreign) -> None:
    done = ops("produce", foreign["plain"], "--format", "base64", stdin="YQ==\n%%%\nYg==\n", check=False)

    assert done.returncode == ExitCode.FOUND_WRONG
    assert "only 1" in done.stderr
    assert "line 2: it is not base64" in done.stderr


def test_a_misspelt_topic_is_refused_and_never_auto_created(dev: Stack) -> None:
    ops = runner(dev)
    known = dev.topics()[0]["name"]
    for arguments in (("produce", f"{known}x", "--value", "1"), ("consume", f"{known}x")):
        done = ops(*arguments, check=False)
        assert done.returncode == ExitCode.REFUSED
        assert f'Did you mean "{known}"?' in done.stderr
    with admin_client(",".join(bootstrap(dev))) as client:
        assert f"{known}x" not in client.list_topics()


def test_a_group_is_described_and_reset_but_never_while_it_has_members(
    ops: Ops, servers: str, foreign: Foreign
) -> None:
    ops("produce", foreign["tuned"], "--key-separator", ":", stdin="".join(f"{n}:v{n}\n" for n in range(10)))
    assert ops("consume", foreign["tuned"], "--group", "work", "--count", "4").stdout.split() == [
        "v0",
        "v1",
        "v2",
        "v3",
    ]
    reset = ("groups", "reset", "work", "--topic", foreign["tuned"])

    def committed() -> int:
        return json.loads(ops("groups", "describe", "work", "--json").stdout)["partitions"][0]["committed"]

    assert committed() == 4
    plan = json.loads(ops(*reset, "--to", "-100", "--json").stdout)[0]
    assert (plan["from"], plan["to"], plan["replayed"], plan["note"]) == (4, 0, 4, "-96 is outside 0 to 10")
    assert committed() == 4, "a plan changes nothing"
    ops(*reset, "--to", "latest", "--execute")
    assert committed() == 10

    member = KafkaConsumer(bootstrap_servers=servers.split(","), group_id="work", client_id="busy")
    try:
        member.subscribe([foreign["tuned"]])
        eventually(lambda: member.poll(timeout_ms=200) is not None and bool(member.assignment()), 60, "the group")
        refused = ops(*reset, "--to", "earliest", "--execute", check=False)
    finally:
        member.close(autocommit=False)
    assert refused.returncode == ExitCode.REFUSED
    assert "busy at " in refused.stderr
    assert committed() == 10
    assert (
        ops("groups", "reset", "wrok", "--topic", foreign["tuned"], "--to", "0", check=False).returncode
        == ExitCode.REFUSED
    )


def test_the_end_of_a_member_s_log_is_shown(ops: Ops) -> None:
    assert len(ops("logs", "kafka-1", "--tail", "3").stdout.splitlines()) == 3
    unknown = ops("logs", "kafka-9", check=False)
    assert unknown.returncode == ExitCode.REFUSED
    assert "redis-0" in unknown.stderr


def test_the_doctor_finds_no_problem_on_a_healthy_platform(ops: Ops) -> None:
    results = {check["check"]: check for check in json.loads(ops("doctor", "--json").stdout)}

    assert {check["state"] for check in results.values()} == {"ok", "skipped"}
    assert results["clock"]["state"] == results["members"]["state"] == "ok"


@pytest.mark.parametrize(
    ("environment", "check", "fix"),
    [
        ({"PULUMI_CONFIG_PASSPHRASE": "wrong"}, "passphrase", "PULUMI_CONFIG_PASSPHRASE"),
        ({"DOCKER_HOST": "unix:///nonexistent/docker.sock"}, "engine", "make engine"),
        ({"MILLRACE_IMAGES": "none"}, "images", ""),
    ],
)
def test_the_doctor_continues_after_a_failed_check(ops: Ops, environment: dict[str, str], check: str, fix: str) -> None:
    done = ops("doctor", "--json", check=False, environment=environment)

    results = {result["check"]: result for result in json.loads(done.stdout)}
    assert done.returncode == ExitCode.FOUND_WRONG
    assert results[check]["state"] in ("wrong", "unchecked")
    assert fix in results[check]["fix"]
    assert results["python"]["state"] == results["stack file"]["state"] == "ok"


def test_the_doctor_names_the_process_on_a_port(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "Pulumi.yaml").write_text("name: millrace\n")
        (tmp_path / "Pulumi.x.yaml").write_text(f"config: {{'millrace:redis': {{port: {port}}}}}\n")
        outcome = machine.ports(LocalStack("x", tmp_path))

    assert outcome.state is State.WRONG
    assert f"port {port}, which redis-0 needs, is taken by process " in outcome.seen
