"""What a change of where a platform runs on Kubernetes means."""

from components.transitions import (
    ANY,
    SERVERS,
    TURNED_OFF,
    TURNED_ON,
    Allowed,
    Answer,
    Refused,
    Rule,
    Table,
    another_platform,
    on_kubernetes,
)


def _always(answer: Answer) -> Rule:
    return on_kubernetes((ANY, answer))


RULES: Table = {
    "context": _always(
        another_platform("another context is another cluster: everything would be created anew there, without data")
    ),
    "kubeconfig": _always(Allowed(note="restarts nothing; its context must lead to the same cluster")),
    "namespace": _always(another_platform("objects cannot move to another namespace: their volumes would stay behind")),
    "createNamespace": on_kubernetes(
        (TURNED_OFF, Allowed(note="restarts nothing; the namespace stays and is no longer the stack's")),
        (
            TURNED_ON,
            Refused(
                reason="the namespace exists already and cannot be created",
                way="Keep createNamespace false; whoever made the namespace keeps it",
            ),
        ),
    ),
    "clusterDomain": _always(another_platform("members know each other by names in the old domain")),
    "storageClass": _always(another_platform("existing volumes cannot change their StorageClass")),
    "imagePullPolicy": _always(Allowed(restarts=SERVERS)),
    "imagePullPatience": _always(Allowed()),
    "imagePullSecrets": _always(Allowed(restarts=SERVERS)),
    "spread": _always(Allowed(restarts=SERVERS)),
    "zones": _always(Allowed(restarts=("kafka",), note="brokers get or lose their rack; replicas stay where they are")),
    "clientNamespaces": _always(Allowed(note="network policies change in place; nothing restarts")),
}
"""The answer for each setting of the target."""
