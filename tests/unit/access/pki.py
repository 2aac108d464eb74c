"""Certificates of tests, made once; and a TLS handshake in memory."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from components.access.certificates import Pair, new_authority, new_certificate

NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
HOSTS = ("kafka-0.kafka.test.svc", "kafka-1.kafka.test.svc", "127.0.0.1", "::1")


def authority(number: int = 1) -> Pair:
    return _authority(number)  # the cache distinguishes a default from the same value that is given


@cache
def _authority(number: int) -> Pair:
    return new_authority(f"millrace-test CA {number}", NOW)


@cache
def certificate(
    hosts: tuple[str, ...] = HOSTS, *, at: datetime = NOW, lifetime: timedelta = YEAR, signed_by: int = 1
) -> Pair:
    return new_certificate(authority(signed_by), "kafka", hosts, at, lifetime)


def handshake(server: Pair, trusted: str, host: str, *, client: Pair | None = None) -> str | None:
    """Shake hands as OpenSSL does, the clock of this machine included.

    Args:
        server: The server's certificate.
        trusted: What both sides trust.
        host: The name or address that the client connects to.
        client: The client's certificate; the server asks for one if it is given.

    Returns:
        The client's or the server's error, or None.
    """
    with TemporaryDirectory() as folder:
        ours = _context(ssl.PROTOCOL_TLS_SERVER, server, trusted, Path(folder) / "server")
        if client is not None:
            ours.verify_mode = ssl.CERT_REQUIRED
        theirs = _context(ssl.PROTOCOL_TLS_CLIENT, client, trusted, Path(folder) / "client")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        theirs.wrap_bio(to_client, to_server, server_hostname=host),
        ours.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error)
    return None


def _context(protocol: int, pair: Pair | None, trusted: str, path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.load_verify_locations(cadata=trusted)
    if pair is not None:
        path.write_text(pair.keystore)
        context.load_cert_chain(path)
    return context
