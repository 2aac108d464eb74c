"""What is found out about an engine and its machine before anything is made.

Proof limit: the engine is a fake, so what a real one answers is not shown here; only the search for a port's holder
looks at this machine itself.
"""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from docker.errors import APIError, ImageNotFound

from components.errors import PreflightError
from components.quantities import MIB
from components.targets.docker.client import LocalEngine
from components.targets.docker.preflight import Needs, preflight
from tests.unit.mocks import FakeEngine

IMAGES = ["example/kafka:1", "example/redis:1"]
PORTS = {"p-kafka-0": [9092], "p-redis-0": [6379], "p-quiet-0": []}
MEMORY = {"zookeeper-0": 512 * MIB, "kafka-0": 1024 * MIB, "redis-0": 256 * MIB}
TOTAL = sum(MEMORY.values())


def needs() -> Needs:
    return Needs(platform="p", bind_address="127.0.0.1", images=IMAGES, ports=PORTS, memory=MEMORY)


def problems(engine: FakeEngine) -> list[str]:
    """Why the engine cannot run the platform."""
    with pytest.raises(PreflightError) as caught:
        preflight(engine, needs())
    assert caught.value.headline == "this machine cannot run the platform; nothing was changed"
    return list(caught.value.problems)


def test_an_engine_that_has_everything_is_asked_everything_and_refused_nothing() -> None:
    engine = FakeEngine()
    preflight(engine, needs())
    assert engine.asked == [
        "ping",
        "image example/kafka:1",
        "image example/redis:1",
        "address 127.0.0.1",
        "published ports",
        "port 127.0.0.1:9092",
        "port 127.0.0.1:6379",
        "memory",
    ]


def test_without_an_engine_that_is_the_only_reason_and_nothing_more_is_asked() -> None:
    engine = FakeEngine(unusable="nothing answers. Start the engine", missing={IMAGES[0]: "not there"})
    with pytest.raises(PreflightError) as caught:
        preflight(engine, needs())
    assert str(caught.value) == (
        "no Docker engine can be used; nothing was changed\n  - nothing answers. Start the engine"
    )
    assert engine.asked == ["ping"], "an engine that does not answer has no images, ports or memory to ask for"


def test_each_missing_image_is_a_reason() -> None:
    missing = {image: f"image {image} cannot be pulled" for image in IMAGES}
    assert problems(FakeEngine(missing=missing)) == list(missing.values())


def test_a_port_that_a_foreign_container_publishes_names_both_containers() -> None:
    assert problems(FakeEngine(published={9092: ("other-kafka-0", False)})) == [
        "port 9092, which p-kafka-0 needs, is taken by container other-kafka-0. "
        "Stop that, or set a different port in the stack file"
    ]


def test_a_port_that_a_process_holds_names_the_process() -> None:
    assert problems(FakeEngine(holders={6379: "process redis-server (pid 17)"})) == [
        "port 6379, which p-redis-0 needs, is taken by process redis-server (pid 17). "
        "Stop that, or set a different port in the stack file"
    ]


def test_a_container_is_named_rather_than_the_engines_proxy_that_holds_its_port() -> None:
    engine = FakeEngine(published={9092: ("other-kafka-0", False)}, holders={9092: "process docker-proxy (pid 17)"})
    (problem,) = problems(engine)
    assert "taken by container other-kafka-0" in problem
    assert "docker-proxy" not in problem


def test_the_platforms_own_ports_are_no_obstacle_even_where_a_process_holds_them() -> None:
    own = {9092: ("p-kafka-0", True), 6379: ("p-redis-0", True)}
    engine = FakeEngine(published=own, holders=dict.fromkeys(own, "process docker-proxy (pid 17)"))
    preflight(engine, needs())
    assert [question for question in engine.asked if question.startswith("port ")] == []


def test_a_port_that_moved_from_one_own_container_to_another_is_no_obstacle() -> None:
    preflight(FakeEngine(published={9092: ("p-redis-0", True)}), needs())


def test_ports_that_others_publish_and_nobody_needs_are_no_obstacle() -> None:
    preflight(FakeEngine(published={8080: ("web", False)}, holders={8081: "process web (pid 1)"}), needs())


def test_too_little_memory_is_told_with_each_share() -> None:
    assert problems(FakeEngine(bytes_of_memory=1000 * MIB)) == [
        "the members' memory limits add up to 1792MiB, but the engine's machine has 1000MiB: "
        "zookeeper-0 512MiB, kafka-0 1024MiB, redis-0 256MiB. Lower the memory and heap settings, or the replicas"
    ]


@pytest.mark.parametrize(("available", "fits"), [(TOTAL, True), (TOTAL - 1, False)])
def test_memory_that_is_just_enough_is_enough(available: int, fits: bool) -> None:
    engine = FakeEngine(bytes_of_memory=available)
    if fits:
        preflight(engine, needs())
    else:
        assert len(problems(engine)) == 1


def test_all_reasons_are_told_at_once() -> None:
    engine = FakeEngine(
        missing={IMAGES[1]: "image example/redis:1 cannot be pulled"},
        published={9092: ("other-kafka-0", False)},
        holders={6379: "another program (Address already in use)"},
        bytes_of_memory=MIB,
    )
    image, kafka, redis, memory = problems(engine)
    assert image == "image example/redis:1 cannot be pulled"
    assert kafka.startswith("port 9092, which p-kafka-0 needs, is taken by container other-kafka-0.")
    assert redis.startswith("port 6379, which p-redis-0 needs, is taken by another program (Address already in use).")
    assert memory.startswith("the members' memory limits add up to 1792MiB")


# ------------------------------------------------------------------------------------------------ the local engine


