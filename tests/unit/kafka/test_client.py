"""What a cluster's metadata says about its health.

Source: components/kafka/client.py, components/kafka/health.py.
Proof limit: the metadata is fabricated; only the tests on a real engine show that a broker reports it so, and that
records can be produced and consumed.
"""

import socket
from typing import Any

import pytest

from components.findings import finding
from components.kafka.client import ClusterState, Partition, any_listens, cluster_state
from components.kafka.health import broker_findings, cluster_findings, partition_findings, unreachable
from components.routes import host_and_port

BROKERS = {"kafka-0": "127.0.0.1:19092", "kafka-1": "127.0.0.1:19093", "kafka-2": "127.0.0.1:19094"}
LOGS = {name: f"docker logs p-{name}" for name in BROKERS}
REGISTERED = {0: "127.0.0.1:19092", 1: "127.0.0.1:19093", 2: "127.0.0.1:19094"}


def partition(topic: str = "t", number: int = 0, *, leader: int = 0, in_sync: tuple[int, ...] = (0, 1, 2)) -> Partition:
    return Partition(topic=topic, number=number, leader=leader, replicas=(0, 1, 2), in_sync=in_sync)


def cluster(*partitions: Partition, brokers: dict[int, str] | None = None, controller: int = 1) -> ClusterState:
    return ClusterState(REGISTERED if brokers is None else brokers, controller, partitions)


def without(*ids: int) -> dict[int, str]:
    return {number: address for number, address in REGISTERED.items() if number not in ids}


# ------------------------------------------------------------------------------------------------------- brokers


def test_a_cluster_of_all_declared_brokers_has_no_findings() -> None:
    assert broker_findings(cluster(), BROKERS, LOGS) == []


def test_a_broker_that_is_not_registered_is_named_with_where_to_look() -> None:
    assert broker_findings(cluster(brokers=without(1)), BROKERS, LOGS) == [
        "kafka-1: broker 1 is not registered in the cluster; expected it to advertise 127.0.0.1:19093\n"
        "look at: docker logs p-kafka-1"
    ]


def test_a_broker_that_advertises_a_wrong_address_is_named_with_both_addresses() -> None:
    state = cluster(brokers={**REGISTERED, 2: "kafka-2:29092"})
    assert broker_findings(state, BROKERS, LOGS) == [
        "kafka-2: it advertises kafka-2:29092; expected 127.0.0.1:19094\nlook at: docker logs p-kafka-2"
    ]


@pytest.mark.parametrize(("controller", "missing"), [(-1, True), (0, False), (2, False)])
def test_a_cluster_needs_a_controller(controller: int, missing: bool) -> None:
    expected = ["Kafka: no controller; expected one of the brokers"] if missing else []
    assert broker_findings(cluster(controller=controller), BROKERS, LOGS) == expected


def test_every_missing_broker_is_a_separate_finding() -> None:
    findings = broker_findings(cluster(brokers={}, controller=-1), BROKERS, LOGS)
    assert [line.partition(":")[0] for line in findings] == ["kafka-0", "kafka-1", "kafka-2", "Kafka"]


def test_only_the_requested_brokers_are_checked() -> None:
    one = {"kafka-2": BROKERS["kafka-2"]}
    assert broker_findings(cluster(brokers=without(0, 1)), one, LOGS) == []


def test_a_brokers_id_is_all_digits_of_its_ordinal() -> None:
    state = cluster(brokers={1: "h:1", 11: "h:11"})
    assert broker_findings(state, {"kafka-11": "h:11"}, {}) == []
    assert broker_findings(state, {"kafka-10": "h:10"}, {}) == [
        "kafka-10: broker 10 is not registered in the cluster; expected it to advertise h:10"
    ], "without a command there is no hint where to look"


def test_racks_are_those_of_the_brokers_that_have_one() -> None:
    class Client:
        def describe_cluster(self) -> dict[str, Any]:
            brokers = [(0, {"rack": "a"}), (1, {"rack": None}), (2, {"rack": ""}), (3, {})]
            listed = [{"broker_id": number, "host": "h", "port": 1, **rack} for number, rack in brokers]
            return {"brokers": listed, "controller_id": 0}

        def describe_topics(self) -> list[dict[str, Any]]:
            return []

    assert cluster_state(Client()).racks == {0: "a"}  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------- partitions


