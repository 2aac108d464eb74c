"""The stand-in for the Kubernetes resource plugin: inputs, differences and calls, compared with recordings.

Source: offline/kubernetes_provider/.
Proof limit: a dictionary replaces the API server, without defaults and schemas; and the recording is of one program.
"""

import copy
import importlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2

from offline import cli

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "fixtures" / "kubernetes"

sys.path.append(str(ROOT / "offline"))  # the plugin's own import path
apis = importlib.import_module("kubernetes_provider.api")
awaiting = importlib.import_module("kubernetes_provider.awaiting")
inputs = importlib.import_module("kubernetes_provider.inputs")
kinds = importlib.import_module("kubernetes_provider.kinds")
kubeconfigs = importlib.import_module("kubernetes_provider.kubeconfig")
ownership = importlib.import_module("kubernetes_provider.ownership")
plugin = importlib.import_module("kubernetes_provider.provider")
settings = importlib.import_module("kubernetes_provider.settings")
wire = importlib.import_module("plugin_protocol.values")

Props = dict[str, Any]

STATEFUL_SET, CONFIG_MAP = "kubernetes:apps/v1:StatefulSet", "kubernetes:core/v1:ConfigMap"
SECRET, SERVICE, NAMESPACE = "kubernetes:core/v1:Secret", "kubernetes:core/v1:Service", "kubernetes:core/v1:Namespace"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
NONE, SOME = provider_pb2.DiffResponse.DIFF_NONE, provider_pb2.DiffResponse.DIFF_SOME


class Refused(Exception):
    """A call that the plugin aborted with an error."""


class Context:
    """The gRPC context of a call, which can abort it."""

    def __init__(self) -> None:
        self.status = status_pb2.Status()

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Refused(details)

    def set_trailing_metadata(self, metadata: Any) -> None:
        self.status.ParseFromString(dict(metadata)["grpc-status-details-bin"])

    def failed(self) -> Any:
        """The resource that the failed call created."""
        detail = provider_pb2.ErrorResourceInitFailed()
        assert self.status.details[0].Unpack(detail)
        return detail


class Server:
    """An API server that stores objects; it can refuse one method."""

    def __init__(self) -> None:
        self.objects: dict[str, Props] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.refusals: dict[str, Exception] = {}
        self.changes: list[Any] = []

    def _note(self, method: str, path: str, query: Mapping[str, str]) -> None:
        self.asked.append((method, path, dict(query)))
        if error := self.refusals.get(method):
            raise error

    def get(self, path: str, **query: str) -> Props:
        self._note("get", path, query)
        if path not in self.objects:
            raise apis.ApiError("not found", 404, "NotFound")
        return copy.deepcopy(self.objects[path])

    def create(self, path: str, manifest: Props, **query: str) -> Props:
        self._note("create", path, query)
        made = self._kept(manifest)
        if "dryRun" not in query:
            self.objects[f"{path}/{manifest['metadata']['name']}"] = made
        return copy.deepcopy(made)

    def patch(self, path: str, body: Any, content: str, **query: str) -> Props:
        self._note("patch", path, query)
        self.changes.append(body)
        if isinstance(body, list):
            return self.get(path)
        made = self._kept(body)
        if "dryRun" not in query:
            self.objects[path] = made
        return copy.deepcopy(made)

    def delete(self, path: str, propagation: str) -> Props:
        self._note("delete", path, {"propagation": propagation})
        if self.objects.pop(path, None) is None:
            raise apis.ApiError("not found", 404, "NotFound")
        return {}

    def _kept(self, manifest: Props) -> Props:
        made = copy.deepcopy(manifest)
        made["metadata"] |= {"uid": "u", "resourceVersion": "1", "generation": 1, "managedFields": []}
        if made["kind"] == "StatefulSet":
            count = made["spec"]["replicas"]
            made["status"] = {"observedGeneration": 1, "replicas": count, "readyReplicas": count}
            made["status"] |= {"currentReplicas": count, "currentRevision": "r", "updateRevision": "r"}
        return made


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def provider(server: Server) -> Any:
    made = plugin.KubernetesProvider()
    made._api = server
    return made


def urn(token: str, name: str = "thing") -> str:
    return f"urn:pulumi:prod::millrace::millrace:index:Part${token}::{name}"


