"""When a member of the ensemble may be stopped.

Source: components/zookeeper/safety.py.
Proof limit: members are fabricated; that real ones report their actual role is up to ZooKeeper.
"""

from collections.abc import Mapping

import pytest

from components.routes import DIRECT, Route
from components.safety import Members, reference, safety_of
from components.zookeeper import client
from components.zookeeper.client import MemberState
from components.zookeeper.safety import EnsembleSafety

LEADER = MemberState(listens=True, mode="leader", synced_followers=2)
FOLLOWER = MemberState(listens=True, mode="follower")
SERVES_NOTHING = MemberState(listens=True)
"""It has no quorum, or did not answer in time."""
SILENT = MemberState(listens=False)


def rules(monkeypatch: pytest.MonkeyPatch, *states: MemberState) -> EnsembleSafety:
    """The safety rules of an ensemble with members in these states."""
    addresses = {f"zookeeper-{number}": f"zookeeper-{number}:2181" for number in range(len(states))}
    by_address = dict(zip(addresses.values(), states, strict=True))

    def member_state(address: str, *, route: Route) -> MemberState:
        assert route is DIRECT
        return by_address[address]

    monkeypatch.setattr(client, "member_state", member_state)
    logs: Mapping[str, str] = {name: f"logs of {name}" for name in addresses}
    return EnsembleSafety(Members(addresses=addresses, logs=logs))


def names(*numbers: int) -> list[str]:
    return [f"zookeeper-{number}" for number in numbers]


def test_providers_load_the_rules_by_their_importable_name() -> None:
    name = reference(EnsembleSafety)
    assert name == "components.zookeeper.safety:EnsembleSafety"
    assert type(safety_of(name, Members(addresses={}))) is EnsembleSafety


def test_any_member_of_an_ensemble_in_sync_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    safety = rules(monkeypatch, FOLLOWER, LEADER, FOLLOWER)
    for name in names(0, 1, 2):
        assert safety.stop_findings(name, names(0, 1, 2)) == []


@pytest.mark.parametrize("third", [SERVES_NOTHING, SILENT])
def test_a_serving_member_is_not_stopped_while_a_member_is_away(
    third: MemberState, monkeypatch: pytest.MonkeyPatch
) -> None:
    safety = rules(monkeypatch, FOLLOWER, LEADER, third)
    (line,) = safety.stop_findings("zookeeper-0", names(0, 1))
    assert line.startswith("zookeeper-2: ")


def test_a_serving_member_is_not_stopped_while_a_follower_is_out_of_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = MemberState(listens=True, mode="leader", synced_followers=1)
    (line,) = rules(monkeypatch, FOLLOWER, behind, FOLLOWER).stop_findings("zookeeper-0", names(0, 1, 2))
    assert line.startswith("zookeeper-1: the leader counts 1 followers in sync; expected 2")


@pytest.mark.parametrize("state", [SERVES_NOTHING, SILENT, FOLLOWER])
def test_an_unready_member_may_be_stopped_if_the_others_form_a_quorum(
    state: MemberState, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules(monkeypatch, state, LEADER, FOLLOWER).stop_findings("zookeeper-0", names(1, 2)) == []


@pytest.mark.parametrize("state", [SERVES_NOTHING, SILENT, FOLLOWER])
@pytest.mark.parametrize("third", [SERVES_NOTHING, SILENT])
def test_an_unready_member_is_not_stopped_if_the_quorum_may_need_it(
    third: MemberState, state: MemberState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A serving member proves that a quorum exists; this one may belong to it although its own answer fails."""
    assert rules(monkeypatch, state, LEADER, third).stop_findings("zookeeper-0", names(1)) == [
        "zookeeper-0: only 1 of the other members serve; expected a quorum without it\nlook at: logs of zookeeper-0"
    ]


@pytest.mark.parametrize("state", [SERVES_NOTHING, SILENT])
@pytest.mark.parametrize("name", names(0, 1))
def test_if_no_member_answers_none_is_stopped_while_others_are_ready(
    name: str, state: MemberState, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules(monkeypatch, state, state, state).stop_findings(name, names(1, 2))


@pytest.mark.parametrize("state", [SERVES_NOTHING, SILENT])
def test_if_no_member_is_ready_any_may_be_restarted(state: MemberState, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules(monkeypatch, state, state, state).stop_findings("zookeeper-0", []) == []


def test_a_single_member_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    safety = rules(monkeypatch, MemberState(listens=True, mode="standalone"))
    assert safety.stop_findings("zookeeper-0", names(0)) == []


def test_the_leader_is_stopped_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules(monkeypatch, FOLLOWER, LEADER, FOLLOWER).last() == "zookeeper-1"
    assert rules(monkeypatch, SILENT, SILENT, SILENT).last() is None


@pytest.mark.parametrize(
    ("state", "back"), [(FOLLOWER, True), (LEADER, True), (SERVES_NOTHING, False), (SILENT, False)]
)
def test_a_member_is_back_when_it_has_joined_the_quorum(
    state: MemberState, back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = rules(monkeypatch, state, LEADER, FOLLOWER).return_findings("zookeeper-0")
    assert (findings == []) == back


def test_the_first_member_is_back_when_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the others there is no quorum yet, so waiting for it would never end."""
    assert rules(monkeypatch, SERVES_NOTHING, SILENT, SILENT).return_findings("zookeeper-0") == []
