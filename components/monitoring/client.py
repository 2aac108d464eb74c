"""Health checks of the monitoring servers: what the exporter sees, and whether the others serve."""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from components.errors import count
from components.findings import finding, host_and_port
from components.routes import DIRECT, Route, patience

TIMEOUT = 5.0
"""Seconds for one answer."""

EXPORTER = "exporter-0"


def exporter_findings(address: str, brokers: int, logs: Mapping[str, str], *, route: Route = DIRECT) -> list[str]:
    """Findings where the exporter does not serve, or sees less than a healthy platform; empty when healthy.

    Args:
        address: ``host:port``.
        brokers: Number of brokers that it must see online.
        logs: For each member the command that shows its logs.
        route: How the address is reached.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        text = get(f"{address}/metrics", route=route)
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (OSError, ValueError) as error:
        return [_unserved(EXPORTER, f"{address}/metrics", error, logs, route)]
    online = [sample for sample in samples if sample.name == "kafka_broker_online" and sample.value == 1]
    checks = [sample for sample in samples if sample.name == "platform_check_success"]
    findings = [
        finding(EXPORTER, seen=f"its check of {sample.labels['check']} fails", expected="it to succeed", logs=logs)
        for sample in checks
        if sample.value != 1
    ]
    if not checks:
        findings.append(finding(EXPORTER, seen="it has checked nothing yet", expected="results", logs=logs))
    elif len(online) != brokers:
        seen = f"it sees {count(len(online), 'broker')} online"
        findings.append(finding(EXPORTER, seen=seen, expected=f"all {brokers}", logs=logs))
    return findings


def ready_findings(member: str, page: str, logs: Mapping[str, str], *, route: Route = DIRECT) -> list[str]:
    """A finding where a server does not serve its page; empty when it does.

    Args:
        member: The server.
        page: ``host:port/path`` of a page that answers with status 200 while the server serves.
        logs: For each member the command that shows its logs.
        route: How the address is reached.
    """
    try:
        get(page, route=route)
    except OSError as error:
        return [_unserved(member, page, error, logs, route)]
    return []


def get(page: str, *, route: Route = DIRECT) -> str:
    """The text of a page.

    Args:
        page: ``host:port/path``.
        route: How the address is reached.

    Raises:
        OSError: There is no answer, or its status is not 200.
    """
    address, slash, path = page.partition("/")
    host, port = host_and_port(route.local(address))
    connection = HTTPConnection(host, port, timeout=patience(route, TIMEOUT))
    try:
        connection.request("GET", f"{slash}{path}")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except HTTPException as error:
        raise OSError(f"not an HTTP answer ({error!r})") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"status {answer.status} {answer.reason}")
    return text


def _unserved(member: str, page: str, error: Exception, logs: Mapping[str, str], route: Route) -> str:
    why = route.trouble(page.partition("/")[0]) or error
    return finding(member, seen=f"http://{page} does not serve ({why})", expected="an answer", logs=logs)
