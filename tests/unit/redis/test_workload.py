"""The workload of the Redis server: command, files and probe.

Source: components/redis/component.py.
Proof limit: the probe runs against a fake redis-cli.
"""

from pathlib import Path

import pytest

from tests.unit.workloads import contents, succeeds, workload


def test_redis_starts_with_its_file_and_not_as_root() -> None:
    item = workload("redis")
    assert list(item.command) == ["sh", "/etc/millrace/start-redis.sh", "/etc/millrace/redis.conf"]
    assert item.user == 999
    assert item.env == {}


def test_redis_without_a_password_includes_no_file() -> None:
    assert "include" not in str(contents(workload("redis"))["/etc/millrace/redis.conf"])


def test_no_plain_part_of_the_workload_contains_the_redis_password() -> None:
    item = workload("redis", {"redis": {"authentication": True, "password": "hunter2"}})
    assert "hunter2" not in repr(item)
    assert "include /etc/millrace/redis-password.conf\n" in str(contents(item)["/etc/millrace/redis.conf"])


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ("PONG", True),
        ("", False),
        ("NOAUTH Authentication required.", False),
        ("LOADING Redis is loading the dataset in memory", False),
        ("Could not connect to Redis at 127.0.0.1:6379: Connection refused", False),
    ],
)
def test_redis_probe_fails_on_any_answer_other_than_pong(tmp_path: Path, answer: str, healthy: bool) -> None:
    """redis-cli exits with status 0 after some errors too, so only its output counts."""
    client = tmp_path / "redis-cli"
    client.write_text(f'#!/bin/sh\necho "{answer}"\n')
    client.chmod(0o755)
    command = list(workload("redis").readiness.command)
    assert succeeds(command, PATH=f"{tmp_path}:/usr/bin:/bin") is healthy


@pytest.mark.parametrize(("kept", "healthy"), [("s3cret with \"quotes' and $HOME", True), ("another", False)])
def test_redis_probe_logs_in_with_the_password_of_the_file(tmp_path: Path, kept: str, healthy: bool) -> None:
    (tmp_path / "password").write_text(kept)
    (tmp_path / "expected").write_text("s3cret with \"quotes' and $HOME")
    client = tmp_path / "redis-cli"
    client.write_text(f'#!/bin/sh\n[ "$REDISCLI_AUTH" = "$(cat {tmp_path}/expected)" ] && echo PONG || echo NOAUTH\n')
    client.chmod(0o755)
    *shell, script = workload("redis", {"redis": {"authentication": True}}).readiness.command
    command = [*shell, script.replace("/etc/millrace/redis-password", str(tmp_path / "password"))]
    assert succeeds(command, PATH=f"{tmp_path}:/usr/bin:/bin") is healthy


def test_users_change_no_file_of_a_platform_without_access() -> None:
    plain = workload("redis", {"redis": {"authentication": True}})
    assert not [text for text in contents(plain).values() if "acl" in str(text)]
    secured = workload("redis", {"redis": {"authentication": True}, "access": {"enabled": True}})
    assert "aclfile /data/users.acl\n" in str(contents(secured)["/etc/millrace/redis.conf"])


def test_an_application_restarts_no_server() -> None:
    declared = {"redis": {"authentication": True}, "access": {"enabled": True}}
    app = {"name": "billing", "redis": "billing:*"}
    assert workload("redis", {**declared, "apps": [app]}) == workload("redis", declared)
