"""Why brokers refuse clients, in one line.

Source: components/kafka/security.py, components/kafka/client.py.
Proof limit: a thread that speaks TLS and the server's half of SCRAM stands for a broker.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, SaslAuthenticationFailedError

from components.access.certificates import Pair, new_authority, new_certificate
from components.kafka import client as module
from components.kafka.security import MECHANISM, Security, client_options, refusal, security_of, served_certificate
from components.routes import DirectRoute

PASSWORD = "pass-0123456789"
NOW = datetime.now(UTC)
AUTHORITY = new_authority("millrace-test CA", NOW)


def certificate(at: datetime = NOW, lifetime: timedelta = timedelta(days=1)) -> Pair:
    return new_certificate(AUTHORITY, "kafka", ["127.0.0.1"], at, lifetime)


def security(**changed: str) -> Security:
    return Security(**{"user": "billing", "password": PASSWORD, "authorities": AUTHORITY.certificate, **changed})


Answers = list[tuple[int, bytes]]
"""Error codes and bodies of a broker's answers to SaslAuthenticate."""


def frame(body: bytes) -> bytes:
    return struct.pack(">ii", len(body) + 4, 0) + body


def handshake_answer(error: int, *mechanisms: str) -> bytes:
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in mechanisms)
    return frame(struct.pack(">hi", error, len(mechanisms)) + names)


def authenticate_answer(error: int, data: bytes) -> bytes:
    return frame(struct.pack(">hh", error, -1) + struct.pack(">i", len(data)) + data + struct.pack(">q", 0))


def challenge(first: bytes) -> bytes:
    """A server's first message; what it checks of the second one is up to the test."""
    nonce = first.partition(b"r=")[2]
    return b"r=" + nonce + b"x,s=c2FsdHNhbHQ=,i=4096"


@contextmanager
def broker(tmp_path: Path, pair: Pair, talk: Callable[[ssl.SSLSocket], None]) -> Iterator[str]:
    """A listener with a certificate that talks to one client; yields its address."""
    (tmp_path / "broker.pem").write_text(pair.keystore)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as tls:
                talk(tls)
        except OSError:
            pass  # the client refused

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join(10)
        listener.close()


def request(connection: ssl.SSLSocket) -> bytes:
    (size,) = struct.unpack(">i", connection.recv(4))
    return connection.recv(size)


def authenticating(error: int, *, mechanisms: tuple[str, ...] = (MECHANISM,)) -> Callable[[ssl.SSLSocket], None]:
    """A broker that answers the last step with an error code; 0 lets the client in."""

    def talk(connection: ssl.SSLSocket) -> None:
        handshake = request(connection)
        assert struct.unpack(">hh", handshake[:4]) == (17, 1)
        assert MECHANISM.encode() in handshake
        connection.sendall(handshake_answer(0 if MECHANISM in mechanisms else 33, *mechanisms))
        if MECHANISM not in mechanisms:
            return
        first = request(connection)
        assert b"n=billing" in first
        connection.sendall(authenticate_answer(0, challenge(first)))
        assert PASSWORD.encode() not in request(connection)
        connection.sendall(authenticate_answer(error, b"v=c2ln"))

    return talk


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0, None),
        (58, "{} refuses the user billing: its password is wrong, or there is no such user"),
    ],
)
def test_a_wrong_password_is_said(tmp_path: Path, error: int, expected: str | None) -> None:
    with broker(tmp_path, certificate(), authenticating(error)) as address:
        assert refusal(address, security()) == (expected and expected.format(address))


@pytest.mark.parametrize(("offered", "text"), [((), "nothing"), (("PLAIN", "GSSAPI"), "PLAIN, GSSAPI")])
def test_another_mechanism_is_said(tmp_path: Path, offered: tuple[str, ...], text: str) -> None:
    with broker(tmp_path, certificate(), authenticating(0, mechanisms=offered)) as address:
        assert refusal(address, security()) == f"{address} does not offer SCRAM-SHA-512; it offers {text}"


def nothing(_connection: ssl.SSLSocket) -> None:
    pass


