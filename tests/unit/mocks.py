"""Stand-ins for Pulumi's engine and a Docker engine, and functions that run the program against them.

Proof limit: the mock monitor creates nothing, loads no plugin and calls no dynamic provider. It shows what the
program requests, never the result.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks

from components.platform import StreamingPlatform, StreamingPlatformArgs, workloads_of
from components.stack_file.images import choose_images
from components.stack_file.settings import Settings, load_settings
from components.stack_file.stack import target_for
from components.targets.base import Target
from components.targets.docker.target import DockerTarget
from components.targets.kubernetes import target as kubernetes_target
from components.targets.kubernetes.target import KubernetesTarget
from components.zookeeper.client import ADMIN

ROOT = Path(__file__).parents[2]
GENERATED_PASSWORD = "generated-0123456789-ABCDEFGHIJK"
ENSEMBLE_PASSWORD = "super-9876543210-ZYXWVUTSRQP"
SECRET_MARK = "<secret>"
STACK = "pulumi:pulumi:Stack"

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
ACCESS_SET = "pulumi-python:dynamic/millrace:AccessSet"
CERTIFICATES = "pulumi-python:dynamic/millrace:Certificates"
CREDENTIALS = "pulumi-python:dynamic/millrace:Credentials"
REDIS_PASSWORDS = "pulumi-python:dynamic/millrace:RedisPasswords"
REDIS_USERS = "pulumi-python:dynamic/millrace:RedisUsers"
HEALTH_GATE = "pulumi-python:dynamic/millrace:HealthGate"
MEMBER_GATE = "pulumi-python:dynamic/millrace:MemberGate"
MEMBER_EXIT = "pulumi-python:dynamic/millrace:MemberExit"
MEMBER_SET = "pulumi-python:dynamic/millrace:MemberSet"
MONITOR_GATE = "pulumi-python:dynamic/millrace:MonitorGate"
TOPIC_SET = "pulumi-python:dynamic/millrace:TopicSet"
GATED_ROLL = "pulumi-python:dynamic/millrace:GatedRoll"
MEMBER_STORAGE = "pulumi-python:dynamic/millrace:MemberStorage"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
NAME_SUFFIX = "1a2b3c4d"
"""The suffix that the official provider appends to generated names; constant in tests."""


class RecordingMocks(Mocks):
    """Records each resource's type token, name and inputs; returns ids and the outputs that the program reads."""

    def __init__(self) -> None:
        self.resources: list[tuple[str, str, dict[str, Any]]] = []
        self._lock = threading.Lock()  # registrations arrive from several threads

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        with self._lock:
            self.resources.append((args.typ, args.name, args.inputs))
        made: dict[str, dict[str, Any]] = {
            IMAGE: {"imageId": f"sha256:{args.name}"},
            HEALTH_GATE: {"summary": "all parts are healthy"},
        }
        outputs = made.get(args.typ, {})
        if args.typ == CREDENTIALS:
            outputs = {"password": ENSEMBLE_PASSWORD if args.inputs["account"] == ADMIN else GENERATED_PASSWORD}
        if args.typ == REDIS_PASSWORDS:
            outputs = {"accepted": [args.inputs["password"]]}
        if args.typ == CERTIFICATES:
            pems = {part: f"{part} signed by {args.inputs['sign']}" for part in ("key", "certificate", "keystore")}
            trusted = f"authorities {args.inputs['trust']}"
            outputs = {"members": dict.fromkeys(args.inputs["hosts"], pems), "trusted": trusted}
        if args.typ == GATED_ROLL:
            outputs = {"identities": {member: f"{member}-uid" for member in args.inputs["members"]}}
        if args.typ in (SECRET, CONFIG_MAP):
            outputs = {"metadata": {"name": f"{args.name}-{NAME_SUFFIX}", **args.inputs["metadata"]}}
        return f"{args.name}-id", {**args.inputs, **outputs}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program called the function {args.token}; it needs none")


