"""What the difference between two stack files means for the platform that runs."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from components.access.transitions import APP_RULES as APPS
from components.access.transitions import RULES as ACCESS
from components.health.transitions import RULES as HEALTH
from components.kafka.transitions import RULES as KAFKA
from components.monitoring.transitions import RULES as MONITOR
from components.redis.transitions import RULES as REDIS
from components.report import value_at
from components.stack_file.settings import Settings
from components.targets.kubernetes.transitions import RULES as KUBERNETES
from components.topics.transitions import RULES as TOPICS
from components.transitions import (
    ELSEWHERE,
    NOTHING,
    SERVERS,
    TURNED_OFF,
    TURNED_ON,
    Allowed,
    Case,
    Change,
    Table,
    Verdict,
    always,
    another_platform,
    answer_to,
    nested,
    on,
)
from components.zookeeper.transitions import RULES as ZOOKEEPER

RULES: Table = {
    "target": always(
        another_platform("another target is another platform: everything would be created anew there, without data")
    ),
    "profile": always(Allowed(note="a set of defaults; each value that it changes is answered by its own row")),
    "images": always(Allowed(restarts=SERVERS, note="as far as their images differ")),
    "bindAddress": on(
        docker=Allowed(restarts=SERVERS, note="clients need the new address"),
        kubernetes=ELSEWHERE,
    ),
    "protect": (
        Case(when=TURNED_ON, answer=NOTHING),
        Case(when=TURNED_OFF, answer=Allowed(note="restarts nothing; data can be destroyed from then on")),
    ),
    "existingTopics": always(NOTHING),
    "topicsToDelete": always(
        Allowed(note="topics that left `topics` are deleted with their records, unless protected; nothing restarts")
    ),
    "topicsToRelease": always(Allowed(note="topics that left `topics` stay as they are; nothing restarts")),
    **nested("kubernetes", KUBERNETES),
    **nested("zookeeper", ZOOKEEPER),
    **nested("kafka", KAFKA),
    **nested("redis", REDIS),
    **nested("topics", TOPICS),
    **nested("access", ACCESS),
    **nested("apps", APPS),
    **nested("health", HEALTH),
    **nested("monitor", MONITOR),
}
"""The answer for each field of a stack file, by its path."""


def verdict(before: Settings, after: Settings, *, secret: Collection[str] = ()) -> Verdict:
    """What a change of the stack file means for the platform that runs.

    Topics and applications are left out: their sets compare them by name.

    Args:
        before: The stack file of the last ``up``.
        after: The stack file now.
        secret: Top-level keys whose values are not shown.
    """
    written = [settings.written() for settings in (before, after)]
    changes: list[Change] = []
    for path, old, new in _pairs(before, after, ""):
        if old != new:
            was, now = (_shown(path, values, secret) for values in written)
            changes.append(Change(path=path, old=was, new=now, answer=answer_to(RULES[path], after.target, old, new)))
    identity = [change for change in changes if change.path == "target"]
    if identity:  # every other difference follows from it
        return Verdict(changes=identity)
    return Verdict(changes=changes, problems=_taken_ports(before, after))


def _shown(path: str, values: Mapping[str, Any], secret: Collection[str]) -> str:
    """A value as the stack file writes it."""
    keys = path.split(".")
    value = value_at(keys, values)
    return "(a secret)" if keys[0] in secret else "(unset)" if value is None else json.dumps(value)


def _pairs(before: BaseModel, after: BaseModel, above: str) -> Iterator[tuple[str, Any, Any]]:
    """Path and both values of every field that is not a section; without topics and applications."""
    for name, field in type(after).model_fields.items():
        path, old, new = f"{above}{field.alias}", getattr(before, name), getattr(after, name)
        if path in ("topics", "apps"):
            continue
        if isinstance(old, BaseModel) and isinstance(new, BaseModel):
            yield from _pairs(old, new, f"{path}.")
        elif not (isinstance(old, SecretStr) and isinstance(new, SecretStr)):  # the record does not have its value
            yield path, old, new


def _taken_ports(before: Settings, after: Settings) -> list[str]:
    """Ports that a member would take while another one still holds it: members are replaced one at a time."""
    if after.on_kubernetes:
        return []
    held = {port: member for member, port in before.host_ports().items()}
    new = after.host_ports()
    return [
        f"{member} would take port {port}, which {held[port]} holds until it is replaced itself; members change one "
        "at a time. Change to ports that none of them holds, run `pulumi up`, then to these"
        for member, port in new.items()
        if held.get(port, member) != member
    ]