def check(provider: Any, token: str, news: Props, olds: Props | None = None, name: str = "thing") -> Props:
    request = provider_pb2.CheckRequest(
        urn=urn(token, name), news=wire.struct(news), olds=wire.struct(olds or {}), randomSeed=b"seed"
    )
    response = provider.Check(request, Context())
    assert not response.failures, response.failures
    return wire.values(response.inputs)


def refusals(provider: Any, token: str, news: Props) -> dict[str, str]:
    request = provider_pb2.CheckRequest(urn=urn(token), news=wire.struct(news))
    return {item.property: item.reason for item in provider.Check(request, Context()).failures}


def diff(provider: Any, token: str, state: Props, news: Props, ignored: tuple[str, ...] = ()) -> Any:
    kind = kinds.KINDS[token]
    typed = {"apiVersion": kind.api_version, "kind": kind.name}
    request = provider_pb2.DiffRequest(
        urn=urn(token), id="x", olds=wire.struct(state | typed), news=wire.struct(news | typed), ignoreChanges=ignored
    )
    return provider.Diff(request, Context())


def create(provider: Any, token: str, news: Props, preview: bool = False, context: Context | None = None) -> Any:
    request = provider_pb2.CreateRequest(
        urn=urn(token), properties=wire.struct(news), preview=preview, timeout=0 if preview else 0.05
    )
    return provider.Create(request, context or Context())


def manifest(name: str = "x", **rest: Any) -> Props:
    return {"metadata": {"name": name, "namespace": "n"}, **rest}


