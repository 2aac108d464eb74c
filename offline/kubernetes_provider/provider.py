"""The provider protocol on top of the objects of an API server."""

import secrets as random
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import grpc
from google.protobuf import empty_pb2
from kubernetes_provider import inputs as manifests
from kubernetes_provider import kubeconfig, settings
from kubernetes_provider.annotations import AUTONAMED, FIELD_MANAGER, annotation, says_yes
from kubernetes_provider.api import Api, ApiError
from kubernetes_provider.awaiting import NotReady, Waiting
from kubernetes_provider.differences import differences, is_within, pruned
from kubernetes_provider.engine import Engine
from kubernetes_provider.kinds import CONFIG_MAP, KINDS, SECRET, Kind
from kubernetes_provider.kubeconfig import Unreachable
from kubernetes_provider.objects import Objects
from plugin_protocol.failures import abort_with, check_failures, init_failed
from plugin_protocol.values import UNKNOWN, Props, has_unknowns, plain, struct, type_of, values
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

VERSION = "4.34.2"
"""The official provider's version that this one imitates."""

_INPUTS, _FIELD_MANAGER, _API_VERSION = "__inputs", "__fieldManager", "__initialApiVersion"
_WHERE = ("kubeconfig", "context", "cluster")
_REPLACING = {
    provider_pb2.PropertyDiff.ADD_REPLACE,
    provider_pb2.PropertyDiff.DELETE_REPLACE,
    provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
_REMOVE_FROM_STATE = (
    "If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the operation with the "
    'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)


class _Failure(Exception):
    """A call failed; the text is shown to the user."""


class _Incomplete(Exception):
    """An object was created or updated, but is not ready."""

    def __init__(self, message: str, id_: str, outputs: Props, reasons: list[str]) -> None:
        super().__init__(message)
        self.id = id_
        self.outputs = outputs
        self.reasons = reasons


def _reported(method: Callable[..., Any]) -> Callable[..., Any]:
    """Report errors as errors of the call, without a traceback."""

    @wraps(method)
    def wrapper(self: "KubernetesProvider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except _Incomplete as error:
            detail = init_failed(error.id, error.outputs, [str(error), *error.reasons])
            abort_with(context, str(error), detail)
        except (_Failure, ApiError, NotReady) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))

    return wrapper


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Implements the provider protocol."""

    def __init__(self, engine: str = "") -> None:
        self._engine = Engine(engine)
        self._cancelled = threading.Event()
        self._settings = settings.Settings()
        self._api: Api | None = None
        self._namespace = "default"
        self._unreachable = "the provider is not configured"

    # ------------------------------------------------------------------------------------------------ configuration

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._engine = Engine(request.address)
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        rejected = settings.rejections(plain(values(request.news)))
        return provider_pb2.CheckResponse(inputs=request.news, failures=check_failures(rejected))

    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        old, new = plain(values(request.olds)), plain(values(request.news))
        response = provider_pb2.DiffResponse
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        if not changed:
            return response(changes=response.DIFF_NONE)
        where = [key for key in _WHERE if key in changed]
        if unknown := [key for key in _WHERE if new.get(key) == UNKNOWN]:
            return response(changes=response.DIFF_SOME, diffs=unknown[:1], replaces=unknown[:1])
        identified = "clusterIdentifier" in old and "clusterIdentifier" in new
        if identified:
            replaces = ["clusterIdentifier"] if "clusterIdentifier" in changed else []
        else:
            before, after = kubeconfig.selected_cluster(old), kubeconfig.selected_cluster(new)
            replaces = where if before and after and before != after else []
        return response(changes=response.DIFF_SOME, diffs=changed, replaces=replaces)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        self._settings = settings.parse(request.variables)
        self._namespace = self._settings.namespace or "default"
        try:
            access, self._namespace = kubeconfig.access(self._settings)
            api = Api(access)
            api.get("/openapi/v3")
        except Unreachable as error:
            self._unreachable = str(error)
        except ApiError as error:
            self._unreachable = f"unable to load schema information from the API server: {error}"
        else:
            self._api = api
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this stand-in provider has no functions; not {request.tok}")

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._cancelled.set()
        return empty_pb2.Empty()

    def _objects(self, urn: str) -> Objects:
        """The cluster's objects; progress is reported for this resource."""
        if self._api is None:
            raise _Failure(f"configured Kubernetes cluster is unreachable: {self._unreachable}")
        waiting = Waiting(self._api, lambda text: self._engine.status(urn, text), self._cancelled)
        return Objects(self._settings, waiting)

    # ---------------------------------------------------------------------------------------------------- resources

    @_reported
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        kind, given = kind_of(request.urn), values(request.news)
        manifest = plain(given)
        rejected = manifests.rejections(kind, manifest)
        if not rejected:
            manifest = manifests.normalized(kind, manifest)
            name = request.urn.rpartition("::")[2]
            manifest = manifests.named(manifest, plain(values(request.olds)), name, request.randomSeed)
            manifest = manifests.placed(kind, manifest, self._namespace)
        checked = manifests.with_secrets_of(manifest, given)
        return provider_pb2.CheckResponse(inputs=struct(checked), failures=check_failures(rejected))

    @_reported
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        kind, state, new = kind_of(request.urn), plain(values(request.olds)), plain(values(request.news))
        old = manifests.normalized(kind, state.pop(_INPUTS, {}))
        found = differences(kind, state, old, manifests.normalized(kind, new))
        found = {
            path: change
            for path, change in found.items()
            if not any(is_within(path, ignored) for ignored in request.ignoreChanges)
        }
        if self._is_mutable(kind, new):
            for path, change in found.items():
                if is_within(path, "data") or is_within(path, "binaryData"):
                    change.kind = _IN_PLACE[change.kind]
        replaces = sorted(path for path, change in found.items() if change.kind in _REPLACING)
        response = provider_pb2.DiffResponse
        return response(
            changes=response.DIFF_SOME if found else response.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and keeps_its_name(state, new),
            detailedDiff=found,
            hasDetailedDiff=True,
        )

    def _is_mutable(self, kind: Kind, manifest: Props) -> bool:
        """Whether data of this ConfigMap or Secret changes in place."""
        if manifest.get("immutable"):
            return False
        switches = {CONFIG_MAP: self._settings.mutable_config_maps, SECRET: self._settings.mutable_secrets}
        return switches.get(kind, False)

    @_reported
    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:
        kind, given = kind_of(request.urn), values(request.properties)
        manifest = plain(given)
        if request.preview and (self._api is None or has_unknowns(manifest)):
            return provider_pb2.CreateResponse(properties=request.properties)
        objects = self._objects(request.urn)
        manager = annotation(manifest, FIELD_MANAGER) or f"pulumi-kubernetes-{random.token_hex(4)}"
        failed = f'resource "{request.urn}" was not successfully created by the Kubernetes API server: '
        try:
            if request.preview:
                live = objects.preview_creation(kind, manifest)
            else:
                live = objects.create(kind, manifest, request.timeout)
        except ApiError as error:
            raise _Failure(f"{failed}{error}") from error
        except NotReady as error:
            message = (
                f'resource "{request.urn}" was successfully created, but the Kubernetes API server '
                f"reported that it failed to fully initialize or become live: {error}"
            )
            outputs = checkpoint(kind, given, error.live, manager)
            raise _Incomplete(message, id_of(error.live), outputs, error.reasons) from error
        if live is None:
            return provider_pb2.CreateResponse(properties=request.properties)
        id_ = "" if request.preview else id_of(live)
        return provider_pb2.CreateResponse(id=id_, properties=struct(checkpoint(kind, given, live, manager)))

    @_reported
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        kind, state, given = kind_of(request.urn), values(request.properties), values(request.inputs)
        if self._api is None:
            self._warn_unreachable(request.urn)
            if self._settings.delete_unreachable:
                return provider_pb2.ReadResponse()
            raise _Failure(f"failed to read resource state due to unreachable cluster. {_REMOVE_FROM_STATE}")
        if not given:
            raise _Failure("this stand-in provider does not import objects")
        objects, old = self._objects(request.urn), manifests.normalized(kind, plain(given))
        live = objects.read(kind, *place_of(request.id))
        if live is None:
            return provider_pb2.ReadResponse()
        inputs = manifests.with_secrets_of(pruned(live, old), given)
        outputs = checkpoint(kind, inputs, live, str(plain(state).get(_FIELD_MANAGER, "")))
        try:
            objects.check(kind, old, live)
        except NotReady as error:
            raise _Incomplete(str(error), request.id, outputs, error.reasons) from error
        return provider_pb2.ReadResponse(id=request.id, properties=struct(outputs), inputs=struct(inputs))

    @_reported
    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        kind, state, given = kind_of(request.urn), plain(values(request.olds)), values(request.news)
        manifest = manifests.normalized(kind, plain(given))
        if request.preview and (self._api is None or has_unknowns(manifest)):
            return provider_pb2.UpdateResponse(properties=request.news)
        objects, path, ignored = self._objects(request.urn), kind.path(*place_of(request.id)), request.ignoreChanges
        manager = annotation(manifest, FIELD_MANAGER) or state.get(_FIELD_MANAGER) or "pulumi-kubernetes"
        try:
            if request.preview:
                live = objects.preview_update(path, manifest, manager, ignored)
            else:
                live = objects.update(kind, path, manifest, manager, ignored, request.timeout)
        except (ApiError, NotReady) as error:
            if request.preview and isinstance(error, ApiError) and error.code == 403:
                return provider_pb2.UpdateResponse(properties=request.news)
            raise self._not_updated(request, kind, objects, manager, error) from error
        return provider_pb2.UpdateResponse(properties=struct(checkpoint(kind, given, live, manager)))

    def _not_updated(
        self, request: Any, kind: Kind, objects: Objects, manager: str, error: ApiError | NotReady
    ) -> Exception:
        """The error of an update, with the current object if it exists."""
        try:
            live = objects.read(kind, *place_of(request.id))
        except ApiError as second:
            return _Failure(
                f'update of resource "{request.urn}" failed: {error}\nunable to get cluster state: {second}'
            )
        if live is None:
            return _Failure(f'update of resource "{request.urn}" failed: {error}')
        message = (
            f'the Kubernetes API server reported that "{request.id}" failed to fully initialize or become live: {error}'
        )
        reasons = error.reasons if isinstance(error, NotReady) else []
        return _Incomplete(message, request.id, checkpoint(kind, values(request.news), live, manager), reasons)

    @_reported
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        kind, state = kind_of(request.urn), values(request.properties)
        if self._api is None:
            self._warn_unreachable(request.urn)
            if self._settings.delete_unreachable:
                return empty_pb2.Empty()
            raise _Failure(f"configured Kubernetes cluster is unreachable. {_REMOVE_FROM_STATE}")
        path, manifest = kind.path(*place_of(request.id)), plain(state).get(_INPUTS, {})
        try:
            self._objects(request.urn).delete(kind, path, manifest, request.timeout)
        except NotReady as error:
            outputs = checkpoint(kind, state.get(_INPUTS, {}), error.live, str(plain(state).get(_FIELD_MANAGER, "")))
            raise _Incomplete(str(error), request.id, outputs, error.reasons) from error
        return empty_pb2.Empty()

    def _warn_unreachable(self, urn: str) -> None:
        self._engine.warn(urn, f"configured Kubernetes cluster is unreachable: {self._unreachable}")
        if self._settings.delete_unreachable:
            reason = "is unreachable and the `deleteUnreachable` option is enabled"
            self._engine.warn(
                urn, f"configured Kubernetes cluster {reason}. Deleting the unreachable resource from Pulumi state"
            )


_IN_PLACE = {
    kind: getattr(provider_pb2.PropertyDiff, provider_pb2.PropertyDiff.Kind.Name(kind).removesuffix("_REPLACE"))
    for kind in provider_pb2.PropertyDiff.Kind.values()
}


def kind_of(urn: str) -> Kind:
    """The kind in a resource's URN."""
    token = type_of(urn)
    if token not in KINDS:
        raise _Failure(f"this stand-in provider implements {', '.join(sorted(KINDS))}; not {token}")
    return KINDS[token]


def id_of(live: Props) -> str:
    """An object's resource id."""
    metadata = live["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]


def place_of(id_: str) -> tuple[str, str]:
    """The namespace (empty if there is none) and the name in an id."""
    namespace, _, name = id_.rpartition("/")
    return namespace, name


def keeps_its_name(state: Props, new: Props) -> bool:
    """Whether a replacement has the same name, so that the old object must be deleted first."""
    metadata, old = new.get("metadata", {}), state.get("metadata", {})
    if not metadata.get("name") or says_yes(new, AUTONAMED):
        return False
    return metadata["name"] == old.get("name") and metadata.get("namespace") == old.get("namespace")


def checkpoint(kind: Kind, given: Props, live: Props, manager: str) -> Props:
    """The outputs to store in the state: the live object and its inputs."""
    inputs = manifests.normalized(kind, plain(given))
    return {
        **manifests.with_secrets_of(live, given),
        _INPUTS: manifests.with_secrets_of(inputs, given),
        _API_VERSION: kind.api_version,
        _FIELD_MANAGER: manager,
    }
