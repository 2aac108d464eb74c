"""Certificates: made, renewed, checked.

Source: components/access/certificates.py.
Proof limit: Python's TLS library is the only one that shakes hands here.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.access.certificates import (
    CertificateSet,
    Pair,
    Wanted,
    facts_of,
    is_trusted,
    new_authority,
    new_certificate,
    planned,
    renewal_reason,
    renewal_time,
    renewed,
)
from tests.unit.access.pki import HOSTS, NOW, YEAR, authority, certificate, handshake

TODAY = datetime.now(UTC)


# ---------------------------------------------------------------------------------------------------- new certificates


@pytest.fixture(scope="module")
def live() -> tuple[Pair, Pair]:
    """An authority and a certificate that are valid now."""
    signer = new_authority("millrace-test CA", TODAY)
    return signer, new_certificate(signer, "kafka", HOSTS, TODAY, YEAR)


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_connects_to_every_name_and_address(live: tuple[Pair, Pair], host: str) -> None:
    signer, pair = live
    assert handshake(pair, signer.certificate, host) is None


def test_members_are_clients_of_one_another(live: tuple[Pair, Pair]) -> None:
    signer, pair = live
    assert handshake(pair, signer.certificate, HOSTS[0], client=pair) is None


def test_a_client_refuses_another_name(live: tuple[Pair, Pair]) -> None:
    signer, pair = live
    assert "Hostname mismatch" in str(handshake(pair, signer.certificate, "kafka-2.kafka.test.svc"))


def test_a_client_refuses_another_authority(live: tuple[Pair, Pair]) -> None:
    _, pair = live
    other = new_authority("millrace-test CA", TODAY)
    assert "certificate verify failed" in str(handshake(pair, other.certificate, HOSTS[0]))


def test_a_client_that_trusts_two_authorities_takes_either(live: tuple[Pair, Pair]) -> None:
    signer, pair = live
    other = new_authority("millrace-test CA 2", TODAY)
    assert handshake(pair, signer.certificate + other.certificate, HOSTS[0]) is None


def test_keys_are_unencrypted_pkcs8_on_p256() -> None:
    for pair in (authority(), certificate()):
        assert pair.key.startswith("-----BEGIN PRIVATE KEY-----\n")
        key = serialization.load_pem_private_key(pair.key.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.name == "secp256r1"
        assert pair.keystore == pair.key + pair.certificate


def test_a_certificate_is_valid_for_clocks_that_are_behind() -> None:
    read = x509.load_pem_x509_certificate(certificate().certificate.encode())
    assert read.not_valid_before_utc == NOW - timedelta(minutes=10)
    assert read.not_valid_after_utc == NOW + YEAR


def test_a_certificate_never_outlives_its_authority() -> None:
    late = NOW + timedelta(days=3600)
    assert certificate(at=late).expires == authority().expires == NOW + timedelta(days=3650)


def test_no_text_of_a_pair_shows_its_key() -> None:
    assert "PRIVATE" not in f"{certificate()!r} {certificate()}"


def test_a_long_name_is_cut_to_what_a_certificate_can_hold() -> None:
    signer = new_authority("m" * 80, NOW)
    (name,) = x509.load_pem_x509_certificate(signer.certificate.encode()).subject.get_attributes_for_oid(
        NameOID.COMMON_NAME
    )
    assert name.value == "m" * 64


# -------------------------------------------------------------------------------------------------------------- renewal


@pytest.mark.parametrize(
    ("days", "reason"),
    [(0, None), (243, None), (244, "it expires on 2027-05-17"), (400, "it expires on 2027-05-17")],
)
def test_a_certificate_is_renewed_after_two_thirds_of_its_lifetime(days: int, reason: str | None) -> None:
    assert renewal_reason(certificate(), HOSTS, authority(), NOW + timedelta(days=days)) == reason


def test_a_third_of_the_lifetime_is_left_for_updates_that_fail() -> None:
    assert timedelta(days=121) < certificate().expires - renewal_time(certificate()) < timedelta(days=122)


@pytest.mark.parametrize("hosts", [HOSTS[:-1], (*HOSTS, "kafka-2.kafka.test.svc"), ()])
def test_a_certificate_is_renewed_when_its_names_change(hosts: tuple[str, ...]) -> None:
    assert renewal_reason(certificate(), hosts, authority(), NOW) == "its names changed"


def test_the_spelling_of_a_name_is_no_change() -> None:
    spelled = ("KAFKA-0.kafka.test.svc", "kafka-1.kafka.test.svc", "0:0:0:0:0:0:0:1", "127.0.0.1", "127.0.0.1")
    assert renewal_reason(certificate(), spelled, authority(), NOW) is None


def test_a_certificate_is_renewed_when_another_authority_signs() -> None:
    assert renewal_reason(certificate(), HOSTS, authority(2), NOW) == "another authority signs now"


# ------------------------------------------------------------------------------------------------------------- the set


def wanted(sign: str = "1", trust: str = "1", **hosts: tuple[str, ...]) -> Wanted:
    return Wanted(platform="millrace-test", sign=sign, trust=trust.split(","), hosts=hosts, lifetime=YEAR)


EMPTY = CertificateSet(authorities={}, members={})


def test_a_first_update_creates_everything() -> None:
    ask = wanted(kafka=("a",), redis=("b",))
    assert planned(EMPTY, ask, NOW) == [
        "authority 1 is created and trusted",
        "the certificate of kafka is created: it is new",
        "the certificate of redis is created: it is new",
    ]
    made = renewed(EMPTY, ask, NOW)
    assert list(made.authorities) == ["1"]
    assert list(made.members) == ["kafka", "redis"]
    assert is_trusted(made.members["kafka"].certificate, made.authorities["1"].certificate)


def test_an_update_without_a_change_changes_nothing() -> None:
    made = renewed(EMPTY, wanted(kafka=("a",)), NOW)
    assert planned(made, wanted(kafka=("a",)), NOW) == []
    assert renewed(made, wanted(kafka=("a",)), NOW) == made


def test_only_what_is_due_is_renewed() -> None:
    first = renewed(EMPTY, wanted(kafka=("a",)), NOW)
    both = renewed(first, wanted(kafka=("a",), redis=("b",)), NOW + timedelta(days=200))
    later = NOW + timedelta(days=250)
    ask = wanted(kafka=("a",), redis=("b",))
    assert planned(both, ask, later) == ["the certificate of kafka is created: it expires on 2027-05-17"]
    last = renewed(both, ask, later)
    assert last.members["redis"] == both.members["redis"]
    assert last.members["kafka"] != both.members["kafka"]
    assert last.authorities == first.authorities


def test_a_member_that_left_loses_its_certificate() -> None:
    made = renewed(EMPTY, wanted(kafka=("a",), redis=("b",)), NOW)
    assert planned(made, wanted(kafka=("a",)), NOW) == ["the certificate of redis is dropped"]
    assert list(renewed(made, wanted(kafka=("a",)), NOW).members) == ["kafka"]


def test_no_step_of_a_change_of_authority_meets_one_that_is_not_trusted() -> None:
    steps = [wanted(kafka=("a",)), wanted("1", "1,2", kafka=("a",)), wanted("2", "1,2", kafka=("a",))]
    steps.append(wanted("2", "2", kafka=("a",)))
    states = [EMPTY]
    for step in steps:
        states.append(renewed(states[-1], step, NOW))
    for before, after in pairwise(states[1:]):
        # In a roll, members of both states meet.
        for presented, trusting in [(before, after), (after, before)]:
            trusted = "".join(pair.certificate for pair in trusting.authorities.values())
            assert is_trusted(presented.members["kafka"].certificate, trusted)
    assert states[2].members == states[1].members, "the first step restarts nobody with another certificate"
    assert list(states[-1].authorities) == ["2"]


def test_the_plan_says_what_happens_to_authorities() -> None:
    made = renewed(EMPTY, wanted("1", "1,2", kafka=("a",)), NOW)
    assert planned(made, wanted("2", "2", kafka=("a",)), NOW) == [
        "authority 1 is no longer trusted, and its key is forgotten",
        "the certificate of kafka is created: another authority signs now",
    ]
    assert planned(made, wanted("3", "1,2,3", kafka=("a",)), NOW) == [
        "authority 3 is created and trusted",
        "the certificate of kafka is created: another authority signs now",
    ]


# -------------------------------------------------------------------------------------------------- asked for, and read


def test_a_certificate_that_somebody_asks_for_is_made_once_and_authorities_stay() -> None:
    asked = NOW + timedelta(days=1)
    old = renewed(CertificateSet(authorities={}, members={}), wanted(kafka=HOSTS), NOW)
    want = replace(wanted(kafka=HOSTS), made_since=asked)
    assert planned(old, want, asked) == ["the certificate of kafka is created: a new one was asked for"]
    made = renewed(old, want, asked)
    assert made.members["kafka"] != old.members["kafka"]
    assert made.authorities == old.authorities
    later = asked + timedelta(minutes=5)
    assert planned(made, want, later) == [], "an update that is repeated makes no other one"
    assert renewed(made, want, later) == made


def test_what_a_certificate_says_of_itself() -> None:
    (facts,) = facts_of(certificate().certificate)
    assert (facts.name, facts.issuer) == ("kafka", "millrace-test CA 1")
    assert facts.expires == NOW + YEAR
    assert facts.starts < NOW


def test_trust_is_told_whatever_the_time_is() -> None:
    assert is_trusted(certificate(at=NOW - 2 * YEAR).certificate, authority().certificate)
    assert not is_trusted(certificate(signed_by=2).certificate, authority().certificate)