def servers(**spec: Any) -> Props:
    template = {"spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    return manifest(spec={"serviceName": "s", "replicas": 1, "template": template, **spec})


def recorded() -> dict[str, Props]:
    """Resources of the official provider's state, by type."""
    found = json.loads((RECORDED / "state.json").read_text())["deployment"]["resources"]
    return {item["type"]: item for item in found if item["type"].startswith("kubernetes:")}


def decrypted(value: Any) -> Any:
    """A recorded value with a placeholder for each encrypted value."""
    if isinstance(value, dict):
        if "ciphertext" in value:
            return {"password": "czNjcmV0"}
        return {key: decrypted(item) for key, item in value.items()}
    return [decrypted(item) for item in value] if isinstance(value, list) else value


def test_the_plugin_runs_from_its_own_folder_without_the_project(tmp_path: Path) -> None:
    cli.copy_plugin("kubernetes", tmp_path)
    script = "import kubernetes_provider.provider, components; print(components.__file__)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == f"{tmp_path / 'components' / '__init__.py'}\n", done.stderr


# ----------------------------------------------------------------------------------------------------- the recording


def test_every_recorded_type_is_supported_and_its_inputs_pass_unchanged(provider: Any) -> None:
    assert recorded().keys() <= kinds.KINDS.keys()
    for token, item in recorded().items():
        given = decrypted(item["inputs"])
        assert wire.plain(check(provider, token, given)) == given, token


def test_recorded_states_do_not_differ_from_their_inputs(provider: Any) -> None:
    for token, item in recorded().items():
        answer = diff(provider, token, decrypted(item["outputs"]), decrypted(item["inputs"]))
        assert (answer.changes, dict(answer.detailedDiff)) == (NONE, {}), token


@pytest.mark.parametrize(
    ("token", "path", "value", "property_", "replaces", "first_out"),
    [
        (STATEFUL_SET, ("spec", "replicas"), 2, "spec.replicas", False, False),
        (STATEFUL_SET, ("spec", "serviceName"), "other", "spec.serviceName", True, True),
        (STATEFUL_SET, ("spec", "podManagementPolicy"), "Parallel", "spec.podManagementPolicy", True, True),
        (STATEFUL_SET, ("spec", "template", "spec", "containers", 0, "image"), "redis:8", None, False, False),
        (
            *(STATEFUL_SET, ("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage"), "2Gi"),
            *("spec.volumeClaimTemplates[0].spec.resources.requests.storage", True, True),
        ),
        (CONFIG_MAP, ("data", "redis.conf"), "loglevel debug", 'data["redis.conf"]', True, False),
        (SECRET, ("data", "password"), "eA==", "data.password", True, True),
        (SERVICE, ("spec", "clusterIP"), "10.0.0.1", "spec.clusterIP", True, True),
        (SERVICE, ("metadata", "name"), "other", "metadata.name", True, False),
        (SERVICE, ("spec", "ports", 0, "port"), 1, "spec.ports[0].port", False, False),
    ],
)
def test_a_change_of_a_recorded_state_updates_or_replaces_like_the_official_provider(
    token: str, path: tuple[Any, ...], value: Any, property_: str | None, replaces: bool, first_out: bool, provider: Any
) -> None:
    item = recorded()[token]
    news = decrypted(copy.deepcopy(item["inputs"]))
    holder = news
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    answer = diff(provider, token, decrypted(item["outputs"]), news)
    assert answer.changes == SOME
    if property_:
        assert list(answer.detailedDiff) == [property_]
        assert not answer.detailedDiff[property_].inputDiff
    assert bool(answer.replaces) == replaces
    assert answer.deleteBeforeReplace == first_out, "the old object must be deleted first, since the name stays"


# ----------------------------------------------------------------------------------------------------------- inputs


def test_an_object_without_a_name_gets_one_and_keeps_it(provider: Any) -> None:
    first = check(provider, CONFIG_MAP, {"data": {"a": "1"}}, name="redis-config")
    assert first["metadata"]["name"].startswith("redis-config-")
    assert len(first["metadata"]["name"]) == len("redis-config-") + 8
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert first["metadata"]["namespace"] == "default"
    again = check(provider, CONFIG_MAP, {"data": {"a": "2"}}, {**first, "metadata": {**first["metadata"], "name": "k"}})
    assert again["metadata"]["name"] == "k"


def test_a_namespace_has_no_namespace(provider: Any) -> None:
    assert check(provider, NAMESPACE, {"metadata": {"name": "x"}})["metadata"] == {"name": "x"}


@pytest.mark.parametrize(
    ("given", "spelt"),
    [
        *(("1024Mi", "1Gi"), ("1Gi", "1Gi"), ("1536Mi", "1536Mi"), ("0.5", "500m"), ("1000m", "1"), ("2", "2")),
        *((2, "2"), ("0", "0"), ("1.5Gi", "1536Mi"), ("100M", "100M"), ("1000M", "1G"), ("1k", "1k"), ("odd", "odd")),
        *(("100", "100"), ("250m", "250m"), ("1000", "1k")),
        *(("0.1Gi", "0.1Gi"), ("1e3", "1e3"), ("1E", "1E"), ("0Gi", "0"), ("-0.5", "-500m")),
    ],
)
def test_a_quantity_is_normalized_as_the_server_does(given: Any, spelt: str) -> None:
    assert inputs.canonical(given) == spelt


def test_quantities_of_containers_claims_and_volumes_are_normalized(provider: Any) -> None:
    container = {"name": "c", "resources": {"requests": {"cpu": "0.5"}, "limits": {"memory": "2048Mi"}}}
    checked = check(
        provider,
        STATEFUL_SET,
        servers(template={"spec": {"containers": [container], "volumes": [{"emptyDir": {"sizeLimit": "1024Ki"}}]}}),
    )
    pod = checked["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"] == {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}}
    assert pod["volumes"][0]["emptyDir"]["sizeLimit"] == "1Mi"


def test_string_data_of_a_secret_is_encoded_and_always_secret(provider: Any) -> None:
    checked = check(provider, SECRET, manifest(stringData={"password": "hidden"}))
    assert "stringData" not in checked
    assert wire.is_secret(checked["data"])
    assert wire.plain(checked["data"]) == {"password": "aGlkZGVu"}


def test_secret_values_in_other_objects_stay_secret(provider: Any) -> None:
    checked = check(provider, CONFIG_MAP, manifest(data={"a": wire.secret("hidden"), "b": "seen"}))
    assert wire.is_secret(checked["data"]["a"])
    assert checked["data"]["b"] == "seen"
    outputs = wire.values(create(provider, CONFIG_MAP, checked).properties)
    assert wire.is_secret(outputs["data"]["a"])
    assert wire.is_secret(outputs["__inputs"]["data"]["a"])


