"""A Kubernetes cluster as the platform needs it: few questions, few changes, and a clear error for each failure."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from components.targets.kubernetes import access_review, objects, pod_state
from components.targets.kubernetes.kubeconfig import contexts, shared_access
from components.targets.kubernetes.objects import Claim, Json, StatefulSetState, StorageClass
from components.targets.kubernetes.pod_state import Pod, pod_findings
from components.targets.kubernetes.quantity import format_quantity
from components.targets.kubernetes.rest import Api, Requests, Rest, object_path, path_of

__all__ = ["Claim", "Cluster", "Pod", "StatefulSetState", "StorageClass", "connect", "contexts", "pod_findings"]

LOG_BYTES = 64 * 1024
"""Bytes of a log that are read at most."""


def connect(kubeconfig: str | None, context: str) -> "Cluster":
    """Connect to the cluster of a context, and check that it answers.

    Args:
        kubeconfig: Path of the kubeconfig; None for ``KUBECONFIG`` or the one in the home folder.
        context: Name of the context.

    Raises:
        ClusterError: There is no such context, or the API server does not answer or rejects the credentials.
    """
    cluster = Cluster(Rest(shared_access(kubeconfig, context)))
    cluster.server_version()
    return cluster


class Cluster:
    """Questions to a Kubernetes cluster, and changes to it.

    Every method raises :class:`ClusterError` if the API server rejects a request or does not answer.

    Args:
        api: Sends requests.
    """

    def __init__(self, api: Api) -> None:
        self._requests = Requests(api)
        self._zones: dict[str, str | None] = {}

    def server_version(self) -> str:
        """The API server's version: ``1.33.13``."""
        answer = self._requests.ask("get", "version", "", "/version")
        return str(answer["gitVersion"]).removeprefix("v").partition("+")[0].partition("-")[0]

    def denied(self, namespace: str | None, needs: Sequence[access_review.Need]) -> list[access_review.Need]:
        """Those of the needs that the credentials are not allowed.

        Args:
            namespace: Where they are needed; None for the whole cluster.
            needs: Verbs on resources.
        """
        return access_review.denied(self._requests, namespace, needs)

    def storage_class(self, name: str | None) -> StorageClass | None:
        """A StorageClass by name, or the default one for None; None if there is none."""
        path = "/apis/storage.k8s.io/v1/storageclasses"
        if name is not None:
            found = self._requests.find("get", f"storageclasses {name}", "", f"{path}/{quote(name)}")
            return None if found is None else objects.storage_class(found)
        items = sorted(
            self._requests.ask("list", "storageclasses", "", path)["items"],
            key=lambda item: item["metadata"].get("creationTimestamp") or "",
        )
        defaults = [made for made in map(objects.storage_class, items) if made.default]
        return defaults[-1] if defaults else None  # the newest counts, as for the cluster

    def storage_classes(self) -> list[str]:
        """Names of all StorageClasses."""
        items = self._requests.ask("list", "storageclasses", "", "/apis/storage.k8s.io/v1/storageclasses")["items"]
        return sorted(item["metadata"]["name"] for item in items)

    def pods(self, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
        """The pods with all of these labels, sorted by name, and why some are not ready."""
        items = self._requests.items(namespace, "pods", selector)
        return [
            pod_state.pod(
                item,
                () if pod_state.is_ready(item) else self._events(namespace, item["metadata"]["uid"]),
                self._zone(objects.part(item, "spec").get("nodeName")),
            )
            for item in items
        ]

    def last_log_lines(self, namespace: str, pod: str, lines: int = 10, *, previous: bool = True) -> list[str]:
        """The end of a pod's log; empty if there is none.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            lines: How many lines at most.
            previous: Whether to read the log of the container that ended last, if one has ended.
        """
        query: dict[str, object] = {"tailLines": lines, "limitBytes": LOG_BYTES}
        if previous and (ended := self._requests.log(namespace, pod, **query, previous="true")) is not None:
            return ended
        return self._requests.log(namespace, pod, **query) or []

    def log_lines(self, namespace: str, pod: str, most: int) -> list[str]:
        """The end of a running or ended pod's log, each line after its time; empty before the pod starts.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            most: How many lines at most.
        """
        return self._requests.log(namespace, pod, timestamps="true", tailLines=most) or []

    def create_pod(self, namespace: str, manifest: Json) -> None:
        """Create a pod."""
        what = f"pods {manifest['metadata']['name']}"
        self._requests.ask("create", what, namespace, path_of(namespace, "pods"), method="POST", body=manifest)

    def pull_secrets(self, namespace: str, stateful_set: str) -> list[str]:
        """Names of a StatefulSet's image pull Secrets; empty if it has none or is gone."""
        pod = self._pod_template(namespace, stateful_set)
        return [secret["name"] for secret in objects.parts(pod, "imagePullSecrets")]

    def file_sources(self, namespace: str, stateful_set: str) -> list[Json]:
        """The ConfigMap and the Secret with the files of a StatefulSet's pods, as sources of a projected volume.

        Empty if it has none or is gone.
        """
        pod = self._pod_template(namespace, stateful_set)
        volumes = [volume for volume in objects.parts(pod, "volumes") if volume["name"] == "config"]
        return [source for volume in volumes for source in objects.parts(objects.part(volume, "projected"), "sources")]

    def _pod_template(self, namespace: str, stateful_set: str) -> Json:
        path = path_of(namespace, "statefulsets", stateful_set)
        found = self._requests.find("get", f"statefulsets {stateful_set}", namespace, path)
        return objects.part(found or {}, "spec", "template", "spec")

    def stateful_set(self, namespace: str, name: str) -> StatefulSetState | None:
        """A StatefulSet, and why pods of it are missing; None if it does not exist."""
        path = path_of(namespace, "statefulsets", name)
        found = self._requests.find("get", f"statefulsets {name}", namespace, path)
        if found is None:
            return None
        state = objects.stateful_set(found)
        if state.created >= state.replicas:
            return state
        return objects.stateful_set(found, self._events(namespace, found["metadata"]["uid"]))

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Change the number of a StatefulSet's pods; one that is gone is no error."""
        self._requests.find(
            "patch",
            f"statefulsets {name}/scale",
            namespace,
            f"/apis/apps/v1/namespaces/{quote(namespace)}/statefulsets/{quote(name)}/scale",
            method="PATCH",
            body={"spec": {"replicas": replicas}},
        )

    def delete_pod(self, namespace: str, name: str, uid: str, grace_seconds: int | None = None) -> None:
        """Delete a pod, unless it is gone or a new pod has its name.

        Args:
            namespace: The pod's namespace.
            name: Its name.
            uid: Its uid.
            grace_seconds: Seconds that it has to end; None for the pod's own grace period.
        """
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        self._requests.find(
            "delete",
            f"pods {name}",
            namespace,
            path_of(namespace, "pods", name),
            method="DELETE",
            body=options,
            tolerated=(404, 409),
        )

    def evict_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod with its grace, unless it is gone or a new pod has its name, if its disruption budget allows it.

        Args:
            namespace: The pod's namespace.
            name: Its name.
            uid: Its uid.

        Raises:
            ClusterError: The budget does not allow it now, or the API server rejects it or does not answer.
        """
        self._requests.find(
            "create",
            f"pods/eviction {name}",
            namespace,
            f"{path_of(namespace, 'pods', name)}/eviction",
            method="POST",
            body={
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace},
                "deleteOptions": {"preconditions": {"uid": uid}},
            },
            tolerated=(404, 409),
        )

    def claims(self, namespace: str, selector: Mapping[str, str]) -> dict[str, Claim]:
        """The volume claims with all of these labels, by name, and why some do not grow."""
        found: dict[str, Claim] = {}
        for item in self._requests.items(namespace, "persistentvolumeclaims", selector):
            made = objects.claim(item)
            if made.growing:
                made = objects.claim(item, self._events(namespace, item["metadata"]["uid"]))
            found[made.name] = made
        return found

    def create_claim(
        self, namespace: str, name: str, labels: Mapping[str, str], size: int, storage_class: str | None
    ) -> None:
        """Create a volume claim that one node at a time may use.

        Args:
            namespace: Its namespace.
            name: Its name.
            labels: Its labels.
            size: Bytes.
            storage_class: Name of the StorageClass; None for the default one.
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
        path = path_of(namespace, "persistentvolumeclaims")
        self._requests.ask("create", f"persistentvolumeclaims {name}", namespace, path, method="POST", body=body)

    def resize_claim(self, namespace: str, name: str, size: int) -> None:
        """Request a new size in bytes; a volume can only grow, and only if its StorageClass allows it."""
        self._requests.ask(
            "patch",
            f"persistentvolumeclaims {name}",
            namespace,
            path_of(namespace, "persistentvolumeclaims", name),
            method="PATCH",
            body={"spec": _request_of(size)},
        )

    def delete_claim(self, namespace: str, name: str) -> None:
        """Delete a volume claim; one that is gone is no error. It stays until no pod uses it."""
        path = path_of(namespace, "persistentvolumeclaims", name)
        self._requests.find("delete", f"persistentvolumeclaims {name}", namespace, path, method="DELETE")

    def has_namespace(self, name: str) -> bool:
        """Whether a namespace exists; one that is being deleted still does."""
        return self._requests.find("get", f"namespaces {name}", "", f"/api/v1/namespaces/{quote(name)}") is not None

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace with everything in it; one that is gone or being deleted is no error."""
        path = f"/api/v1/namespaces/{quote(name)}"
        self._requests.find("delete", f"namespaces {name}", "", path, method="DELETE", tolerated=(404, 409))

    def labels_of(self, manifest: Mapping[str, Any]) -> dict[str, str]:
        """The labels of the object that a manifest describes; empty if it does not exist."""
        found = self._find_object("get", "GET", manifest)
        return dict(objects.part(found or {}, "metadata", "labels"))

    def delete_object(self, manifest: Mapping[str, Any]) -> None:
        """Delete the object that a manifest describes; one that is gone is no error."""
        self._find_object("delete", "DELETE", manifest)

    def _find_object(self, verb: str, method: str, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        metadata: Mapping[str, str] = manifest["metadata"]
        what = f"{str(manifest['kind']).lower()} {metadata['name']}"
        return self._requests.find(verb, what, metadata.get("namespace", ""), object_path(manifest), method=method)

    def create_config_map(self, namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Create a ConfigMap; one that exists already stays as it is.

        Args:
            namespace: Its namespace.
            name: Its name.
            labels: Its labels.
            data: What it holds.
        """
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": dict(labels)},
            "data": dict(data),
        }
        path = path_of(namespace, "configmaps")
        self._requests.find("create", f"configmaps {name}", namespace, path, method="POST", body=body, tolerated=(409,))

    def delete_config_map(self, namespace: str, name: str) -> None:
        """Delete a ConfigMap; one that is gone is no error."""
        path = path_of(namespace, "configmaps", name)
        self._requests.find("delete", f"configmaps {name}", namespace, path, method="DELETE")

    def _events(self, namespace: str, uid: str) -> list[Json]:
        """Events of one object; empty if they may not be read, since they only explain."""
        options = {"fieldSelector": f"involvedObject.uid={uid}", "limit": 200}
        path = f"{path_of(namespace, 'events')}?{urlencode(options)}"
        found = self._requests.find("list", "events", namespace, path, tolerated=(403, 404))
        return found["items"] if found else []

    def _zone(self, node: str | None) -> str | None:
        """A node's zone; None if nodes may not be read."""
        if node is None:
            return None
        if node not in self._zones:
            found = self._requests.find(
                "get", f"nodes {node}", "", f"/api/v1/nodes/{quote(node)}", tolerated=(403, 404)
            )
            labels = objects.part(found or {}, "metadata", "labels")
            self._zones[node] = labels.get(pod_state.ZONE_LABEL)
        return self._zones[node]


def _request_of(size: int) -> dict[str, Any]:
    return {"resources": {"requests": {"storage": format_quantity(size)}}}
