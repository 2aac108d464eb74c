"""The exporter's endpoints: metrics and health.

Source: exporter/server.py, exporter/probe.py.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter import server
from exporter.probe import healthy


class One(Collector):
    def collect(self) -> Generator[Metric]:
        yield GaugeMetricFamily("one", "Is one.", 1)


class Status:
    healthy = True


@contextmanager
def serving(status: Status) -> Iterator[int]:
    application = server.application(One(), lambda: status.healthy)
    with server.listen(0, application) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield listening.server_port
        finally:
            listening.shutdown()
            thread.join()


def get(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_metrics_are_at_their_own_path() -> None:
    with serving(Status()) as port:
        status, text = get(port, "/metrics")
        assert status == 200
        assert "one 1.0\n" in text
        assert get(port, "/") == (404, "see /metrics and /-/healthy\n")


def test_the_probe_fails_when_a_check_has_stopped() -> None:
    current = Status()
    with serving(current) as port:
        assert healthy(port)
        current.healthy = False
        assert get(port, "/-/healthy") == (503, "a check has stopped\n")
        assert not healthy(port)
    assert not healthy(port), "the server has stopped"


def test_a_silent_client_keeps_no_other_waiting() -> None:
    with serving(Status()) as port:
        silent = HTTPConnection("127.0.0.1", port, timeout=5)
        silent.connect()
        try:
            assert get(port, "/metrics")[0] == 200
        finally:
            silent.close()


def test_a_taken_port_is_an_error_at_the_start() -> None:
    with serving(Status()) as port, pytest.raises(OSError, match="in use"):
        server.listen(port, server.application(One(), lambda: True))