def test_unknown_values_pass_the_check(provider: Any) -> None:
    checked = check(provider, SECRET, manifest(stringData={"password": wire.UNKNOWN}))
    assert wire.plain(checked["stringData"]) == {"password": wire.UNKNOWN}
    whole = check(provider, CONFIG_MAP, {"metadata": wire.UNKNOWN})
    assert whole["metadata"] == wire.UNKNOWN


@pytest.mark.parametrize(
    ("token", "news", "property_"),
    [
        (CONFIG_MAP, manifest(spec={}), "spec"),
        (STATEFUL_SET, manifest(status={}), "status"),
        (ACCOUNT, manifest(automount=False), "automount"),
        (CONFIG_MAP, {"metadata": {"generateName": "x-"}}, "metadata.generateName"),
        (
            *(CONFIG_MAP, {"metadata": {"name": "x", "annotations": {"pulumi.com/waitFor": "y"}}}),
            'metadata.annotations["pulumi.com/waitFor"]',
        ),
    ],
)
def test_an_unsupported_input_is_refused_by_name(token: str, news: Props, property_: str, provider: Any) -> None:
    assert list(refusals(provider, token, news)) == [property_]


@pytest.mark.parametrize("method", ["Check", "Diff", "Create", "Read", "Update", "Delete"])
def test_every_call_for_an_unsupported_type_is_refused_by_name(method: str, provider: Any) -> None:
    request = getattr(provider_pb2, f"{method}Request")(urn=urn("kubernetes:core/v1:Pod"))
    with pytest.raises(Refused, match=r"; not kubernetes:core/v1:Pod$"):
        getattr(provider, method)(request, Context())


def test_functions_are_refused_by_name(provider: Any) -> None:
    with pytest.raises(Refused, match="no functions; not kubernetes:yaml:decode"):
        provider.Invoke(provider_pb2.InvokeRequest(tok="kubernetes:yaml:decode"), Context())


# ------------------------------------------------------------------------------------------------------ differences


def state_of(news: Props, **live: Any) -> Props:
    return {**news, **live, "__inputs": news}


def test_defaults_of_the_server_are_no_difference(provider: Any) -> None:
    news = servers()
    live = servers(replicas=1, podManagementPolicy="OrderedReady", updateStrategy={"type": "RollingUpdate"})
    assert diff(provider, STATEFUL_SET, state_of(news, spec=live["spec"]), news).changes == NONE


def test_a_change_outside_pulumi_is_a_difference_although_the_inputs_are_equal(provider: Any) -> None:
    news = servers(replicas=2)
    answer = diff(provider, STATEFUL_SET, state_of(news, spec=servers(replicas=1)["spec"]), news)
    assert list(answer.detailedDiff) == ["spec.replicas"]


def test_an_empty_value_that_the_server_dropped_is_no_difference_but_a_new_one_is(provider: Any) -> None:
    given = servers(paused=False, hosts=[], minReadySeconds=0)
    assert diff(provider, STATEFUL_SET, state_of(given, spec=servers()["spec"]), given).changes == NONE
    answer = diff(provider, STATEFUL_SET, state_of(servers()), servers(paused=False))
    assert list(answer.detailedDiff) == ["spec.paused"]


def test_items_added_to_or_removed_from_a_list_are_reported_by_index(provider: Any) -> None:
    one, two = servers(hosts=["a", "b"]), servers(hosts=["a"])
    removed = diff(provider, STATEFUL_SET, state_of(one), two).detailedDiff["spec.hosts[1]"]
    assert (removed.kind, removed.inputDiff) == (provider_pb2.PropertyDiff.DELETE, True)
    added = diff(provider, STATEFUL_SET, state_of(two), one).detailedDiff["spec.hosts[1]"]
    assert added.kind == provider_pb2.PropertyDiff.ADD


def test_an_unknown_value_is_a_difference(provider: Any) -> None:
    answer = diff(provider, CONFIG_MAP, state_of(manifest(data={"a": "1"})), manifest(data={"a": wire.UNKNOWN}))
    assert list(answer.detailedDiff) == ["data.a"]
    assert list(answer.replaces) == ["data.a"]


def test_ignored_changes_are_no_difference(provider: Any) -> None:
    old, new = servers(volumeClaimTemplates=[{"size": 1}]), servers(volumeClaimTemplates=[{"size": 2}])
    assert diff(provider, STATEFUL_SET, state_of(old), new).replaces
    assert diff(provider, STATEFUL_SET, state_of(old), new, ("spec.volumeClaimTemplates",)).changes == NONE


