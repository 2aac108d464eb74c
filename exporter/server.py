"""Serves the metrics, and whether the exporter itself is well."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from exporter.probe import HEALTHY

METRICS = "/metrics"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line for each scrape would hide what matters."""


def application(collector: Collector, healthy: Callable[[], bool]) -> Application:
    """What is served: ``/metrics`` and ``/-/healthy``.

    Args:
        collector: Tells the metrics.
        healthy: Whether all checks still look.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    metrics: Application = make_wsgi_app(registry)

    def serve(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if request["PATH_INFO"] == METRICS:
            return metrics(request, start)
        if request["PATH_INFO"] != HEALTHY:
            return _answer(start, "404 Not Found", f"see {METRICS} and {HEALTHY}")
        if healthy():
            return _answer(start, "200 OK", "all checks run")
        return _answer(start, "503 Service Unavailable", "a check has ended")

    return serve


def _answer(start: Callable[..., Any], status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


def make(port: int, served: Application) -> WSGIServer:
    """A server with a thread for each request, on all of the machine's addresses: others scrape it.

    Raises:
        OSError: The port is taken.
    """
    return make_server("", port, served, server_class=ThreadingWSGIServer, handler_class=_QuietHandler)
