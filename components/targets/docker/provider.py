"""Dynamic providers that stop and remove members safely on Docker."""

from collections.abc import Iterable, Mapping, Sequence

from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from components.dynamic import Props, in_order, is_known, plain_errors, progress
from components.errors import PreflightError
from components.safety import Members, Safety, release, safety_of
from components.targets.docker.client import container_health
from components.waiting import wait_until


class MemberGateProvider(ResourceProvider):
    """The gates around a member: the engine replaces its container after the first, and goes on after the second."""

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

    @plain_errors
    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Show, in preview too, which members are removed."""
        if _olds and (gone := _removed(_olds, news)):
            progress(f"{news['workload']}: removes {', '.join(gone)}")
        return CheckResult(news, [])

    @plain_errors
    def create(self, props: Props) -> CreateResult:
        """Record the members; those that a removal left outside, which was then taken back, join again."""
        safety = _safety(props)
        if outsiders := safety.outsiders():
            safety.join(outsiders, progress)
        return CreateResult(props["workload"], props)

    @plain_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        """Check once. If a member is outside of its group, the set leaves the state: the next ``up`` lets it join."""
        if outsiders := _safety(props).outsiders():
            progress(f"{props['workload']}: {outsiders[0]} is not part of its group")
            return ReadResult(None, {})
        inputs = {key: value for key, value in props.items() if key != "__provider"}
        return ReadResult(id_, inputs, inputs)

    @plain_errors
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Release members that leave, or refuse it. No other member restarts, and no container is deleted, before."""
        if gone := _removed(_olds, _news):
            _release({**_olds, **_rights(_news)}, gone)
        return UpdateResult(_news)

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Anything but the code is a change."""
        keys = ("members", "safety", "logs", "login")
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in keys))


class MemberExitProvider(ResourceProvider):
    """The last look at a member that leaves: the engine deletes it just before the member's container."""

    def create(self, props: Props) -> CreateResult:
        """Record the member and those that stay when it leaves; nothing is asked."""
        return CreateResult(props["member"], props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        """Record them again."""
        return UpdateResult(_news)

    @plain_errors
    def delete(self, _id: str, _props: Props) -> None:
        """Release the member again: it may have become needed since the update began, as by a new topic."""
        _release(_props, [_props["member"]])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        """Anything but the code is a change."""
        keys = ("members", "safety", "logs", "login")
        return DiffResult(changes=any(_olds.get(key) != _news.get(key) for key in keys))


def _release(props: Props, gone: Sequence[str]) -> None:
    """Take members out of their group, or refuse it.

    Raises:
        SafetyError: With the reasons.
    """
    release(_safety(props), gone, "docker exec -it CONTAINER bash", progress)


def _safety(props: Props) -> Safety:
    """The rules of all members."""
    return safety_of(props["safety"], _members(props, in_order(props["members"])))


def _rights(props: Props) -> Props:
    """What adding and removing members needs; nothing in a state of an earlier version."""
    rights: Props = {} if props.get("deadline") is None else {"deadline": float(props["deadline"])}
    return rights | {"login": props.get("login") or {}}


def _members(props: Props, addresses: Mapping[str, str]) -> Members:
    return Members(addresses=addresses, logs=props["logs"], **_rights(props))


def _removed(old: Props, new: Props) -> list[str]:
    """Members that leave, by name; none while the new ones are not known."""
    return sorted(set(old["members"]) - set(new["members"])) if is_known(new["members"]) else []


def _wait(props: Props, before: Mapping[str, str]) -> None:
    """Wait until a member may be stopped, or is back.

    Args:
        props: Properties of the gate.
        before: ``host:port`` of each member before this update; empty where there was no gate.

    Raises:
        UnhealthyError: The deadline passed; holds what was found last.
    """
    stops, returns, deadline = props.get("stops"), props.get("returns"), float(props["deadline"])
    declared, containers = in_order(props["members"]), in_order(props["containers"])
    # Members that have not changed yet serve where they did before this update.
    unchanged = {name: address for name, address in before.items() if name not in props.get("changed", [])}
    addresses = in_order({**declared, **unchanged})

    def rules(names: Iterable[str]) -> Safety:
        return safety_of(props["safety"], _members(props, {name: addresses[name] for name in names}))

    def return_findings() -> list[str]:
        return rules(declared).return_findings(str(returns))

    looked: list[Safety] = []

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
        looked[:] = [rules(name for name in addresses if name in existing or name in before)]
        return looked[0].stop_findings(stops, ready)

    if returns:
        wait_until(return_findings, what=returns, deadline=deadline, report=progress)
        rules(declared).join(list(props.get("changed") or [returns]), progress)
    if stops:
        wait_until(stop_findings, what=stops, deadline=deadline, report=progress, state="safe to restart")
        for safety in looked:
            for line in safety.interruptions(stops):
                progress(line)
