"""When a broker may be stopped or removed.

Source: components/kafka/safety.py.
Proof limit: the cluster's metadata is fabricated; that it matches the brokers' real state is up to Kafka.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, UnknownTopicOrPartitionError

from components.kafka import client, health, safety
from components.kafka.client import ClusterState, Partition
from components.kafka.safety import BrokerSafety, held_by, restart_blockers, without_spare
from components.kafka.security import Security
from components.routes import DIRECT, Route
from components.safety import Members, reference, safety_of


def partition(
    in_sync: tuple[int, ...], replicas: tuple[int, ...] = (0, 1, 2), *, topic: str = "t", number: int = 0
) -> Partition:
    return Partition(topic, number, in_sync[0] if in_sync else -1, replicas, in_sync)


def state(*partitions: Partition) -> ClusterState:
    return ClusterState({number: f"kafka-{number}:9092" for number in range(3)}, 0, partitions)


# What keeps a broker from being restarted


@pytest.mark.parametrize(
    ("partitions", "broker", "minimum", "blocked"),
    [
        pytest.param([partition((0, 1, 2))], 0, {"t": 2}, [], id="all-in-sync"),
        pytest.param([partition((0, 1))], 0, {"t": 2}, ["t-0"], id="one-replica-out-of-sync"),
        pytest.param([partition((0, 1))], 2, {"t": 2}, [], id="the-broker-itself-out-of-sync"),
        pytest.param([partition((1, 2), (1, 2, 3))], 0, {"t": 2}, [], id="the-broker-has-no-replica"),
        pytest.param([partition((0, 1))], 0, {"t": 1}, [], id="one-remaining-is-enough"),
        pytest.param([partition((0,))], 0, {"t": 1}, ["t-0"], id="the-last-in-sync"),
        pytest.param([partition((0,))], 0, {"t": 2}, ["t-0"], id="already-below-the-minimum"),
        pytest.param([partition((1,))], 0, {"t": 2}, [], id="already-below-it-without-this-broker"),
        pytest.param([partition(())], 0, {"t": 2}, [], id="nobody-is-in-sync"),
        pytest.param([partition((0,), (0,))], 0, {"t": 1}, [], id="single-replica-is-never-redundant"),
        pytest.param([partition((0, 1), (0, 1))], 0, {"t": 2}, [], id="as-many-replicas-as-the-minimum"),
        pytest.param([partition((0,), (0, 1))], 0, {"t": 2}, [], id="as-many-replicas-as-the-minimum-one-out-of-sync"),
        pytest.param([partition((0, 1), (0, 1))], 0, {"t": 3}, [], id="fewer-replicas-than-the-minimum"),
        pytest.param([partition((0, 1), (0, 1))], 0, {"t": 1}, [], id="two-replicas-one-is-enough"),
        pytest.param([partition((0,), (0, 1))], 0, {"t": 1}, ["t-0"], id="two-replicas-the-other-out-of-sync"),
        pytest.param([partition((0, 1, 2))], 0, {}, ["t-0"], id="an-unknown-minimum"),
        pytest.param([partition((0,), (0,))], 0, {}, ["t-0"], id="an-unknown-minimum-of-a-single-replica"),
        pytest.param([partition((1, 2))], 0, {}, [], id="an-unknown-minimum-with-the-broker-out-of-sync"),
        pytest.param(
            [partition((0, 1), topic="a"), partition((0, 1), topic="b"), partition((0, 1, 2), topic="c")],
            0,
            {"a": 2, "b": 1, "c": 2},
            ["a-0"],
            id="each-topic-has-its-own-minimum",
        ),
        pytest.param(
            [partition((0, 1), number=3), partition((0, 2), number=1), partition((1, 2), number=2)],
            0,
            {"t": 2},
            ["t-3", "t-1"],
            id="each-partition-separately",
        ),
        pytest.param([], 0, {}, [], id="no-partitions"),
    ],
)
def test_a_broker_is_blocked_if_a_partition_would_fall_below_its_minimum(
    partitions: list[Partition], broker: int, minimum: dict[str, int], blocked: list[str]
) -> None:
    lines = restart_blockers(state(*partitions), broker, minimum)
    assert [line.partition(":")[0] for line in lines] == blocked


def test_a_blocker_names_partition_broker_and_both_counts() -> None:
    assert restart_blockers(state(partition((0, 2), topic="orders", number=7)), 2, {"orders": 2}) == [
        "orders-7: 2 of 3 replicas in sync; without broker 2 fewer than min.insync.replicas 2"
    ]


BROKERS = range(4)
PARTITIONS = st.lists(
    st.builds(
        lambda replicas, flags, topic, number: partition(
            tuple(replica for replica, flag in zip(replicas, flags, strict=False) if flag),
            tuple(replicas),
            topic=topic,
            number=number,
        ),
        st.lists(st.sampled_from(BROKERS), min_size=1, unique=True),
        st.lists(st.booleans(), min_size=4, max_size=4),
        st.sampled_from(["a", "b"]),
        st.integers(0, 3),
    ),
    max_size=6,
)
MINIMUM = st.fixed_dictionaries({}, optional={"a": st.integers(1, 4), "b": st.integers(1, 4)})


@given(PARTITIONS, st.sampled_from(BROKERS), MINIMUM)
@example([partition((0, 1))], 0, {"t": 2})
def test_an_unblocked_restart_keeps_every_partition_at_its_minimum_where_possible(
    partitions: list[Partition], broker: int, minimum: dict[str, int]
) -> None:
    blocked = bool(restart_blockers(state(*partitions), broker, minimum))
    lost = without_spare(state(*partitions), broker, minimum)
    falls = [
        item
        for item in partitions
        if broker in item.in_sync and len(set(item.in_sync) - {broker}) < minimum.get(item.topic, 1)
    ]
    unknown = any(broker in item.in_sync and item.topic not in minimum for item in partitions)
    assert blocked == (unknown or any(item not in lost for item in falls)), "blocked, or reported as lost"


@given(PARTITIONS, st.sampled_from(BROKERS), st.fixed_dictionaries({"a": st.integers(1, 4), "b": st.integers(1, 4)}))
def test_a_restart_is_not_blocked_permanently(
    partitions: list[Partition], broker: int, minimum: dict[str, int]
) -> None:
    """Once all replicas are in sync again, every broker can be restarted; otherwise a roll could never end."""
    healthy = [
        Partition(item.topic, item.number, item.replicas[0], item.replicas, item.replicas) for item in partitions
    ]
    assert restart_blockers(state(*healthy), broker, minimum) == []


# Partitions that any restart makes unavailable


@pytest.mark.parametrize(
    ("item", "broker", "minimum", "lost"),
    [
        pytest.param(partition((0, 1, 2)), 0, {"t": 2}, False, id="one-more-than-the-minimum"),
        pytest.param(partition((0, 1)), 0, {"t": 2}, False, id="one-more-than-the-minimum-but-out-of-sync"),
        pytest.param(partition((0,), (0,)), 0, {"t": 1}, True, id="a-single-replica"),
        pytest.param(partition((0, 1), (0, 1)), 0, {"t": 2}, True, id="as-many-as-the-minimum"),
        pytest.param(partition((1,), (0, 1)), 0, {"t": 2}, True, id="this-broker-out-of-sync"),
        pytest.param(partition((0,), (0,)), 1, {"t": 1}, False, id="a-different-broker"),
        pytest.param(partition((0,), (0,)), 0, {}, True, id="an-unknown-minimum-is-one"),
        pytest.param(partition((0, 1), (0, 1)), 0, {}, False, id="two-replicas-and-an-unknown-minimum"),
    ],
)
def test_a_partition_without_a_redundant_replica_is_reported(
    item: Partition, broker: int, minimum: dict[str, int], lost: bool
) -> None:
    assert without_spare(state(item), broker, minimum) == ([item] if lost else [])


# Removing brokers


@pytest.mark.parametrize(
    ("brokers", "held"),
    [
        ([], []),
        ([0], ["a-0"]),
        ([1], ["a-0", "b-0"]),
        ([2], ["b-0"]),
        ([3], []),
        ([0, 2], ["a-0", "b-0"]),
        ([3, 4], []),
    ],
)
def test_a_broker_holds_a_partition_whether_its_replica_is_in_sync_or_not(brokers: list[int], held: list[str]) -> None:
    partitions = [partition((1,), (0, 1), topic="a"), partition((2,), (1, 2), topic="b")]
    assert list(map(str, held_by(state(*partitions), brokers))) == held


# Queries to a cluster


BROKERS_AT = {f"kafka-{number}": f"kafka-{number}:9092" for number in range(3)}
LOGS = {name: f"logs of {name}" for name in BROKERS_AT}
ALL_READY = tuple(BROKERS_AT)
IN_SYNC = state(partition((0, 1, 2)))
UNDER_REPLICATED = "Kafka: under-replicated partitions: t-0; expected none"
SILENT = "kafka-0: no broker answers at kafka-0:9092,kafka-1:9092,kafka-2:9092; expected an answer"


@dataclass
class FakeKafka:
    """A cluster that answers a :class:`BrokerSafety` with fabricated metadata, or not at all."""

    metadata: ClusterState = IN_SYNC
    minimum: Mapping[str, int] = field(default_factory=lambda: {"t": 2})
    listens: bool = True
    deaf: str = ""
    """Address of a registered broker whose listener is not open yet."""
    refuses_clients: bool = False
    error_code: int = 0
    """Error of one topic's metadata."""
    configuration_fails: bool = False
    disk: Sequence[tuple[str, int]] | None = ()
    """What each broker holds; None if it does not answer."""

    def any_listens(self, bootstrap: str, *, route: Route) -> bool:
        assert route is DIRECT
        return self.listens

    def accepts(self, address: str, *, route: Route) -> bool:
        assert route is DIRECT
        return self.listens and address != self.deaf

    @contextmanager
    def admin_client(self, bootstrap: str, *, route: Route, security: Security | None) -> Iterator["FakeKafka"]:
        if self.refuses_clients:
            raise KafkaConnectionError
        yield self

    def describe_cluster(self) -> dict[str, Any]:
        at = {number: address.split(":") for number, address in self.metadata.brokers.items()}
        brokers = [{"broker_id": number, "host": host, "port": int(port)} for number, (host, port) in at.items()]
        return {"brokers": brokers, "controller_id": self.metadata.controller}

    def describe_topics(self) -> list[dict[str, Any]]:
        topics: dict[str, list[dict[str, Any]]] = {}
        for item in self.metadata.partitions:
            numbers = {"partition_index": item.number, "leader_id": item.leader}
            nodes = {"replica_nodes": item.replicas, "isr_nodes": item.in_sync}
            topics.setdefault(item.topic, []).append(numbers | nodes)
        listed = [{"name": name, "error_code": 0, "partitions": found} for name, found in topics.items()]
        broken = {"name": "broken", "error_code": self.error_code, "partitions": []}
        return [*listed, broken] if self.error_code else listed

    @property
    def _manager(self) -> Any:
        return SimpleNamespace(run=lambda ask, *arguments: ask(*arguments))

    def _async_describe_log_dirs(self, _topics: None, _brokers: Sequence[int]) -> list[dict[str, Any]]:
        if self.disk is None:
            raise KafkaTimeoutError
        topics = [{"name": name, "partitions": [{"partition_index": number}]} for name, number in self.disk]
        return [{"log_dirs": [{"topics": topics}]}]

    def minimum_in_sync(self, _client: object, names: Collection[str]) -> Mapping[str, int]:
        if self.configuration_fails:
            raise UnknownTopicOrPartitionError
        return {name: self.minimum[name] for name in names}


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    made = FakeKafka()
    for module in (client, health, safety):
        monkeypatch.setattr(module, "any_listens", made.any_listens)
        monkeypatch.setattr(module, "admin_client", made.admin_client)
        monkeypatch.setattr(module, "accepts", made.accepts)
    monkeypatch.setattr(safety, "minimum_in_sync", made.minimum_in_sync)
    return made


