"""The stand-in for the Docker resource plugin: defaults, rejections and differences, compared with recordings.

Source: offline/docker_provider/.
Proof limit: the engine only returns errors here, so nothing is created, read, updated or deleted; and the recording is
of one program.
"""

import importlib
import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import grpc
import pytest
from docker.errors import APIError
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "fixtures" / "docker"

sys.path.append(str(ROOT / "offline"))  # the plugin's own import path
container = importlib.import_module("docker_provider.container")
plugin = importlib.import_module("docker_provider.provider")
resources = importlib.import_module("docker_provider.resources")

Props = dict[str, Any]

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
IMAGE = "docker:index/remoteImage:RemoteImage"
VOLUME = "docker:index/volume:Volume"
NONE, SOME = provider_pb2.DiffResponse.DIFF_NONE, provider_pb2.DiffResponse.DIFF_SOME


class Refused(Exception):
    """A call that the plugin aborted with an error."""


class Context:
    """The gRPC context of a call, which can abort it."""

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Refused(f"{code.name}: {details}")


class NoEngine:
    """An engine that must not be contacted."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the engine was asked: {name}")


@pytest.fixture
def provider() -> Any:
    """The plugin, configured with an engine that must not be contacted."""
    made = plugin.DockerProvider()
    made._client = NoEngine()
    return made


def message(values: Props) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def urn(type_: str, name: str = "thing", parents: str = "millrace:index:KafkaCluster$") -> str:
    return f"urn:pulumi:dev::millrace::{parents}{type_}::{name}"


def check(provider: Any, type_: str, inputs: Props) -> tuple[Props, dict[str, str]]:
    """The checked inputs, and the failures' reasons by property."""
    response = provider.Check(provider_pb2.CheckRequest(urn=urn(type_), news=message(inputs)), Context())
    return json_format.MessageToDict(response.inputs), {item.property: item.reason for item in response.failures}


def diff(provider: Any, type_: str, old: Props, new: Props, outputs: Props | None = None) -> Any:
    """The plugin's answer for two sets of inputs, each checked first, as the engine does."""
    request = provider_pb2.DiffRequest(
        id="id",
        urn=urn(type_),
        old_inputs=message(check(provider, type_, old)[0]),
        news=message(check(provider, type_, new)[0]),
        olds=message(outputs if outputs is not None else old),
    )
    return provider.Diff(request, Context())


def recorded_inputs() -> dict[str, Props]:
    """The inputs that the official provider wrote into a state, by type."""
    state = json.loads((RECORDED / "state.json").read_text())
    return {item["type"]: item["inputs"] for item in state["deployment"]["resources"] if "::docker:" in item["urn"]}


def declared(inputs: Any) -> Any:
    """Recorded inputs as the program wrote them: without the provider's defaults."""
    if isinstance(inputs, list):
        return [declared(entry) for entry in inputs]
    if isinstance(inputs, dict):
        filled = inputs.get("__defaults", [])
        return {key: declared(value) for key, value in inputs.items() if key != "__defaults" and key not in filled}
    return inputs


def with_filled_defaults_only(inputs: Any) -> Any:
    """Recorded inputs without the empty records of defaults."""
    if isinstance(inputs, list):
        return [with_filled_defaults_only(entry) for entry in inputs]
    if isinstance(inputs, dict):
        return {
            key: with_filled_defaults_only(value) for key, value in inputs.items() if (key, value) != ("__defaults", [])
        }
    return inputs


BROKER: Props = {
    "name": "p-kafka-0",
    "image": "sha256:0123",
    "hostname": "kafka-0",
    "command": ["start", "--override", "broker.id=0"],
    "envs": ["A=1", "B=2"],
    "memory": 1024,
    "memorySwap": 1024,
    "stopTimeout": 30,
    "destroyGraceSeconds": 30,
    "restart": "unless-stopped",
    "labels": [{"label": "x", "value": "1"}, {"label": "y", "value": "2"}],
    "uploads": [{"file": "/a", "content": "a"}, {"file": "/b", "content": "b"}],
    "ports": [{"internal": 9092, "external": 9092, "ip": "127.0.0.1"}],
    "volumes": [{"volumeName": "p-data", "containerPath": "/data"}],
    "networksAdvanced": [{"name": "p", "aliases": ["kafka", "kafka-0"]}],
    "healthcheck": {
        "tests": ["CMD", "true"],
        "interval": "5s",
        "timeout": "5s",
        "startPeriod": "2m0s",
        "retries": 3,
    },
}


# ------------------------------------------------------------------------------------------------------- defaults