def local_engine(**connection: Any) -> LocalEngine:
    """An engine whose connection is a fake; ``ping`` would make a real one."""
    engine = LocalEngine("p")
    engine._connection = SimpleNamespace(**connection)
    return engine


def engine_on(base_url: str) -> LocalEngine:
    return local_engine(api=SimpleNamespace(base_url=base_url))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket of this process that listens on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_a_process_that_holds_a_port_is_named_with_its_id(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    holder = engine_on("http+docker://localhost").port_holder("127.0.0.1", port)
    assert holder == f"process {psutil.Process().name()} (pid {os.getpid()})"


def test_a_process_on_all_addresses_holds_the_port_on_loopback_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        port = everywhere.getsockname()[1]
        holder = engine_on("http+docker://localhost").port_holder("127.0.0.1", port)
    assert holder == f"process {psutil.Process().name()} (pid {os.getpid()})"


def test_a_holder_that_this_user_may_not_see_is_another_program(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: str) -> list[object]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    holder = engine_on("http+docker://localhost").port_holder("127.0.0.1", listener.getsockname()[1])
    assert holder == "another program (Address already in use)"


def test_a_port_is_free_again_once_its_listener_is_gone(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    engine = engine_on("http+docker://localhost")
    assert engine.port_holder("127.0.0.1", port) is not None
    listener.close()
    assert engine.port_holder("127.0.0.1", port) is None


def test_a_port_that_was_just_used_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        accepted.close()  # this side closes first, so its address lingers in TIME_WAIT
    listener.close()
    assert engine_on("http+docker://localhost").port_holder("127.0.0.1", port) is None


def test_looking_for_a_holder_leaves_the_port_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    assert engine_on("http+docker://localhost").port_holder("127.0.0.1", port) is None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize("base_url", ["http://192.0.2.1:2375", "https://192.0.2.1:2376"])
def test_ports_of_this_machine_say_nothing_about_an_engine_elsewhere(base_url: str, listener: socket.socket) -> None:
    assert engine_on(base_url).port_holder("127.0.0.1", listener.getsockname()[1]) is None


def published(port: int, address: str, kind: str = "tcp") -> dict[str, Any]:
    return {"PrivatePort": 1, "PublicPort": port, "IP": address, "Type": kind}


def test_published_ports_tell_own_containers_from_foreign_ones() -> None:
    def container(name: str, labels: dict[str, str] | None, *ports: dict[str, Any]) -> dict[str, Any]:
        return {"Names": [f"/{name}"], "Labels": labels, "Ports": list(ports)}

    listed = [
        container("p-kafka-0", {"millrace.platform": "p"}, published(9092, "127.0.0.1")),
        container("q-kafka-0", {"millrace.platform": "q"}, published(19092, "0.0.0.0")),
        container("web", None, published(8080, "::"), {"PrivatePort": 443, "Type": "tcp"}),
        container("elsewhere", None, published(6379, "127.0.0.2"), published(2181, "127.0.0.1", kind="udp")),
    ]
    engine = local_engine(api=SimpleNamespace(containers=lambda: listed))
    assert engine.published_ports("127.0.0.1") == {
        9092: ("p-kafka-0", True),
        19092: ("q-kafka-0", False),
        8080: ("web", False),
    }


def test_the_memory_is_what_the_engine_says() -> None:
    assert local_engine(info=lambda: {"MemTotal": 8 * 1024 * MIB}).memory() == 8 * 1024 * MIB


def images(*, here: bool, refusal: str | None = None) -> SimpleNamespace:
    """An engine's images: ``here`` or not, and what the registry answers."""

    def get(reference: str) -> object:
        if not here:
            raise ImageNotFound(f"No such image: {reference}")
        return object()

    def get_registry_data(reference: str) -> object:
        if refusal:
            raise APIError("500 Server Error", explanation=refusal)
        return object()

    return SimpleNamespace(get=get, get_registry_data=get_registry_data)


@pytest.mark.parametrize(
    ("here", "refusal"),
    [
        pytest.param(True, "no such host", id="on-the-engine-and-nowhere-else"),
        pytest.param(False, None, id="in-its-registry"),
    ],
)
def test_an_image_that_is_here_or_can_be_pulled_is_not_missing(here: bool, refusal: str | None) -> None:
    assert local_engine(images=images(here=here, refusal=refusal)).missing_image("example/kafka:1") is None


def test_an_image_that_is_nowhere_is_told_with_the_registrys_reason_and_a_cure() -> None:
    engine = local_engine(images=images(here=False, refusal="no such host"))
    assert engine.missing_image("example/kafka:1") == (
        "image example/kafka:1 is not on the engine and cannot be pulled (no such host). "
        "Correct the reference, or build the local images (`make images`) and set millrace:images to local"
    )


def test_an_address_that_is_not_this_machines_is_told_instead_of_taken_ports() -> None:
    engine = FakeEngine(addresses={"192.0.2.7": "Cannot assign requested address"}, holders={9092: "process x"})
    with pytest.raises(PreflightError) as caught:
        preflight(engine, replace(needs(), bind_address="192.0.2.7"))
    assert list(caught.value.problems) == [
        "no port can be bound to 192.0.2.7 (Cannot assign requested address). Set bindAddress to a local address"
    ]


def test_an_address_of_this_machine_is_usable_and_another_is_not() -> None:
    local = engine_on("http+docker://localhost")
    assert local.unusable_address("127.0.0.1") is None
    assert local.unusable_address("192.0.2.7")
    assert engine_on("http://elsewhere:2375").unusable_address("192.0.2.7") is None, "only its own machine can tell"
