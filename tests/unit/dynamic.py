"""How the engine calls dynamic providers, and how the user sees their errors.

The SDK's own message conversion brings values into the engine's form.
"""

import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
from google.protobuf import struct_pb2
from pulumi.output import Unknown
from pulumi.runtime import rpc

from components.dynamic import Props
from components.errors import UnhealthyError
from components.routes import DIRECT, DirectRoute, Route, RouteProps


def from_engine(props: Mapping[str, Any]) -> Props:
    """The values as a provider's method receives them: sent as a message, so integers are floats."""
    message = struct_pb2.Struct()
    message.update(props)
    return rpc.deserialize_properties(message, True)


def unknown() -> object:
    """The engine's placeholder for an unknown value in calls of ``check`` and ``diff``."""
    value = from_engine({"value": rpc.UNKNOWN})["value"]
    assert isinstance(value, Unknown), "the SDK's own form"
    return value


def unhealthy(provider: Any, props: Props) -> UnhealthyError:
    """The original error of a gate's ``create``, before it is shown as text."""
    with pytest.raises(UnhealthyError) as caught:
        provider.create.__wrapped__(provider(), props)
    return caught.value


def shown(method: Callable[[], object]) -> str:
    """What the SDK reports to the engine when a provider's method raises."""
    try:
        method()
    except Exception:  # noqa: BLE001  the SDK catches all exceptions too
        return traceback.format_exc()
    raise AssertionError("it raised nothing")


class Detour(DirectRoute):
    """A route that knows why a connection ended."""

    def trouble(self, address: str) -> str | None:
        return "the pod is gone" if address.endswith(":19093") else None


VIA = {"context": "test", "namespace": "n", "hosts": ["kafka-0.kafka.n.svc", "kafka-1.kafka.n.svc"]}
"""A route as described in a resource's inputs."""


def take_detour(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> Route:
    """Make a provider's module open this route whenever its inputs are :data:`VIA`."""
    made = Detour()

    def open_route(props: RouteProps | None) -> Route:
        assert props in (None, VIA)
        return made if props else DIRECT

    monkeypatch.setattr(module, "open_route", open_route)
    return made
