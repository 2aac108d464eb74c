"""The server side of SOCKS5 (RFC 1928): reads a client's request and writes the reply. Changes with that standard."""

import socket
import struct

from components.routes import exactly

GRANTED, FAILED, NOT_ALLOWED, UNREACHABLE_NETWORK, UNREACHABLE_HOST, REFUSED = range(6)
"""Reply codes: the connection was made, or why not."""

_NO_SUCH_COMMAND, _NO_SUCH_ADDRESS_TYPE = 7, 8
_VERSION, _CONNECT, _NO_AUTHENTICATION, _NO_METHOD = 5, 1, 0, 0xFF
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_CHUNK = 64 * 1024


def read_request(client: socket.socket) -> tuple[str, int, int]:
    """Read a client's request.

    Args:
        client: The client's connection; its timeout limits each read.

    Returns:
        Host, port, and the reply code that refuses the request; :data:`GRANTED` where it may be served.

    Raises:
        EOFError: The client closed its connection, or its protocol is not SOCKS5 without authentication.
    """
    version, methods = exactly(client, 2)
    if version != _VERSION:
        raise EOFError("not SOCKS5")
    if _NO_AUTHENTICATION not in exactly(client, methods):
        client.sendall(bytes([_VERSION, _NO_METHOD]))
        raise EOFError("the client requires authentication")
    client.sendall(bytes([_VERSION, _NO_AUTHENTICATION]))
    version, command, _, kind = exactly(client, 4)
    if version != _VERSION:
        raise EOFError("not SOCKS5")
    if kind not in (_IPV4, _DOMAIN, _IPV6):
        return "", 0, _NO_SUCH_ADDRESS_TYPE
    size = {_IPV4: 4, _IPV6: 16}.get(kind) or exactly(client, 1)[0]
    host = exactly(client, size)
    port: int = struct.unpack(">H", exactly(client, 2))[0]
    if command != _CONNECT:
        return "", 0, _NO_SUCH_COMMAND
    if kind != _DOMAIN:
        return "", 0, _NO_SUCH_ADDRESS_TYPE
    return host.decode("ascii", errors="replace"), port, GRANTED


def reply(code: int) -> bytes:
    """The reply with a code; the bound address in it is empty."""
    return bytes([_VERSION, code, 0, _IPV4]) + bytes(6)


def refuse(client: socket.socket, code: int) -> None:
    """Send a reply, then discard what the client still sends: closing with unread bytes could lose the reply."""
    client.sendall(reply(code or FAILED))
    client.shutdown(socket.SHUT_WR)
    client.settimeout(1.0)
    while client.recv(_CHUNK):
        pass
