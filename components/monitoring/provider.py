"""Dynamic provider of the monitoring gate."""

from collections.abc import Mapping
from typing import cast

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.dynamic import Props, in_order, plain_errors, progress
from components.monitoring import client as monitor
from components.targets.routes import open_route
from components.waiting import wait_until


class MonitorGateProvider(ResourceProvider):
    """Checks the monitoring servers whenever one is replaced."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until all serve; the next ``up`` tries a failed create again."""
        _wait(props)
        return CreateResult(f"{props['platform']}-monitor", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait until all serve."""
        _wait(_news)
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Only replaced, added or moved servers are waited for; a new deadline is no reason to wait."""
        keys = ("trigger", "brokers", "ready")
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in keys))

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Check once. If a server no longer serves, the gate leaves the state, so that the next ``up`` checks again.

        What the exporter sees is not checked here: the health gate already reports a lost broker.
        """
        exporter = {monitor.EXPORTER: f"{props['exporter']}/-/healthy"}
        findings = _unready({**exporter, **props["ready"]}, props)
        for line in findings:
            progress(line)
        return ReadResult(None, {}) if findings else ReadResult(id_, props)


def _wait(props: Props) -> None:
    """Wait for all servers.

    Raises:
        UnhealthyError: With what is still wrong at the deadline.
    """
    wait_until(lambda: _findings(props), what="the monitoring", deadline=float(props["deadline"]), report=progress)


def _findings(props: Props) -> list[str]:
    logs, route = cast("Mapping[str, str]", props["logs"]), open_route(props.get("route"))
    seen = monitor.exporter_findings(props["exporter"], int(props["brokers"]), logs, route=route)
    return [*seen, *_unready(props["ready"], props)]


def _unready(pages: Mapping[str, str], props: Props) -> list[str]:
    """Findings for servers that do not serve their page."""
    logs, route = cast("Mapping[str, str]", props["logs"]), open_route(props.get("route"))
    return [
        line
        for member, page in in_order(pages).items()
        for line in monitor.ready_findings(member, page, logs, route=route)
    ]
