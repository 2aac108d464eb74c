"""Docker containers and Swarm services as servers."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import durationpy

from policies.view.resources import Resource
from policies.view.servers import UNNAMED, Check, File, Server
from policies.view.values import Object, is_unknown, undecided

_MIB = 1024 * 1024
_STOP_SECONDS = 10
"""Docker's default stop timeout."""

_LOOPBACK = ("127.", "::1")
_SETTINGS_FILES = (".conf", ".cfg", ".properties", ".sh")


class Container(Server):
    """A ``docker.Container``.

    Args:
        resource: The container.
        resources: All resources by URN; the container's image may be one of them.
    """

    def __init__(self, resource: Resource, resources: Mapping[str, Resource]) -> None:
        self.resource = resource
        self.label = f"container {resource.name}"
        self._props = resource.props
        self._resources = resources
        self.long_running = resource.props.raw("mustRun") is not False and resource.props.raw("attach") is not True

    @cached_property
    def image(self) -> str:
        """The image reference, even if the container uses the ID of an image resource."""
        for urn in self.resource.sources.get("image", ()):
            source = self._resources.get(urn)
            for key in ("name", "imageName", "ref"):
                if source is not None and source.props.text(key):
                    return source.props.text(key)
        return self._props.text("image")

    @cached_property
    def command(self) -> list[str]:
        return [*self._props.texts("entrypoints"), *self._props.texts("command")]

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        entries: list[Any] = self._props.raw("envs") or []
        if is_unknown(entries):
            return {UNNAMED: entries}
        found: dict[str, Any] = {}
        for item in entries:
            name, _, value = (UNNAMED, "", item) if is_unknown(item) else str(item).partition("=")
            found[name] = value
        return found

    @cached_property
    def files(self) -> list[File]:
        uploads = [
            File(
                path=item.text("file"),
                content=item.raw("content") or item.raw("contentBase64") or "",
                origin=item.path("content"),
            )
            for item in self._props.objects("uploads")
        ]
        mounts = [*self._props.objects("volumes"), *self._props.objects("mounts")]
        targets = [item.text("containerPath") or item.text("target") for item in mounts if _from_host(item)]
        # The stack does not hold the content of a host's file.
        bound = [
            File(path=path, content=None, origin=f"{path}, a file on the host")
            for path in targets
            if path.endswith(_SETTINGS_FILES)
        ]
        return uploads + bound

    @cached_property
    def memory(self) -> int | None:
        limit = self._props.number("memory")
        return limit * _MIB if limit else None

    @cached_property
    def grace(self) -> int:
        stop = self._props.number("stopTimeout")
        destroy = self._props.number("destroyGraceSeconds")
        known = [_STOP_SECONDS if stop is None else stop, *([] if destroy is None else [destroy])]
        return min(known)

    @cached_property
    def checks(self) -> list[Check]:
        tests = self._props.object("healthcheck").texts("tests")
        if not tests:
            return []
        shell = tests[0] == "CMD-SHELL"
        return [Check(name="health check", command=tests[1:] if tests[0] in ("CMD", "CMD-SHELL") else [], shell=shell)]

    @cached_property
    def hostname(self) -> str:
        return self._props.text("hostname")

    @property
    def networks(self) -> list[str]:
        """Names of the networks that it joins."""
        return sorted(item.text("name") for item in self._props.objects("networksAdvanced"))

    def published(self) -> list[Object]:
        """Ports that it publishes on the host."""
        return self._props.objects("ports")

    def exposed_ports(self) -> list[int | None]:
        beyond = [port for port in self.published() if not port.text("ip", "0.0.0.0").startswith(_LOOPBACK)]
        return [port.number("internal") for port in beyond]


def _from_host(mount: Object) -> bool:
    return bool(mount.text("hostPath")) or mount.text("type") == "bind"


class SwarmTask(Server):
    """The task of a ``docker.Service``."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.label = f"service {resource.name}"
        self._task = resource.props.object("taskSpec")
        self._container = self._task.object("containerSpec")
        self.replicas = resource.props.object("mode", "replicated").number("replicas") or 1

    @cached_property
    def image(self) -> str:
        return self._container.text("image")

    @cached_property
    def command(self) -> list[str]:
        return [*self._container.texts("commands"), *self._container.texts("args")]

    @cached_property
    def variables(self) -> Mapping[str, Any]:
        values: dict[str, Any] = self._container.raw("env") or {}
        return {UNNAMED: values} if is_unknown(values) else dict(values)

    @cached_property
    def files(self) -> list[File]:
        return [
            File(path=item.text("fileName"), content=None, origin=item.path("configId"))
            for item in self._container.objects("configs")
        ]

    @cached_property
    def memory(self) -> int | None:
        return self._task.object("resources", "limits").number("memoryBytes") or None

    @cached_property
    def grace(self) -> int:
        text = self._container.text("stopGracePeriod")
        try:
            return int(durationpy.from_str(text).total_seconds()) if text else _STOP_SECONDS
        except durationpy.DurationError:
            return undecided(self._container.path("stopGracePeriod"))

    @cached_property
    def checks(self) -> list[Check]:
        tests = self._container.object("healthcheck").texts("tests")
        return [Check(name="health check", command=tests[1:], shell=tests[0] == "CMD-SHELL")] if tests else []

    @cached_property
    def hostname(self) -> str:
        return self._container.text("hostname")

    def published(self) -> list[Object]:
        """Ports that it publishes on every node."""
        return self.resource.props.object("endpointSpec").objects("ports")

    def exposed_ports(self) -> list[int | None]:
        return [port.number("targetPort") for port in self.published()]