class RecordingMonitor(MockMonitor):
    """Keeps the requests themselves, since they hold options that :class:`Mocks` does not pass on.

    Like the engine, and unlike the SDK's own mock, it marks ``additionalSecretOutputs`` as secret.
    """

    mocks: RecordingMocks

    def __init__(self, mocks: RecordingMocks) -> None:
        super().__init__(mocks)
        self.requests: list[Any] = []
        self.outputs: list[Any] = []

    def declared(self) -> list[Any]:
        """The requests of all resources except the stack, which only the first run of a process registers."""
        return [request for request in self.requests if request.type != STACK]

    def outputs_of(self, type_: str) -> list[dict[str, Any]]:
        """What components of a type passed to ``register_outputs``."""
        return [_values(request.outputs) for request in self.outputs if _type(request.urn) == type_]

    def RegisterResource(self, request: Any) -> Any:
        self.requests.append(request)
        response = super().RegisterResource(request)
        for key in request.additionalSecretOutputs:
            if key in response.object.fields:
                value = MessageToDict(response.object.fields[key])
                response.object[key] = {rpc._special_sig_key: rpc._special_secret_sig, "value": value}
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        self.outputs.append(request)
        return super().RegisterResourceOutputs(request)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One resource as requested from the engine; it refers to other resources by name."""

    type: str
    name: str
    inputs: dict[str, Any]
    custom: bool
    protect: bool
    retain_on_delete: bool
    parent: str
    dependencies: frozenset[str]
    after: frozenset[tuple[str, str]]
    """Its dependencies by type and name, since Kubernetes objects of several kinds share a name."""
    secret_outputs: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    provider: str
    """Name of its provider; empty for the package's default provider."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """All registrations of a run of the program, after the last one has finished."""

    resources: list[Registered]
    registered_outputs: list[tuple[str, str, dict[str, Any]]]
    """Type, name and outputs of each call of ``register_outputs``."""
    outputs: dict[str, Any]
    """The outputs that the program returned, resolved."""
    secret_outputs: frozenset[str]
    """Which of them are secret."""

    def of(self, type_: str) -> list[Registered]:
        """The resources of one type, by name."""
        return sorted((item for item in self.resources if item.type == type_), key=lambda item: item.name)

    def names(self, type_: str) -> list[str]:
        """The names of the resources of one type, sorted."""
        return [item.name for item in self.of(type_)]

    def one(self, type_: str, name: str) -> Registered:
        """The one resource of that type and name."""
        (found,) = (item for item in self.of(type_) if item.name == name)
        return found


@dataclass
class FakeEngine:
    """A Docker engine with the content that a test gives it; ``asked`` holds the queries."""

    unusable: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[int, tuple[str, bool]] = field(default_factory=dict)
    holders: Mapping[int, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    bytes_of_memory: int = 64 * 1024**3
    asked: list[str] = field(default_factory=list)

    def ping(self) -> str | None:
        self.asked.append("ping")
        return self.unusable

    def missing_image(self, reference: str) -> str | None:
        self.asked.append(f"image {reference}")
        return self.missing.get(reference)

    def unusable_address(self, address: str) -> str | None:
        self.asked.append(f"address {address}")
        return self.addresses.get(address)

    def published_ports(self, address: str) -> Mapping[int, tuple[str, bool]]:
        self.asked.append("published ports")
        return self.published

    def port_holder(self, address: str, port: int) -> str | None:
        self.asked.append(f"port {address}:{port}")
        return self.holders.get(port)

    def memory(self) -> int:
        self.asked.append("memory")
        return self.bytes_of_memory


def stack_file(stack: str) -> dict[str, Any]:
    """The values of a stack file of this project, by key without the project's prefix."""
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix("millrace:"): value for key, value in config.items()}


def settings_of(stack: str, *, secret_keys: Sequence[str] = (), **changes: Any) -> Settings:
    """The settings of a stack file, with some of its keys changed."""
    declared = {**stack_file(stack), **changes}
    return load_settings(declared, source=f"Pulumi.{stack}.yaml", secret_keys=secret_keys)


