"""Answers to calls that fail."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import status_pb2
from plugin_protocol.values import Props, struct
from pulumi.runtime.proto import provider_pb2


def not_implemented(name: str) -> str:
    """Why an input or a setting is rejected."""
    return f'this stand-in provider does not implement "{name}"'


def check_failures(reasons: Mapping[str, str]) -> list[provider_pb2.CheckFailure]:
    """Rejections of inputs: reasons by property."""
    return [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in reasons.items()]


def init_failed(id_: str, outputs: Props, reasons: list[str]) -> any_pb2.Any:
    """The protocol's message for a resource that was created but failed to initialize.

    The engine keeps it in the state, with the reasons.
    """
    detail = any_pb2.Any()
    failed = provider_pb2.ErrorResourceInitFailed(id=id_, properties=struct(outputs), reasons=reasons)
    detail.Pack(failed, type_url_prefix="type.googleapis.com/")
    return detail


def abort_with(context: Any, message: str, detail: any_pb2.Any) -> None:
    """End a call so that the engine records what was created."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