@pytest.mark.parametrize("type_", [CONTAINER, NETWORK, IMAGE, VOLUME])
def test_defaults_are_those_of_the_official_provider(type_: str) -> None:
    recorded = recorded_inputs()[type_]
    filled = plugin.with_defaults(plugin.TYPES[type_], declared(recorded))
    assert with_filled_defaults_only(filled) == with_filled_defaults_only(recorded)
    assert filled["__defaults"] == recorded["__defaults"], "the engine keeps this list in the state"


def test_a_container_has_these_defaults() -> None:
    filled = plugin.with_defaults(container.Container, BROKER)
    defaults = {
        "containerReadRefreshTimeoutMilliseconds": 15000,
        "mustRun": True,
        "networkMode": "bridge",
        "removeVolumes": True,
        "start": True,
    }
    assert filled["__defaults"] == sorted(defaults)
    assert {key: filled[key] for key in defaults} == defaults
    assert filled["ports"] == [{**BROKER["ports"][0], "protocol": "tcp", "__defaults": ["protocol"]}]
    assert filled["healthcheck"] == {**BROKER["healthcheck"], "startInterval": "0s", "__defaults": ["startInterval"]}


def test_a_network_has_its_ipam_driver_by_default() -> None:
    assert plugin.with_defaults(resources.Network, {"name": "p"}) == {
        "name": "p",
        "ipamDriver": "default",
        "__defaults": ["ipamDriver"],
    }


def test_a_given_value_is_not_recorded_as_a_default() -> None:
    given = {
        "mustRun": False,
        "ports": [{"internal": 53, "external": 53, "protocol": "udp"}],
        "healthcheck": {**BROKER["healthcheck"], "startInterval": "1s"},
    }
    filled = plugin.with_defaults(container.Container, {**BROKER, **given})
    assert filled["mustRun"] is False
    assert "mustRun" not in filled["__defaults"]
    assert filled["ports"] == [{**given["ports"][0], "__defaults": []}]
    assert filled["healthcheck"] == {**given["healthcheck"], "__defaults": []}


def test_filling_in_defaults_does_not_change_the_given_inputs() -> None:
    before = json.dumps(BROKER)
    plugin.with_defaults(container.Container, BROKER)
    assert json.dumps(BROKER) == before


def test_an_image_and_a_volume_have_no_defaults() -> None:
    assert plugin.with_defaults(resources.RemoteImage, {"name": "i"}) == {"name": "i", "__defaults": []}
    assert plugin.with_defaults(resources.Volume, {"name": "v"}) == {"name": "v", "__defaults": []}


def test_outputs_have_no_record_of_defaults() -> None:
    filled = plugin.with_defaults(container.Container, BROKER)
    plain = plugin.without_private(filled)
    assert "__defaults" in json.dumps(filled)
    assert "__defaults" not in json.dumps(plain)
    assert plain["ports"] == [{**BROKER["ports"][0], "protocol": "tcp"}]


# ---------------------------------------------------------------------------------------------------------- check


def test_every_input_that_the_platform_declares_is_implemented(provider: Any) -> None:
    checked, refused = check(provider, CONTAINER, BROKER)
    assert refused == {}
    assert checked["__defaults"] == sorted(container.Container.defaults)


def test_every_recorded_input_is_implemented(provider: Any) -> None:
    for type_, inputs in recorded_inputs().items():
        assert check(provider, type_, declared(inputs))[1] == {}, type_


@pytest.mark.parametrize(
    ("type_", "key"),
    [(CONTAINER, "privileged"), (CONTAINER, "mounts"), (NETWORK, "internal"), (VOLUME, "driver"), (IMAGE, "platform")],
)
def test_an_unsupported_input_is_refused_by_name(type_: str, key: str, provider: Any) -> None:
    _, refused = check(provider, type_, {"name": "x", key: True})
    assert refused == {key: f'this stand-in provider does not implement "{key}"'}


def test_each_unsupported_input_is_a_separate_failure(provider: Any) -> None:
    _, refused = check(provider, CONTAINER, {"name": "x", "privileged": True, "rm": True})
    assert set(refused) == {"privileged", "rm"}


def test_the_engines_own_inputs_are_not_refused(provider: Any) -> None:
    assert check(provider, VOLUME, {"name": "x", "__internal": {}})[1] == {}


