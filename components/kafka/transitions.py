"""What a change of the brokers' settings means."""

from components.transitions import (
    ANY,
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
    java_server_rules,
    on,
    on_kubernetes,
)

_RESTART = Allowed(restarts=("kafka",))
_NEW_TOPICS = Allowed(
    restarts=("kafka",), note="applies to topics that are created from now on, not to Kafka's internal ones"
)
_RECORDS = Allowed(
    restarts=("kafka",), note="topics without a value of their own follow: a lower limit deletes their older records"
)

RULES: Table = {
    **java_server_rules("kafka"),
    "replicas": (
        Case(when=LARGER, answer=Allowed(note="brokers are added; existing partitions stay where they are")),
        Case(when=SMALLER, answer=Allowed(note="brokers are removed, unless one of them still holds partitions")),
    ),
    "port": on(
        docker=Allowed(restarts=("kafka",), note="clients on this machine need the new address"),
        kubernetes=Allowed(note="without `kafka.external` no effect; with it, brokers restart, one at a time"),
    ),
    "internalPort": on(
        docker=Allowed(restarts=("kafka",), note="containers that use the internal listener need the new address"),
        kubernetes=Refused(
            reason="the network policy opens one port for all brokers, so during the roll brokers with the old port "
            "and with the new one could not replicate",
            way="Keep the port, or move to a new stack: back up, `up`, restore",
        ),
    ),
    "external": on_kubernetes(
        (ANY, Allowed(restarts=("kafka",), note="clients outside the cluster need the new address"))
    ),
    "allowInsecureExternal": on_kubernetes((ANY, NOTHING)),
    "sourceRanges": on_kubernetes((ANY, Allowed(note="load balancers admit the new ranges; nothing restarts"))),
    "serviceAnnotations": on_kubernetes(
        (
            ANY,
            Allowed(
                note="the Services change in place; nothing restarts, but for some annotations the cloud makes another "
                "load balancer, with another address"
            ),
        )
    ),
    "advertisedHost": on(
        docker=Allowed(restarts=("kafka",), note="clients outside reconnect to the new host"),
        kubernetes=Allowed(note="without `kafka.external` no effect; with it, brokers restart, one at a time"),
    ),
    "retention": always(_RECORDS),
    "retentionBytes": always(_RECORDS),
    "segmentBytes": always(_RESTART),
    "replicationFactor": (
        Case(
            when=LARGER,
            answer=Allowed(
                restarts=("kafka",),
                note="declared topics without a factor of their own get more replicas; Kafka's internal ones do not",
            ),
        ),
        Case(
            when=SMALLER,
            answer=Allowed(
                restarts=("kafka",),
                note="refused while a declared topic without a factor of its own would lose replicas; applies to "
                "topics that are created from now on",
            ),
        ),
    ),
    "minInSyncReplicas": always(
        Allowed(restarts=("kafka",), note="topics without a value of their own follow as their brokers restart")
    ),
    "numPartitions": always(_NEW_TOPICS),
    "autoCreateTopics": always(_RESTART),
    "uncleanLeaderElection": (
        Case(
            when=TURNED_ON,
            answer=Allowed(restarts=("kafka",), note="a replica that lacks records may lead: they are lost"),
        ),
        Case(when=TURNED_OFF, answer=_RESTART),
    ),
    "compression": always(_RESTART),
}
"""The answer for each of the brokers' settings."""
