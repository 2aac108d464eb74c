"""When certificates expire, what is wrong with them, and the update that makes new ones.

Source: ops/access/expiry.py, ops/commands/certificates.py, ops/doctor/stack.py.
Proof limit: no broker presents anything here; tests/unit/kafka/test_security.py reads from a TLS server.
"""

import json
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from components.access.certificates import RENEW
from components.kafka.security import Security
from ops import app
from ops.access import expiry
from ops.access.expiry import Certificate, judge, read_certificates, troubles
from ops.commands import options, up
from ops.doctor import local_stack
from ops.doctor.outcome import State
from ops.doctor.stack import judge_certificates
from ops.errors import ExitCode
from ops.platform import Platform
from tests.unit.access.pki import NOW, authority, certificate

BROKERS = {"kafka-0": "127.0.0.1:9092"}
HELD = {"kafka": "2027-05-17"}


def found(pem: str | OSError, held: Mapping[str, str] = HELD) -> list[Certificate]:
    def serve(_address: str) -> str:
        if isinstance(pem, OSError):
            raise pem
        return pem

    return judge(BROKERS, authority().certificate, held, serve)


def platform(security: bool = True) -> Platform:
    login = Security(user="millrace", password="super-4f1c2a9e7b", authorities=authority().certificate)
    return Platform(
        stack="dev",
        name="millrace-dev",
        target="docker",
        brokers=BROKERS,
        zookeeper={},
        redis={},
        security=login if security else None,
    )


def test_what_brokers_present_and_whom_clients_trust_is_listed() -> None:
    kafka, trusted = found(certificate().certificate)
    assert kafka.facts is not None
    assert (kafka.where, kafka.facts.name, kafka.days_left(NOW)) == ("kafka-0", "kafka", 365)
    assert (trusted.where, trusted.is_authority, trusted.days_left(NOW)) == ("clients", True, 3650)
    assert troubles([kafka, trusted], NOW) == []


@pytest.mark.parametrize(
    ("after", "text", "state"),
    [
        (timedelta(days=350), "", State.OK),
        (timedelta(days=351), "", State.OK),
        (timedelta(days=352), "it expires on 2027-05-17, in less than 14 days", State.WARNING),
        (timedelta(days=366), "it expired on 2027-05-17 12:00 UTC", State.WRONG),
        (timedelta(days=-1), "it is valid only from 2026-05-17 11:50 UTC; is this machine's clock right?", State.WRONG),
    ],
)
def test_age(after: timedelta, text: str, state: State) -> None:
    kafka = found(certificate().certificate)[:1]
    assert kafka[0].trouble(NOW + after) == text
    outcome = judge_certificates(kafka, NOW + after, "dev")
    assert outcome.state is state
    assert ("certificates renew" in outcome.fix) is (state is not State.OK)


def test_an_authority_that_expires_is_not_renewed_by_the_command() -> None:
    *_, trusted = found(certificate().certificate)
    late = NOW + timedelta(days=3640)
    assert not trusted.needs_renewal(late)
    outcome = judge_certificates([trusted], late, "dev")
    assert (outcome.state, outcome.fix) == (State.WARNING, "change the authority as docs/ACCESS.md says")


def test_a_certificate_of_another_authority_is_found() -> None:
    (kafka, _) = found(certificate(signed_by=2).certificate)
    assert kafka.problem == "it was signed by millrace-test CA 2, whom clients do not trust"
    assert kafka.has_failed(NOW)


def test_a_broker_that_has_not_got_the_new_certificate_is_found() -> None:
    (kafka, _) = found(certificate().certificate, {"kafka": "2027-09-01"})
    assert kafka.problem == "the state has another one, until 2027-09-01: the last update did not end"


def test_a_broker_that_does_not_answer_is_found() -> None:
    (kafka, _) = found(ConnectionRefusedError("refused"))
    assert kafka.trouble(NOW) == "127.0.0.1:9092 presents none: refused"
    assert kafka.to_json(NOW)["daysLeft"] is None


def test_the_state_of_the_certificates_resource_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "_served", lambda _address, _route: certificate().certificate)
    resources: list[dict[str, Any]] = [
        {"type": "pulumi:pulumi:Stack"},
        {
            "type": "pulumi-python:dynamic/millrace:Certificates",
            "outputs": {"expires": {"authority 1": "2036-05-14", "kafka": "2027-09-01"}},
        },
    ]
    kafka, _ = read_certificates(platform(), resources)
    assert "until 2027-09-01" in kafka.problem


# ------------------------------------------------------------------------------------------------------- the commands


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ending:
        app.run(["-s", "dev", "certificates", *arguments])
    return ending.value.code


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """A platform with access, and the time, which tests change."""
    times = [NOW]
    monkeypatch.setattr(options, "read_platform", lambda _stack: platform())
    monkeypatch.setattr(expiry, "_served", lambda _address, _route: certificate().certificate)
    monkeypatch.setattr(expiry, "this_moment", lambda: times[0])
    monkeypatch.setattr(local_stack.LocalStack, "resources", ())
    monkeypatch.setenv(RENEW, "")  # restored after the test
    return times


def test_the_list_ends_with_1_when_one_expires_soon(
    running: list[datetime], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == ExitCode.OK
    running[0] = NOW + timedelta(days=360)
    capsys.readouterr()
    assert run("list", "--json") == ExitCode.FOUND_WRONG
    told = capsys.readouterr()
    kafka, _ = json.loads(told.out)
    assert (kafka["daysLeft"], kafka["problem"]) == (5, "it expires on 2027-05-17, in less than 14 days")
    assert "python -m ops -s dev certificates renew" in told.err


def test_new_certificates_are_an_update_that_is_told_so(
    running: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    updates: list[tuple[str | None, bool]] = []
    monkeypatch.setattr(up, "up", lambda _context, *, yes: updates.append((os.environ.get(RENEW), yes)))
    assert run("renew", "--yes") == ExitCode.OK
    assert updates == [("2026-05-17T12:00:00+00:00", True)]


@pytest.mark.parametrize("command", ["list", "renew"])
def test_without_access_there_are_none(
    running: list[datetime], command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(options, "read_platform", lambda _stack: platform(security=False))
    assert run(command) == ExitCode.REFUSED
    assert "access is off for stack dev" in capsys.readouterr().err
