"""The client of Docker engines and their machines.

Source: components/targets/docker/client.py.
Proof limit: the engine is a fake; only the search for a port's holder examines this machine.
"""

import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import docker
import psutil
import pytest
import requests
from docker.errors import APIError, DockerException, ImageNotFound

from components.errors import PreflightError
from components.quantities import MIB
from components.targets.docker.client import LocalEngine, container_health


def local_engine(**connection: Any) -> LocalEngine:
    """An engine with a fake connection; ``ping`` would open a real one."""
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


def test_a_process_that_holds_a_port_is_named_with_its_pid(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    holder = engine_on("http+docker://localhost").port_holder("127.0.0.1", port)
    assert holder == f"process {psutil.Process().name()} (pid {os.getpid()})"


def test_a_process_on_all_addresses_holds_the_port_on_loopback_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        port = everywhere.getsockname()[1]
        holder = engine_on("http+docker://localhost").port_holder("127.0.0.1", port)
    assert holder == f"process {psutil.Process().name()} (pid {os.getpid()})"


def test_a_holder_that_this_user_may_not_see_is_reported_as_an_unknown_program(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: str) -> list[object]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    holder = engine_on("http+docker://localhost").port_holder("127.0.0.1", listener.getsockname()[1])
    assert holder == "another program (Address already in use)"


def test_a_port_is_free_after_its_listener_closes(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    engine = engine_on("http+docker://localhost")
    assert engine.port_holder("127.0.0.1", port) is not None
    listener.close()
    assert engine.port_holder("127.0.0.1", port) is None


def test_a_port_that_was_just_used_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        accepted.close()  # this side closes first, so its address stays in TIME_WAIT
    listener.close()
    assert engine_on("http+docker://localhost").port_holder("127.0.0.1", port) is None


def test_the_search_for_a_holder_leaves_the_port_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    assert engine_on("http+docker://localhost").port_holder("127.0.0.1", port) is None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize("base_url", ["http://192.0.2.1:2375", "https://192.0.2.1:2376"])
def test_ports_of_this_machine_are_ignored_for_a_remote_engine(base_url: str, listener: socket.socket) -> None:
    assert engine_on(base_url).port_holder("127.0.0.1", listener.getsockname()[1]) is None


def published(port: int, address: str, kind: str = "tcp") -> dict[str, Any]:
    return {"PrivatePort": 1, "PublicPort": port, "IP": address, "Type": kind}


def test_published_ports_distinguish_own_and_foreign_containers() -> None:
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


def test_the_memory_is_the_one_that_the_engine_reports() -> None:
    assert local_engine(info=lambda: {"MemTotal": 8 * 1024 * MIB}).memory() == 8 * 1024 * MIB


def images(*, here: bool, refusal: str | None = None) -> SimpleNamespace:
    """An engine's images: ``here`` or not, and the registry's answer."""

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
def test_a_local_or_pullable_image_is_not_missing(here: bool, refusal: str | None) -> None:
    assert local_engine(images=images(here=here, refusal=refusal)).missing_image("example/kafka:1") is None


def test_a_missing_image_is_reported_with_the_registrys_reason_and_a_fix() -> None:
    engine = local_engine(images=images(here=False, refusal="no such host"))
    assert engine.missing_image("example/kafka:1") == (
        "image example/kafka:1 is not on the engine and cannot be pulled (no such host). "
        "Correct the reference, or build the local images (`make images`) and set millrace:images to local"
    )


def test_only_an_address_of_this_machine_is_usable() -> None:
    local = engine_on("http+docker://localhost")
    assert local.unusable_address("127.0.0.1") is None
    assert local.unusable_address("192.0.2.7")
    assert engine_on("http://elsewhere:2375").unusable_address("192.0.2.7") is None, (
        "only the engine's own machine can check its addresses"
    )


# ------------------------------------------------------------------------------------------------ containers' health


def engine_with(patch: pytest.MonkeyPatch, containers: object) -> list[str]:
    """What ``docker.from_env`` connects to; ``containers`` lists the running ones, or all.

    Returns:
        "closed" for each client that was closed.
    """
    closed: list[str] = []
    client = SimpleNamespace(api=SimpleNamespace(containers=containers), close=lambda: closed.append("closed"))
    patch.setattr(docker, "from_env", lambda timeout: client)
    return closed


def test_a_container_is_healthy_when_it_runs_and_passed_its_last_check(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = {
        "p-kafka-0": "Up 2 hours (healthy)",
        "p-kafka-1": "Up 2 hours (unhealthy)",
        "p-kafka-2": "Up 3 seconds (health: starting)",
        "p-zookeeper-0": "Exited (143) 2 hours ago",
        "p-redis-0": "Up 2 hours",
        "q-kafka-0": "Up 2 hours (healthy)",
    }

    def containers(*, all: bool) -> list[dict[str, Any]]:
        assert all, "a stopped container exists, too"
        return [{"Names": [f"/{name}"], "Status": status} for name, status in statuses.items()]

    closed = engine_with(monkeypatch, containers)
    asked = ["p-kafka-0", "p-kafka-1", "p-kafka-2", "p-kafka-3", "p-zookeeper-0", "p-redis-0"]
    assert container_health(asked) == {
        "p-kafka-0": True,
        "p-kafka-1": False,
        "p-kafka-2": False,
        "p-zookeeper-0": False,
        "p-redis-0": False,
    }
    assert closed == ["closed"], "a gate asks again and again"


@pytest.mark.parametrize("error", [DockerException("no such socket"), requests.ConnectionError("connection reset")])
def test_an_engine_that_does_not_answer_is_a_user_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def containers(*, all: bool) -> list[dict[str, Any]]:
        raise error

    engine_with(monkeypatch, containers)
    with pytest.raises(PreflightError) as caught:
        container_health(["p-kafka-0"])
    assert str(caught.value) == f"the Docker engine does not answer\n  - {error}"