@pytest.mark.parametrize(("immutable", "replaces"), [(False, False), (True, True)])
def test_data_is_updated_in_place_if_the_provider_is_set_so(immutable: bool, replaces: bool, provider: Any) -> None:
    provider._settings = settings.Settings(mutable_config_maps=True, mutable_secrets=True)
    old, new = (manifest(data={"a": text}, immutable=immutable) for text in ("1", "2"))
    for token in (CONFIG_MAP, SECRET):
        assert bool(diff(provider, token, state_of(old), new).replaces) == replaces


# ------------------------------------------------------------------------------------------------------------ calls


def test_create_requests_a_new_object_with_strict_field_validation(provider: Any, server: Server) -> None:
    made = create(provider, CONFIG_MAP, check(provider, CONFIG_MAP, manifest(data={"a": "1"})))
    assert made.id == "n/x"
    outputs = wire.values(made.properties)
    assert outputs["__initialApiVersion"] == "v1"
    assert outputs["__fieldManager"].startswith("pulumi-kubernetes-")
    assert outputs["__inputs"] == check(provider, CONFIG_MAP, manifest(data={"a": "1"}))
    strict = {"fieldValidation": "Strict", "fieldManager": "pulumi-kubernetes"}
    assert server.asked[0] == ("create", "/api/v1/namespaces/n/configmaps", strict)


def test_a_preview_changes_nothing(provider: Any, server: Server) -> None:
    made = create(provider, STATEFUL_SET, check(provider, STATEFUL_SET, servers()), preview=True)
    assert made.id == ""
    assert "status" not in wire.values(made.properties)
    assert server.objects == {}
    assert server.asked[0][2]["dryRun"] == "All"


@pytest.mark.parametrize(
    "error",
    [
        apis.ApiError("forbidden", 403, "Forbidden"),
        apis.ApiError("it is there", 409, "AlreadyExists"),
        apis.ApiError('namespaces "n" not found', 404, "NotFound", {"kind": "namespaces"}),
    ],
)
def test_a_preview_without_the_servers_dry_run_returns_the_inputs(
    error: Exception, provider: Any, server: Server
) -> None:
    server.refusals["create"] = error
    checked = check(provider, CONFIG_MAP, manifest(data={"a": "1"}))
    assert wire.values(create(provider, CONFIG_MAP, checked, preview=True).properties) == checked


def test_an_error_of_the_server_is_passed_on(provider: Any, server: Server) -> None:
    server.refusals["create"] = apis.ApiError('unknown field "spec.x"', 400, "BadRequest")
    for preview in (True, False):
        with pytest.raises(Refused, match=r'by the Kubernetes API server: unknown field "spec\.x"'):
            create(provider, CONFIG_MAP, check(provider, CONFIG_MAP, manifest()), preview=preview)


