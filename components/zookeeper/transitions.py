"""What a change of the ensemble's settings means."""

from components.transitions import (
    ELSEWHERE,
    LARGER,
    SMALLER,
    Allowed,
    Case,
    Staged,
    Table,
    always,
    java_server_rules,
    on,
)

_RESTART = Allowed(restarts=("zookeeper",))

RULES: Table = {
    **java_server_rules("zookeeper"),
    "replicas": (
        Case(
            when=LARGER,
            answer=Staged(
                stages=(
                    "new members start as observers, which have no vote",
                    "one at a time they copy the data and join the ensemble by reconfiguration",
                    "brokers learn of them and restart, one at a time",
                ),
                restarts=("zookeeper", "kafka"),
            ),
        ),
        Case(
            when=SMALLER,
            answer=Staged(
                stages=(
                    "one at a time the members that leave give up their vote by reconfiguration",
                    "brokers forget them and restart, one at a time",
                    "the members stop",
                ),
                restarts=("zookeeper", "kafka"),
            ),
        ),
    ),
    "port": on(
        docker=Allowed(restarts=("zookeeper",), note="clients on this machine need the new address"),
        kubernetes=ELSEWHERE,
    ),
    "tickTime": always(_RESTART),
    "initLimit": always(_RESTART),
    "syncLimit": always(_RESTART),
}
"""The answer for each of the ensemble's settings."""
