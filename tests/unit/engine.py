"""Values and errors as they pass between Pulumi's engine and a dynamic provider."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import struct_pb2
from pulumi.output import Unknown
from pulumi.runtime import rpc


def from_engine(props: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a provider's method gets them: through a message, so that whole numbers are floats."""
    message = struct_pb2.Struct()
    message.update(props)
    return rpc.deserialize_properties(message, True)


def unknown() -> object:
    """What stands for an unknown where the engine calls ``check`` and ``diff``."""
    value = from_engine({"value": rpc.UNKNOWN})["value"]
    assert isinstance(value, Unknown), "the SDK's own form"
    return value


def shown(method: Callable[[], object]) -> str:
    """What the SDK sends to the engine when a provider's method raises."""
    try:
        method()
    except Exception:  # noqa: BLE001  the SDK catches everything too
        return traceback.format_exc()
    raise AssertionError("it raised nothing")
