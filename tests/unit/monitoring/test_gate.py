"""The monitoring gate: how it checks the exporter and the other servers, over real HTTP.

Source: components/monitoring/client.py, components/monitoring/provider.py.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from components.monitoring.client import exporter_findings, ready_findings
from components.monitoring.provider import MonitorGateProvider

LOGS = {"exporter-0": "docker logs exporter", "prometheus-0": "docker logs prometheus"}
WELL = """\
kafka_broker_online{broker_id="0"} 1.0
kafka_broker_online{broker_id="1"} 1.0
platform_check_success{check="kafka"} 1.0
platform_check_success{check="redis"} 1.0
"""


class Pages(BaseHTTPRequestHandler):
    """Serves the texts of ``texts`` by path; other paths respond that they are not ready."""

    texts: dict[str, str]

    def do_GET(self) -> None:
        text = self.server.texts.get(self.path)  # pyright: ignore
        self.send_response(503 if text is None else 200)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def pages() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Pages)
    server.texts = {"/metrics": WELL, "/-/ready": "ready", "/-/healthy": "healthy"}  # pyright: ignore
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def address(server: HTTPServer) -> str:
    return f"127.0.0.1:{server.server_port}"


def props(server: HTTPServer, **changes: object) -> dict[str, object]:
    where = address(server)
    ready = {"prometheus-0": f"{where}/-/ready"}
    given = {"platform": "millrace-test", "exporter": where, "brokers": 2.0, "ready": ready, "deadline": 0.2}
    return {**given, "trigger": {"exporter-0": "a"}, "logs": LOGS, "route": None, **changes}


def test_there_are_no_findings_if_all_brokers_are_seen(pages: HTTPServer) -> None:
    assert exporter_findings(address(pages), 2, LOGS) == []
    assert ready_findings("prometheus-0", f"{address(pages)}/-/ready", LOGS) == []


def test_a_broker_that_is_not_seen_is_reported(pages: HTTPServer) -> None:
    assert exporter_findings(address(pages), 3, LOGS) == [
        "exporter-0: it sees 2 brokers online; expected all 3\nlook at: docker logs exporter"
    ]
    pages.texts["/metrics"] = WELL.replace('id="1"} 1.0', 'id="1"} 0.0')  # pyright: ignore
    assert "it sees 1 broker online; expected all 2" in exporter_findings(address(pages), 2, LOGS)[0]


def test_a_failing_check_is_reported_by_name(pages: HTTPServer) -> None:
    pages.texts["/metrics"] = WELL.replace('"redis"} 1.0', '"redis"} 0.0')  # pyright: ignore
    (line,) = exporter_findings(address(pages), 2, LOGS)
    assert line.startswith("exporter-0: its check of redis fails; expected it to succeed")


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_exporter_that_has_checked_nothing_is_unhealthy(pages: HTTPServer, text: str) -> None:
    pages.texts["/metrics"] = text  # pyright: ignore
    (line,) = exporter_findings(address(pages), 2, LOGS)
    assert "it has checked nothing yet" in line


def test_a_page_that_is_not_metrics_is_reported(pages: HTTPServer) -> None:
    pages.texts["/metrics"] = "<html>another program</html>"  # pyright: ignore
    (line,) = exporter_findings(address(pages), 2, LOGS)
    assert f"http://{address(pages)}/metrics does not serve" in line


def test_an_unready_or_missing_server_is_reported(pages: HTTPServer) -> None:
    (line,) = ready_findings("prometheus-0", f"{address(pages)}/other", LOGS)
    assert "does not serve (status 503 Service Unavailable); expected an answer" in line
    assert "look at: docker logs prometheus" in line
    (line,) = ready_findings("prometheus-0", "127.0.0.1:1/-/ready", LOGS)
    assert "Connection refused" in line


def test_the_gate_passes_if_all_servers_serve(pages: HTTPServer) -> None:
    gate, given = MonitorGateProvider(), props(pages)
    assert gate.create(given).id == "millrace-test-monitor"
    assert gate.update("id", given, given).outs == given
    assert gate.read("id", given).id == "id"


def test_the_gate_fails_with_every_finding(pages: HTTPServer) -> None:
    given = props(pages, brokers=3, ready={"prometheus-0": f"{address(pages)}/other"})
    with pytest.raises(Exception, match="the monitoring is not healthy") as caught:
        MonitorGateProvider().create(given)
    assert "expected all 3" in str(caught.value)
    assert "status 503" in str(caught.value)


def test_a_refresh_keeps_the_gate_despite_a_lost_broker(pages: HTTPServer) -> None:
    given = props(pages, brokers=3)
    assert MonitorGateProvider().read("id", given).id == "id", "the health gate reports it"


def test_a_refresh_removes_a_gate_whose_servers_are_gone(pages: HTTPServer) -> None:
    assert MonitorGateProvider().read("id", props(pages, exporter="127.0.0.1:1")).id is None


def test_a_changed_deadline_does_not_check_again(pages: HTTPServer) -> None:
    old = props(pages)
    assert MonitorGateProvider().diff("id", old, {**old, "deadline": 5}).changes is False
    assert MonitorGateProvider().diff("id", old, {**old, "trigger": {"exporter-0": "b"}}).changes is True
    assert MonitorGateProvider().diff("id", old, {**old, "brokers": 3.0}).changes is True