@pytest.mark.parametrize(
    ("partitions", "findings"),
    [
        pytest.param([], [], id="no-partitions-at-all"),
        pytest.param([partition(), partition(number=1)], [], id="all-in-sync"),
        pytest.param(
            [partition(), partition(number=1, in_sync=(0, 1))],
            ["Kafka: under-replicated partitions: t-1; expected none"],
            id="one-out-of-sync",
        ),
        pytest.param(
            [partition(leader=-1, in_sync=(0,))],
            ["Kafka: partitions without a leader: t-0; expected none"],
            id="offline-is-reported-once",
        ),
        pytest.param(
            [partition("a", leader=-1, in_sync=()), partition("b", 3, in_sync=(2,)), partition("c", leader=2)],
            [
                "Kafka: partitions without a leader: a-0; expected none",
                "Kafka: under-replicated partitions: b-3; expected none",
            ],
            id="both-kinds",
        ),
        pytest.param(
            [partition(leader=-1)],
            ["Kafka: partitions without a leader: t-0; expected none"],
            id="offline-though-in-sync",
        ),
        pytest.param(
            [partition("__consumer_offsets", 7, in_sync=(0,))],
            ["Kafka: under-replicated partitions: __consumer_offsets-7; expected none"],
            id="internal-topics-count",
        ),
    ],
)
def test_offline_and_out_of_sync_partitions_are_named(partitions: list[Partition], findings: list[str]) -> None:
    assert partition_findings(cluster(*partitions)) == findings


@pytest.mark.parametrize(
    ("number", "text"),
    [(5, "t-0, t-1, t-2, t-3, t-4"), (6, "t-0, t-1, t-2, t-3, t-4 and 1 more"), (1000, " and 995 more")],
)
def test_at_most_five_partitions_are_named(number: int, text: str) -> None:
    lagging = [partition(number=index, in_sync=(0,)) for index in range(number)]
    (line,) = partition_findings(cluster(*lagging))
    assert line.endswith(f"{text}; expected none")
    assert line.count("t-") == 5


def test_a_partition_with_all_its_replicas_in_sync_is_healthy_however_few_they_are() -> None:
    alone = Partition(topic="t", number=0, leader=2, replicas=(2,), in_sync=(2,))
    assert partition_findings(cluster(alone)) == []


def test_findings_about_brokers_come_before_those_about_partitions() -> None:
    state = cluster(partition(in_sync=(0, 2)), brokers=without(1))
    broker, partitions = cluster_findings(state, BROKERS, LOGS)
    assert broker.startswith("kafka-1: broker 1 is not registered")
    assert partitions == "Kafka: under-replicated partitions: t-0; expected none"
    assert cluster_findings(cluster(partition()), BROKERS, LOGS) == []


# ------------------------------------------------------------------------------------------------------- reaching


def test_an_unreachable_cluster_is_reported_with_its_addresses_and_the_first_brokers_logs() -> None:
    bootstrap = ",".join(BROKERS.values())
    assert unreachable(bootstrap, BROKERS, LOGS) == [
        f"kafka-0: no broker answers at {bootstrap}; expected an answer\nlook at: docker logs p-kafka-0"
    ]
    assert unreachable(bootstrap, {}, LOGS) == [f"Kafka: no broker answers at {bootstrap}; expected an answer"]


def test_one_listening_broker_is_enough_to_query_the_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # reserved, but nothing listens on it
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        nowhere = f"127.0.0.1:{silent.getsockname()[1]}"
        assert any_listens(here)
        assert any_listens(f"{nowhere},{here}")
        assert not any_listens(nowhere)


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:9092", ("127.0.0.1", 9092)), ("kafka.example:1", ("kafka.example", 1)), ("::1:9092", ("::1", 9092))],
)
def test_an_address_is_split_at_its_last_colon(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts


def test_a_finding_says_who_what_and_where_to_look() -> None:
    text = finding("kafka-1", seen="it is away", expected="it here", logs={"kafka-1": "docker logs p-kafka-1"})
    assert text == "kafka-1: it is away; expected it here\nlook at: docker logs p-kafka-1"
    assert finding("Kafka", seen="it is away", expected="it here", logs=LOGS) == "Kafka: it is away; expected it here"
