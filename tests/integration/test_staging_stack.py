"""The staging stack on a real engine: three brokers and three ensemble members, changed and broken under load."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import docker
from kafka.admin import ConfigResource, ConfigResourceType
from redis import AuthenticationError, Redis

from components.naming import PLATFORM_LABEL
from tests.integration.ops.conftest import runner
from tests.integration.passwords import change_password
from tests.integration.stacks import Stack, bootstrap, eventually, left_on_engine, ports_of, running_members
from tests.integration.traffic import Sampler, admin, lost, steady_load

PORTS = ports_of("staging")
KAFKA = [PORTS.kafka + number for number in range(3)]
MEMBERS = [
    *("exporter-0", "kafka-0", "kafka-1", "kafka-2", "prometheus-0", "redis-0"),
    *("zookeeper-0", "zookeeper-1", "zookeeper-2"),
]


def test_up_ends_with_all_members_and_replicated_topics(staging: Stack) -> None:
    assert running_members(staging.platform) == MEMBERS
    outputs = staging.outputs()
    assert outputs["kafkaBootstrapServers"] == ",".join(f"127.0.0.1:{port}" for port in KAFKA)
    assert "3 of 3 brokers" in outputs["health"]
    assert outputs["health"].count("follower") == 2
    with admin(bootstrap(staging)) as client:
        made = {topic["name"]: topic for topic in client.describe_topics() if not topic["name"].startswith("__")}
        config = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "messages")])["topic"]["messages"]
    assert {name: len(topic["partitions"]) for name, topic in made.items()} == {
        "messages": 100,
        "file_merge_requests": 50,
        "message_status_updates": 50,
        "dlq": 3,
        "stock_ticks": 6,
    }
    replicas = {len(partition["replica_nodes"]) for topic in made.values() for partition in topic["partitions"]}
    assert replicas == {3}
    assert config["min.insync.replicas"]["value"] == "2"


def test_every_broker_advertises_its_own_address(staging: Stack) -> None:
    with admin(bootstrap(staging)) as client:
        advertised = {broker["broker_id"]: broker["port"] for broker in client.describe_cluster()["brokers"]}
    assert advertised == dict(enumerate(KAFKA))


def test_redis_requires_its_generated_password_and_has_an_append_only_file(staging: Stack) -> None:
    outputs = staging.outputs()
    with Redis.from_url(outputs["redisUrl"]) as redis:
        assert redis.set("key", "value")
        assert redis.info("persistence")["aof_enabled"] == 1
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
    with Redis(port=PORTS.redis) as anonymous:
        try:
            anonymous.ping()
        except AuthenticationError:
            return
    raise AssertionError("Redis answered without a password")


def test_the_password_is_nowhere_in_plain_text(staging: Stack) -> None:
    password = staging.outputs()["clientEnvironment"]["REDIS_PASSWORD"]
    assert len(password) >= 32
    inspected = str(staging.container("redis-0").attrs)
    processes = str(staging.container("redis-0").top())
    for place, text in {"state": staging.state(), "docker inspect": inspected, "processes": processes}.items():
        assert password not in text, f"the password is in the {place}"
    shown = staging.run("stack", "output", "--stack", staging.name, check=True).output
    assert password not in shown
    assert password not in staging.container("redis-0").logs().decode()


def test_a_second_up_changes_nothing(staging: Stack) -> None:
    assert staging.up().changed() == {}
    assert staging.change("refresh", "--expect-no-changes").code == 0


def test_a_broker_setting_rolls_one_broker_at_a_time_and_loses_nothing(staging: Stack) -> None:
    servers = list(bootstrap(staging))

    def brokers() -> list[str]:
        return [name for name in running_members(staging.platform) if name.startswith("kafka")]

    with admin(servers) as client:
        controller = client.describe_cluster()["controller_id"]
    watched = Sampler(servers, ["messages", "stock_ticks"], brokers)
    with steady_load(servers, "messages") as load, watched as sampler:
        staging.set("kafka.numPartitions", 2)
        changed = staging.up().changed()
    assert changed["replace"] == ["kafka-0", "kafka-1", "kafka-2"]
    started = {name: staging.container(name).attrs["State"]["StartedAt"] for name in changed["replace"]}
    assert max(started, key=started.__getitem__) == f"kafka-{controller}", "the controller restarts last"
    gates = {f"kafka-{ordinal}-{gate}" for ordinal in range(3) for gate in ("may-stop", "returned")}
    assert gates | {"health"} <= set(changed["update"])
    assert not load.errors
    assert len(load.acknowledged) > 500
    assert staging.up().changed() == {}, "the controller has moved, and so the order: that is no change"
    missing = lost(load, servers)
    assert not missing, f"{len(missing)} acknowledged records are lost"
    assert sampler.samples > 20
    assert sampler.fewest_running == 2, "never two brokers down at once"
    assert sampler.fewest_in_sync == 2, "no partition fell below its min.insync.replicas"


def test_an_ensemble_setting_rolls_one_member_at_a_time(staging: Stack) -> None:
    staging.set("zookeeper.syncLimit", 6)
    changed = staging.up().changed()
    assert changed["replace"] == ["zookeeper-0", "zookeeper-1", "zookeeper-2"]
    assert {"zookeeper-0-may-stop", "zookeeper-2-returned"} <= set(changed["update"])
    assert "3 of 3 brokers" in staging.outputs()["health"]


def test_a_changed_redis_password_is_accepted_beside_the_previous_one(staging: Stack) -> None:
    def readers() -> dict[str, str]:
        return {member: staging.container(member).id for member in ("redis-0", "exporter-0")}

    change_password(staging, lambda: ("127.0.0.1", PORTS.redis), readers)


def test_a_replication_factor_changes_by_reassignment(staging: Stack) -> None:
    topic = {"name": "grown", "partitions": 4, "replicationFactor": 1, "minInSyncReplicas": 1}
    staging.topics().append(topic)
    staging.up()
    topic["replicationFactor"] = 3
    staging.up()
    with admin(bootstrap(staging)) as client:
        found = client.describe_topics(["grown"])[0]["partitions"]
    assert [len(partition["replica_nodes"]) for partition in found] == [3, 3, 3, 3]
    topic["replicationFactor"] = 2
    staging.up()
    with admin(bootstrap(staging)) as client:
        found = client.describe_topics(["grown"])[0]["partitions"]
    assert [len(partition["replica_nodes"]) for partition in found] == [2, 2, 2, 2]
    assert staging.up().changed() == {}


def assignments(servers: Sequence[str]) -> dict[str, dict[int, list[int]]]:
    """Broker ids of the replicas of each partition, by topic."""
    with admin(servers) as client:
        return {
            topic["name"]: {part["partition_index"]: part["replica_nodes"] for part in topic["partitions"]}
            for topic in client.describe_topics()
        }


def replicas_on(stack: Stack, broker: int) -> list[str]:
    """Partitions with a replica on a broker."""
    return [
        f"{topic}-{number}"
        for topic, partitions in assignments(bootstrap(stack)).items()
        for number, replicas in partitions.items()
        if broker in replicas
    ]


def kill_a_drain(stack: Stack) -> None:
    """Start to drain broker 3, so slowly that it cannot end, and kill the command while replicas move."""
    command = [sys.executable, "-m", "ops", "--stack", stack.name, "brokers", "drain", "3", "--yes"]
    drain = subprocess.Popen(
        [*command, "--throttle", "2KiB/s"],
        cwd=stack.folder,
        env=stack.ops_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def held_up(client: Any) -> bool:
        """Whether the same replicas have moved for a while: those of partitions with records, at this throttle."""
        before = client.list_partition_reassignments()
        time.sleep(8)
        assert drain.poll() is None, "it cannot have ended"
        return bool(before) and client.list_partition_reassignments() == before

    with admin(bootstrap(stack)) as client:
        # Those without records move first, 20 at a time.
        eventually(lambda: held_up(client), 180, "moves of partitions with records")
        drain.kill()
        drain.wait()
        assert client.list_partition_reassignments(), "replicas still move"


def throttles(stack: Stack) -> list[str]:
    """Topics and brokers with a replication throttle."""
    with admin(bootstrap(stack)) as client:
        brokers = [ConfigResource(ConfigResourceType.BROKER, str(number)) for number in range(4)]
        topics = [ConfigResource(ConfigResourceType.TOPIC, name) for name in client.list_topics()]
        found = client.describe_configs([*brokers, *topics], config_filter="all")
    return [
        name
        for kind in found.values()
        for name, keys in kind.items()
        if any("replication.throttled" in key and entry["value"] for key, entry in keys.items())
    ]


def test_a_broker_joins_and_leaves_under_load_and_loses_nothing(staging: Stack) -> None:
    servers, ops = list(bootstrap(staging)), runner(staging)

    def brokers() -> list[str]:
        return [name for name in running_members(staging.platform) if name in MEMBERS and name.startswith("kafka")]

    watched = Sampler(servers, ["messages", "stock_ticks"], brokers)
    with steady_load(servers, "messages") as load, watched as sampler:
        staging.set("kafka.replicas", 4)
        assert "kafka-3" in staging.up().changed()["create"]
        ops("brokers", "rebalance", "--yes", "--throttle", "50MiB/s")
        listed = json.loads(ops("brokers", "list", "--json").stdout)
        for what in ("replicas", "preferredLeaders"):
            numbers = [broker[what] for broker in listed]
            assert max(numbers) - min(numbers) <= 1, f"{what} are uneven: {numbers}"
        before = assignments(servers)
        kill_a_drain(staging)
        assert "cancelled: " in ops("brokers", "cancel").stderr
        undone = ops("brokers", "undo", "--yes").stderr
        eventually(lambda: assignments(servers) == before, 30, f"all replicas where they were: {undone}")
        kill_a_drain(staging)
        assert "is unfinished" in ops("brokers", "rebalance", "--yes", check=False).stderr
        assert throttles(staging) != [], "the killed command has left its throttle"
        ops("brokers", "drain", "3", "--yes")
        assert replicas_on(staging, 3) == []
        assert throttles(staging) == [], "nothing is left behind by the killed command"
        with admin(servers) as client:
            client.create_topics({"foreign": {"assignments": {0: [3], 1: [0]}}}, wait_for_metadata=True)
            client.create_topics({"pair": {"assignments": {0: [3, 0]}}}, wait_for_metadata=True)
            client.create_topics({"wide": {"assignments": {0: [3, 0, 1, 2]}}}, wait_for_metadata=True)
        ops("brokers", "factor", "foreign", "2", "--yes")
        assert {len(replicas) for replicas in assignments(servers)["foreign"].values()} == {2}
        ops("brokers", "undo", "--yes")
        eventually(lambda: assignments(servers)["foreign"] == {0: [3], 1: [0]}, 30, "the replicas of before")
        staging.set("kafka.replicas", 3)
        refused = staging.up(check=False)
        assert refused.code != 0
        assert "kafka-3 cannot be removed" in refused.output
        assert "topic wide: replication factor 4 needs 4 brokers; 3 would be left" in refused.output
        assert "Traceback" not in refused.output
        assert "foreign-0" in replicas_on(staging, 3), "nothing has moved"
        assert "kafka-3" in running_members(staging.platform)
        with admin(servers) as client:
            client.delete_topics(["wide"])
        left = staging.up()
        assert "kafka-3" in left.changed()["delete"]
        assert "off broker 3, 20 at a time" in left.output
    assert running_members(staging.platform) == MEMBERS
    assert replicas_on(staging, 3) == []
    with admin(servers) as client:
        moved = {topic["name"]: topic["partitions"][0]["replica_nodes"] for topic in client.describe_topics()}
        client.delete_topics(["foreign", "pair"])
    assert (len(moved["foreign"]), len(moved["pair"])) == (1, 2), "replication factors are kept"
    assert not load.errors
    missing = lost(load, servers)
    assert not missing, f"{len(missing)} acknowledged records are lost"
    assert sampler.samples > 20
    assert sampler.fewest_running == 3, "no other broker restarts"
    assert sampler.fewest_in_sync == 3, "no partition has fewer replicas in sync at any time"


def test_a_stopped_broker_fails_the_update_by_name_until_its_return(staging: Stack) -> None:
    staging.container("kafka-1").stop(timeout=60)
    staging.set("health.deadline", "8s")
    staging.topic("dlq")["partitions"] = 4
    failed = staging.up(check=False)
    assert failed.code != 0
    assert f"kafka-1: broker 1 is not registered in the cluster; expected it to advertise 127.0.0.1:{KAFKA[1]}" in (
        failed.output
    )
    assert f"look at: docker logs --tail 50 {staging.platform}-kafka-1" in failed.output
    assert "Traceback" not in failed.output
    staging.container("kafka-1").start()
    staging.set("health.deadline", "3m")
    assert "topics" in staging.up().changed()["update"]
    assert staging.up().changed() == {}


def test_no_broker_is_stopped_while_another_is_down(staging: Stack) -> None:
    down = staging.container("kafka-1")
    down.stop(timeout=60)
    name = down.name
    down.rename(f"{name}-aside")  # otherwise it would be replaced first, which heals it
    before = [staging.container(broker).id for broker in ("kafka-0", "kafka-2")]
    staging.set("health.deadline", "8s")
    staging.set("kafka.numPartitions", 3)
    failed = staging.up(check=False)
    assert failed.code != 0
    asked = re.search(r"kafka-([02]) is not safe to restart after", failed.output)
    assert asked is not None, "the controller is asked last; the other one that serves is asked first"
    assert f"without broker {asked[1]} fewer than min.insync.replicas 2" in failed.output
    assert "Traceback" not in failed.output
    now = [staging.container(broker).id for broker in ("kafka-0", "kafka-2")]
    assert now == before, "the gate also protects the first member"
    down.rename(name)
    staging.set("health.deadline", "3m")
    assert staging.up().changed()["replace"] == ["kafka-0", "kafka-1", "kafka-2"]
    started = {
        broker: staging.container(broker).attrs["State"]["StartedAt"] for broker in ("kafka-0", "kafka-1", "kafka-2")
    }
    assert min(started, key=started.__getitem__) == "kafka-1", "the broker that was down is replaced first"


def test_refresh_replaces_a_stopped_broker(staging: Stack) -> None:
    staging.container("kafka-2").stop(timeout=60)
    changed = staging.up("--refresh").changed()
    assert "kafka-2" in changed["create"]
    assert "health" in {*changed.get("update", []), *changed.get("create", [])}
    assert "3 of 3 brokers" in staging.outputs()["health"]


def test_destroy_leaves_nothing_behind(staging: Stack) -> None:
    staging.change("destroy")
    assert left_on_engine(staging.platform) == []
    labelled = docker.from_env().containers.list(all=True, filters={"label": f"{PLATFORM_LABEL}={staging.platform}"})
    assert labelled == []
