"""The provider of certificates, called as the engine calls it.

Source: components/access/provider.py.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.access import provider as module
from components.access.certificates import RENEW
from components.access.provider import CertificatesProvider
from components.dynamic import Props
from tests.unit.access.pki import NOW
from tests.unit.dynamic import from_engine, unknown

PROVIDER = CertificatesProvider()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time that the provider sees; tests change it."""
    times = [NOW]

    class Clock:
        @staticmethod
        def now(zone: Any) -> datetime:
            assert zone is UTC
            return times[0]

        fromisoformat = datetime.fromisoformat

    monkeypatch.setattr(module, "datetime", Clock)
    return times


def inputs(**changed: Any) -> Props:
    base = {"platform": "millrace-test", "hosts": {"kafka": ["kafka-0", "127.0.0.1"]}, "sign": 1, "trust": [1]}
    made = {"authorities": None, "members": None, "trusted": None, "expires": None}
    return from_engine({**base, "lifetime": 365 * 86400, **made, **changed})


@pytest.fixture(scope="module")
def state() -> Props:
    """What the state holds after the first update at :data:`NOW`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "datetime", type("Clock", (), {"now": staticmethod(lambda _zone: NOW)}))
        return from_engine(PROVIDER.create(inputs()).outs or {})


def test_what_is_created_is_complete(state: Props) -> None:
    assert state["expires"] == {"authority 1": "2036-05-14", "kafka": "2027-05-17"}
    assert state["trusted"] == state["authorities"]["1"]["certificate"]
    pair = state["members"]["kafka"]
    assert pair["keystore"] == pair["key"] + pair["certificate"]


def test_keys_are_only_in_outputs_that_are_secret(state: Props) -> None:
    open_outputs = {key: value for key, value in state.items() if key not in ("authorities", "members")}
    assert "PRIVATE KEY" not in str(open_outputs)


def test_nothing_changes_before_a_certificate_is_due(state: Props, clock: list[datetime]) -> None:
    clock[0] += timedelta(days=200)
    assert PROVIDER.diff("id", state, inputs()).changes is False


def test_time_alone_is_a_change_and_the_preview_says_which(
    state: Props, clock: list[datetime], capsys: pytest.CaptureFixture[str]
) -> None:
    clock[0] += timedelta(days=250)
    assert PROVIDER.diff("id", state, inputs()).changes is True
    assert capsys.readouterr().err == ("certificates: the certificate of kafka is created: it expires on 2027-05-17\n")


def test_an_update_renews_and_keeps_the_authority(state: Props, clock: list[datetime]) -> None:
    clock[0] += timedelta(days=250)
    outs = from_engine(PROVIDER.update("id", state, inputs()).outs or {})
    assert outs["authorities"] == state["authorities"]
    assert outs["members"]["kafka"] != state["members"]["kafka"]
    assert PROVIDER.diff("id", outs, inputs()).changes is False, "a second update has nothing to do"


def test_an_update_that_was_killed_is_repeated(state: Props) -> None:
    more = inputs(hosts={"kafka": ["kafka-0", "127.0.0.1"], "redis": ["redis-0"]})
    assert PROVIDER.diff("id", state, more).changes is True
    outs = from_engine(PROVIDER.update("id", state, more).outs or {})
    again = from_engine(PROVIDER.update("id", outs, more).outs or {})
    assert again == outs
    assert outs["members"]["kafka"] == state["members"]["kafka"]


def test_an_unknown_name_is_a_change() -> None:
    news = {**inputs(), "hosts": {"kafka": [unknown()]}}
    assert PROVIDER.diff("id", inputs(), news).changes is True
    assert PROVIDER.check(inputs(), {**inputs(), "sign": unknown()}).failures == []


def failures(olds: Props, news: Props) -> list[str]:
    return [failure.reason for failure in PROVIDER.check(olds, news).failures or []]


def test_an_authority_signs_only_after_it_was_trusted() -> None:
    assert failures({}, inputs()) == []
    assert failures({}, inputs(sign=2, trust=[2])) == []
    assert failures(inputs(), inputs(trust=[1, 2])) == []
    assert failures(inputs(trust=[1, 2]), inputs(sign=2, trust=[1, 2])) == []
    assert failures(inputs(trust=[1, 2], sign=2), inputs(sign=2, trust=[2])) == []
    assert failures(inputs(trust=[1, 2]), inputs(sign=2, trust=[2])) == [
        "authority 1 signed what members still use: trust it beside 2, let 2 sign, run `pulumi up`, then trust it no "
        "longer"
    ]
    assert failures(inputs(), inputs(sign=2)) == ["authority 2 signs but is not trusted; trusted are 1"]
    for trust in ([1, 2], [2]):
        assert failures(inputs(), inputs(sign=2, trust=trust)) == [
            "authority 2 would sign, but members do not trust it yet: trust it beside the one that signs, run "
            "`pulumi up`, then let it sign"
        ]


def test_deleting_the_resource_touches_nothing(state: Props) -> None:
    PROVIDER.delete("id", state)


def test_certificates_are_renewed_on_request_and_only_once(
    state: Props, clock: list[datetime], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock[0] = NOW + timedelta(days=1)
    monkeypatch.setenv(RENEW, clock[0].isoformat())
    assert PROVIDER.diff("id", state, inputs()).changes
    made = from_engine(PROVIDER.update("id", state, inputs()).outs or {})
    assert made["members"] != state["members"]
    assert made["authorities"] == state["authorities"], "clients need nothing"
    clock[0] += timedelta(hours=1)
    assert not PROVIDER.diff("id", made, inputs()).changes


def test_a_request_that_is_no_time_is_said_without_a_traceback(state: Props, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RENEW, "yes")
    with pytest.raises(Exception, match='MILLRACE_RENEW_CERTIFICATES is "yes", which is no time'):
        PROVIDER.diff("id", state, inputs())
