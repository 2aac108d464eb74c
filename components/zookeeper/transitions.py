"""What a change of the ensemble's settings means."""

from components.transitions import (
    Allowed,
    Refused,
    Table,
    always,
    java_server_rules,
    port_rule,
)

_RESTART = Allowed(restarts=("zookeeper",))

RULES: Table = {
    **java_server_rules("zookeeper"),
    "replicas": always(
        Refused(
            reason="members that are added would form an ensemble of their own without data, and removed ones take the "
            "quorum with them",
            way="Set it back; to change the size, back up, `up` a new stack of that size, restore into it",
        )
    ),
    "port": port_rule("zookeeper"),
    "tickTime": always(_RESTART),
    "initLimit": always(_RESTART),
    "syncLimit": always(_RESTART),
}
"""The answer for each of the ensemble's settings."""
