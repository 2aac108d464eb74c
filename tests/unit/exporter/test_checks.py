"""The checks' results.

Source: exporter/*_check.py.
Proof limit: servers are simulated or absent here; tests/integration/test_staging_exporter.py uses real ones.
"""

import socket
import threading
from pathlib import Path

import pytest
from kafka import TopicPartition

from components.kafka import client as clients
from components.kafka.client import ClusterState, Partition, batches
from exporter.groups_check import GroupsCheck, lag
from exporter.kafka_check import InSyncHistory, KafkaCheck, cluster_health
from exporter.redis_check import RedisCheck
from exporter.zookeeper_check import ZooKeeperCheck


def partition(topic: str, number: int = 0, *, leader: int = 0, in_sync: tuple[int, ...] = (0, 1, 2)) -> Partition:
    return Partition(topic=topic, number=number, leader=leader, replicas=(0, 1, 2), in_sync=in_sync)


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


# -------------------------------------------------------------------------------------------------------- shrinks


def test_the_first_run_compares_with_nothing() -> None:
    history = InSyncHistory()
    history.add([partition("t", in_sync=(0,))])
    assert history.shrinks == 0


def test_each_partition_that_lost_replicas_in_sync_counts_once() -> None:
    history = InSyncHistory()
    history.add([partition("t", 0), partition("t", 1), partition("t", 2)])
    history.add([partition("t", 0, in_sync=(0, 1)), partition("t", 1, in_sync=(0,)), partition("t", 2)])
    assert history.shrinks == 2
    history.add([partition("t", 0, in_sync=(0, 1)), partition("t", 1, in_sync=(0,)), partition("t", 2)])
    assert history.shrinks == 2, "a partition that stays small has not shrunk again"


def test_returning_replicas_do_not_lower_the_count() -> None:
    history = InSyncHistory()
    for in_sync in [(0, 1, 2), (0, 1), (0, 1, 2), (0,)]:
        history.add([partition("t", in_sync=in_sync)])
    assert history.shrinks == 2


def test_a_deleted_topic_is_forgotten() -> None:
    history = InSyncHistory()
    history.add([partition("t")])
    history.add([])
    history.add([partition("t", in_sync=(0,))])
    assert history.shrinks == 0


# -------------------------------------------------------------------------------------------------------- cluster


def test_partitions_are_counted_by_topic() -> None:
    partitions = [
        partition("orders", 0, in_sync=(0, 1)),
        partition("orders", 1, in_sync=(0,)),
        partition("orders", 2),
        partition("dlq", leader=-1, in_sync=()),
    ]
    health = cluster_health(ClusterState({0: "a:1", 1: "b:1"}, 1, partitions), {"orders": 2, "dlq": 1})
    assert health.under_replicated == {"dlq": 1, "orders": 2}
    assert health.under_minimum == {"dlq": 1, "orders": 1}
    assert (health.offline, health.brokers, health.controllers) == (1, 2, 1)


def test_a_topic_with_an_unknown_minimum_is_not_compared_with_it() -> None:
    health = cluster_health(ClusterState({0: "a:1"}, 0, [partition("orders", in_sync=(0,))]), {})
    assert health.under_minimum == {}
    assert health.under_replicated == {"orders": 1}


def test_an_unregistered_controller_does_not_count() -> None:
    assert cluster_health(ClusterState({0: "a:1"}, 2), {}).controllers == 0
    assert cluster_health(ClusterState({0: "a:1"}, -1), {}).controllers == 0


# ------------------------------------------------------------------------------------------------------------ lag


def test_lag_is_the_end_less_what_was_committed() -> None:
    committed = {
        "readers": {TopicPartition("t", 0): 10, TopicPartition("t", 1): 5},
        "late": {TopicPartition("t", 0): 0},
    }
    ends = {TopicPartition("t", 0): 12, TopicPartition("t", 1): 5}
    assert lag(committed, ends) == {("readers", "t", 0): 2, ("readers", "t", 1): 0, ("late", "t", 0): 12}


def test_a_partition_with_an_unknown_end_has_no_lag() -> None:
    assert lag({"readers": {TopicPartition("t", 0): 10}}, {}) == {}


def test_a_commit_beyond_the_end_is_a_lag_of_0() -> None:
    assert lag({"readers": {TopicPartition("t", 0): 10}}, {TopicPartition("t", 0): 3}) == {("readers", "t", 0): 0}


def test_thousands_of_groups_are_requested_in_batches() -> None:
    assert [len(batch) for batch in batches(range(2001), 1000)] == [1000, 1000, 1]
    assert list(batches([], 10)) == []


# --------------------------------------------------------------------------------------------------- no server there


def test_unreachable_brokers_are_offline_and_the_cluster_is_unknown() -> None:
    address = closed_port()
    outcome = KafkaCheck(address, {"kafka-0": address}, None).run()
    assert outcome.problem == f"no broker answers: nothing accepts a connection at {address}"
    assert outcome.result.online == frozenset()
    assert outcome.result.cluster is None


def test_silent_listeners_are_tried_one_by_one_and_leave_no_thread_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clients, "CONNECT_SECONDS", 0.2)
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        addresses = [f"127.0.0.1:{server.getsockname()[1]}" for server in (first, second)]
        outcome = KafkaCheck(",".join(addresses), {"kafka-0": addresses[0]}, None).run()
    assert outcome.problem is not None
    assert addresses[0] not in outcome.problem
    assert addresses[1] in outcome.problem, "the last that was tried"
    assert outcome.result.online == frozenset(), "a broker that accepts connections but is not registered is not online"
    assert threading.active_count() == before


def test_groups_of_an_unreachable_cluster_have_no_lag() -> None:
    outcome = GroupsCheck(closed_port()).run()
    assert outcome.result == {}
    assert outcome.problem is not None


def test_an_unreachable_ensemble_has_no_quorum() -> None:
    outcome = ZooKeeperCheck({"zookeeper-0": closed_port()}).run()
    assert outcome.problem == "no member serves requests"
    assert not outcome.result.quorum


def test_an_unreachable_server_is_down() -> None:
    outcome = RedisCheck({"redis-0": closed_port()}, None).run()
    assert outcome.result == {"redis-0": None}
    assert outcome.problem is not None
    assert outcome.problem.startswith("redis-0: Error")


def test_an_unreadable_password_file_is_reported_by_its_path(tmp_path: Path) -> None:
    outcome = RedisCheck({"redis-0": closed_port()}, tmp_path / "missing").run()
    assert outcome.result == {"redis-0": None}
    assert outcome.problem is not None
    assert str(tmp_path / "missing") in outcome.problem