def test_an_object_that_does_not_become_ready_stays_in_the_state(
    provider: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = server._kept
    monkeypatch.setattr(server, "_kept", lambda given: {**kept(given), "status": {}})
    context = Context()
    with pytest.raises(Refused, match="'x' timed out waiting to be Ready"):
        create(provider, STATEFUL_SET, check(provider, STATEFUL_SET, servers()), context=context)
    assert context.failed().id == "n/x"
    assert context.failed().reasons[1] == "0 out of 1 replicas succeeded readiness checks"
    skipped = servers()
    skipped["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    assert create(provider, STATEFUL_SET, skipped | {"apiVersion": "apps/v1", "kind": "StatefulSet"}).id == "n/x"


def created_state(provider: Any, token: str, news: Props) -> tuple[Props, Props]:
    """Checked inputs, and the state after create."""
    checked = check(provider, token, news)
    return checked, wire.values(create(provider, token, checked).properties)


def test_update_applies_with_the_field_manager_of_create(provider: Any, server: Server) -> None:
    _, state = created_state(provider, CONFIG_MAP, manifest(data={"a": "1"}))
    path = "/api/v1/namespaces/n/configmaps/x"
    fields = {"f:data": {"f:a": {}}}
    server.objects[path]["metadata"]["managedFields"] = [
        {"manager": "pulumi-kubernetes", "operation": "Update", "fieldsV1": fields}
    ]
    news = check(provider, CONFIG_MAP, manifest(data={"a": "2"}))
    request = provider_pb2.UpdateRequest(
        urn=urn(CONFIG_MAP), id="n/x", olds=wire.struct(state), news=wire.struct(news), timeout=1
    )
    answer = wire.values(provider.Update(request, Context()).properties)
    assert answer["data"] == {"a": "2"}
    handed, applied = server.changes
    assert handed[0]["value"][0]["manager"] == state["__fieldManager"], (
        "fields of the create call change their owner first"
    )
    assert applied["data"] == {"a": "2"}
    query = next(query for method, _, query in reversed(server.asked) if method == "patch")
    assert query == {"fieldValidation": "Strict", "fieldManager": state["__fieldManager"], "force": "false"}


def test_a_conflict_is_reported_with_its_fix(provider: Any, server: Server) -> None:
    checked, state = created_state(provider, CONFIG_MAP, manifest(data={"a": "1"}))
    server.refusals["patch"] = apis.ApiError('Apply failed with 1 conflict: conflict with "someone": .data.a', 409)
    request = provider_pb2.UpdateRequest(
        urn=urn(CONFIG_MAP), id="n/x", olds=wire.struct(state), news=wire.struct(checked), timeout=1
    )
    with pytest.raises(Refused, match=r"(?s)Server-Side Apply field conflict detected.*patchForce.*conflict with"):
        provider.Update(request, Context())


def test_refresh_returns_current_inputs_and_nothing_for_a_deleted_object(provider: Any, server: Server) -> None:
    checked, state = created_state(provider, STATEFUL_SET, servers(replicas=2))
    path = "/apis/apps/v1/namespaces/n/statefulsets/x"
    server.objects[path]["spec"] |= {"replicas": 1, "podManagementPolicy": "OrderedReady"}
    server.objects[path]["status"] |= {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1}
    request = provider_pb2.ReadRequest(
        urn=urn(STATEFUL_SET), id="n/x", properties=wire.struct(state), inputs=wire.struct(checked)
    )
    answer = provider.Read(request, Context())
    assert wire.values(answer.inputs) == {**checked, "spec": {**checked["spec"], "replicas": 1}}
    assert diff(provider, STATEFUL_SET, wire.values(answer.properties), checked).changes == SOME
    server.objects.clear()
    assert provider.Read(request, Context()).id == ""


def test_delete_is_in_the_foreground_and_ignores_a_missing_object(provider: Any, server: Server) -> None:
    _, state = created_state(provider, CONFIG_MAP, manifest())
    request = provider_pb2.DeleteRequest(urn=urn(CONFIG_MAP), id="n/x", properties=wire.struct(state), timeout=1)
    for _ in range(2):
        provider.Delete(request, Context())
    deletes = [query for method, _, query in server.asked if method == "delete"]
    assert deletes == [{"propagation": "Foreground"}] * 2


def test_a_cancelled_call_ends_the_wait(provider: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = server._kept
    monkeypatch.setattr(server, "_kept", lambda given: {**kept(given), "status": {}})
    provider.Cancel(None, None)
    with pytest.raises(Refused, match='Resource operation was cancelled for "x"'):
        create(provider, STATEFUL_SET, check(provider, STATEFUL_SET, servers()))


# -------------------------------------------------------------------------------------------------------- readiness


def live_set(generation: int, strategy: str = "RollingUpdate", **status: Any) -> Props:
    spec = {"replicas": 3, "updateStrategy": {"type": strategy}}
    return {"metadata": {"name": "x", "generation": generation}, "spec": spec, "status": status}


READY = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3}


@pytest.mark.parametrize(
    ("live", "ready"),
    [
        (live_set(1), False),
        (live_set(2, **READY, currentRevision="a", updateRevision="a"), True),
        (live_set(3, **READY, currentRevision="a", updateRevision="a"), False),
        (live_set(2, **{**READY, "readyReplicas": 2}, currentRevision="a", updateRevision="a"), False),
        (live_set(2, **{**READY, "currentReplicas": 2}, currentRevision="a", updateRevision="b"), False),
        (live_set(2, "OnDelete", **{**READY, "currentReplicas": 0}, currentRevision="a", updateRevision="b"), True),
        (live_set(1, "OnDelete", **{**READY, "currentReplicas": 0}, currentRevision="a", updateRevision="b"), False),
    ],
)
def test_a_stateful_set_is_ready_when_its_rollout_is_complete(live: Props, ready: bool) -> None:
    found = awaiting.stateful_set(None, live)
    assert found.ready == ready
    assert bool(found.reasons) != ready
    assert found.status


def test_only_a_service_with_a_cluster_address_and_a_selector_waits_for_pods(server: Server) -> None:
    for spec in ({"clusterIP": "None", "selector": {"a": "b"}}, {"clusterIP": "10.0.0.1"}, {"type": "ExternalName"}):
        assert awaiting.service(server, {"metadata": {"name": "x", "namespace": "n"}, "spec": spec}).ready
    waiting = {"metadata": {"name": "x", "namespace": "n"}, "spec": {"clusterIP": "10.0.0.1", "selector": {"a": "b"}}}
    assert not awaiting.service(server, waiting).ready
    server.objects["/api/v1/namespaces/n/endpoints/x"] = {"subsets": [{"addresses": []}]}
    assert awaiting.service(server, waiting).ready


# -------------------------------------------------------------------------------------------------------- ownership


def test_fields_set_by_create_and_kubectl_change_their_owner_and_others_keep_theirs() -> None:
    def entry(manager: str, operation: str, field: str, **more: str) -> Props:
        return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {f"f:{field}": {}}}, **more}

    owned = ownership.taken_over(
        [
            entry("pulumi-kubernetes", "Update", "a"),
            entry("kubectl", "Update", "b", subresource="scale"),
            entry("someone", "Update", "c"),
            entry("kubectl", "Update", "d", subresource="status"),
        ],
        "me",
    )
    assert [item["manager"] for item in owned] == ["someone", "kubectl", "me"]
    assert owned[-1]["fieldsV1"] == {"f:spec": {"f:a": {}, "f:b": {}}}
    assert owned[-1]["operation"] == "Apply"
    assert ownership.taken_over(owned, "me") == owned
    assert ownership.is_others_only(owned, "me", ["spec", "c"])
    assert not ownership.is_others_only(owned, "me", ["spec", "a"])


