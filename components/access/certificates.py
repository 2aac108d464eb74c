"""Certificates: authorities and what they sign, and when one is renewed.

Keys are EC P-256, unencrypted PKCS#8; everything is PEM, which Kafka, ZooKeeper, Redis and OpenSSL read as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME = timedelta(days=3650)
"""An authority's key never leaves the state, and each change of it is work for all clients."""

RENEW_AFTER = 2 / 3
"""Share of a certificate's lifetime after which it is renewed, so that a third is left for updates that fail or are not
run. Let's Encrypt asks for the same (https://letsencrypt.org/docs/integration-guide/#when-to-renew), and it is
cert-manager's default."""

CLOCK_SKEW = timedelta(minutes=10)
"""A new certificate is valid from so long ago: clocks of members and clients may be behind."""

RENEW = "MILLRACE_RENEW_CERTIFICATES"
"""Variable with a time: an update renews certificates that were made before. A time and not a flag, so that an update
that is repeated with it keeps what it has made already."""

_MOST_CHAIN = 10


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A certificate and its key.

    Args:
        key: The private key as PEM.
        certificate: The certificate as PEM, followed by those of intermediate authorities if there are any.
    """

    key: str
    certificate: str

    def __repr__(self) -> str:
        return "Pair(…)"  # never the key

    @property
    def expires(self) -> datetime:
        """When it is no longer valid."""
        return _certificates(self.certificate)[0].not_valid_after_utc

    @property
    def keystore(self) -> str:
        """Key and certificates in one file, as Kafka's ``ssl.keystore.type=PEM`` reads it."""
        return self.key + self.certificate


def new_authority(name: str, now: datetime) -> Pair:
    """Create an authority that signs members' certificates.

    Args:
        name: Its common name.
        now: The time, with a zone.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = (
        _builder(subject, subject, key.public_key(), now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
    )
    return _pair(key, builder.sign(key, hashes.SHA256()))


def new_certificate(authority: Pair, name: str, hosts: Sequence[str], now: datetime, lifetime: timedelta) -> Pair:
    """Create a certificate for a server that is a client of its peers too.

    Args:
        authority: Who signs it.
        name: Its common name.
        hosts: Names and IP addresses by which clients reach it.
        now: The time, with a zone.
        lifetime: How long it is valid; it never outlives its authority.
    """
    signer = _certificates(authority.certificate)[0]
    signing_key = _private_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + lifetime, signer.not_valid_after_utc)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_subject(name), signer.subject, key.public_key(), now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_issued_by(signer), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(_general_names(hosts)), critical=False)
    return _pair(key, builder.sign(signing_key, hashes.SHA256()))


def _subject(name: str) -> x509.Name:
    longest = 64  # ub-common-name of RFC 5280
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:longest])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issued_by(signer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _general_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [x509.DNSName(host) if _is_name(host) else x509.IPAddress(ip_address(host)) for host in sorted(set(hosts))]


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def _pair(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Pair:
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(key=plain.decode(), certificate=certificate.public_bytes(pem).decode())


# Renewal


def renewal_reason(
    pair: Pair, hosts: Sequence[str], authority: Pair, now: datetime, *, made_since: datetime | None = None
) -> str | None:
    """Why a certificate is replaced, in a few words; None if it stays.

    Args:
        pair: The certificate.
        hosts: Names and addresses that it must be valid for, and no others.
        authority: Who must have signed it.
        now: The time, with a zone.
        made_since: Certificates that were made before are replaced; None replaces none for that.
    """
    certificate = _certificates(pair.certificate)[0]
    if not _issued(_certificates(authority.certificate)[0], certificate):
        return "another authority signs now"
    if set(_hosts(certificate)) != {_normal(host) for host in hosts}:
        return "its names changed"
    if now >= renewal_time(pair):
        return f"it expires on {pair.expires:%Y-%m-%d}"
    if made_since is not None and certificate.not_valid_before_utc + CLOCK_SKEW < made_since:
        return "a new one was asked for"
    return None


def renewal_time(pair: Pair) -> datetime:
    """When a certificate is due to be renewed: see :data:`RENEW_AFTER`."""
    certificate = _certificates(pair.certificate)[0]
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * RENEW_AFTER


def _hosts(certificate: x509.Certificate) -> list[str]:
    """Names and addresses that a certificate is valid for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return [*map(_normal, names.get_values_for_type(x509.DNSName)), *addresses]


