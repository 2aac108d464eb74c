"""A Kubernetes cluster as this project needs it: few questions, few changes, and every refusal in plain words."""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from components.errors import ClusterError
from components.targets.kubernetes import objects as cluster_objects
from components.targets.kubernetes.kubeconfig import Access, contexts
from components.targets.kubernetes.objects import Claim, Json, Pod, StatefulSetState, StorageClass

__all__ = ["Claim", "Cluster", "Pod", "StatefulSetState", "StorageClass", "connect", "contexts", "pod_findings"]

CONNECT_SECONDS = 5.0
"""Seconds for the API server to take a connection."""

REQUEST_SECONDS = 10.0
"""Seconds for one answer."""

LOG_BYTES = 64 * 1024
"""Bytes of a log that are read at most."""

Need = tuple[str, str, str]
"""A verb, an API group ("" for the core) and a resource, which may have a subresource: ``pods/portforward``."""

_CLUSTER_WIDE = ("namespaces", "nodes", "persistentvolumes", "storageclasses", "priorityclasses")
_MERGE = "application/merge-patch+json"


class Api(Protocol):
    """Carries one request to an API server."""

    context: str
    """Name of the context, for messages."""

    def request(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        """Ask once.

        Returns:
            Status and body of the answer.

        Raises:
            ClusterError: There is no answer.
        """
        ...


def connect(kubeconfig: str | None, context: str) -> "Cluster":
    """Connect to the cluster of a context, and see that it answers.

    Args:
        kubeconfig: Path of the kubeconfig; None for ``KUBECONFIG`` or the one in the home folder.
        context: Name of the context.

    Raises:
        ClusterError: There is no such context, or the API server does not answer or does not take the credentials.
    """
    cluster = Cluster(_Rest(Access(kubeconfig, context)))
    cluster.server_version()
    return cluster


def pod_findings(expected: Sequence[str], pods: Mapping[str, Pod]) -> list[str]:
    """Pods that are not there or not ready, with the reasons that Kubernetes gives; what waiting may not mend first.

    Args:
        expected: Names of the pods that must be there.
        pods: The pods that are, by name.
    """
    lines: list[str] = []

    def merely_starts(name: str) -> bool:
        return name in pods and pods[name].scheduled and not pods[name].hopeless

    for name in sorted(expected, key=merely_starts):
        pod = pods.get(name)
        if pod is None:
            lines.append(f"{name}: there is no pod; expected one that is ready")
        elif pod.deleting or not pod.ready:
            lines.append(f"{name}: {'; '.join(pod.reasons) or 'it is being removed'}")
    return lines


class Cluster:
    """Questions to a Kubernetes cluster, and changes of it.

    Every method raises :class:`ClusterError` where the API refuses or does not answer.

    Args:
        api: Carries requests.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._zones: dict[str, str | None] = {}

    def server_version(self) -> str:
        """The API server's version: ``1.33.13``."""
        answer = self._ask("get", "version", "", "/version")
        return str(answer["gitVersion"]).removeprefix("v").partition("+")[0].partition("-")[0]

    def denied(self, namespace: str | None, needs: Sequence[Need]) -> list[Need]:
        """Those of the needs that the credentials are not allowed.

        Args:
            namespace: Where they are needed; None asks for the whole cluster.
            needs: Verbs on resources.
        """
        with ThreadPoolExecutor(8) as pool:  # there are dozens, and an API server far away takes its time for each
            allowed = pool.map(partial(self._allows, namespace), needs)
            return [need for need, is_allowed in zip(needs, allowed, strict=True) if not is_allowed]

    def _allows(self, namespace: str | None, need: Need) -> bool:
        verb, group, resource = need
        kind, _, subresource = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": kind, "subresource": subresource}
        if namespace is not None and kind not in _CLUSTER_WIDE:
            attributes["namespace"] = namespace
        body = {"spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._ask("create", "selfsubjectaccessreviews", "", path, method="POST", body=body)
        return bool(answer["status"].get("allowed"))

    def namespace_exists(self, namespace: str) -> bool:
        """Whether there is such a namespace that is not being deleted."""
        found = self._find("get", f"namespaces {namespace}", "", f"/api/v1/namespaces/{quote(namespace)}")
        return found is not None and not found["metadata"].get("deletionTimestamp")

    def storage_class(self, name: str | None) -> StorageClass | None:
        """A class of storage by name, or the default one for None; None where there is no such class."""
        path = "/apis/storage.k8s.io/v1/storageclasses"
        if name is not None:
            found = self._find("get", f"storageclasses {name}", "", f"{path}/{quote(name)}")
            return None if found is None else cluster_objects.storage_class(found)
        items = sorted(
            self._ask("list", "storageclasses", "", path)["items"],
            key=lambda item: item["metadata"].get("creationTimestamp") or "",
        )
        defaults = [made for made in map(cluster_objects.storage_class, items) if made.default]
        return defaults[-1] if defaults else None  # the newest is taken, as the cluster does

    def storage_classes(self) -> list[str]:
        """Names of all classes of storage."""
        items = self._ask("list", "storageclasses", "", "/apis/storage.k8s.io/v1/storageclasses")["items"]
        return sorted(item["metadata"]["name"] for item in items)

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        """The pods with all of these labels, by name, and why those are not ready that are not."""
        items = self._list(namespace, "pods", selector)
        return [
            cluster_objects.pod(
                item,
                () if cluster_objects.is_ready(item) else self._events(namespace, item["metadata"]["uid"]),
                self._zone(cluster_objects.part(item, "spec").get("nodeName")),
            )
            for item in items
        ]

    def last_log_lines(self, namespace: str, pod: str, lines: int = 10, *, previous: bool = True) -> list[str]:
        """The end of a pod's log; nothing where there is none.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            lines: How many lines at most.
            previous: Whether the container that ended last is asked for; the one that runs where none has ended.
        """
        options: dict[str, object] = {"tailLines": lines, "limitBytes": LOG_BYTES}
        if previous:
            options["previous"] = "true"
        path = f"{_in(namespace, 'pods', pod)}/log?{urlencode(options)}"
        status, body = self._api.request("GET", path, None, "application/json")
        if status in (400, 404):  # no such container, or none that has ended
            return self.last_log_lines(namespace, pod, lines, previous=False) if previous else []
        if status != 200:
            raise self._error(status, body, "get", f"pods/log {pod}", namespace)
        return body.decode(errors="replace").splitlines()

    def log_lines(self, namespace: str, pod: str, most: int) -> list[str]:
        """The end of a running or ended pod's log, each line after its time; nothing before the pod has started.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            most: How many lines at most.
        """
        path = f"{_in(namespace, 'pods', pod)}/log?{urlencode({'timestamps': 'true', 'tailLines': most})}"
        status, body = self._api.request("GET", path, None, "application/json")
        if status in (400, 404):  # it has no container yet, or is gone
            return []
        if status != 200:
            raise self._error(status, body, "get", f"pods/log {pod}", namespace)
        return body.decode(errors="replace").splitlines()

    def create_pod(self, namespace: str, manifest: Json) -> None:
        """Make a pod of its manifest."""
        what = f"pods {manifest['metadata']['name']}"
        self._ask("create", what, namespace, _in(namespace, "pods"), method="POST", body=manifest)

    def pull_secrets(self, namespace: str, stateful_set: str) -> list[str]:
        """Names of the Secrets with which a stateful set's images are pulled; none where it has none or is gone."""
        path = _in(namespace, "statefulsets", stateful_set)
        found = self._find("get", f"statefulsets {stateful_set}", namespace, path)
        pod = cluster_objects.part(found or {}, "spec", "template", "spec")
        return [secret["name"] for secret in cluster_objects.parts(pod, "imagePullSecrets")]

    def stateful_set(self, namespace: str, name: str) -> StatefulSetState | None:
        """A stateful set, and why pods of it are missing; None where there is none of that name."""
        path = _in(namespace, "statefulsets", name)
        found = self._find("get", f"statefulsets {name}", namespace, path)
        if found is None:
            return None
        state = cluster_objects.stateful_set(found)
        if state.created >= state.replicas:
            return state
        return cluster_objects.stateful_set(found, self._events(namespace, found["metadata"]["uid"]))

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Ask a StatefulSet for another number of pods; one that is gone is no error."""
        self._find(
            "patch",
            f"statefulsets {name}/scale",
            namespace,
            f"/apis/apps/v1/namespaces/{quote(namespace)}/statefulsets/{quote(name)}/scale",
            method="PATCH",
            body={"spec": {"replicas": replicas}},
        )

    def delete_pod(self, namespace: str, name: str, uid: str, grace_seconds: int | None = None) -> None:
        """Delete a pod, unless it is gone or another has its name already.

        Args:
            namespace: The pod's namespace.
            name: Its name.
            uid: The pod that is meant.
            grace_seconds: Seconds that it has to end; None for its own.
        """
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        self._find(
            "delete",
            f"pods {name}",
            namespace,
            _in(namespace, "pods", name),
            method="DELETE",
            body=options,
            fine=(404, 409),
        )

    def claims(self, namespace: str, selector: Mapping[str, str]) -> dict[str, Claim]:
        """The claims with all of these labels, by name."""
        items = self._list(namespace, "persistentvolumeclaims", selector)
        return {made.name: made for made in map(cluster_objects.claim, items)}

    def create_claim(
        self, namespace: str, name: str, labels: Mapping[str, str], size: int, storage_class: str | None
    ) -> None:
        """Make a claim that one node at a time may use.

        Args:
            namespace: Where to make it.
            name: Its name.
            labels: Its labels.
            size: Bytes.
            storage_class: Name of the class of storage; None for the default one.
        """
        spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], **_request_of(size)}
        if storage_class is not None:
            spec["storageClassName"] = storage_class
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "labels": dict(labels)},
            "spec": spec,
        }
        path = _in(namespace, "persistentvolumeclaims")
        self._ask("create", f"persistentvolumeclaims {name}", namespace, path, method="POST", body=body)

    def resize_claim(self, namespace: str, name: str, size: int) -> None:
        """Ask for another size in bytes; a volume can only grow, and only where its class allows it."""
        self._ask(
            "patch",
            f"persistentvolumeclaims {name}",
            namespace,
            _in(namespace, "persistentvolumeclaims", name),
            method="PATCH",
            body={"spec": _request_of(size)},
        )

    def delete_claim(self, namespace: str, name: str) -> None:
        """Delete a claim; one that is gone already is no error. It stays until no pod uses it."""
        path = _in(namespace, "persistentvolumeclaims", name)
        self._find("delete", f"persistentvolumeclaims {name}", namespace, path, method="DELETE")

    def _list(self, namespace: str, resource: str, selector: Mapping[str, str]) -> list[Json]:
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        path = f"{_in(namespace, resource)}?{urlencode({'labelSelector': labels})}"
        items: list[Json] = self._ask("list", resource, namespace, path)["items"]
        return sorted(items, key=lambda item: item["metadata"]["name"])

    def _events(self, namespace: str, uid: str) -> list[Json]:
        """Events of one object; none where they may not be read, since they only explain."""
        options = {"fieldSelector": f"involvedObject.uid={uid}", "limit": 200}
        path = f"{_in(namespace, 'events')}?{urlencode(options)}"
        found = self._find("list", "events", namespace, path, fine=(403, 404))
        return found["items"] if found else []

    def _zone(self, node: str | None) -> str | None:
        """A node's zone; None where nodes may not be read."""
        if node is None:
            return None
        if node not in self._zones:
            found = self._find("get", f"nodes {node}", "", f"/api/v1/nodes/{quote(node)}", fine=(403, 404))
            labels = cluster_objects.part(found or {}, "metadata", "labels")
            self._zones[node] = labels.get(cluster_objects.ZONE_LABEL)
        return self._zones[node]

    def _ask(
        self, verb: str, what: str, namespace: str, path: str, *, method: str = "GET", body: Json | None = None
    ) -> dict[str, Any]:
        answer = self._find(verb, what, namespace, path, method=method, body=body, fine=())
        assert answer is not None  # noqa: S101  None stands for statuses that are fine, and there are none
        return answer

    def _find(
        self,
        verb: str,
        what: str,
        namespace: str,
        path: str,
        *,
        method: str = "GET",
        body: Json | None = None,
        fine: Sequence[int] = (404,),
    ) -> dict[str, Any] | None:
        """Ask the API.

        Args:
            verb: The verb that the credentials need.
            what: Resource, and name if it has one, for messages.
            namespace: Where, for messages; "" for cluster-wide.
            path: Path and query.
            method: The request's method.
            body: The request's JSON.
            fine: Statuses of failure that are answered with None.
        """
        try:
            status, answer = self._api.request(method, path, body, _MERGE if method == "PATCH" else "application/json")
        except ClusterError as error:
            raise ClusterError(f"cannot {verb} {what}{_place(namespace)}: {error.headline}", error.problems) from error
        if status in fine:
            return None
        if not 200 <= status < 300:
            raise self._error(status, answer, verb, what, namespace)
        try:
            return json.loads(answer)
        except ValueError:
            raise self._error(status, b"the answer is no JSON", verb, what, namespace) from None

    def _error(self, status: int, body: bytes, verb: str, what: str, namespace: str) -> ClusterError:
        failed, said = f"cannot {verb} {what}{_place(namespace)}", _message(body)
        if status == 401:
            return ClusterError(
                f"{failed}: the API server does not take the credentials of context {self._api.context}",
                [said or "Unauthorized", "log in to the cluster again, or choose another context"],
            )
        if status == 403:
            resource = what.partition(" ")[0]
            return ClusterError(
                f"{failed}: the credentials of context {self._api.context} lack the verb {verb} on {resource}",
                [said, "ask for a role that allows it, or choose another context"],
            )
        return ClusterError(f"{failed}: {said or 'the API server failed'} (HTTP {status})")


def _in(namespace: str, resource: str, name: str = "") -> str:
    group = "/apis/apps/v1" if resource == "statefulsets" else "/api/v1"
    return f"{group}/namespaces/{quote(namespace)}/{resource}" + (f"/{quote(name)}" if name else "")


def _place(namespace: str) -> str:
    return f" in namespace {namespace}" if namespace else ""


def _request_of(size: int) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": cluster_objects.format_quantity(size)}}}


def _message(body: bytes) -> str:
    """What the API server says of a failure; more than a line is its own data structures."""
    try:
        return str(json.loads(body)["message"]).strip().partition("\n")[0]
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:300]


class _Rest:
    """Requests over HTTPS with a context's credentials; they are renewed once where the server refuses them."""

    def __init__(self, access: Access) -> None:
        self.context = access.context
        self._access = access
        self._http = access.rest()

    def request(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        """Ask, and ask again with new credentials where they were refused."""
        status, answer = self._once(method, path, body, content_type)
        if status == 401:
            self._access.reload()
            self._http.close()
            self._http = self._access.rest()
            status, answer = self._once(method, path, body, content_type)
        return status, answer

    def _once(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        host = self._access.configuration.host
        headers = {"Content-Type": content_type, "Accept": "application/json, */*", **self._access.headers()}
        timeout = (CONNECT_SECONDS, REQUEST_SECONDS)
        try:
            response = self._http.request(method, host + path, headers=headers, body=body, _request_timeout=timeout)
            return response.status, response.read()
        except (HTTPError, ApiException, OSError) as error:
            raise ClusterError(f"the Kubernetes API at {host} does not answer ({_why(error)})") from error


def _why(error: Exception) -> str:
    """The innermost reason of a failed request, in words."""
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ReadTimeoutError

    reason = getattr(error, "reason", None) or error
    if isinstance(reason, NameResolutionError):
        return "its name is not known"
    if isinstance(reason, ConnectTimeoutError) and not isinstance(reason, NewConnectionError):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(reason, ReadTimeoutError):
        return f"no answer within {REQUEST_SECONDS:.0f} s"
    text = str(reason).rpartition("connection: ")[2]
    return re.sub(r"^\[.*?\] | \(_ssl\.c:\d+\)$", "", text.strip())
