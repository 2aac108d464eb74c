"""Serves the metrics and the exporter's own health."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from exporter.probe import HEALTHY

METRICS = "/metrics"

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log no requests: scrapes would fill the log."""


def application(collector: Collector, healthy: Callable[[], bool]) -> Application:
    """A WSGI application that serves ``/metrics`` and ``/-/healthy``.

    Args:
        collector: Collects the metrics.
        healthy: Returns whether all checks still run.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    # make_wsgi_app has no complete type.
    metrics: Application = import_module("prometheus_client").make_wsgi_app(registry)

    def serve(request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if request["PATH_INFO"] == METRICS:
            return metrics(request, start)
        if request["PATH_INFO"] != HEALTHY:
            return _answer(start, "404 Not Found", f"see {METRICS} and {HEALTHY}")
        if healthy():
            return _answer(start, "200 OK", "all checks run")
        return _answer(start, "503 Service Unavailable", "a check has stopped")

    return serve


def _answer(start: Callable[..., Any], status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


def listen(port: int, application: Application) -> WSGIServer:
    """A server on all addresses, with a thread per request.

    Raises:
        OSError: The port is taken.
    """
    return make_server("", port, application, server_class=ThreadingWSGIServer, handler_class=_QuietHandler)
