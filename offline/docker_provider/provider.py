"""The provider protocol on top of the resource types."""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import grpc
from docker_provider.container import Container
from docker_provider.resources import Failed, Network, RemoteImage, Resource, Volume
from google.protobuf import any_pb2, empty_pb2
from plugin_protocol.failures import abort_with, check_failures, init_failed, not_implemented
from plugin_protocol.values import Props, struct, type_of, values
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

if TYPE_CHECKING:
    from docker import APIClient

VERSION = "5.2.0"
"""The official provider's version that this one imitates."""

TYPES: Mapping[str, type[Resource]] = {
    "docker:index/container:Container": Container,
    "docker:index/network:Network": Network,
    "docker:index/remoteImage:RemoteImage": RemoteImage,
    "docker:index/volume:Volume": Volume,
}

_NESTED_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "healthcheck": {"startInterval": "0s"},
    "ports": {"protocol": "tcp"},
}
_FAILED = "__failed"
"""Output that marks a resource whose creation failed; its next diff replaces it."""


def _reported(method: Callable[..., Any]) -> Callable[..., Any]:
    """Report errors of the Docker engine as errors of the call, without a traceback."""

    @wraps(method)
    def wrapper(self: "DockerProvider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Failed as error:
            abort_with(context, str(error), errors_detail(error))
        except (OSError, RuntimeError) as error:  # docker's own errors are OSErrors
            reason = getattr(error, "explanation", None)
            text = f"Error response from daemon: {reason}" if reason else str(error)
            context.abort(grpc.StatusCode.UNKNOWN, text)

    return wrapper


def errors_detail(error: Failed) -> any_pb2.Any:
    """The protocol's message for a container that was created but does not run."""
    return init_failed(error.id, {**error.outputs, _FAILED: True}, [str(error)])


class DockerProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Implements the provider protocol."""

    def __init__(self) -> None:
        self._client: APIClient | None = None
        self._connecting = threading.Lock()

    def _type(self, urn: str) -> type[Resource]:
        token = type_of(urn)
        if token not in TYPES:
            raise RuntimeError(f"this stand-in provider implements {', '.join(sorted(TYPES))}; not {token}")
        return TYPES[token]

    def _resource(self, urn: str) -> Resource:
        """The resource's type with a connection, made on first use: a preview needs none."""
        import docker

        with self._connecting:
            if self._client is None:
                self._client = docker.from_env(version="auto", timeout=600).api
        return self._type(urn)(self._client)

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        if not engine_listens(os.environ.get("DOCKER_HOST", "")):
            reason = (
                "docker native provider returned an unexpected error from Configure: "
                "failed to connect to any docker daemon"
            )
            context.abort(grpc.StatusCode.UNKNOWN, reason)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this stand-in provider has no functions; not {request.tok}")

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    @_reported
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        resource = self._type(request.urn)
        inputs = values(request.news)
        unknown = [key for key in inputs if key not in resource.inputs and not key.startswith("__")]
        failures = check_failures({key: not_implemented(key) for key in unknown})
        return provider_pb2.CheckResponse(inputs=struct(with_defaults(resource, inputs)), failures=failures)

    @_reported
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        resource = self._type(request.urn)
        old, new = values(request.old_inputs), values(request.news)
        changed = sorted(
            key
            for key in resource.inputs
            if comparable(resource, key, old.get(key)) != comparable(resource, key, new.get(key))
        )
        replaces = [key for key in changed if key not in resource.in_place]
        if values(request.olds).get(_FAILED):
            replaces = replaces or ["name"]
        response = provider_pb2.DiffResponse
        kinds = provider_pb2.PropertyDiff
        return response(
            changes=response.DIFF_SOME if changed or replaces else response.DIFF_NONE,
            replaces=replaces,
            diffs=changed,
            deleteBeforeReplace=bool(replaces),
            hasDetailedDiff=bool(changed),
            detailedDiff={
                key: kinds(kind=kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE, inputDiff=True)
                for key in changed
            },
        )

    @_reported
    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:
        inputs = values(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(without_private(inputs)))
        id_, outputs = self._resource(request.urn).create(inputs)
        return provider_pb2.CreateResponse(id=id_, properties=struct(without_private(outputs)))

    @_reported
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        resource = self._resource(request.urn)
        outputs = resource.read(request.id, values(request.properties))
        if outputs is None:
            return provider_pb2.ReadResponse()
        inputs = {
            key: outputs[key] if not isinstance(value, Mapping | list) and key in outputs else value
            for key, value in values(request.inputs).items()
        }
        return provider_pb2.ReadResponse(
            id=request.id, properties=struct(without_private(outputs)), inputs=struct(inputs)
        )

    @_reported
    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        inputs = values(request.news)
        outputs = inputs if request.preview else self._resource(request.urn).update(request.id, inputs)
        return provider_pb2.UpdateResponse(properties=struct(without_private(outputs)))

    @_reported
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._resource(request.urn).delete(request.id, values(request.properties))
        return empty_pb2.Empty()


def engine_listens(host: str) -> bool:
    """Whether the engine's socket accepts connections; a remote engine is not checked."""
    path = "/var/run/docker.sock" if not host else host.removeprefix("unix://")
    if "://" in path:
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def with_defaults(resource: type[Resource], inputs: Props) -> Props:
    """The inputs with the official provider's defaults, and the list of filled-in keys."""
    filled = dict(inputs)
    missing = sorted(key for key in resource.defaults if key not in inputs)
    filled |= {key: resource.defaults[key] for key in missing}
    filled["__defaults"] = missing
    for key, value in filled.items():
        defaults = _NESTED_DEFAULTS.get(key, {})
        if isinstance(value, Mapping) and defaults:
            filled[key] = _nested(value, defaults)
        elif isinstance(value, list):
            filled[key] = [_nested(entry, defaults) if isinstance(entry, Mapping) else entry for entry in value]
    return filled


def _nested(entry: Mapping[str, Any], defaults: Mapping[str, Any]) -> Props:
    missing = {key: value for key, value in defaults.items() if key not in entry}
    return {**entry, **missing, "__defaults": sorted(missing)}


def without_private(values: Any) -> Any:
    """Values without the lists of defaults, which outputs do not have."""
    if isinstance(values, Mapping):
        return {key: without_private(value) for key, value in values.items() if key != "__defaults"}
    if isinstance(values, list):
        return [without_private(value) for value in values]
    return values


def comparable(resource: type[Resource], key: str, value: Any) -> Any:
    """A value to compare: sets are sorted, lists of defaults are left out."""
    plain = without_private(value)
    if isinstance(plain, list) and key in resource.sets and all(map(_sortable, plain)):
        return sorted(plain, key=resource.sets[key])
    return plain


def _sortable(entry: Any) -> bool:
    return isinstance(entry, str | Mapping)