def _normal(host: str) -> str:
    return host.lower() if _is_name(host) else str(ip_address(host))


def _leads_to(chain: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate]) -> bool:
    """Whether the first certificate is trusted, through the others."""
    current = chain[0]
    for _ in range(_MOST_CHAIN):
        if any(current == anchor or _issued(anchor, current) for anchor in trusted):
            return True
        above = next((item for item in chain[1:] if item != current and _issued(item, current)), None)
        if above is None:
            return False
        current = above
    return False


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _certificates(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(pem.encode(), None))


# What certificates say of themselves


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a certificate says of itself.

    Args:
        name: Its common name.
        issuer: The common name of who signed it.
        starts: From when it is valid.
        expires: Until when it is valid.
    """

    name: str
    issuer: str
    starts: datetime
    expires: datetime


def facts_of(pem: str) -> list[Facts]:
    """What each certificate of a PEM text says of itself.

    Raises:
        ValueError: The text has no certificate, or a broken one.
    """
    return [
        Facts(
            name=_common_name(item.subject),
            issuer=_common_name(item.issuer),
            starts=item.not_valid_before_utc,
            expires=item.not_valid_after_utc,
        )
        for item in _certificates(pem)
    ]


def is_trusted(pem: str, authorities: str) -> bool:
    """Whether one of the authorities signed the first certificate, through the others; whatever the time is."""
    return _leads_to(_certificates(pem), _certificates(authorities))


# What a set of certificates becomes


@dataclass(frozen=True, kw_only=True)
class CertificateSet:
    """Authorities and the certificates that one of them signs.

    Args:
        authorities: By number, as text: ``"1"``.
        members: Certificates by name.
    """

    authorities: Mapping[str, Pair]
    members: Mapping[str, Pair]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a set of certificates must be.

    Args:
        platform: The platform's name, for common names.
        sign: Number of the authority that signs.
        trust: Numbers of the authorities that are trusted; the one that signs is among them.
        hosts: Names and addresses of each member's certificate, by the member's name.
        lifetime: How long a new certificate is valid.
        made_since: Certificates that were made before are replaced, as if they were due; authorities never are.
    """

    platform: str
    sign: str
    trust: Sequence[str]
    hosts: Mapping[str, Sequence[str]]
    lifetime: timedelta
    made_since: datetime | None = None


def planned(old: CertificateSet, wanted: Wanted, now: datetime) -> list[str]:
    """What :func:`renewed` would change, one line for each certificate; empty if nothing."""
    gone, new = old.authorities.keys() - set(wanted.trust), set(wanted.trust) - old.authorities.keys()
    lines = [f"authority {number} is created and trusted" for number in sorted(new, key=int)]
    lines += [f"authority {number} is no longer trusted, and its key is forgotten" for number in sorted(gone, key=int)]
    signer = old.authorities.get(wanted.sign)
    for name, hosts in sorted(wanted.hosts.items()):
        pair = old.members.get(name)
        reason = None
        if pair is None:
            reason = "it is new"
        elif signer is None:
            reason = "another authority signs now"
        else:
            reason = renewal_reason(pair, hosts, signer, now, made_since=wanted.made_since)
        if reason:
            lines.append(f"the certificate of {name} is created: {reason}")
    return lines + [
        f"the certificate of {name} is dropped" for name in sorted(old.members.keys() - wanted.hosts.keys())
    ]


def renewed(old: CertificateSet, wanted: Wanted, now: datetime) -> CertificateSet:
    """The set after an update: what is right stays, so an update that was killed can be repeated."""
    authorities = {
        number: old.authorities.get(number) or new_authority(f"{wanted.platform} CA {number}", now)
        for number in sorted(wanted.trust, key=int)
    }
    signer = authorities[wanted.sign]
    members: dict[str, Pair] = {}
    for name, hosts in sorted(wanted.hosts.items()):
        pair = old.members.get(name)
        if pair is None or renewal_reason(pair, hosts, signer, now, made_since=wanted.made_since):
            pair = new_certificate(signer, name, hosts, now, wanted.lifetime)
        members[name] = pair
    return CertificateSet(authorities=authorities, members=members)
