"""Looks at the members of the ZooKeeper ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.zookeeper.client import member_states
from exporter.watch import Outcome


@dataclass(frozen=True)
class ZooKeeperHealth:
    """What one look at the ensemble saw.

    Args:
        roles: ``leader``, ``follower`` or ``standalone`` by member; None for one that serves no requests.
    """

    roles: Mapping[str, str | None]

    @property
    def quorum(self) -> bool:
        """Whether there is a quorum: a member serves only as a part of one."""
        return any(self.roles.values())


class ZooKeeperCheck:
    """Looks at the ensemble.

    Args:
        members: ``host:port`` of each member, by name.
    """

    def __init__(self, members: Mapping[str, str]) -> None:
        self._members = members

    def look(self) -> Outcome[ZooKeeperHealth]:
        """Look once."""
        states = member_states(self._members)
        health = ZooKeeperHealth({name: state.mode for name, state in states.items()})
        return Outcome(health, None if health.quorum else "no member serves requests")
