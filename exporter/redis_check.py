"""Checks the Redis servers."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from components.redis.client import ServerState, server_state
from exporter.connections import ask_all
from exporter.periodic import Outcome

RedisHealth = Mapping[str, ServerState | None]
"""The state of each server, by name; None if it cannot be reached or rejects the password."""


class RedisCheck:
    """Checks the servers.

    Args:
        members: ``host:port`` of each server, by name.
        password_file: File with the password, or None. Read in every run, since passwords change.
    """

    def __init__(self, members: Mapping[str, str], password_file: Path | None) -> None:
        self._members = members
        self._password_file = password_file

    def run(self) -> Outcome[RedisHealth]:
        """Run the check once."""
        try:
            password = self._password_file.read_text().strip() if self._password_file else None
        except OSError as error:
            return Outcome(dict.fromkeys(self._members), f"the password file cannot be read: {error}")
        answers = ask_all(self._members, partial(_ask, password=password))
        states = {name: answer if isinstance(answer, ServerState) else None for name, answer in answers.items()}
        refusals = [f"{name}: {answer}" for name, answer in answers.items() if isinstance(answer, str)]
        return Outcome(states, None if any(states.values()) else "; ".join(refusals))


def _ask(address: str, password: str | None) -> ServerState | str:
    """The server's state, or the error as text."""
    from redis.exceptions import RedisError

    try:
        return server_state(address, password)
    except RedisError as error:
        return str(error)
