"""The workload of the ensemble: command and probe.

Source: components/zookeeper/component.py.
"""

import socket
import threading

import pytest

from tests.unit.workloads import succeeds, workload, zookeeper_probe


def test_zookeeper_starts_through_the_script_with_its_ordinal_and_host() -> None:
    item = workload("zookeeper")
    assert list(item.command) == ["bash", "/etc/millrace/start-zookeeper.sh", "$(ORDINAL)", "$(HOST)"]
    assert item.user == 1000, "the image's own user, by number: no target lets a server run as root"


def answering(server: socket.socket, answer: bytes) -> threading.Thread:
    """Answer one client of ZooKeeper's four-letter word, and close the connection."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            assert client.recv(4) == b"srvr"
            client.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"Zookeeper version: 3.8.4\nMode: leader\nNode count: 5\n", True),
        (b"Zookeeper version: 3.8.4\nMode: follower\n", True),
        (b"This ZooKeeper instance is not currently serving requests\n", False),
        (b"srvr is not executed because it is not in the whitelist.\n", False),
        (b"", False),
    ],
)
def test_zookeepers_probe_fails_if_a_member_has_no_quorum(
    listener: socket.socket, answer: bytes, healthy: bool
) -> None:
    thread = answering(listener, answer)
    assert succeeds(zookeeper_probe(listener.getsockname()[1])) is healthy
    thread.join()
