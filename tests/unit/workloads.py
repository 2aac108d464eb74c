"""Workloads of stack files, and their probes as commands to run."""

import subprocess
from typing import Any

from components.outside import Outside
from components.workload import ANYONE, CLIENTS, Port, Workload
from tests.unit.regenerate_golden import workloads_of
from tests.unit.stack_files import loaded

CLUSTER = {"target": "kubernetes", "profile": "production", "kubernetes": {"context": "test"}}


def workload(name: str, declared: dict[str, Any] | None = None) -> Workload:
    """One server of a stack file."""
    return workloads_of(loaded(declared, secrets=("redis",)))[name]


def contents(item: Workload) -> dict[str, object]:
    """Files' texts by path."""
    return {file.path: file.content for file in item.files}


def on_this_machine(port: int) -> Outside:
    """The address for clients on this machine."""
    return Outside(host="127.0.0.1", port=port, step=1, kind="hostPort")


def ports_of(name: str, outside: Outside | None) -> list[Port]:
    """The ports of a server with this kind of access from outside."""
    external = Port(name="external", number=9092, reached_by=[ANYONE], outside=outside)
    return {
        "zookeeper": [
            Port(name="client", number=2181, reached_by=["kafka"], outside=outside),
            Port(name="follower", number=2888, reached_by=["zookeeper"]),
            Port(name="election", number=3888, reached_by=["zookeeper"]),
        ],
        "kafka": [
            Port(name="internal", number=29092, reached_by=["kafka", CLIENTS]),
            *([external] if outside is not None else []),
        ],
        "redis": [Port(name="client", number=6379, reached_by=[CLIENTS], outside=outside)],
    }[name]


def succeeds(command: list[str], **environment: str) -> bool:
    """Whether a probe's command succeeds."""
    done = subprocess.run(command, env=environment or None, capture_output=True, timeout=20, check=False)
    return done.returncode == 0


def zookeeper_probe(port: int) -> list[str]:
    """ZooKeeper's probe with the port that a test listens on."""
    *shell, script = workload("zookeeper").readiness.command
    assert "/2181;" in script
    return [*shell, script.replace("/2181;", f"/{port};")]


def kafka_probe(port: int) -> list[str]:
    """Kafka's probe with the port that a test listens on."""
    return list(workload("kafka", {"kafka": {"internalPort": port}}).readiness.command)
