"""When a member of the ensemble may be stopped."""

from collections.abc import Collection

from components.findings import finding
from components.safety import Safety
from components.zookeeper.client import member_states, restart_findings, role_findings


class EnsembleSafety(Safety):
    """ZooKeeper: a quorum stays, and the leader changes once."""

    def last(self) -> str | None:
        """The leader."""
        states = member_states(self.members.addresses, route=self.members.route)
        return next((name for name, state in states.items() if state.mode == "leader"), None)

    def stop_findings(self, name: str, ready: Collection[str]) -> list[str]:
        """Members that are not in sync; for a member that is not ready, whether the others are a quorum without it."""
        addresses, logs, route = self.members.addresses, self.members.logs, self.members.route
        if name in ready:
            return role_findings(addresses, logs, route=route)
        if not ready:
            return []
        states = member_states(addresses, route=route)
        others = sum(state.mode is not None for member, state in states.items() if member != name)
        if others > len(addresses) // 2:
            return []
        seen = f"only {others} of the other members serve"
        return [finding(name, seen=seen, expected="a quorum without it", logs=logs)]

    def return_findings(self, name: str) -> list[str]:
        """Whether the member has joined the quorum."""
        return restart_findings(name, self.members.addresses, self.members.logs, route=self.members.route)