@pytest.mark.parametrize("method", ["Check", "Diff", "Create", "Read", "Update", "Delete"])
def test_every_call_for_an_unsupported_type_is_refused_by_name(method: str, provider: Any) -> None:
    requests = {"Check": "CheckRequest", "Diff": "DiffRequest", "Create": "CreateRequest"}
    requests |= {"Read": "ReadRequest", "Update": "UpdateRequest", "Delete": "DeleteRequest"}
    request = getattr(provider_pb2, requests[method])(urn=urn("docker:index/service:Service"))
    with pytest.raises(Refused) as caught:
        getattr(provider, method)(request, Context())
    assert str(caught.value) == (
        f"UNKNOWN: this stand-in provider implements {CONTAINER}, {NETWORK}, {IMAGE}, {VOLUME}; "
        "not docker:index/service:Service"
    )


@pytest.mark.parametrize("parents", ["", "a:b:C$", "millrace:index:StreamingPlatform$millrace:index:KafkaCluster$"])
def test_a_type_is_found_whatever_its_parents_are(parents: str, provider: Any) -> None:
    assert isinstance(provider._resource(urn(CONTAINER, parents=parents)), container.Container)


def test_functions_are_refused_by_name(provider: Any) -> None:
    with pytest.raises(Refused, match="UNIMPLEMENTED: this stand-in provider has no functions; not docker:index/get"):
        provider.Invoke(provider_pb2.InvokeRequest(tok="docker:index/getNetwork:getNetwork"), Context())


# -------------------------------------------------------------------------------------------------------- connection


def configure(monkeypatch: pytest.MonkeyPatch, host: str) -> Any:
    monkeypatch.setenv("DOCKER_HOST", host)
    return plugin.DockerProvider().Configure(provider_pb2.ConfigureRequest(), Context())


def test_without_an_engine_the_error_is_that_of_the_official_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused) as caught:
        configure(monkeypatch, f"unix://{tmp_path}/no.sock")
    assert str(caught.value) == (
        "UNKNOWN: docker native provider returned an unexpected error from Configure: "
        "failed to connect to any docker daemon"
    )


def test_a_stale_socket_counts_as_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        answer = configure(monkeypatch, f"unix://{path}")
        assert (answer.acceptSecrets, answer.supportsPreview) == (False, True)
    assert path.exists(), "an engine that was killed leaves its socket behind"
    with pytest.raises(Refused, match="failed to connect to any docker daemon"):
        configure(monkeypatch, f"unix://{path}")


def test_an_engine_on_a_different_machine_is_contacted_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configure(monkeypatch, "tcp://192.0.2.1:2375").supportsPreview


def test_check_and_diff_need_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "from_env", lambda **_: pytest.fail("it connected"))
    fresh = plugin.DockerProvider()
    assert check(fresh, CONTAINER, BROKER)[1] == {}
    assert diff(fresh, CONTAINER, BROKER, BROKER).changes == NONE


def engine_error(status: int) -> APIError:
    return APIError(f"{status} Error", response=SimpleNamespace(status_code=status), explanation="what it said")


