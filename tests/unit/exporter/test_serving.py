"""What the exporter serves, and to whom it says that it is well."""

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


class Wellness:
    well = True


@contextmanager
def serving(wellness: Wellness) -> Iterator[int]:
    served = server.application(One(), lambda: wellness.well)
    with server.make(0, served) as listening:
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
    with serving(Wellness()) as port:
        status, text = get(port, "/metrics")
        assert status == 200
        assert "one 1.0\n" in text
        assert get(port, "/") == (404, "see /metrics and /-/healthy\n")


def test_the_probe_tells_whether_all_checks_run() -> None:
    wellness = Wellness()
    with serving(wellness) as port:
        assert healthy(port)
        wellness.well = False
        assert get(port, "/-/healthy") == (503, "a check has ended\n")
        assert not healthy(port)
    assert not healthy(port), "nobody listens any more"


def test_a_client_that_says_nothing_keeps_no_other_waiting() -> None:
    with serving(Wellness()) as port:
        silent = HTTPConnection("127.0.0.1", port, timeout=5)
        silent.connect()
        try:
            assert get(port, "/metrics")[0] == 200
        finally:
            silent.close()


def test_a_taken_port_is_an_error_at_the_start() -> None:
    with serving(Wellness()) as port, pytest.raises(OSError, match="in use"):
        server.make(port, server.application(One(), lambda: True))
