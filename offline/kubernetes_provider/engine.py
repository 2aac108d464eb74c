"""Progress messages and warnings to the engine."""

import threading
from typing import Any


class Engine:
    """The engine at an address; without an address, messages are dropped."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: Any = None
        self._connecting = threading.Lock()
        self._last: dict[str, str] = {}

    def status(self, urn: str, text: str) -> None:
        """Show a resource's status in place of the last one; an unchanged status is not sent again."""
        if self._last.get(urn, "") != text:
            self._last[urn] = text
            self._log(urn, text, ephemeral=True)

    def warn(self, urn: str, text: str) -> None:
        """Log a warning for a resource."""
        self._log(urn, text, ephemeral=False)

    def _log(self, urn: str, text: str, ephemeral: bool) -> None:
        if not self._address:
            return
        import grpc
        from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

        with self._connecting:
            if self._stub is None:
                self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
        severity = engine_pb2.INFO if ephemeral else engine_pb2.WARNING
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=ephemeral)
        try:
            self._stub.Log(request, timeout=5)
        except grpc.RpcError:
            return  # messages are informational: the operation goes on
