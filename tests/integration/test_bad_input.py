"""User mistakes: each gives one clear message and an exit code, and nothing is created."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stacks import Result, Stack, left_on_engine, ports_of

PORTS = ports_of("bad")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "project", "test-bad", "Pulumi.dev.yaml", PORTS.overrides())
    yield made
    assert left_on_engine(made.platform) == [], "nothing was created"


def refused(stack: Stack, **options: object) -> Result:
    """Run ``up`` and expect a refusal without a traceback and without any resource."""
    result = stack.up(check=False, **options)
    assert result.code != 0
    assert "Traceback" not in result.output
    assert result.operations.get("create", []) in ([], ["millrace-test-bad"]), "only the stack itself"
    return result


def test_several_mistakes_are_reported_at_once_with_suggestions(stack: Stack) -> None:
    stack.set("kafka.replicas", "three")
    stack.set("kafka.retnetion", "7d")
    stack.set("profle", "light")
    stack.topics().append({"name": "x" * 250})
    output = refused(stack).output
    assert "Pulumi.test-bad.yaml: 4 mistakes; nothing was changed" in output
    assert 'kafka.replicas is "three": must be a whole number' in output
    assert 'kafka.retnetion: unknown key. Did you mean "retention"?' in output
    assert 'profle: unknown key. Did you mean "profile"?' in output
    assert "the name has 250 characters; Kafka allows at most 249" in output


def test_a_secret_in_plain_text_is_refused_and_not_repeated(stack: Stack) -> None:
    stack.set("redis.authentication", True)
    stack.set("redis.password", "hunter2-plain")
    output = refused(stack).output
    assert "redis.password is in plain text" in output
    assert "pulumi config set --secret --path 'millrace:redis.password'" in output
    assert "hunter2-plain" not in output


def test_an_unavailable_image_is_named(stack: Stack) -> None:
    stack.set("kafka.image", "localhost:1/no/such:1")
    output = refused(stack).output
    assert "image localhost:1/no/such:1 is not on the engine and cannot be pulled" in output


def test_too_little_memory_is_reported_with_each_member_s_limit(stack: Stack) -> None:
    stack.set("kafka.memory", "9000GiB")
    output = refused(stack).output
    assert "the members' memory limits add up to" in output
    assert "kafka-0 9216000MiB" in output


def test_a_missing_engine_is_reported_with_how_to_start_one(stack: Stack) -> None:
    output = refused(stack, environment={"DOCKER_HOST": "unix:///nowhere/docker.sock"}).output
    assert "no Docker engine can be used; nothing was changed" in output
    assert "make engine" in output


def test_a_port_taken_by_another_container_is_named(stack: Stack) -> None:
    import docker

    engine = docker.from_env()
    image = "millrace/redis:7.0"
    name = "millrace-test-holder"
    holder = engine.containers.run(
        image,
        detach=True,
        name=name,
        ports={"6379/tcp": ("127.0.0.1", PORTS.redis)},
        labels={"millrace.platform": name},
    )
    try:
        output = refused(stack).output
    finally:
        holder.remove(force=True, v=True)
    assert f"port {PORTS.redis}, which millrace-test-bad-redis-0 needs, is taken by container {name}" in output


def test_a_wrong_passphrase_is_reported_without_a_traceback(stack: Stack) -> None:
    result = stack.up(check=False, environment={"PULUMI_CONFIG_PASSPHRASE": "wrong"})
    assert result.code != 0
    assert "incorrect passphrase" in result.output
    assert "Traceback" not in result.output


def test_invalid_topics_are_refused(stack: Stack) -> None:
    stack.topics().append({"name": "wide", "replicationFactor": 3})
    stack.topics().append({"name": "odd", "config": {"retention.mss": 1}})
    stack.topics().append({"name": "in sync", "minInSyncReplicas": 2})
    output = refused(stack).output
    assert 'unknown topic config "retention.mss". Did you mean "retention.ms"?' in output
    assert '"in sync" has characters other than' in output
    stack.topics()[-2:] = []
    output = refused(stack).output
    assert "topics[5] (wide): replication factor 3 is more than the 1 broker there are" in output


def test_a_wrong_type_of_a_top_level_value_is_refused(stack: Stack) -> None:
    stack.set("kafka", 3)
    assert "configuration key 'kafka' must be of type 'object'" in refused(stack).output
