"""What a change of the Redis server's settings means."""

from components.transitions import (
    GROWING_STORAGE,
    NOTHING,
    SMALLER,
    TURNED_OFF,
    TURNED_ON,
    Allowed,
    Case,
    Staged,
    Table,
    always,
    container_rules,
    port_rule,
)

_RESTART = Allowed(restarts=("redis",))

RULES: Table = {
    **container_rules("redis"),
    "storage": GROWING_STORAGE,
    "port": port_rule("redis"),
    "maxMemory": (
        Case(when=SMALLER, answer=Allowed(restarts=("redis",), note="what no longer fits is evicted, or writes fail")),
        Case(answer=_RESTART),
    ),
    "evictionPolicy": always(_RESTART),
    "appendOnly": (
        Case(
            when=TURNED_ON,
            answer=Staged(
                stages=(
                    "the server stops and saves its snapshot",
                    "the new one loads the snapshot and writes the append-only file from it before it serves",
                ),
                restarts=("redis",),
            ),
        ),
        Case(
            when=TURNED_OFF,
            answer=Staged(
                stages=(
                    "the server stops",
                    "the new one loads the append-only file and writes a snapshot from it before it serves",
                ),
                restarts=("redis",),
            ),
        ),
    ),
    "save": always(_RESTART),
    "authentication": always(Allowed(restarts=("redis",), note="clients need the password, or must send none")),
    "password": always(
        Staged(
            stages=(
                "the running server accepts the new password too",
                "it restarts, and accepts the new and the previous one",
                "what reads the password (the exporter) restarts with the new one; the previous one works until "
                "redis.acceptPreviousPassword is false",
            ),
            restarts=("redis",),
        )
    ),
    "acceptPreviousPassword": (
        Case(when=TURNED_OFF, answer=Allowed(note="redis restarts if it accepts two passwords, and keeps the newest")),
        Case(answer=NOTHING),
    ),
    "stopGrace": always(_RESTART),
    "config": always(_RESTART),
}
"""The answer for each of the server's settings."""
