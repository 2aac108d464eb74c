"""Checks the ZooKeeper ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.zookeeper.client import member_states
from exporter.periodic import Outcome


@dataclass(frozen=True)
class ZooKeeperHealth:
    """The result of one run.

    Args:
        roles: ``leader``, ``follower`` or ``observer`` by member; None if it serves no requests.
    """

    roles: Mapping[str, str | None]

    @property
    def quorum(self) -> bool:
        """Whether the ensemble has a quorum; members serve requests only with one."""
        return any(self.roles.values())


class ZooKeeperCheck:
    """Checks the ensemble.

    Args:
        members: ``host:port`` of each member, by name.
    """

    def __init__(self, members: Mapping[str, str]) -> None:
        self._members = members

    def run(self) -> Outcome[ZooKeeperHealth]:
        """Run the check once."""
        states = member_states(self._members)
        health = ZooKeeperHealth({name: state.mode for name, state in states.items()})
        return Outcome(health, None if health.quorum else "no member serves requests")