def rules(members: Mapping[str, str] = BROKERS_AT) -> BrokerSafety:
    return BrokerSafety(Members(addresses=members, logs=LOGS))


def test_providers_load_the_rules_by_their_importable_name() -> None:
    name = reference(BrokerSafety)
    assert name == "components.kafka.safety:BrokerSafety"
    assert type(safety_of(name, Members(addresses=BROKERS_AT))) is BrokerSafety


def test_a_broker_of_a_cluster_in_sync_may_be_stopped(kafka: FakeKafka) -> None:
    for name in BROKERS_AT:
        assert rules().stop_findings(name, ALL_READY) == []


@pytest.mark.parametrize(("in_sync", "stops"), [((0, 1, 2), True), ((0, 1), False)])
def test_a_broker_without_replicas_blocks_no_other(in_sync: tuple[int, ...], stops: bool, kafka: FakeKafka) -> None:
    """A new broker may get a node only after a different one was replaced."""
    kafka.metadata = state(partition(in_sync))
    members = {**BROKERS_AT, "kafka-3": "kafka-3:9092"}
    assert (rules(members).stop_findings("kafka-0", ALL_READY) == []) == stops


def test_a_serving_broker_also_waits_for_out_of_sync_partitions_that_do_not_need_it(kafka: FakeKafka) -> None:
    kafka.metadata = state(partition((0, 1)))
    assert rules().stop_findings("kafka-2", ALL_READY) == [UNDER_REPLICATED]
    assert rules().stop_findings("kafka-2", ("kafka-0", "kafka-1")) == [], (
        "its restart may bring the replica back into sync"
    )


