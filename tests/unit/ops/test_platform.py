"""The platform as outputs describe it, and errors of stacks that cannot be read.

Source: ops/platform.py.
"""

import ast
import os
from pathlib import Path

import pytest

from components.kafka.security import Security
from ops.errors import UnreachableError
from ops.platform import Platform, platform_of, read_platform
from ops.pulumi_cli import PROJECT, project_folder, pulumi_cli

OUTPUTS = {
    "operations": {
        "platform": "millrace-dev",
        "target": "docker",
        "brokers": {"kafka-0": "127.0.0.1:9092", "kafka-1": "127.0.0.1:9093"},
        "zookeeper": {"zookeeper-0": "127.0.0.1:2181"},
        "redis": {"redis-0": "127.0.0.1:6379"},
        "logs": {},
        "images": {},
        "route": None,
    },
    "clientEnvironment": {"REDIS_PASSWORD": "hush"},
}


def cli(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A pulumi CLI that does what the script says."""
    tool = folder / "pulumi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_members_are_listed_in_the_order_in_which_they_depend_on_each_other() -> None:
    platform = platform_of("dev", OUTPUTS)

    assert platform.members == ["zookeeper-0", "kafka-0", "kafka-1", "redis-0"]
    assert platform.bootstrap == "127.0.0.1:9092,127.0.0.1:9093"
    assert not platform.on_kubernetes


def test_the_password_is_known_but_never_shown() -> None:
    platform = platform_of("dev", OUTPUTS)

    assert platform.redis_password == "hush"
    assert "hush" not in repr(platform)


def test_a_stack_with_nothing_up_says_which_command_brings_it_up() -> None:
    with pytest.raises(UnreachableError, match="pulumi up -s dev"):
        platform_of("dev", {})


def test_the_message_of_the_cli_reaches_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli(tmp_path, monkeypatch, "echo 'error: no stack named nope found' >&2; exit 255")

    with pytest.raises(UnreachableError) as failed:
        read_platform("nope")
    assert failed.value.problems == ("no stack named nope found",)


def test_a_missing_cli_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnreachableError, match="activate"):
        pulumi_cli(tmp_path, "version")


def test_the_current_folder_counts_where_it_is_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert project_folder() != tmp_path, "an empty folder is no project"

    (tmp_path / "Pulumi.yaml").touch()
    assert project_folder() == tmp_path


def unreachable(**changes: str) -> Platform:
    """A platform that never answers: nothing listens on port 1 of this machine."""
    return Platform(
        stack="dev",
        name="millrace-dev",
        target="docker",
        brokers={"kafka-0": "127.0.0.1:1"},
        zookeeper={"zookeeper-0": "127.0.0.1:1"},
        redis={"redis-0": "127.0.0.1:1"},
        logs={"kafka-0": "docker logs kafka-0"},
    )


def test_brokers_that_do_not_answer_are_named_with_their_logs() -> None:
    with pytest.raises(UnreachableError) as failed, unreachable().admin():
        pass
    assert "127.0.0.1:1" in failed.value.problems[0]
    assert "docker logs kafka-0" in failed.value.problems[0]


def test_redis_that_does_not_answer_is_reported_without_traceback() -> None:
    with (
        pytest.raises(UnreachableError, match="Redis of stack dev does not answer"),
        unreachable().redis_client() as client,
    ):
        client.ping()


def test_the_login_to_kafka_is_known_but_never_shown() -> None:
    login = {"user": "millrace", "password": "super-4f1c2a9e7b", "authorities": "PEM"}
    platform = platform_of("dev", {**OUTPUTS, "kafkaLogin": login})

    assert platform.security == Security(**login)
    assert login["password"] not in repr(platform)


ASKING = {"admin_client", "answers", "apply_topics", "delete_topics"}
"""Functions that connect to brokers, and log in only if they are told as whom."""


FOREIGN = "ops/kafka_cluster.py"
"""Asks clusters of others, by their own settings."""


def _asks(call: ast.Call) -> bool:
    """Whether a call connects to brokers: by name, as a module's function, or by ``partial``."""
    named = [call.func, *(call.args[:1] if getattr(call.func, "id", None) == "partial" else [])]
    return any(getattr(item, "id", getattr(item, "attr", None)) in ASKING for item in named)


def test_whatever_asks_the_platforms_brokers_logs_in() -> None:
    """A call that forgets it works on every platform but those with access."""
    forgotten = [
        f"{file.relative_to(PROJECT)}:{call.lineno}"
        for file in sorted((PROJECT / "ops").rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and _asks(call) and "security" not in {keyword.arg for keyword in call.keywords}
    ]
    assert [place for place in forgotten if not place.startswith(FOREIGN)] == []
