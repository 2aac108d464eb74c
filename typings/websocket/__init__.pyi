# The part of websocket-client that this project uses.
import socket
from typing import Any

class WebSocketException(Exception): ...

class WebSocketBadStatusException(WebSocketException):
    status_code: int
    resp_body: bytes | None

class ABNF:
    OPCODE_CONT: int
    OPCODE_TEXT: int
    OPCODE_BINARY: int
    OPCODE_CLOSE: int
    OPCODE_PING: int
    OPCODE_PONG: int
    @staticmethod
    def create_frame(data: bytes, opcode: int) -> ABNF: ...
    def format(self) -> bytes: ...

class WebSocket:
    sock: socket.socket | None
    def __init__(
        self, *, sockopt: list[tuple[int, int, int]] | None = None, sslopt: dict[str, Any] | None = None
    ) -> None: ...
    def connect(self, url: str, **options: Any) -> None: ...