@pytest.mark.usefixtures("kafka")
def test_a_broker_that_is_down_is_not_in_sync_whatever_the_metadata_says() -> None:
    """A killed broker stays in the metadata until its session expires."""
    assert rules().stop_findings("kafka-0", ("kafka-0", "kafka-2")) == [
        "t-0: 2 of 3 replicas in sync; without broker 0 fewer than min.insync.replicas 2",
        UNDER_REPLICATED,
    ]
    assert rules().stop_findings("kafka-1", ("kafka-0", "kafka-2")) == [], "its own restart may bring it back"


def test_a_broker_that_is_gone_may_be_made_again_although_partitions_can_be_led_by_it_alone(kafka: FakeKafka) -> None:
    """All containers may be gone at once: none is made before the one before it is back."""
    gone = Partition("t", 0, -1, (0, 1, 2), (1,))
    kafka.metadata = replace(IN_SYNC, brokers={0: "kafka-0:9092"}, partitions=(gone,))
    assert rules().return_findings("kafka-0") == []
    assert rules().stop_findings("kafka-1", ("kafka-0",)) == []
    kafka.metadata = replace(kafka.metadata, brokers={0: "kafka-0:9092", 1: "kafka-1:9092"})
    assert rules().return_findings("kafka-0") == ["Kafka: partitions without a leader: t-0; expected none"]
    assert rules().return_findings("kafka-1") == ["Kafka: partitions without a leader: t-0; expected none"]
    kafka.metadata = replace(kafka.metadata, partitions=(replace(gone, leader=1, in_sync=(1,)),))
    assert rules().return_findings("kafka-1") == ["Kafka: under-replicated partitions: t-0; expected none"]
    kafka.metadata = replace(kafka.metadata, partitions=(replace(gone, leader=1, in_sync=(0, 1)),))
    assert rules().return_findings("kafka-1") == [], "broker 2 is still to come"