# ---------------------------------------------------------------------------------------------------- configuration


EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere/login"}
CONFIG = {
    "current-context": "here",
    "contexts": [
        {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "own"}},
        {"name": "there", "context": {"cluster": "d", "user": "u"}},
        {"name": "cloud", "context": {"cluster": "c", "user": "v"}},
    ],
    "clusters": [
        {"name": "c", "cluster": {"server": "https://192.0.2.1:6443/"}},
        {"name": "d", "cluster": {"server": "https://192.0.2.2:6443"}},
    ],
    "users": [{"name": "u", "user": {"token": "t"}}, {"name": "v", "user": {"exec": EXEC}}],
}


@pytest.mark.parametrize("as_path", [True, False])
def test_a_kubeconfig_is_a_path_or_contents(as_path: bool, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(CONFIG))
    given = str(path) if as_path else path.read_text()
    found, namespace = kubeconfigs.access(settings.Settings(kubeconfig=given))
    assert (found.configuration.host, namespace) == ("https://192.0.2.1:6443", "own")
    assert found.headers() == {"Authorization": "Bearer t"}
    selected = settings.Settings(kubeconfig=json.dumps(CONFIG), context="there", namespace="mine")
    other, namespace = kubeconfigs.access(selected)
    assert (other.configuration.host, namespace) == ("https://192.0.2.2:6443", "mine")


def test_the_cluster_setting_overrides_that_of_the_context() -> None:
    selected = settings.Settings(kubeconfig=json.dumps(CONFIG), context="here", cluster="d")
    found, namespace = kubeconfigs.access(selected)
    assert (found.configuration.host, namespace) == ("https://192.0.2.2:6443", "own")
    assert found.headers() == {"Authorization": "Bearer t"}