def test_an_unknown_authority_is_said(tmp_path: Path) -> None:
    other = new_authority("another CA", NOW)
    with broker(tmp_path, certificate(), nothing) as address:
        assert str(refusal(address, security(authorities=other.certificate))).startswith(
            f"the certificate of {address} was signed by an authority that is not trusted here ("
        )


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOW - timedelta(days=2), "has expired, or this clock is wrong: docs/ACCESS.md#certificates"),
        (NOW + timedelta(days=2), "is not valid yet; check this machine's clock"),
    ],
)
def test_a_certificate_out_of_its_time_is_said(tmp_path: Path, at: datetime, text: str) -> None:
    with broker(tmp_path, certificate(at), nothing) as address:
        assert refusal(address, security()) == f"the certificate of {address} {text}"


class Moved(DirectRoute):
    """A route that leads to another address, as a tunnel does."""

    def __init__(self, address: str) -> None:
        self.address = address

    def connect(self, address: str, timeout: float) -> socket.socket:
        return super().connect(self.address, timeout)


def test_a_name_that_does_not_match_is_said(tmp_path: Path) -> None:
    with broker(tmp_path, certificate(), nothing) as address:
        assert refusal("kafka-9.example:9092", security(), route=Moved(address)) == (
            "the certificate of kafka-9.example:9092 is not valid for kafka-9.example; connect by a name that brokers "
            "advertise"
        )


def test_a_listener_without_tls_is_said() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    assert refusal(address, security()) == (
        f"{address} does not speak TLS; is it the right port, and is access turned on for its broker?"
    )
    thread.join(10)
    listener.close()


def closing(connection: ssl.SSLSocket) -> None:
    request(connection)


def test_a_broker_that_stops_meanwhile_is_no_refusal(tmp_path: Path) -> None:
    with broker(tmp_path, certificate(), closing) as address:
        assert refusal(address, security()) is None


def test_an_address_where_nothing_listens_is_no_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    assert refusal(address, security()) is None


# ------------------------------------------------------------------------------------------------------------- options


def test_no_text_shows_the_password() -> None:
    assert repr(security()) == "Security(user='billing')"


def test_clients_get_these_options() -> None:
    assert client_options(None) == {}
    options = client_options(security())
    context = options.pop("ssl_context")
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1, "none of this machine's own authorities"
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "billing",
        "sasl_plain_password": PASSWORD,
    }


def test_inputs_of_a_resource_hold_a_security() -> None:
    assert security_of({}) is None
    assert security_of({"security": None}) is None
    given = {"user": "billing", "password": PASSWORD, "authorities": "CA"}
    assert security_of({"security": given}) == security(authorities="CA")


# --------------------------------------------------------------------------------------------------- the admin client


def fails(**_options: Any) -> None:
    raise KafkaTimeoutError("Unable to bootstrap")


@pytest.mark.parametrize(
    ("given", "reason", "error"),
    [
        (None, "never asked", KafkaTimeoutError),
        (security(), None, KafkaTimeoutError),
        (security(), "it refuses the user", SaslAuthenticationFailedError),
    ],
)
def test_a_client_that_cannot_connect_says_why(
    monkeypatch: pytest.MonkeyPatch, given: Security | None, reason: str | None, error: type[Exception]
) -> None:
    monkeypatch.setattr("kafka.KafkaAdminClient", fails)
    monkeypatch.setattr(module, "refusal", lambda address, _security, route: reason if address == "b:2" else None)
    with pytest.raises(error) as caught, module.admin_client("a:1,b:2", security=given):
        pass
    assert type(caught.value) is error
    assert ("it refuses the user" in str(caught.value)) is (error is SaslAuthenticationFailedError)


def test_what_a_broker_presents_is_read_although_it_has_expired(tmp_path: Path) -> None:
    pair = certificate(NOW - timedelta(days=3))
    with broker(tmp_path, pair, nothing) as address:
        assert served_certificate(address).strip() == pair.certificate.strip()


def test_a_listener_without_tls_presents_nothing(listener: socket.socket) -> None:
    def answer() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"no TLS here\n")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(OSError, match=r"SSL|closed|EOF"):
        served_certificate(f"127.0.0.1:{listener.getsockname()[1]}")
    thread.join()
