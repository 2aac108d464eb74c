"""Dynamic provider of the gate that says that the platform is watched."""

from collections.abc import Mapping
from typing import cast

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.dynamic import Props, in_order, plain_errors, progress
from components.monitoring import client as monitor
from components.targets.routes import open_route as route_of
from components.waiting import wait_until


class MonitorGateProvider(ResourceProvider):
    """Checks the monitoring servers whenever one is made anew."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait until all serve; a failed create is tried again by the next ``up``."""
        _pass(props)
        return CreateResult(f"{props['platform']}-monitor", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait until all serve."""
        _pass(_news)
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Only servers made anew, or other ones, are waited for; another deadline is no reason."""
        keys = ("trigger", "brokers", "ready")
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in keys))

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Look once. A gate whose servers do not serve any more is forgotten, so that the next ``up`` checks.

        What the exporter sees is the health gate's affair: a lost broker is told once.
        """
        exporter = {monitor.EXPORTER: f"{props['exporter']}/-/healthy"}
        findings = _unready({**exporter, **props["ready"]}, props)
        for line in findings:
            progress(line)
        return ReadResult(None, {}) if findings else ReadResult(id_, props)


def _pass(props: Props) -> None:
    """Wait for all servers.

    Raises:
        UnhealthyError: With what is still wrong at the deadline.
    """
    wait_until(lambda: _findings(props), what="the monitoring", deadline=float(props["deadline"]), report=progress)


def _findings(props: Props) -> list[str]:
    logs, way = cast("Mapping[str, str]", props["logs"]), route_of(props.get("route"))
    seen = monitor.exporter_findings(props["exporter"], int(props["brokers"]), logs, route=way)
    return [*seen, *_unready(props["ready"], props)]


def _unready(pages: Mapping[str, str], props: Props) -> list[str]:
    """Servers whose page does not say that they serve."""
    logs, way = cast("Mapping[str, str]", props["logs"]), route_of(props.get("route"))
    return [
        line
        for member, page in in_order(pages).items()
        for line in monitor.ready_findings(member, page, logs, route=way)
    ]