def test_a_broker_that_is_down_blocks_others_although_its_replica_is_not_needed(kafka: FakeKafka) -> None:
    kafka.minimum = {"t": 1}
    assert rules().stop_findings("kafka-0", ("kafka-0", "kafka-2")) == [UNDER_REPLICATED]


def test_a_broker_that_does_not_listen_is_not_in_sync_where_all_catch_up(kafka: FakeKafka) -> None:
    kafka.deaf = "kafka-1:9092"
    (needed,) = rules().stop_findings("kafka-0", ())
    assert needed.startswith("t-0: 2 of 3 replicas in sync; without broker 0")
    kafka.deaf = ""
    assert rules().stop_findings("kafka-0", ()) == []


def test_a_serving_but_unregistered_broker_blocks_every_stop(kafka: FakeKafka) -> None:
    """Its replicas are unknown: metadata without it cannot be trusted."""
    kafka.metadata = replace(IN_SYNC, brokers={0: "kafka-0:9092", 1: "kafka-1:9092"})
    unregistered = (
        "kafka-2: broker 2 serves but is not registered in the cluster; expected it to be registered\n"
        "look at: logs of kafka-2"
    )
    for name in BROKERS_AT:
        assert rules().stop_findings(name, ALL_READY) == [unregistered]
    (needed, lagging) = rules().stop_findings("kafka-0", ("kafka-0", "kafka-1"))
    assert needed.startswith("t-0: 2 of 3 replicas in sync"), "only a serving broker must be registered"
    assert lagging == UNDER_REPLICATED


