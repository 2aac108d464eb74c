"""Asks the API server which rights the credentials lack."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from components.targets.kubernetes.rest import Requests

Need = tuple[str, str, str]
"""A verb, an API group ("" for the core) and a resource, which may have a subresource: ``pods/portforward``."""

_CLUSTER_WIDE = (
    "namespaces",
    "nodes",
    "persistentvolumes",
    "storageclasses",
    "priorityclasses",
    "clusterroles",
    "clusterrolebindings",
)


def denied(requests: Requests, namespace: str | None, needs: Sequence[Need]) -> list[Need]:
    """Those of the needs that the credentials are not allowed.

    Args:
        requests: Requests to the cluster.
        namespace: Where they are needed; None for the whole cluster.
        needs: Verbs on resources.

    Raises:
        ClusterError: The API server rejects a request, or does not answer.
    """
    with ThreadPoolExecutor(8) as pool:  # there are dozens, and a distant API server takes its time for each
        allowed = pool.map(partial(_allows, requests, namespace), needs)
        return [need for need, is_allowed in zip(needs, allowed, strict=True) if not is_allowed]


def _allows(requests: Requests, namespace: str | None, need: Need) -> bool:
    verb, group, resource = need
    kind, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": kind, "subresource": subresource}
    if namespace is not None and kind not in _CLUSTER_WIDE:
        attributes["namespace"] = namespace
    body = {"spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = requests.ask("create", "selfsubjectaccessreviews", "", path, method="POST", body=body)
    return bool(answer["status"].get("allowed"))
