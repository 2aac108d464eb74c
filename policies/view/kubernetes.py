"""Kubernetes pods, and their containers as servers."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from policies.view.resources import Resource
from policies.view.servers import UNNAMED, Check, File, Server
from policies.view.values import UNKNOWN, Object, as_mapping, is_unknown, undecided, whole

_TEMPLATES: Mapping[str, Sequence[str]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Path of the pod template in each kind of object."""

_OF_ONE_POD = {"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"}
"""Labels that the cluster adds to each pod of a StatefulSet."""

_OUTSIDE_SERVICES = ("LoadBalancer", "NodePort")

Data = Mapping[str, Any] | str | None
"""Entries of a ConfigMap or Secret by key; the engine's marker if they are unknown, None if it is not in the stack."""

_GRACE_SECONDS = 30
"""Kubernetes' default ``terminationGracePeriodSeconds``."""


class Pod:
    """The pods that one object creates.

    Args:
        resource: A StatefulSet or another object with a pod template, or a Pod.
        resources: All resources, among them the ConfigMaps and Secrets that the pods mount.
    """

    def __init__(self, resource: Resource, resources: Sequence[Resource]) -> None:
        self.resource = resource
        self.resources = resources
        self._template = resource.props.object(*_TEMPLATES[resource.kind])

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.resource.urn

    @cached_property
    def spec(self) -> Object:
        """The pod spec."""
        return self._template.object("spec")

    @cached_property
    def labels(self) -> Object:
        """The pods' labels."""
        return self._template.object("metadata", "labels")

    @cached_property
    def replicas(self) -> int:
        """Number of pods."""
        wanted = self.resource.props.object("spec").number("replicas")
        return 1 if wanted is None else wanted

    @property
    def long_running(self) -> bool:
        """Whether its containers run until they are stopped, unlike a Job's."""
        return self.resource.kind not in ("Job", "CronJob")

    @cached_property
    def containers(self) -> list["PodContainer"]:
        """Its containers."""
        return [PodContainer(self, item, long_running=self.long_running) for item in self.spec.objects("containers")]

    @cached_property
    def init_containers(self) -> list["PodContainer"]:
        """Its init containers."""
        return [PodContainer(self, item, long_running=False) for item in self.spec.objects("initContainers")]

    @cached_property
    def kinds(self) -> set[str]:
        """The kinds of servers that run in it."""
        return {container.kind for container in self.containers if container.kind}

    @property
    def stateful(self) -> bool:
        """Whether it is a StatefulSet, or runs Kafka, ZooKeeper or Redis."""
        return self.resource.kind == "StatefulSet" or bool(self.kinds)

    def selected_by(self, selector: Object) -> bool:
        """Whether a label selector matches its pods."""
        labels = selector.object("matchLabels")
        return all(self.labels.get(key) == labels[key] for key in labels) and all(
            self._matches(item) for item in selector.objects("matchExpressions")
        )

    def _matches(self, expression: Object) -> bool:
        value = self.labels.get(expression.text("key"))
        found = {
            "Exists": value is not None,
            "DoesNotExist": value is None,
            "In": value in expression.texts("values"),
            "NotIn": value not in expression.texts("values"),
        }
        return found.get(expression.text("operator"), False)

    def behind(self, service: Resource) -> bool:
        """Whether a Service leads to its pods, or to one of them."""
        selector = service.props.object("spec", "selector")
        return bool(selector) and all(key in _OF_ONE_POD or self.labels.get(key) == selector[key] for key in selector)

    def in_same_namespace(self, kind: str) -> Iterator[Resource]:
        """Objects of one kind in the same namespace."""
        return (
            item
            for item in self.resources
            if item.on_kubernetes and item.kind == kind and item.namespace == self.resource.namespace
        )

    def claims(self) -> list[str]:
        """Names of its persistent volumes."""
        templates = [item.object("metadata").text("name") for item in self._claim_templates()]
        volumes = [item.text("name") for item in self.spec.objects("volumes") if "persistentVolumeClaim" in item]
        return templates + volumes

    def claim_classes(self) -> list[str]:
        """StorageClass of each claim template; empty for the cluster's default."""
        return [item.object("spec").text("storageClassName") for item in self._claim_templates()]

    def _claim_templates(self) -> list[Object]:
        return self.resource.props.object("spec").objects("volumeClaimTemplates")

    def __str__(self) -> str:
        return str(self.resource)