def run_platform(
    settings: Settings, name: str, engine: FakeEngine | None = None, monitor: RecordingMonitor | None = None
) -> Run:
    """Build the platform for Docker on mocks and wait for every registration."""
    monitor = monitor or RecordingMonitor(RecordingMocks())
    return run_on(DockerTarget(name, settings.bind_address, engine or FakeEngine()), settings, name, monitor)


def run_on_cluster(
    settings: Settings,
    name: str,
    monitor: RecordingMonitor | None = None,
    preflight: Callable[..., None] = lambda *_, **__: None,
    **options: Any,
) -> Run:
    """Build the platform for Kubernetes on mocks; no cluster is contacted.

    Args:
        settings: The settings; their ``kubernetes`` section is read as the program reads it.
        name: The platform's name.
        monitor: Records what is registered.
        preflight: Replaces the preflight checks.
        options: Replaces some of the target's options.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_target, "preflight", preflight)
        target = target_for(settings, name)
        assert isinstance(target, KubernetesTarget)
        if options:
            target = KubernetesTarget(name, replace(target.options, **options))
        return run_on(target, settings, name, monitor or RecordingMonitor(RecordingMocks()))


def run_on(target: Target, settings: Settings, name: str, monitor: RecordingMonitor) -> Run:
    """Build the platform for a target on mocks and wait for every registration."""

    def program() -> Mapping[str, object]:
        images = choose_images(settings, {})
        target.preflight(workloads_of(settings, images, target, name))
        args = StreamingPlatformArgs(settings=settings, images=images, target=target)
        return StreamingPlatform(name, args).outputs.by_name()

    return declared_by(program, monitor)


def declared_by(
    program: Callable[[], Mapping[str, object]],
    monitor: RecordingMonitor | None = None,
    project: str = "millrace",
) -> Run:
    """Run a program on mocks, wait for every registration, and resolve the outputs that it returns."""
    monitor = monitor or RecordingMonitor(RecordingMocks())
    resolved: dict[str, object] = {}
    secret: set[str] = set()

    async def look(outputs: Mapping[str, object]) -> None:
        for key, value in outputs.items():
            output = pulumi.Output.from_input(value)
            resolved[key] = await output.future()
            if await output.is_secret():
                secret.add(key)

    run_program(lambda: look(program()), monitor, project)
    requests = monitor.declared()
    names = {monitor.make_urn(request.parent, request.type, request.name): request.name for request in requests}
    return Run(
        resources=[_registered(request, names) for request in requests],
        registered_outputs=[
            (_type(request.urn), names[request.urn], _values(request.outputs))
            for request in monitor.outputs
            if request.urn in names
        ],
        outputs=resolved,
        secret_outputs=frozenset(secret),
    )


def run_program(program: Callable[[], Any], monitor: RecordingMonitor, project: str = "millrace") -> None:
    """Run a program on mocks; await its result and all its registrations."""
    set_mocks(monitor.mocks, project=project, stack="unit", preview=False, monitor=monitor)
    pulumi.runtime.test(program)()


def masked(value: object) -> object:
    """A value with every secret in it replaced by a mark, so that it can be shown."""
    if isinstance(value, Mapping):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return SECRET_MARK
        return {key: masked(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    return value


def unmasked(value: object) -> object:
    """A value with every secret in it replaced by its plain value."""
    if isinstance(value, Mapping):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return unmasked(value["value"])
        return {key: unmasked(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [unmasked(entry) for entry in value]
    return value


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _values(message: Any) -> dict[str, Any]:
    return rpc.deserialize_properties(message)


def _registered(request: Any, names: Mapping[str, str]) -> Registered:
    return Registered(
        type=request.type,
        name=request.name,
        inputs=_values(request.object),
        custom=request.custom,
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        parent=names.get(request.parent, ""),  # the stack itself has no name
        dependencies=frozenset(map(_name, request.dependencies)),
        after=frozenset((_type(urn), _name(urn)) for urn in request.dependencies),
        secret_outputs=tuple(request.additionalSecretOutputs),
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        provider=names.get(request.provider.rpartition("::")[0], ""),
    )
