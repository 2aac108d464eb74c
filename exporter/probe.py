"""`python -m exporter.probe`: exits with 1 unless the exporter in this container is healthy."""

import os
import sys
from http.client import HTTPConnection, HTTPException

from components.errors import SettingsError
from exporter.settings import metrics_port

SECONDS = 2.0
"""Timeout of the request."""

HEALTHY = "/-/healthy"
"""Path of the exporter's health endpoint."""


def healthy(port: int) -> bool:
    """Whether the exporter on this machine answers that all its checks run."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", HEALTHY)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    try:
        sys.exit(0 if healthy(metrics_port(os.environ)) else 1)
    except SettingsError:
        sys.exit(1)
