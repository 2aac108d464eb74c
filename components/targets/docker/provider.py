"""Dynamic providers that stop and remove members safely on Docker."""

from collections.abc import Iterable, Mapping

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ResourceProvider, UpdateResult

from components.dynamic import Props, in_order, is_known, plain_errors, progress
from components.errors import PreflightError
from components.naming import ordinal_of
from components.safety import Members, Safety, release, safety_of
from components.targets.docker.client import container_health
from components.waiting import wait_until


class MemberGateProvider(ResourceProvider):
    """The gate before a member: the engine replaces the member's container once the gate has passed."""

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Wait; a failed create is tried again by the next ``up``."""
        _wait(props, {})
        return CreateResult(props.get("stops") or f"{props['returns']}-returned", props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Wait before the changed member is stopped."""
        _wait(_news, _olds.get("members") or {})
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Only a changed member is waited for; a new address or deadline is no reason."""
        return DiffResult(changes=_olds.get("trigger") != _news.get("trigger"))


class MemberSetProvider(ResourceProvider):
    """Knows the members of a workload, so that none that is still needed is removed."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Show, in preview too, which members are removed."""
        if _olds and (gone := _removed(_olds, news)):
            progress(f"{news['workload']}: removes {', '.join(gone)}")
        return CheckResult(news, [])

    def create(self, props: Props) -> CreateResult:
        """Record the members; nothing is asked."""
        return CreateResult(props["workload"], props)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Release members that leave, or refuse it. The engine deletes their containers only after this."""
        if gone := _removed(_olds, _news):
            members = Members(
                addresses=in_order(_olds["members"]),
                logs=_olds["logs"],
                deadline=float(_news["deadline"]),
                password=_news.get("password") or "",
            )
            shell = "docker exec -it CONTAINER bash"
            release(safety_of(_olds["safety"], members), gone, shell, progress)
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Anything but the code is a change."""
        keys = ("members", "safety", "logs")
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in keys))


def _removed(old: Props, new: Props) -> list[str]:
    """Members that leave, by name; none while the new ones are not known."""
    return sorted(set(old["members"]) - set(new["members"])) if is_known(new["members"]) else []


def _wait(props: Props, before: Mapping[str, str]) -> None:
    """Wait until the previous member is back and part of its group, and the next one may be stopped.

    Args:
        props: Properties of the gate.
        before: ``host:port`` of each member before this update; empty where there was no gate.

    Raises:
        UnhealthyError: The deadline passed; holds what was found last.
    """
    stops, returns, deadline = props.get("stops"), props.get("returns"), float(props["deadline"])
    declared, containers = in_order(props["members"]), in_order(props["containers"])
    addresses = _current_addresses(declared, before, returns)

    def rules(names: Iterable[str]) -> Safety:
        members = Members(
            addresses={name: addresses[name] for name in names},
            logs=props["logs"],
            deadline=deadline,
            password=props.get("password") or "",
        )
        return safety_of(props["safety"], members)

    def return_findings() -> list[str]:
        return rules(declared).return_findings(str(returns))

    def stop_findings() -> list[str]:
        try:
            health = container_health(containers.values())
        except PreflightError as error:  # unknown is not safe
            return [str(error)]
        existing = {name: health[container] for name, container in containers.items() if container in health}
        if stops not in existing:  # it will be created; nothing is stopped
            return []
        ready = [name for name, healthy in existing.items() if healthy]
        # A member that is added serves only after those before it have changed.
        return rules(name for name in addresses if name in existing or name in before).stop_findings(stops, ready)

    if returns:
        wait_until(return_findings, what=returns, deadline=deadline, report=progress)
        rules(declared).join([name for name in declared if ordinal_of(name) <= ordinal_of(returns)], progress)
    if stops:
        wait_until(stop_findings, what=stops, deadline=deadline, report=progress, state="safe to restart")
        for line in rules(declared).interruptions(stops):
            progress(line)


def _current_addresses(declared: Mapping[str, str], before: Mapping[str, str], changed: str | None) -> dict[str, str]:
    """Where members serve now: as declared up to the member that changed last, as before this update after it."""
    done = -1 if changed is None else ordinal_of(changed)
    unchanged = {name: address for name, address in before.items() if ordinal_of(name) > done}
    return in_order({**declared, **unchanged})