class PodContainer(Server):
    """One container of a pod."""

    def __init__(self, pod: Pod, container: Object, *, long_running: bool) -> None:
        self.pod = pod
        self.resource = pod.resource
        self.spec = container
        self.path = f"{container.path()}."
        self.long_running = long_running
        name = container.raw("name")
        self.label = str(pod) if name == pod.resource.name else f"container {name} of {pod}"

    @property
    def replicas(self) -> int:  # type: ignore[override]
        """Number of pods that have it."""
        return self.pod.replicas

    @cached_property
    def image(self) -> str:
        return self.spec.text("image")

    @cached_property
    def command(self) -> list[str]:
        return [*self.spec.texts("command"), *self.spec.texts("args")]

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for source in self.spec.objects("envFrom"):
            if "configMapRef" in source:
                data = self._data("ConfigMap", source.object("configMapRef"))
                found |= data if isinstance(data, Mapping) else {UNNAMED: UNKNOWN}
        for item in self.spec.objects("env"):
            if "valueFrom" not in item:
                found[item.text("name")] = item.raw("value") or ""
        return found

    @cached_property
    def references(self) -> frozenset[str]:
        named = {item.text("name") for item in self.spec.objects("env") if "valueFrom" in item}
        for source in self.spec.objects("envFrom"):
            if "secretRef" in source:
                data = self._data("Secret", source.object("secretRef"))
                named |= set(data) if isinstance(data, Mapping) else set()
        return frozenset(named)

    @cached_property
    def files(self) -> list[File]:
        volumes = {item.text("name"): item for item in self.pod.spec.objects("volumes")}
        found: list[File] = []
        for mount in self.spec.objects("volumeMounts"):
            volume = volumes.get(mount.text("name"))
            for kind, reference in _sources(volume):
                found += self._mounted(kind, reference, mount)
        return found

    @cached_property
    def memory(self) -> int | None:
        limits = self.spec.object("resources", "limits")
        return quantity(limits["memory"], limits.path("memory")) if "memory" in limits else None

    @cached_property
    def grace(self) -> int:
        seconds = self.pod.spec.number("terminationGracePeriodSeconds")
        return _GRACE_SECONDS if seconds is None else seconds

    @cached_property
    def checks(self) -> list[Check]:
        probes = {name: self.spec.object(name) for name in ("startupProbe", "readinessProbe", "livenessProbe")}
        return [
            Check(name=name, command=probe.object("exec").texts("command") if "exec" in probe else None)
            for name, probe in probes.items()
            if probe
        ]

    def exposed_ports(self) -> list[int | None]:
        specs = [item.props.object("spec") for item in self.pod.in_same_namespace("Service") if self.pod.behind(item)]
        return [
            self._port_behind(port)
            for spec in specs
            if spec.text("type") in _OUTSIDE_SERVICES
            for port in spec.objects("ports")
        ]

    def _port_behind(self, port: Object) -> int | None:
        """The container's port to which a Service's port leads, by number or by name."""
        target = str(port.get("targetPort") or port.get("port"))
        named = {item.text("name"): item.number("containerPort") for item in self.spec.objects("ports")}
        return named.get(target, whole(target))

    def _mounted(self, kind: str, reference: Object, mount: Object) -> list[File]:
        """The files of a mounted ConfigMap or Secret."""
        folder, sub_path = mount.text("mountPath").rstrip("/"), mount.text("subPath")
        data = self._data(kind, reference)
        origin = f"{kind} {reference.raw('name') or reference.raw('secretName')}"
        if not isinstance(data, Mapping):
            path = folder if sub_path else f"{folder}/*"
            return [File(path=path, content=data, origin=origin)]
        keys = {item.text("key"): item.text("path") for item in reference.objects("items")}
        named = {keys.get(key, key): key for key in data if not keys or key in keys}
        if sub_path:
            named = {"": named[sub_path]} if sub_path in named else {}
        return [
            File(path=f"{folder}/{name}".rstrip("/"), content=data[key], origin=f"{origin}, {key}")
            for name, key in named.items()
        ]

    def _data(self, kind: str, reference: Object) -> Data:
        """The content of a ConfigMap or Secret; None if it is not in the stack."""
        key = "secretName" if "secretName" in reference or not reference.is_known("secretName") else "name"
        if reference.is_known(key) and key in reference:
            for item in self.pod.in_same_namespace(kind):
                if item.props.object("metadata").raw("name") == reference[key]:
                    return _texts(item)
        return self._data_of_source(kind)

    def _data_of_source(self, kind: str) -> Data:
        """The same without a known name: the only unnamed object of the kind among the pod's dependencies."""
        urns = {urn for sources in self.resource.sources.values() for urn in sources}
        found = [item for item in self.pod.resources if item.urn in urns and item.kind == kind and _unnamed(item)]
        return _texts(found[0]) if len(found) == 1 else None


def pods_of(resources: Sequence[Resource]) -> list[Pod]:
    """The pods of all objects that create some."""
    return [Pod(item, resources) for item in resources if item.on_kubernetes and item.kind in _TEMPLATES]


def _unnamed(resource: Resource) -> bool:
    """Whether the provider chooses an object's name, or it is unknown."""
    metadata = resource.props.object("metadata")
    return metadata.raw("name") is None or not metadata.is_known("name")


def _sources(volume: Object | None) -> Iterator[tuple[str, Object]]:
    """The ConfigMaps and Secrets of a volume, including projected ones."""
    if volume is None:
        return
    for part in (volume, *volume.object("projected").objects("sources")):
        if "configMap" in part:
            yield "ConfigMap", part.object("configMap")
        if "secret" in part:
            yield "Secret", part.object("secret")


def _texts(resource: Resource) -> Data:
    """Data by key, decoded from base64; the engine's marker if even the keys are unknown."""
    found: dict[str, Any] = {}
    for key in ("data", "stringData", "binaryData"):
        data = resource.props.raw(key)
        if is_unknown(data):
            return UNKNOWN
        encoded = resource.kind == "Secret" and key == "data"
        for name, value in as_mapping(data).items():
            found[name] = _decoded(value) if encoded and not is_unknown(value) else value
    return found


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def quantity(value: object, path: str) -> int:
    """Bytes of a Kubernetes quantity: ``512Mi``, ``1G``, ``536870912``.

    Raises:
        Undecided: The value is not a quantity.
    """
    # Imported here: it takes 0.1 s and 17 MiB, and only stacks with pods need it.
    from kubernetes.utils import parse_quantity

    try:
        return int(parse_quantity(str(value)))
    except (ValueError, OverflowError):
        undecided(f"{path}, which is not a quantity")
