"""Looks at the Redis servers."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from components.redis.client import ServerState, server_state
from exporter.connections import ask_all
from exporter.watch import Outcome

RedisHealth = Mapping[str, ServerState | None]
"""What each server says of itself, by name; None for one that cannot be reached or refuses."""


class RedisCheck:
    """Looks at the servers.

    Args:
        members: ``host:port`` of each server, by name.
        password_file: File with the password, or None. Read at each look, since passwords change.
    """

    def __init__(self, members: Mapping[str, str], password_file: Path | None) -> None:
        self._members = members
        self._password_file = password_file

    def look(self) -> Outcome[RedisHealth]:
        """Look once."""
        try:
            password = self._password_file.read_text().strip() if self._password_file else None
        except OSError as error:
            return Outcome(dict.fromkeys(self._members), f"the password's file cannot be read: {error}")
        answers = ask_all(self._members, partial(_ask, password=password))
        states = {name: answer if isinstance(answer, ServerState) else None for name, answer in answers.items()}
        refusals = [f"{name}: {answer}" for name, answer in answers.items() if isinstance(answer, str)]
        return Outcome(states, None if any(states.values()) else "; ".join(refusals))


def _ask(address: str, password: str | None) -> ServerState | str:
    """What the server says, or why it does not."""
    from redis.exceptions import RedisError

    try:
        return server_state(address, password)
    except RedisError as error:
        return str(error)
