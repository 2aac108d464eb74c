"""The implemented kinds of objects: their API paths, inputs, and changes that replace them."""

from collections.abc import Mapping
from dataclasses import dataclass

_REPLACING = frozenset({"metadata.name", "metadata.namespace"})


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    Args:
        api_version: The ``apiVersion`` of its objects.
        name: The ``kind`` of its objects.
        plural: The resource name in API paths.
        inputs: Top-level properties that a program may set.
        replacing: Paths whose change replaces the object, besides its name and namespace.
        namespaced: Whether its objects are in a namespace.
    """

    api_version: str
    name: str
    plural: str
    inputs: frozenset[str]
    replacing: frozenset[str] = frozenset()
    namespaced: bool = True

    @property
    def token(self) -> str:
        """The type token in a resource's URN."""
        group = self.api_version if "/" in self.api_version else f"core/{self.api_version}"
        return f"kubernetes:{group}:{self.name}"

    def collection(self, namespace: str) -> str:
        """The API path of the kind's objects."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if self.namespaced else f"{root}/{self.plural}"

    def path(self, namespace: str, name: str) -> str:
        """The API path of one object."""
        return f"{self.collection(namespace)}/{name}"

    def replaces(self, path: tuple[str | int, ...]) -> bool:
        """Whether a change at this path, or below it, replaces the object."""
        keys = [str(part) for part in path if isinstance(part, str)]
        replacing = self.replacing | _REPLACING
        return any(".".join(keys[:length]) in replacing for length in range(1, len(keys) + 1))


_SPEC = frozenset({"spec"})
_STATEFUL_SET_REPLACING = frozenset(
    {
        *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName"),
        "spec.volumeClaimTemplates",
    }
)

CONFIG_MAP = Kind(
    "v1", "ConfigMap", "configmaps", frozenset({"data", "binaryData", "immutable"}), frozenset({"data", "binaryData"})
)
SECRET = Kind(
    *("v1", "Secret", "secrets"),
    frozenset({"data", "stringData", "immutable", "type"}),
    frozenset({"data", "stringData", "type"}),
)
SERVICE = Kind("v1", "Service", "services", _SPEC, frozenset({"spec.clusterIP"}))
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets", _SPEC, _STATEFUL_SET_REPLACING)
_SERVICE_ACCOUNT_INPUTS = frozenset({"automountServiceAccountToken", "imagePullSecrets", "secrets"})

KINDS: Mapping[str, Kind] = {
    kind.token: kind
    for kind in (
        Kind("v1", "Namespace", "namespaces", _SPEC, namespaced=False),
        Kind("v1", "ServiceAccount", "serviceaccounts", _SERVICE_ACCOUNT_INPUTS),
        CONFIG_MAP,
        SECRET,
        SERVICE,
        STATEFUL_SET,
        Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", _SPEC),
        Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", _SPEC),
        Kind(
            *("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
            frozenset({"rules", "aggregationRule"}),
            namespaced=False,
        ),
        Kind(
            *("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"),
            frozenset({"roleRef", "subjects"}),
            frozenset({"roleRef"}),
            namespaced=False,
        ),
    )
}
