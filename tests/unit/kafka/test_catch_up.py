"""Whether a broker has caught up, as its own container asks it.

Source: components/kafka/files.py.
Proof limit: the broker is a fake that sends answers in Kafka's format; the tests on a real cluster drain real nodes.
"""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.kafka.files import catch_up_script

REQUEST = bytes.fromhex("0000000e 0003 0001 00000001 ffff ffffffff")
"""Metadata, version 1, all topics."""

Partitions = Sequence[tuple[Sequence[int], Sequence[int]]]
"""Replicas and in-sync replicas of each partition."""


def text(value: str | None) -> bytes:
    return b"\xff\xff" if value is None else struct.pack(">h", len(value)) + value.encode()


def numbers(values: Sequence[int]) -> bytes:
    return struct.pack(f">i{len(values)}i", len(values), *values)


def answer(brokers: Sequence[int], topics: Mapping[str, Partitions], error: int = 0) -> bytes:
    """A Metadata response, version 1, with its length."""
    body = struct.pack(">ii", 1, len(brokers))
    for broker in brokers:
        rack = None if broker % 2 else f"zone-{broker}"
        body += struct.pack(">i", broker) + text(f"kafka-{broker}.kafka") + struct.pack(">i", 29092) + text(rack)
    body += struct.pack(">ii", brokers[0] if brokers else -1, len(topics))
    for topic, partitions in topics.items():
        body += struct.pack(">h", error) + text(topic) + b"\0" + struct.pack(">i", len(partitions))
        for number, (replicas, in_sync) in enumerate(partitions):
            leader = in_sync[0] if in_sync else -1
            body += struct.pack(">hii", 0, number, leader) + numbers(replicas) + numbers(in_sync)
    return struct.pack(">i", len(body)) + body


@contextmanager
def broker(sent: bytes) -> Iterator[int]:
    """A broker that answers one Metadata request; returns its port. It keeps the connection open, as Kafka does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(64) == REQUEST
                connection.sendall(sent)
                if len(sent) >= 4 and len(sent) == 4 + struct.unpack(">i", sent[:4])[0]:
                    connection.recv(1)  # until the script ends

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def ask(port: int, data: Path, host: str = "kafka-1") -> tuple[int, str]:
    """Run the script in a container of this name; returns its exit status and what it prints."""
    script = catch_up_script(str(data), port)
    environment = {"HOSTNAME": host, "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    return done.returncode, done.stdout


IN_SYNC: Partitions = [([0, 1, 2], [0, 1, 2]), ([1, 2, 0], [2, 1])]


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        pytest.param({"orders": IN_SYNC, "audit": [([1], [1])]}, (0, ""), id="every own replica is in sync"),
        pytest.param({"orders": [([0, 2], [0])]}, (0, ""), id="another broker lags"),
        pytest.param({}, (0, ""), id="there are no topics yet"),
        pytest.param(
            {"orders": IN_SYNC, "audit": [([0, 1], [0]), ([1, 2], [])]},
            (1, "not yet: 2 of its 4 replicas are not in sync: audit-0, audit-1\n"),
            id="one replica lags and one partition has no leader",
        ),
        pytest.param(
            {"t": [([0, 1, 2], [0, 2])] * 7},
            (1, f"not yet: 7 of its 7 replicas are not in sync: {', '.join(f't-{n}' for n in range(5))} and 2 more\n"),
            id="many lag",
        ),
        pytest.param({"orders": [([11, 2], [2])]}, (0, ""), id="a broker whose id only begins alike"),
    ],
)  # fmt: skip
def test_a_broker_has_caught_up_when_all_its_replicas_are_in_sync(
    topics: Mapping[str, Partitions], expected: tuple[int, str], tmp_path: Path
) -> None:
    with broker(answer([0, 1, 2], topics)) as port:
        assert ask(port, tmp_path) == expected


def test_an_id_of_two_digits_is_read_from_the_container_s_name(tmp_path: Path) -> None:
    with broker(answer([0, 12], {"orders": [([12, 0], [0])]})) as port:
        code, said = ask(port, tmp_path, "kafka-12")
    assert (code, said) == (1, "not yet: 1 of its 1 replicas are not in sync: orders-0\n")


def test_an_answer_of_many_bytes_is_read_completely(tmp_path: Path) -> None:
    """Numbers above one byte, and an answer that is longer than any buffer on its way."""
    topics = {f"topic-{number}": [([300, 1, 70000], [300, 1])] * 40 for number in range(100)}
    topics["last"] = [([1, 300], [300])]
    with broker(answer([1, 300, 70000], topics)) as port:
        assert ask(port, tmp_path) == (1, "not yet: 1 of its 4001 replicas are not in sync: last-0\n")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(b"", "it does not answer", id="it closes the connection"),
        pytest.param(b"\0\0", "it does not answer", id="half a length"),
        pytest.param(answer([1], {"orders": IN_SYNC})[:-3], "its answer is not complete", id="a part is missing"),
        pytest.param(answer([], {}), "it is not registered", id="it has no metadata yet"),
        pytest.param(answer([0, 2], {"orders": IN_SYNC}), "it is not registered", id="only the others are registered"),
        pytest.param(
            answer([0, 1], {"orders": IN_SYNC}, error=3), "the metadata of topic orders cannot be read", id="an error"
        ),
    ],
)
def test_an_answer_that_proves_nothing_is_a_no(sent: bytes, said: str, tmp_path: Path) -> None:
    with broker(sent) as port:
        assert ask(port, tmp_path) == (1, f"not yet: {said}\n")


def test_a_broker_that_does_not_listen_has_not_caught_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert ask(port, tmp_path) == (1, "not yet: nothing listens\n")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        pytest.param("kafka-1/orders-12", (1, "not yet: it has data but no metadata\n"), id="its own partition"),
        pytest.param("kafka-0/orders-12", (0, ""), id="another broker's"),
        pytest.param("kafka-1/orders-12.0a1b-delete", (0, ""), id="one that is being deleted"),
        pytest.param("kafka-1/plain", (0, ""), id="no partition"),
    ],
)
def test_metadata_without_topics_is_not_believed_by_a_broker_with_data(
    folder: str, expected: tuple[int, str], tmp_path: Path
) -> None:
    """While a controller takes over, brokers know each other but no topic."""
    (tmp_path / folder).mkdir(parents=True)
    with broker(answer([0, 1, 2], {})) as port:
        assert ask(port, tmp_path) == expected
