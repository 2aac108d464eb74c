"""What a change of a declared topic means; :mod:`components.topics.safety` says it of each topic by name."""

from components.transitions import (
    LARGER,
    NOTHING,
    SMALLER,
    TURNED_OFF,
    TURNED_ON,
    Allowed,
    Case,
    Refused,
    Table,
    always,
)

_IN_PLACE = Allowed(note="the topic's configuration changes in place; nothing restarts")
_FEWER_RECORDS = Allowed(note="the topic's configuration changes in place; a lower limit deletes older records")

RULES: Table = {
    "name": always(
        Refused(
            reason="Kafka cannot rename a topic",
            way="Declare the new one beside the old one, move producers and consumers, then remove the old one",
        )
    ),
    "partitions": (
        Case(when=LARGER, answer=Allowed(note="partitions are added; keys map to other partitions from then on")),
        Case(
            when=SMALLER,
            answer=Refused(
                reason="Kafka cannot remove partitions without losing records",
                way="Create a new topic and move its consumers",
            ),
        ),
    ),
    "replicationFactor": always(Allowed(note="replicas are added or removed in batches; nothing restarts")),
    "minInSyncReplicas": always(_IN_PLACE),
    "retention": always(_FEWER_RECORDS),
    "retentionBytes": always(_FEWER_RECORDS),
    "cleanup": always(
        Allowed(
            note="in place; to compact, Kafka deletes all but the newest record of each key, to delete, old records"
        )
    ),
    "compression": always(_IN_PLACE),
    "maxMessageBytes": always(_IN_PLACE),
    "config": always(_IN_PLACE),
    "protect": (
        Case(when=TURNED_ON, answer=NOTHING),
        Case(when=TURNED_OFF, answer=Allowed(note="restarts nothing; the topic can be deleted from then on")),
    ),
}
"""The answer for each setting of a topic."""
