"""The dev stack on a real engine, from creation to destroy; the tests build on each other and run in this order."""

import json
import socket
import subprocess
import sys
from typing import Any

import docker
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import UnknownTopicOrPartitionError
from kazoo.client import KazooClient
from redis import Redis

from components.kafka.client import minimum_in_sync
from components.kafka.health import HEALTH_TOPIC
from components.redis.client import HEALTH_KEY
from ops.errors import ExitCode
from tests.integration.stacks import Stack, eventually, left_on_engine, ports_of, running_members
from tests.integration.traffic import admin, consume, produce

PORTS = ports_of("dev")
SERVERS = [f"127.0.0.1:{PORTS.kafka}"]


def topic_config(name: str) -> dict[str, str]:
    with admin(SERVERS) as client:
        found = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])["topic"][name]
    return {key: entry["value"] for key, entry in found.items() if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"}


def partitions(name: str) -> int:
    with admin(SERVERS) as client:
        return len(client.describe_topics([name])[0]["partitions"])


def topics_in_state(stack: Stack) -> dict[str, Any]:
    """The inputs and outputs of the stack's topic set that hold topics."""
    resources = json.loads(stack.state())["checkpoint"]["latest"]["resources"]
    (topic_set,) = [item for item in resources if item["urn"].endswith("TopicSet::topics")]
    return {part: topic_set[part]["topics"] for part in ("inputs", "outputs")}


def topics() -> set[str]:
    with admin(SERVERS) as client:
        return {name for name in client.list_topics() if not name.startswith("__")}


def test_up_ends_with_the_declared_topics(dev: Stack) -> None:
    assert topics() == {"tda_jobs", "tda_results", "tda_events", "tda_uploads", "tda_errors"}
    assert [partitions(name) for name in ("tda_jobs", "tda_results", "tda_uploads", "tda_events")] == [3, 3, 2, 1]
    assert topic_config("tda_results") == {"cleanup.policy": "compact", "retention.ms": str(30 * 86_400_000)}
    assert topic_config("tda_jobs") == {"retention.ms": str(7 * 86_400_000)}


def test_outputs_are_addresses_that_work(dev: Stack) -> None:
    outputs = dev.outputs()
    assert outputs["kafkaBootstrapServers"] == SERVERS[0]
    assert outputs["kafkaInternalBootstrapServers"] == "kafka-0:29092"
    assert outputs["zookeeperConnect"] == f"127.0.0.1:{PORTS.zookeeper}"
    assert outputs["redisUrl"] == f"redis://127.0.0.1:{PORTS.redis}/0"
    assert outputs["clientEnvironment"] == {
        "KAFKA_BOOTSTRAP_SERVERS": SERVERS[0],
        "REDIS_URL": f"redis://127.0.0.1:{PORTS.redis}/0",
    }
    assert outputs["dotenv"].splitlines()[0] == f"KAFKA_BOOTSTRAP_SERVERS={SERVERS[0]}"
    assert "1 of 1 broker" in outputs["health"]
    produce(SERVERS, "tda_events", [b"kept"])
    assert consume(SERVERS, "tda_events") == [b"kept"]
    with Redis.from_url(outputs["redisUrl"]) as redis:
        assert redis.set("key", "value")
        assert redis.config_get("save") == {"save": "60 1000"}
    zookeeper = KazooClient(outputs["zookeeperConnect"])
    zookeeper.start(timeout=10)
    try:
        assert zookeeper.get_children("/brokers/ids") == ["0"]
    finally:
        zookeeper.stop()


def test_containers_on_the_network_reach_the_broker_by_name(dev: Stack) -> None:
    image = dev.container("kafka-0").image
    listed = docker.from_env().containers.run(
        image,
        ["/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", "kafka-0:29092", "--list"],
        network=dev.outputs()["network"],
        tmpfs={"/var/lib/kafka/data": ""},  # otherwise the image's VOLUME would leave an anonymous volume behind
        remove=True,
    )
    assert b"tda_jobs" in listed


def test_ports_are_bound_to_loopback_only(dev: Stack) -> None:
    for member in ("zookeeper-0", "kafka-0", "redis-0"):
        bindings = dev.container(member).attrs["HostConfig"]["PortBindings"]
        assert bindings, f"{member} publishes its port"
        assert {entry["HostIp"] for entries in bindings.values() for entry in entries} == {"127.0.0.1"}


def test_all_containers_together_use_less_than_a_gigabyte(dev: Stack) -> None:
    members = running_members(dev.platform)
    assert members == ["kafka-0", "redis-0", "zookeeper-0"]
    used = sum(dev.container(member).stats(stream=False)["memory_stats"]["usage"] for member in members)
    assert used < 10**9


def test_all_containers_become_healthy(dev: Stack) -> None:
    def all_healthy() -> bool:
        states = [dev.container(member).attrs["State"]["Health"]["Status"] for member in running_members(dev.platform)]
        return states == ["healthy"] * 3

    eventually(all_healthy, 30, "health of all containers")


def test_a_second_up_changes_nothing(dev: Stack) -> None:
    assert dev.up().changed() == {}
    preview = dev.run("preview", "--stack", dev.name, "--expect-no-changes")
    assert preview.code == 0, preview.output


def health_records() -> int:
    """Records that health checks have written."""
    consumer = KafkaConsumer(bootstrap_servers=SERVERS)
    try:
        return sum(consumer.end_offsets([TopicPartition(HEALTH_TOPIC, 0)]).values())
    finally:
        consumer.close()


def test_refresh_of_an_untouched_platform_finds_nothing_and_writes_nothing(dev: Stack) -> None:
    with Redis(port=PORTS.redis) as redis:
        redis.delete(HEALTH_KEY)
        before = health_records()
        assert before > 0
        refreshed = dev.change("refresh", "--expect-no-changes")
        assert refreshed.code == 0, refreshed.output
        assert health_records() == before
        assert redis.get(HEALTH_KEY) is None


def test_a_topic_grows_and_its_config_is_set_and_reset(dev: Stack) -> None:
    dev.topic("tda_jobs")["partitions"] = 5
    dev.topic("tda_jobs")["config"] = {"segment.ms": 600000}
    assert "topics" in dev.up().changed()["update"]
    assert partitions("tda_jobs") == 5
    assert topic_config("tda_jobs") == {"retention.ms": "604800000", "segment.ms": "600000"}
    del dev.topic("tda_jobs")["config"]
    del dev.topic("tda_jobs")["retention"]
    dev.up()
    assert topic_config("tda_jobs") == {}, "keys removed from the declaration are reset"


def test_fewer_partitions_are_refused_at_preview(dev: Stack) -> None:
    dev.topic("tda_jobs")["partitions"] = 2
    refused = dev.run("preview", "--stack", dev.name)
    dev.topic("tda_jobs")["partitions"] = 5
    assert refused.code != 0
    assert '"tda_jobs": 5 partitions cannot become 2' in refused.output
    assert "Traceback" not in refused.output


def test_a_topic_is_deleted_only_if_the_stack_file_says_so_and_foreign_topics_stay(dev: Stack) -> None:
    with admin(SERVERS) as client:
        client.create_topics({"someone_elses": {"num_partitions": 1, "replication_factor": 1}})
    before = topics()
    extra = {"name": "short_lived", "partitions": 1, "protect": True}
    dev.topics().append(extra)
    dev.up()
    assert "short_lived" in topics()
    produce(SERVERS, "short_lived", [b"precious"])
    dev.topics().remove(extra)
    refused = dev.run("preview", "--stack", dev.name)
    assert refused.code != 0
    assert "protected topics would be deleted: short_lived" in refused.output
    destroyed = dev.run("destroy", "--stack", dev.name, "--yes")
    assert destroyed.code != 0
    assert "protected" in destroyed.output, "the topic's volume stays, too"
    assert running_members(dev.platform) == ["kafka-0", "redis-0", "zookeeper-0"]
    dev.topics().append({**extra, "protect": False})
    dev.up()
    dev.topics().pop()
    dropped = make_up(dev)
    assert dropped.returncode == ExitCode.UNREACHABLE
    assert "no longer declared, which alone deletes nothing: short_lived;" in dropped.stderr
    dev.set("topicsToDelete", ["short_lived"])
    unasked = make_up(dev)
    assert unasked.returncode == ExitCode.REFUSED
    assert "topic short_lived, with its records" in unasked.stderr
    assert "YES=1" in unasked.stderr
    assert consume(SERVERS, "short_lived") == [b"precious"], "nothing was deleted so far"
    made = make_up(dev, "--yes")
    assert made.returncode == 0, made.stderr
    assert topics() == before, "the deletion ends with `up`, and other topics stay"
    assert consume(SERVERS, "tda_events") == [b"kept"]
    assert dev.up().changed() == {}, "the list may stay"


def make_up(stack: Stack, *options: str) -> subprocess.CompletedProcess[str]:
    """What `make up` runs, without a terminal."""
    stack.write()
    command = [sys.executable, "-m", "ops", "--stack", stack.name, "up", *options]
    environment = stack.ops_environment()
    return subprocess.run(
        command,
        cwd=stack.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_existing_topic_is_refused_or_adopted_as_configured(dev: Stack) -> None:
    produce(SERVERS, "someone_elses", [b"theirs"])
    dev.topics().append({"name": "someone_elses", "partitions": 2})
    refused = dev.up(check=False)
    assert refused.code != 0
    assert "exist already and are not this stack's: someone_elses" in refused.output
    assert "Traceback" not in refused.output
    assert partitions("someone_elses") == 1
    dev.set("existingTopics", "adopt")
    dev.up()
    assert partitions("someone_elses") == 2
    assert consume(SERVERS, "someone_elses") == [b"theirs"]
    dev.topics().pop()
    dev.set("existingTopics", "refuse")
    dev.set("topicsToRelease", ["someone_elses"])
    dev.up()
    assert "someone_elses" not in topics_in_state(dev)["outputs"]
    assert consume(SERVERS, "someone_elses") == [b"theirs"], "a released topic stays as it is"


def test_refresh_shows_manual_drift_and_up_fixes_it(dev: Stack) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, "tda_uploads", {"retention.ms": "1000", "segment.ms": "9999"})
    with admin(SERVERS) as client:
        client.alter_configs([resource])
        client.delete_topics(["tda_errors"])
    eventually(lambda: "tda_errors" not in topics(), 10, "deletion of the topic")
    dev.container("redis-0").remove(force=True)
    refreshed = dev.change("refresh")
    assert refreshed.changed()["update"] == ["topics"]
    assert "redis-0" in refreshed.changed()["delete"]
    fixed = dev.up().changed()
    assert "topics" in fixed["update"]
    assert "redis-0" in fixed["create"]
    assert topic_config("tda_uploads") == {"retention.ms": str(3 * 86_400_000)}
    assert "tda_errors" in topics()


def test_refreshes_during_a_full_restart_lose_no_topic(dev: Stack) -> None:
    """The broker answers before the controller has sent it the topics."""
    known = topics_in_state(dev)
    dev.container("kafka-0").stop(timeout=60)  # a killed broker could register only after its session has expired
    dev.container("zookeeper-0").restart(timeout=10)
    dev.container("kafka-0").start()

    def a_refresh_reads_the_topics() -> bool:
        refreshed = dev.change("refresh")
        assert topics_in_state(dev) == known, refreshed.output
        assert "Traceback" not in refreshed.output
        return "topics were not read" not in refreshed.output

    eventually(a_refresh_reads_the_topics, 120, "a refresh that reads the topics")
    assert dev.up().changed() in ({}, {"create": ["health"]}), "a refresh drops the gate of an unhealthy platform"
    assert dev.up().changed() == {}


def test_an_unknown_topic_is_a_retriable_error(dev: Stack) -> None:
    """Brokers answer this for a moment after a topic is created or deleted."""
    with admin(SERVERS) as client:
        assert minimum_in_sync(client, ["tda_jobs"]) == {"tda_jobs": 1}
        with pytest.raises(UnknownTopicOrPartitionError, match="no configuration of absent"):
            minimum_in_sync(client, ["tda_jobs", "absent"])
    assert dev.up().changed() == {}, "the query created no topic"


def test_a_broker_setting_change_keeps_topics_and_records(dev: Stack) -> None:
    dev.set("kafka.numPartitions", 2)
    changed = dev.up().changed()
    assert changed["replace"] == ["kafka-0"]
    assert "health" in changed["update"], "the gate checks again after the change"
    assert consume(SERVERS, "tda_events") == [b"kept"]


def test_redis_keeps_its_data_when_its_persistence_changes(dev: Stack) -> None:
    """Redis itself starts empty when ``appendonly`` changes: it loads only the form that is configured."""
    with Redis(port=PORTS.redis) as redis:
        for append_only in (True, False):
            redis.set(f"before {append_only}", "kept")
            dev.set("redis.appendOnly", append_only)
            assert "redis-0" in dev.up().changed()["replace"]
            assert redis.config_get("appendonly") == {"appendonly": "yes" if append_only else "no"}
            assert redis.get(f"before {append_only}") == b"kept"
        assert redis.get("before True") == b"kept"


def test_a_change_of_identity_is_refused_at_preview_and_nothing_changes(dev: Stack) -> None:
    before = dev.state()
    dev.set("target", "kubernetes")
    dev.set("kubernetes", {"context": "elsewhere"})
    result = dev.run("preview", "--stack", dev.name)
    del dev.config["millrace:target"], dev.config["millrace:kubernetes"]
    assert result.code != 0
    assert "the change of the stack file is refused; nothing was changed" in result.output
    assert 'target: "docker" -> "kubernetes": another target is another platform' in result.output
    assert dev.state() == before


def test_everything_in_the_state_was_made_after_the_record_of_the_stack_file(dev: Stack) -> None:
    """So a killed `up` never changes a resource before the state has what it was asked for."""
    resources = json.loads(dev.state())["checkpoint"]["latest"]["resources"]
    record, applied = [item["urn"] for item in resources if item["type"] == "pulumi:index:Stash"]
    assert (record.rpartition("::")[2], applied.rpartition("::")[2]) == ("declared", "applied")
    made = [item for item in resources if item.get("custom") and not item["type"].startswith("pulumi:")]
    assert len(made) > 10
    assert [item["urn"] for item in made if record not in item["dependencies"]] == []


def test_a_partly_removed_platform_is_restored(dev: Stack) -> None:
    engine = docker.from_env()
    for member in running_members(dev.platform):
        dev.container(member).remove(force=True)
    engine.volumes.get(f"{dev.platform}-streaming").remove()
    dev.up("--refresh")
    assert running_members(dev.platform) == ["kafka-0", "redis-0", "zookeeper-0"]
    assert {"tda_jobs", "tda_events"} <= topics()
    with Redis.from_url(dev.outputs()["redisUrl"]) as redis:
        assert redis.get("key") in (b"value", None)  # no snapshot is due for one key


def test_a_port_taken_by_a_process_is_named_before_anything_changes(dev: Stack) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        dev.set("redis.port", port)
        refused = dev.up(check=False)
    dev.set("redis.port", PORTS.redis)
    assert refused.code != 0
    assert f"port {port}, which {dev.platform}-redis-0 needs, is taken by process" in refused.output
    assert refused.changed() == {}
    assert dev.up().changed() == {}


def test_destroy_refuses_protected_volumes_and_leaves_nothing_without_protection(dev: Stack) -> None:
    dev.set("protect", True)
    dev.up()
    dropped = dev.topics().pop(0)
    dev.set("topicsToDelete", [dropped["name"]])
    refused = dev.run("preview", "--stack", dev.name)
    assert f"protected topics would be deleted: {dropped['name']}" in refused.output
    dev.topics().insert(0, dropped)
    dev.set("topicsToDelete", [])
    refused = dev.change("destroy", check=False)
    assert refused.code != 0
    assert "protected" in refused.output
    dev.set("protect", False)
    dev.up("--refresh")
    dev.change("destroy")
    assert left_on_engine(dev.platform) == []
