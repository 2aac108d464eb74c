"""Every right that the program and the command line use, and what for.

Preflight asks for these, ``docs/rbac.yaml`` grants them (``python -m tools.tables``), and the tests on a cluster run
with no others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.targets.kubernetes.access_review import Need

READING = frozenset({"get", "list", "watch"})
"""Verbs that change nothing: a preview needs no others."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Verbs on resources of one API group.

    Args:
        group: The API group, "" for the core.
        kinds: Resources, separated by spaces; one may have a subresource.
        verbs: Verbs, separated by spaces.
        optional: Whether `up` works without it.
    """

    group: str
    kinds: str
    verbs: str
    optional: bool = False

    def needs(self) -> list[Need]:
        """Each verb on each resource."""
        return [(verb, self.group, kind) for kind in self.kinds.split() for verb in self.verbs.split()]

    def manifest(self) -> dict[str, Any]:
        """The rule as a role holds it."""
        return {"apiGroups": [self.group], "resources": self.kinds.split(), "verbs": self.verbs.split()}


# The Kubernetes plugin waits for deletions by `list` and `watch`, and hangs without them:
# https://github.com/pulumi/pulumi-kubernetes/issues/4580
_DECLARED = "get list watch create patch delete"
_ZONES = "rbac.authorization.k8s.io"

IN_NAMESPACE = (
    Rule(group="", kinds="configmaps secrets serviceaccounts services", verbs=_DECLARED),
    Rule(group="networking.k8s.io", kinds="networkpolicies", verbs=_DECLARED),
    Rule(group="policy", kinds="poddisruptionbudgets", verbs=_DECLARED),
    Rule(group="apps", kinds="statefulsets", verbs="get create patch delete"),  # the roll waits for them
    Rule(group="apps", kinds="statefulsets/scale", verbs="patch"),
    Rule(group="", kinds="persistentvolumeclaims", verbs="list create patch delete"),
    Rule(group="", kinds="pods", verbs="list delete"),
    Rule(group="", kinds="pods/eviction", verbs="create"),
    Rule(group="", kinds="pods/log", verbs="get"),
    # A WebSocket is a GET, which needs `get`; from Kubernetes 1.35 on it needs `create` too:
    # https://github.com/kubernetes/kubernetes/pull/134577
    Rule(group="", kinds="pods/portforward", verbs="get create"),
    Rule(group="", kinds="events", verbs="list", optional=True),  # why a pod does not start
    Rule(group="", kinds="pods", verbs="create", optional=True),  # `ops bench`
)
"""What every platform needs in its namespace."""

OF_APPLICATIONS = (Rule(group="", kinds="secrets", verbs=_DECLARED),)
"""What handing applications their Secrets needs in their namespaces."""

OF_NAMESPACES = (Rule(group="", kinds="namespaces", verbs=_DECLARED),)
"""What creating the namespace needs in the cluster."""

OF_ZONES = (
    Rule(group=_ZONES, kinds="clusterroles clusterrolebindings", verbs=_DECLARED),
    Rule(group="", kinds="nodes", verbs="get"),  # nobody may grant a right that they lack
)
"""What brokers that read their zones need in the cluster."""

OF_STORAGE = (Rule(group="storage.k8s.io", kinds="storageclasses", verbs="get list", optional=True),)
"""What the check of the StorageClass, and growing volumes, need in the cluster."""


def needed(rules: Sequence[Rule]) -> list[Need]:
    """The rights of rules without which `up` fails."""
    return [need for rule in rules if not rule.optional for need in rule.needs()]


def deployer_role(name: str) -> dict[str, Any]:
    """A ClusterRole with every right, for a stack that creates its namespace and reads zones."""
    rules = (*OF_NAMESPACES, *IN_NAMESPACE, *OF_ZONES, *OF_STORAGE)
    return {
        "apiVersion": f"{_ZONES}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "millrace"}},
        "rules": [rule.manifest() for rule in rules],
    }


def role_binding(name: str, subject: dict[str, str]) -> dict[str, Any]:
    """The binding of :func:`deployer_role` to a user, group or ServiceAccount."""
    return {
        "apiVersion": f"{_ZONES}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "millrace"}},
        "roleRef": {"apiGroup": _ZONES, "kind": "ClusterRole", "name": name},
        "subjects": [subject],
    }
