"""Kafka clients whose errors are for a person."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ops.errors import UnreachableError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


@contextmanager
def admin_at(bootstrap: str) -> "Generator[KafkaAdminClient]":
    """An admin client of any cluster that takes connections without TLS and login.

    Args:
        bootstrap: ``host:port`` of brokers, separated by commas.

    Raises:
        UnreachableError: No broker answers, or one refused a request.
    """
    from components.kafka import client as kafka

    if not kafka.any_listens(bootstrap):
        raise UnreachableError(f"no broker answers at {bootstrap}")
    with kafka_errors(f"Kafka at {bootstrap}"), kafka.admin_client(bootstrap) as client:
        yield client


@contextmanager
def kafka_errors(where: str) -> Generator[None]:
    """Errors of Kafka clients as errors for a person."""
    from kafka.errors import KafkaError

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it logs is raised as well
    try:
        yield
    except KafkaError as error:
        raise UnreachableError(f"{where}: {error}") from error