@pytest.fixture(params=["silent", "no-client", "topic-error", "no-configuration"])
def unreadable(request: pytest.FixtureRequest, kafka: FakeKafka) -> FakeKafka:
    """A cluster whose metadata cannot be read completely."""
    kafka.listens = request.param != "silent"
    kafka.refuses_clients = request.param == "no-client"
    kafka.error_code = 5 if request.param == "topic-error" else 0  # LEADER_NOT_AVAILABLE
    kafka.configuration_fails = request.param == "no-configuration"
    return kafka


@pytest.mark.usefixtures("unreadable")
@pytest.mark.parametrize("name", ["kafka-0", "kafka-2"])
def test_without_complete_metadata_no_broker_is_stopped_while_others_serve(name: str) -> None:
    """A broker that is down waits too, since its replicas are unknown."""
    assert rules().stop_findings(name, ("kafka-0", "kafka-1")) == [f"{SILENT}\nlook at: logs of kafka-0"]


def test_if_no_broker_listens_any_may_be_restarted(kafka: FakeKafka) -> None:
    kafka.listens = False
    assert rules().stop_findings("kafka-0", ()) == []


def test_brokers_that_all_still_catch_up_need_each_other(kafka: FakeKafka) -> None:
    """None is ready, but clients write to all of them."""
    kafka.metadata = state(partition((0, 1)))
    assert rules().stop_findings("kafka-2", ()) == []
    (needed,) = rules().stop_findings("kafka-0", ())
    assert needed.startswith("t-0: 2 of 3 replicas in sync; without broker 0 fewer than min.insync.replicas 2")


@pytest.mark.parametrize("harm", ["refuses_clients", "error_code", "configuration_fails"])
def test_brokers_that_listen_but_cannot_be_read_wait_although_none_is_ready(harm: str, kafka: FakeKafka) -> None:
    setattr(kafka, harm, {"refuses_clients": True, "error_code": 5, "configuration_fails": True}[harm])
    assert rules().stop_findings("kafka-0", ()) == [f"{SILENT}\nlook at: logs of kafka-0"]


@pytest.mark.usefixtures("unreadable")
def test_without_complete_metadata_no_broker_is_removed() -> None:
    assert rules().removal_findings(["kafka-2"]) == [f"{SILENT}\nlook at: logs of kafka-0"]


@pytest.mark.usefixtures("unreadable")
def test_without_complete_metadata_controller_and_losses_are_unknown() -> None:
    made = rules()
    assert made.last() is None
    assert made.stop_findings("kafka-0", ALL_READY)
    assert made.interruptions("kafka-0") == []