class EngineWith:
    """An engine that answers every request with one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def answer(*_: object, **__: object) -> None:
            self.asked.append(name)
            raise self.error

        return answer


def test_one_connection_serves_all_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[EngineWith] = []

    def from_env(**_: object) -> SimpleNamespace:
        made.append(EngineWith(engine_error(404)))
        return SimpleNamespace(api=made[-1])

    monkeypatch.setattr(docker, "from_env", from_env)
    fresh = plugin.DockerProvider()
    for type_ in (VOLUME, NETWORK):
        fresh.Read(provider_pb2.ReadRequest(urn=urn(type_), id="gone", properties=message({"name": "gone"})), Context())
    assert [engine.asked for engine in made] == [["inspect_volume", "inspect_network"]]


@pytest.mark.parametrize("type_", [CONTAINER, NETWORK, IMAGE, VOLUME])
def test_a_resource_that_the_engine_lost_counts_as_deleted(type_: str, provider: Any) -> None:
    provider._client = EngineWith(engine_error(404))
    state = message({"name": "gone", "destroyGraceSeconds": 5})
    response = provider.Read(provider_pb2.ReadRequest(urn=urn(type_), id="gone", properties=state), Context())
    assert response.id == "", "a response without an id means that it was deleted"
    provider.Delete(provider_pb2.DeleteRequest(urn=urn(type_), id="gone", properties=state), Context())
    assert provider._client.asked, "deleting a missing resource is no error"


@pytest.mark.parametrize("type_", [CONTAINER, NETWORK, IMAGE, VOLUME])
@pytest.mark.parametrize("method", ["Read", "Delete"])
def test_any_other_error_of_the_engine_is_passed_on(method: str, type_: str, provider: Any) -> None:
    provider._client = EngineWith(engine_error(500))
    request = getattr(provider_pb2, f"{method}Request")(urn=urn(type_), id="x", properties=message({"name": "x"}))
    with pytest.raises(Refused) as caught:
        getattr(provider, method)(request, Context())
    assert str(caught.value) == "UNKNOWN: Error response from daemon: what it said"


def test_an_image_that_is_kept_is_not_removed(provider: Any) -> None:
    state = message({"name": "i:1", "keepLocally": True})
    provider.Delete(provider_pb2.DeleteRequest(urn=urn(IMAGE), id="x", properties=state), Context())


# ----------------------------------------------------------------------------------------------------------- diff


def test_a_changed_environment_replaces_and_deletes_first(provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {**BROKER, "envs": ["A=1", "B=3"]})
    assert answer.changes == SOME
    assert list(answer.replaces) == ["envs"]
    assert list(answer.diffs) == ["envs"]
    assert answer.deleteBeforeReplace, "the new container needs the old one's name and ports"
    assert answer.detailedDiff["envs"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE


def test_a_changed_environment_replaces_with_the_official_providers_reason(provider: Any) -> None:
    old = declared(recorded_inputs()[CONTAINER])
    preview = json.loads((RECORDED / "preview-env-change.json").read_text())
    (step,) = (item for item in preview["steps"] if item["urn"].endswith("::redis") and item["op"] == "replace")
    new = declared(step["newState"]["inputs"])
    assert new["envs"] != old["envs"]
    answer = diff(provider, CONTAINER, old, new)
    assert list(answer.replaces) == step["replaceReasons"]
    assert list(answer.diffs) == step["diffReasons"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("memory", 2048),
        ("memorySwap", 2048),
        ("destroyGraceSeconds", 60),
        ("restart", "no"),
        ("cpuShares", 512),
        ("mustRun", False),
    ],
)
def test_a_changed_limit_updates_in_place(key: str, value: object, provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {**BROKER, key: value})
    assert answer.changes == SOME
    assert list(answer.replaces) == []
    assert list(answer.diffs) == [key]
    assert not answer.deleteBeforeReplace
    assert answer.detailedDiff[key].kind == provider_pb2.PropertyDiff.UPDATE


def test_a_changed_limit_and_environment_replace_because_of_the_environment(provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {**BROKER, "memory": 2048, "envs": []})
    assert list(answer.replaces) == ["envs"]
    assert list(answer.diffs) == ["envs", "memory"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "sha256:4567"),
        ("name", "p-kafka-1"),
        ("command", ["start"]),
        ("stopTimeout", 60),
        ("uploads", [{"file": "/a", "content": "changed"}, {"file": "/b", "content": "b"}]),
        ("labels", [{"label": "x", "value": "1"}]),
        ("ports", [{"internal": 9092, "external": 9093, "ip": "127.0.0.1"}]),
        ("volumes", []),
        ("networksAdvanced", [{"name": "p", "aliases": ["kafka"]}]),
        ("healthcheck", {**BROKER["healthcheck"], "retries": 4}),
        ("user", "999"),
    ],
)
def test_any_other_change_replaces(key: str, value: object, provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {**BROKER, key: value})
    assert (list(answer.replaces), answer.deleteBeforeReplace) == ([key], True)


@pytest.mark.parametrize("key", ["command", "image", "healthcheck", "memory"])
def test_a_removed_input_is_a_change(key: str, provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {name: value for name, value in BROKER.items() if name != key})
    assert list(answer.diffs) == [key]


def test_equal_inputs_are_no_change(provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, BROKER)
    assert answer.changes == NONE
    assert (list(answer.diffs), list(answer.replaces), answer.hasDetailedDiff) == ([], [], False)


@pytest.mark.parametrize("key", ["envs", "labels", "uploads"])
def test_a_different_order_of_unordered_values_is_no_change(key: str, provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {**BROKER, key: BROKER[key][::-1]})
    assert BROKER[key] != BROKER[key][::-1]
    assert (answer.changes, list(answer.diffs)) == (NONE, [])


def test_a_different_order_of_a_commands_arguments_is_a_change(provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, {**BROKER, "command": BROKER["command"][::-1]})
    assert list(answer.replaces) == ["command"]


@pytest.mark.parametrize("type_", [NETWORK, VOLUME])
def test_a_different_order_of_a_networks_or_volumes_labels_is_no_change(type_: str, provider: Any) -> None:
    old = {"name": "p", "labels": BROKER["labels"]}
    assert diff(provider, type_, old, {**old, "labels": BROKER["labels"][::-1]}).changes == NONE
    assert list(diff(provider, type_, old, {**old, "labels": []}).replaces) == ["labels"]


def test_an_explicit_default_is_no_change(provider: Any) -> None:
    spelled = {
        **BROKER,
        "mustRun": True,
        "start": True,
        "ports": [{**BROKER["ports"][0], "protocol": "tcp"}],
        "healthcheck": {**BROKER["healthcheck"], "startInterval": "0s"},
    }
    assert diff(provider, CONTAINER, BROKER, spelled).changes == NONE


def test_a_state_of_the_official_provider_is_no_change(provider: Any) -> None:
    for type_, inputs in recorded_inputs().items():
        request = provider_pb2.DiffRequest(
            urn=urn(type_),
            old_inputs=message(inputs),
            news=message(check(provider, type_, declared(inputs))[0]),
            olds=message(inputs),
        )
        answer = provider.Diff(request, Context())
        assert (answer.changes, list(answer.diffs)) == (NONE, []), type_


def test_a_container_that_was_created_but_failed_is_replaced(provider: Any) -> None:
    answer = diff(provider, CONTAINER, BROKER, BROKER, outputs={**BROKER, "__failed": True})
    assert (answer.changes, answer.deleteBeforeReplace) == (SOME, True)
    assert list(answer.replaces) == ["name"]
    assert list(answer.diffs) == [], "its inputs are unchanged"


def test_a_failed_container_that_also_changed_is_replaced_because_of_the_change(provider: Any) -> None:
    outputs = {**BROKER, "__failed": True}
    assert list(diff(provider, CONTAINER, BROKER, {**BROKER, "envs": []}, outputs).replaces) == ["envs"]
    assert list(diff(provider, CONTAINER, BROKER, {**BROKER, "memory": 1}, outputs).replaces) == ["name"]


def test_a_failed_container_is_returned_to_the_engine_with_the_reason_and_a_mark() -> None:
    error = resources.Failed("it would not start", "the-id", {"name": "p-kafka-0"})
    detail = provider_pb2.ErrorResourceInitFailed()
    assert plugin.errors_detail(error).Unpack(detail)
    assert (detail.id, list(detail.reasons)) == ("the-id", ["it would not start"])
    assert json_format.MessageToDict(detail.properties) == {"name": "p-kafka-0", "__failed": True}


def test_keep_locally_changes_in_place_and_a_new_image_name_replaces(provider: Any) -> None:
    old = {"name": "i:1", "keepLocally": True}
    kept = diff(provider, IMAGE, old, {**old, "keepLocally": False})
    assert (list(kept.diffs), list(kept.replaces)) == (["keepLocally"], [])
    assert list(diff(provider, IMAGE, old, {**old, "name": "i:2"}).replaces) == ["name"]


# --------------------------------------------------------------------------------------------------------- preview


def test_a_preview_does_not_contact_the_engine(provider: Any) -> None:
    checked = message(check(provider, CONTAINER, BROKER)[0])
    created = provider.Create(
        provider_pb2.CreateRequest(urn=urn(CONTAINER), properties=checked, preview=True), Context()
    )
    updated = provider.Update(
        provider_pb2.UpdateRequest(urn=urn(CONTAINER), id="id", news=checked, preview=True), Context()
    )
    assert created.id == "", "an id is known once the container exists"
    for response in (created, updated):
        shown = json_format.MessageToDict(response.properties)
        assert shown["name"] == "p-kafka-0"
        assert "__defaults" not in json.dumps(shown)


# -------------------------------------------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        *(("0s", 0), ("0.5s", 0.5), ("1s", 1), ("1.5s", 1.5), ("5s", 5), ("59s", 59)),
        *(("1m", 60), ("1m0s", 60), ("1m30s", 90), ("2m0s", 120), ("59m59s", 3599)),
    ],
)
def test_a_go_duration_is_parsed_to_nanoseconds(duration: str, seconds: float) -> None:
    read = resources.nanoseconds(duration)
    assert type(read) is int, "the engine takes integers"
    assert read == seconds * 1_000_000_000


def test_a_health_check_is_sent_in_the_engines_format() -> None:
    assert container._health_check(BROKER["healthcheck"]) == {
        "test": ["CMD", "true"],
        "interval": 5_000_000_000,
        "timeout": 5_000_000_000,
        "start_period": 120_000_000_000,
        "retries": 3,
    }
    assert container._health_check(None) is None
