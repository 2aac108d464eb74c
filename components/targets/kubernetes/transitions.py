"""What a change of where a platform runs on Kubernetes means."""

from components.transitions import (
    ELSEWHERE,
    TURNED_OFF,
    TURNED_ON,
    Allowed,
    Answer,
    Case,
    Refused,
    Rule,
    Table,
    on,
)

MOVE = "Set it back; to move, back up, `up` a new stack there, restore into it, then destroy this one"
"""What to do instead of changing what a platform is identified by."""

_SERVERS = ("zookeeper", "kafka", "redis")


def _cluster_only(answer: Answer) -> Rule:
    return on(docker=ELSEWHERE, kubernetes=answer)


RULES: Table = {
    "context": _cluster_only(
        Refused(
            reason="another context is another cluster: everything would be created anew there, without data", way=MOVE
        )
    ),
    "kubeconfig": _cluster_only(Allowed(note="restarts nothing; its context must lead to the same cluster")),
    "namespace": _cluster_only(
        Refused(
            reason="objects cannot move to another namespace: their volumes would stay behind", way=MOVE, identity=True
        )
    ),
    "createNamespace": (
        Case(answer=ELSEWHERE, targets=("docker",)),
        Case(
            when=TURNED_OFF,
            targets=("kubernetes",),
            answer=Allowed(note="restarts nothing; the namespace stays and is no longer the stack's"),
        ),
        Case(
            when=TURNED_ON,
            targets=("kubernetes",),
            answer=Refused(
                reason="the namespace exists already and cannot be created",
                way="Keep createNamespace false; whoever made the namespace keeps it",
            ),
        ),
    ),
    "clusterDomain": _cluster_only(
        Refused(reason="members know each other by names in the old domain", way=MOVE, identity=True)
    ),
    "storageClass": _cluster_only(
        Refused(reason="existing volumes cannot change their StorageClass", way=MOVE, identity=True)
    ),
    "imagePullPolicy": _cluster_only(Allowed(restarts=_SERVERS)),
    "imagePullPatience": _cluster_only(Allowed()),
    "imagePullSecrets": _cluster_only(Allowed(restarts=_SERVERS)),
    "spread": _cluster_only(Allowed(restarts=_SERVERS)),
    "zones": _cluster_only(
        Allowed(restarts=("kafka",), note="brokers get or lose their rack; replicas stay where they are")
    ),
    "clientNamespaces": _cluster_only(Allowed(note="network policies change in place; nothing restarts")),
}
"""The answer for each setting of the target."""
