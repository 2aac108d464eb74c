"""How clients prove to brokers who they are, and why brokers refuse them: one value for all clients of the platform."""

import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.routes import DIRECT, Route, exactly, host_and_port

MECHANISM = "SCRAM-SHA-512"
"""The one SASL mechanism in use."""

_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"
_SECONDS = 5.0
_EXPIRED, _NOT_YET = 10, 9
_WRONG_NAME = (62, 64)
"""OpenSSL's ``X509_V_ERR_…`` (https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/)."""


@dataclass(frozen=True, kw_only=True)
class Security:
    """A user of Kafka, and whom it trusts.

    Args:
        user: The user's name.
        password: Its password; never shown.
        authorities: PEM of the authorities that may have signed a broker's certificate.
    """

    user: str
    password: str = field(repr=False)
    authorities: str = field(repr=False)

    def tls(self) -> ssl.SSLContext:
        """What a connection is encrypted with: only the given authorities count, and names are checked."""
        return ssl.create_default_context(cadata=self.authorities)


def security_of(props: Mapping[str, Any]) -> Security | None:
    """The security in a resource's inputs; None where brokers ask for none."""
    given = props.get("security")
    return Security(**given) if given else None


def client_options(security: Security | None) -> dict[str, Any]:
    """The options of kafka-python's clients; none where brokers ask for none."""
    if security is None:
        return {}
    return {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": MECHANISM,
        "sasl_plain_username": security.user,
        "sasl_plain_password": security.password,
        "ssl_context": security.tls(),
    }


def encrypted(connection: socket.socket, address: str, security: Security | None) -> socket.socket:
    """The connection to a broker's ``host:port`` with TLS; as it is where brokers ask for nothing.

    Raises:
        OSError: The broker does not speak TLS, or its certificate is not trusted.
    """
    if security is None:
        return connection
    return security.tls().wrap_socket(connection, server_hostname=host_and_port(address)[0])


def served_certificate(address: str, *, route: Route = DIRECT, seconds: float = _SECONDS) -> str:
    """The certificate that a broker presents, as PEM. Nothing about it is checked, and nothing is sent.

    Args:
        address: The broker's ``host:port``.
        route: How the broker is reached.
        seconds: Timeout of the connection, and of each answer.

    Raises:
        OSError: It cannot be reached, or does not speak TLS.
    """
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE  # an expired one is to be seen, too
    host, _ = host_and_port(address)
    with route.connect(address, seconds) as plain, anyone.wrap_socket(plain, server_hostname=host) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")


def login_line(user: str, password: str) -> str:
    """The value of ``sasl.jaas.config``, in which quotes and backslashes are escaped."""
    return f"{_LOGIN} required username={_quoted(user)} password={_quoted(password)};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def refusal(address: str, security: Security, *, route: Route = DIRECT) -> str | None:
    """Why a broker and a client do not come together, as clients say only that they cannot bootstrap.

    Args:
        address: The broker's ``host:port``.
        security: The client's security.
        route: How the broker is reached.

    Returns:
        One line; None if they come together, or the broker cannot be reached at all.
    """
    host, _ = host_and_port(address)
    try:
        with route.connect(address, _SECONDS) as plain, security.tls().wrap_socket(plain, server_hostname=host) as tls:
            return _authentication_problem(tls, address, security)
    except ssl.SSLCertVerificationError as error:
        return _certificate_problem(address, host, error)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return None  # it stopped in the middle
    except ssl.SSLError:
        return f"{address} does not speak TLS; is it the right port, and is access turned on for its broker?"
    except (OSError, EOFError, struct.error):
        return None


def _certificate_problem(address: str, host: str, error: ssl.SSLCertVerificationError) -> str:
    """What OpenSSL finds wrong with a broker's certificate."""
    if error.verify_code == _EXPIRED:
        return f"the certificate of {address} has expired, or this clock is wrong: docs/ACCESS.md#certificates"
    if error.verify_code == _NOT_YET:
        return f"the certificate of {address} is not valid yet; check this machine's clock"
    if error.verify_code in _WRONG_NAME:
        return f"the certificate of {address} is not valid for {host}; connect by a name that brokers advertise"
    return (
        f"the certificate of {address} was signed by an authority that is not trusted here "
        f"({error.verify_message}); take the current CA from the stack's outputs"
    )


def _authentication_problem(connection: ssl.SSLSocket, address: str, security: Security) -> str | None:
    """Authenticate as clients do. A broker says why it refuses, but closes the connection, which hides it from them."""
    from kafka.net.sasl.scram import ScramClient
    from kafka.protocol.sasl import (
        SaslAuthenticateRequest,
        SaslAuthenticateResponse,
        SaslHandshakeRequest,
        SaslHandshakeResponse,
    )

    answer = _ask(connection, SaslHandshakeRequest(mechanism=MECHANISM), SaslHandshakeResponse)
    if answer.error_code:
        return f"{address} does not offer {MECHANISM}; it offers {', '.join(answer.mechanisms) or 'nothing'}"
    client = ScramClient(security.user, security.password, MECHANISM)
    answer = _ask(connection, SaslAuthenticateRequest(client.first_message()), SaslAuthenticateResponse)
    if not answer.error_code:
        client.process_server_first_message(answer.auth_bytes)
        answer = _ask(connection, SaslAuthenticateRequest(client.final_message()), SaslAuthenticateResponse)
    if answer.error_code:
        return f"{address} refuses the user {security.user}: its password is wrong, or there is no such user"
    return None


def _ask(connection: socket.socket, request: Any, response: Any) -> Any:
    """Send one request of version 1, and read its answer."""
    request.API_VERSION = 1
    request.with_header(correlation_id=0, client_id="millrace")
    connection.sendall(request.encode(header=True, framed=True))
    (size,) = struct.unpack(">i", exactly(connection, 4))
    return response.decode(exactly(connection, size)[4:], version=1)
