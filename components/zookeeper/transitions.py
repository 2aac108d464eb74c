"""What a change of the ensemble's settings means."""

from components.transitions import (
    LARGER,
    SMALLER,
    Allowed,
    Case,
    Staged,
    Table,
    always,
    java_server_rules,
    port_rule,
)

_RESTART = Allowed(restarts=("zookeeper",))

RULES: Table = {
    **java_server_rules("zookeeper"),
    "replicas": (
        Case(
            when=LARGER,
            answer=Staged(
                stages=(
                    "each new member starts without a vote, copies the data, then gets its vote, one at a time",
                    "brokers restart with the longer list of members, one at a time; no member restarts",
                ),
                restarts=("kafka",),
            ),
        ),
        Case(
            when=SMALLER,
            answer=Staged(
                stages=(
                    "each member that goes gives up its vote, one at a time, the leader last; nothing restarts before",
                    "members without a vote are removed, and their data stays in their volumes; brokers restart with "
                    "the shorter list of members, one at a time; no member restarts",
                ),
                restarts=("kafka",),
            ),
        ),
    ),
    "port": port_rule("zookeeper"),
    "tickTime": always(_RESTART),
    "initLimit": always(_RESTART),
    "syncLimit": always(_RESTART),
}
"""The answer for each of the ensemble's settings."""
