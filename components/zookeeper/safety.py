"""When a member of the ensemble may be stopped, and how members join and leave it."""

from collections.abc import Callable, Collection, Mapping, Sequence

from components.findings import finding
from components.naming import ordinal_of
from components.safety import Report, Safety
from components.waiting import wait_until
from components.zookeeper.client import (
    Joining,
    MembershipError,
    MemberState,
    change_voters,
    member_states,
    restart_findings,
    role_findings,
    voters,
)


class EnsembleSafety(Safety):
    """ZooKeeper: a quorum stays, the leader changes once, and members join and leave by dynamic reconfiguration."""

    def last(self) -> str | None:
        """The leader."""
        return _leader(self._states())

    def stop_findings(self, name: str, ready: Collection[str]) -> list[str]:
        """Members that are not in sync; for a member that is not ready, whether the others are a quorum without it.

        Only members with a vote count, as the ensemble lists them: one that joins or has left is no part of a quorum.
        """
        if not ready:
            return []
        states, logs = self._states(), self.members.logs
        try:
            present = self._voters(states)
        except MembershipError as error:
            return [f"ZooKeeper: which members have a vote is unknown: {error}"]
        if _number(name) not in present:
            return []
        voting = {item: state for item, state in states.items() if _number(item) in present}
        if name in ready:
            addresses = {item: self.members.addresses[item] for item in voting}
            return role_findings(addresses, logs, route=self.members.route)
        others = sum(state.mode is not None for item, state in voting.items() if item != name)
        if others > len(present) // 2:
            return []
        seen = f"only {others} of the other members serve"
        return [finding(name, seen=seen, expected="a quorum without it", logs=logs)]

    def return_findings(self, name: str) -> list[str]:
        """Whether the member has joined the quorum."""
        return restart_findings(name, self.members.addresses, self.members.logs, route=self.members.route)

    def join(self, names: Collection[str], report: Report) -> None:
        """Give each member a vote, one at a time: after it has copied the data, and before the next one.

        While a majority of the members does not even listen, as early in a first start, there is no quorum yet that
        could add one; the call for the last member waits for it.

        Raises:
            UnhealthyError: A member does not copy the data or get its vote before the deadline.
        """
        if len(names) < len(self.members.addresses) and _is_early(self._states()):
            return
        for name in sorted(names, key=ordinal_of):
            self._wait(lambda name=name: self._join_findings(name, report), name, "a member with a vote", report)

    def outsiders(self) -> list[str]:
        """Members that serve and have no vote."""
        states = self._states()
        try:
            present = self._voters(states)
        except MembershipError:
            return []
        return [name for name in _serving(states) if _number(name) not in present]

    def leave(self, names: Sequence[str], report: Report) -> None:
        """Take members out of the ensemble, one at a time, the leader last: it hands over to a follower in sync.

        Members that are out still serve what they have until they are stopped.

        Raises:
            UnhealthyError: The ensemble does not answer or refuses before the deadline.
        """
        leader = _leader(self._states())
        for name in sorted(names, key=lambda name: (name != leader, ordinal_of(name)), reverse=True):
            self._wait(lambda name=name: self._leave_findings(name, report), name, "out of the ensemble", report)

    def removal_findings(self, names: Sequence[str]) -> list[str]:
        """Members that still have a vote."""
        try:
            present = self._voters(self._states())
        except MembershipError as error:
            return [f"ZooKeeper: whether {' and '.join(names)} may go is unknown: {error}"]
        logs = self.members.logs
        return [
            finding(name, seen="it has a vote", expected="a member that left the ensemble", logs=logs)
            for name in names
            if _number(name) in present
        ]

    def _join_findings(self, name: str, report: Report) -> list[str]:
        """Why a member has no vote yet; it is given one when it is in sync."""
        states, logs = self._states(), self.members.logs
        try:
            if _number(name) in self._voters(states):
                return []
            if states[name].mode is None:
                return [finding(name, seen="it has not copied the data yet", expected="a member in sync", logs=logs)]
            report(f"{name} joins the ensemble")
            change_voters(
                _serving_addresses(self.members.addresses, states),
                self.members.login.get("password", ""),
                joins=Joining(name=name, number=_number(name)),
                route=self.members.route,
            )
        except MembershipError as error:
            return [finding(name, seen=f"it cannot join yet ({error})", expected="a member with a vote", logs=logs)]
        self._wait(lambda: self._follow_findings(name), name, "back", report)
        return []

    def _follow_findings(self, name: str) -> list[str]:
        """Why a member that was given a vote does not use it yet."""
        if self._states()[name].mode in ("leader", "follower"):
            return []
        return [finding(name, seen="it does not follow yet", expected="leader or follower", logs=self.members.logs)]

    def _leave_findings(self, name: str, report: Report) -> list[str]:
        """Why a member is still part of the ensemble; it is asked to take it out."""
        states, logs = self._states(), self.members.logs
        try:
            if _number(name) not in self._voters(states):
                return []
            report(f"{name} leaves the ensemble")
            addresses = _serving_addresses(self.members.addresses, states)
            change_voters(
                addresses, self.members.login.get("password", ""), leaves=_number(name), route=self.members.route
            )
        except MembershipError as error:
            return [finding(name, seen=f"it cannot leave yet ({error})", expected="a quorum without it", logs=logs)]
        return []

    def _states(self) -> dict[str, MemberState]:
        return member_states(self.members.addresses, route=self.members.route)

    def _voters(self, states: Mapping[str, MemberState]) -> dict[int, str]:
        return voters(_serving_addresses(self.members.addresses, states), route=self.members.route)

    def _wait(self, check: Callable[[], list[str]], what: str, state: str, report: Report) -> None:
        wait_until(check, what=what, deadline=self.members.deadline, report=report, state=state)


def _number(name: str) -> int:
    """A member's id: ZooKeeper counts from 1."""
    return ordinal_of(name) + 1


def _leader(states: Mapping[str, MemberState]) -> str | None:
    return next((name for name, state in states.items() if state.mode == "leader"), None)


def _is_early(states: Mapping[str, MemberState]) -> bool:
    """Whether most members do not run yet, and none serves."""
    return not _serving(states) and sum(state.listens for state in states.values()) <= len(states) // 2


def _serving(states: Mapping[str, MemberState]) -> list[str]:
    return [name for name, state in states.items() if state.mode is not None]


def _serving_addresses(addresses: Mapping[str, str], states: Mapping[str, MemberState]) -> list[str]:
    """Whom to ask about the ensemble: its leader if there is one, else whoever serves.

    Raises:
        MembershipError: No member serves.
    """
    leader = _leader(states)
    names = _serving(states) if leader is None else [leader]
    if not names:
        raise MembershipError("no member serves")
    return [addresses[name] for name in names]
