"""Preflight on Docker: requirements of the engine and its machine before anything is created.

Source: components/targets/docker/preflight.py.
Proof limit: the engine is a fake; a real one may answer differently.
"""

from dataclasses import replace

import pytest

from components.errors import PreflightError
from components.quantities import MIB
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


def test_an_engine_that_meets_all_requirements_passes_every_check() -> None:
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


def test_a_missing_engine_is_the_only_problem_and_ends_the_checks() -> None:
    engine = FakeEngine(unusable="nothing answers. Start the engine", missing={IMAGES[0]: "not there"})
    with pytest.raises(PreflightError) as caught:
        preflight(engine, needs())
    assert str(caught.value) == (
        "no Docker engine can be used; nothing was changed\n  - nothing answers. Start the engine"
    )
    assert engine.asked == ["ping"], "an engine that does not answer cannot be queried for images, ports or memory"


def test_each_missing_image_is_a_problem() -> None:
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


def test_a_container_is_named_instead_of_the_engines_proxy_that_holds_its_port() -> None:
    engine = FakeEngine(published={9092: ("other-kafka-0", False)}, holders={9092: "process docker-proxy (pid 17)"})
    (problem,) = problems(engine)
    assert "taken by container other-kafka-0" in problem
    assert "docker-proxy" not in problem


def test_the_platforms_own_ports_are_no_problem_even_if_a_process_holds_them() -> None:
    own = {9092: ("p-kafka-0", True), 6379: ("p-redis-0", True)}
    engine = FakeEngine(published=own, holders=dict.fromkeys(own, "process docker-proxy (pid 17)"))
    preflight(engine, needs())
    assert [question for question in engine.asked if question.startswith("port ")] == []


def test_a_port_that_moves_between_own_containers_is_no_problem() -> None:
    preflight(FakeEngine(published={9092: ("p-redis-0", True)}), needs())


def test_foreign_ports_that_the_platform_does_not_need_are_no_problem() -> None:
    preflight(FakeEngine(published={8080: ("web", False)}, holders={8081: "process web (pid 1)"}), needs())


def test_too_little_memory_is_reported_with_each_share() -> None:
    assert problems(FakeEngine(bytes_of_memory=1000 * MIB)) == [
        "the members' memory limits add up to 1792MiB, but the engine's machine has 1000MiB: "
        "zookeeper-0 512MiB, kafka-0 1024MiB, redis-0 256MiB. Lower the memory and heap settings, or the replicas"
    ]


@pytest.mark.parametrize(("available", "fits"), [(TOTAL, True), (TOTAL - 1, False)])
def test_just_enough_memory_is_no_problem(available: int, fits: bool) -> None:
    engine = FakeEngine(bytes_of_memory=available)
    if fits:
        preflight(engine, needs())
    else:
        assert len(problems(engine)) == 1


def test_all_problems_are_reported_at_once() -> None:
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


def test_a_foreign_address_is_reported_instead_of_taken_ports() -> None:
    engine = FakeEngine(addresses={"192.0.2.7": "Cannot assign requested address"}, holders={9092: "process x"})
    with pytest.raises(PreflightError) as caught:
        preflight(engine, replace(needs(), bind_address="192.0.2.7"))
    assert list(caught.value.problems) == [
        "no port can be bound to 192.0.2.7 (Cannot assign requested address). Set bindAddress to a local address"
    ]