def test_an_exec_plugin_provides_the_credentials() -> None:
    credential = {"apiVersion": EXEC["apiVersion"], "kind": "ExecCredential", "status": {"token": "made"}}
    printing = {**EXEC, "command": sys.executable, "args": ["-c", f"print({json.dumps(json.dumps(credential))})"]}
    config = {**CONFIG, "users": [{"name": "v", "user": {"exec": printing}}]}
    found, _ = kubeconfigs.access(settings.Settings(kubeconfig=json.dumps(config), context="cloud"))
    assert found.headers() == {"Authorization": "Bearer made"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"context": "nobody"}, 'context "nobody" does not exist'),
        ({"cluster": "none"}, 'cluster "none" does not exist'),
        ({"context": "cloud"}, "No such file or directory: '/nowhere/login'"),
        ({"kubeconfig": "/nowhere/at/all"}, "/nowhere/at/all: no such file"),
        ({"kubeconfig": "a: [\n"}, "failed to parse kubeconfig data"),
        ({"kubeconfig": "{}"}, "no configuration has been provided"),
    ],
)
def test_without_a_usable_kubeconfig_only_previews_work(given: Props, why: str) -> None:
    given = {"kubeconfig": json.dumps(CONFIG), **given}
    fresh = plugin.KubernetesProvider()
    request = provider_pb2.ConfigureRequest(
        variables={f"kubernetes:config:{key}": value for key, value in given.items()}
    )
    assert fresh.Configure(request, Context()).acceptSecrets
    checked = check(fresh, CONFIG_MAP, manifest(data={"a": "1"}))
    assert wire.values(create(fresh, CONFIG_MAP, checked, preview=True).properties) == checked
    with pytest.raises(Refused) as caught:
        create(fresh, CONFIG_MAP, checked)
    assert str(caught.value).startswith("configured Kubernetes cluster is unreachable: ")
    assert why in str(caught.value)
    for method in ("Read", "Delete"):
        with pytest.raises(Refused, match="PULUMI_K8S_DELETE_UNREACHABLE"):
            getattr(fresh, method)(getattr(provider_pb2, f"{method}Request")(urn=urn(CONFIG_MAP), id="n/x"), Context())
        fresh._settings = settings.Settings(delete_unreachable=True)
        getattr(fresh, method)(getattr(provider_pb2, f"{method}Request")(urn=urn(CONFIG_MAP), id="n/x"), Context())
        fresh._settings = settings.Settings()


def test_unsupported_settings_are_refused_by_name() -> None:
    given = {"renderYamlToDirectory": "x", "enableServerSideApply": "false", "context": "c", "version": "4.34.2"}
    request = provider_pb2.CheckRequest(news=wire.struct(given))
    answer = plugin.KubernetesProvider().CheckConfig(request, Context())
    assert {item.property for item in answer.failures} == {"renderYamlToDirectory", "enableServerSideApply"}


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        ({"context": "here"}, {"context": "here"}, []),
        ({"context": "here"}, {"context": "there"}, ["context"]),
        ({"context": "here"}, {"context": "nobody"}, []),
        ({"context": "here"}, {"context": "here", "enableSecretMutable": "true"}, []),
        ({"context": "here"}, {"context": wire.UNKNOWN}, ["context"]),
        (
            {"context": "here", "clusterIdentifier": "a"},
            {"context": "there", "clusterIdentifier": "a"},
            [],
        ),
        (
            {"context": "here", "clusterIdentifier": "a"},
            {"context": "here", "clusterIdentifier": "b"},
            ["clusterIdentifier"],
        ),
    ],
)
def test_a_different_cluster_replaces_the_provider(old: Props, new: Props, replaces: list[str]) -> None:
    olds, news = ({"kubeconfig": json.dumps(CONFIG), **given} for given in (old, new))
    request = provider_pb2.DiffRequest(olds=wire.struct(olds), news=wire.struct(news))
    answer = plugin.KubernetesProvider().DiffConfig(request, Context())
    assert list(answer.replaces) == replaces
    assert answer.changes == (SOME if olds != news else NONE)


def test_messages_keep_integers_secrets_and_unknowns() -> None:
    given = {"a": 1, "b": 1.5, "c": [True, "x"], "d": wire.secret({"e": 2}), "f": wire.UNKNOWN, "g": None}
    found = wire.values(wire.struct(given))
    assert found == {key: item for key, item in given.items() if key != "g"}
    assert isinstance(found["a"], int)
    assert wire.has_secrets(found)
    assert wire.has_unknowns(found)
    assert wire.plain(found)["d"] == {"e": 2}
