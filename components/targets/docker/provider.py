"""Dynamic provider of the gates between members on Docker."""

from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider, UpdateResult

from components.dynamic import Props, in_order, plain_errors, progress
from components.errors import PreflightError
from components.safety import Members, safety_of
from components.targets.docker.client import healthy_containers
from components.waiting import wait_until


class MemberGateProvider(ResourceProvider):
    """Waits before a member's container is replaced: Pulumi replaces it once the gate has passed."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait; the next ``up`` tries a failed create again."""
        _pass(props)
        return CreateResult(props.get("stops") or f"{props['returns']}-returned", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait before the changed member is stopped."""
        _pass(_news)
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Only a changed member is waited for; a new address or deadline is no reason to wait."""
        return DiffResult(changes=_olds.get("trigger") != _news.get("trigger"))


def _pass(props: Props) -> None:
    """Wait until the previous member is back and the next one may be stopped.

    Raises:
        UnhealthyError: The deadline passed; holds what was found last.
    """
    stops, returns = props.get("stops"), props.get("returns")
    members = Members(addresses=in_order(props["members"]), logs=props["logs"])
    safety = safety_of(props["safety"], members)
    deadline = float(props["deadline"])
    if returns:
        wait_until(lambda: safety.return_findings(returns), what=returns, deadline=deadline, report=progress)
    if not stops:
        return

    def look() -> list[str]:
        try:
            healthy = healthy_containers(props["containers"].values())
        except PreflightError as error:  # what is unknown is not safe
            return [str(error)]
        ready = [name for name, container in in_order(props["containers"]).items() if container in healthy]
        return safety.stop_findings(stops, ready)

    wait_until(look, what=stops, deadline=deadline, report=progress, state="safe to restart")
    for line in safety.losses(stops):
        progress(line)