def test_what_a_stop_interrupts_is_told_from_the_look_that_allowed_it(kafka: FakeKafka) -> None:
    kafka.metadata = state(partition((0,), (0,)))
    made = rules()
    assert made.stop_findings("kafka-0", ALL_READY) == []
    kafka.refuses_clients = True
    (line,) = made.interruptions("kafka-0")
    assert line.startswith("while kafka-0 restarts, 1 partition cannot be written with acks=all")
    assert line.endswith(": t-0")
    assert made.stop_findings("kafka-0", ALL_READY), "it cannot be read"
    assert made.interruptions("kafka-0") == [], "an earlier look says nothing"


@pytest.mark.parametrize("harm", ["listens", "refuses_clients", "error_code"])
def test_a_broker_is_not_back_while_metadata_is_unavailable(harm: str, kafka: FakeKafka) -> None:
    setattr(kafka, harm, {"listens": False, "refuses_clients": True, "error_code": 5}[harm])
    (line,) = rules().return_findings("kafka-1")
    assert line.startswith("kafka-1: no broker answers")


def test_a_broker_is_back_when_it_is_registered_and_all_replicas_are_in_sync(kafka: FakeKafka) -> None:
    assert rules().return_findings("kafka-1") == []
    kafka.metadata = replace(IN_SYNC, brokers={0: "kafka-0:9092", 2: "kafka-2:9092"})
    assert rules().return_findings("kafka-0") == [], "the other brokers are awaited at their own turn"
    assert rules().return_findings("kafka-1") == [
        "kafka-1: broker 1 is not registered in the cluster; expected it to advertise kafka-1:9092\n"
        "look at: logs of kafka-1"
    ]


def test_a_broker_whose_listener_is_not_open_yet_is_not_back(kafka: FakeKafka) -> None:
    kafka.deaf = "kafka-1:9092"
    assert rules().return_findings("kafka-0") == []
    assert rules().return_findings("kafka-1") == [
        "kafka-1: it is registered, but nothing listens at kafka-1:9092; expected a listener\nlook at: logs of kafka-1"
    ]


@pytest.mark.parametrize("controller", [0, 1, 2])
def test_the_controller_is_stopped_last(controller: int, kafka: FakeKafka) -> None:
    kafka.metadata = replace(IN_SYNC, controller=controller)
    assert rules().last() == f"kafka-{controller}"


def test_without_a_controller_among_the_members_none_is_last(kafka: FakeKafka) -> None:
    kafka.metadata = replace(IN_SYNC, controller=-1)
    assert rules().last() is None


def test_any_error_of_the_client_counts_as_unreadable(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_client: object) -> None:
        raise KafkaTimeoutError

    monkeypatch.setattr(safety, "cluster_state", fail)
    assert rules().stop_findings("kafka-0", ALL_READY) == [f"{SILENT}\nlook at: logs of kafka-0"]


def test_a_broker_that_holds_replicas_is_not_removed(kafka: FakeKafka) -> None:
    first, second = rules().removal_findings(["kafka-2"])
    assert first == "1 partition would lose a replica (t-0)"
    assert "`python -m ops brokers drain 2`" in second


def test_a_broker_without_replicas_may_be_removed(kafka: FakeKafka) -> None:
    kafka.metadata = state(partition((0, 1), (0, 1)))
    assert rules().removal_findings(["kafka-2"]) == []
    assert rules({**BROKERS_AT, "kafka-3": "kafka-3:9092"}).removal_findings(["kafka-3"]) == [], "it never started"


def test_a_broker_that_holds_what_metadata_lacks_is_not_removed(kafka: FakeKafka) -> None:
    """A broker that has just started answers before it knows all topics."""
    kafka.metadata = state(partition((0, 1), (0, 1)))
    kafka.disk = [("t", 0), ("orders", 7)]
    assert rules().removal_findings(["kafka-2"])[0] == "1 partition would lose a replica (orders-7)", (
        "t-0 has moved away, and its files are about to be deleted"
    )


def test_a_broker_whose_disk_cannot_be_read_is_not_removed(kafka: FakeKafka) -> None:
    kafka.metadata = state(partition((0, 1), (0, 1)))
    kafka.disk = None
    (line,) = rules().removal_findings(["kafka-2"])
    assert line.startswith("Kafka: whether kafka-2 still hold partitions is not known")
