"""When a member of the ensemble may be stopped, and how members join and leave it.

Source: components/zookeeper/safety.py.
Proof limit: members are fabricated; that real ones report their actual role and votes is up to ZooKeeper.
"""

from collections.abc import Mapping, Sequence

import pytest

from components.errors import UnhealthyError
from components.routes import DIRECT, Route
from components.safety import Members, reference, release, safety_of
from components.zookeeper import client
from components.zookeeper import safety as safety_module
from components.zookeeper.client import Joining, MembershipError, MemberState
from components.zookeeper.safety import EnsembleSafety

LEADER = MemberState(listens=True, mode="leader", synced_followers=2, voters=3)
FOLLOWER = MemberState(listens=True, mode="follower")
OBSERVER = MemberState(listens=True, mode="observer")
SERVES_NOTHING = MemberState(listens=True)
"""It has no quorum, or did not answer in time."""
SILENT = MemberState(listens=False)


class Ensemble:
    """Members in these states, and the list of those that have a vote.

    Args:
        states: The state of each member.
        voting: Ordinals of those with a vote; None for all.
        errors: What the next changes fail with; None for a change that works.
    """

    def __init__(
        self, *states: MemberState, voting: Sequence[int] | None = None, errors: Sequence[str | None] = ()
    ) -> None:
        self.states = {f"zookeeper-{number}:2181": state for number, state in enumerate(states)}
        self.voting = {number + 1 for number in (range(len(states)) if voting is None else voting)}
        self.errors = list(errors)
        self.asked: list[Sequence[str]] = []
        self.changes: list[str] = []

    def member_state(self, address: str, *, route: Route) -> MemberState:
        assert route is DIRECT
        return self.states[address]

    def voters(self, addresses: Sequence[str], *, route: Route) -> dict[int, str]:
        assert route is DIRECT
        self.asked.append(addresses)
        return {number: f"zookeeper-{number - 1}:2888:3888" for number in sorted(self.voting)}

    def change_voters(
        self,
        addresses: Sequence[str],
        password: str,
        *,
        joins: Joining | None = None,
        leaves: int | None = None,
        route: Route,
    ) -> None:
        assert (password, route) == ("secret", DIRECT)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise MembershipError(error)
        if joins is not None:
            assert joins.name == f"zookeeper-{joins.number - 1}"
            self.changes.append(f"+{joins.number}")
            self.voting.add(joins.number)
            self.states[f"{joins.name}:2181"] = FOLLOWER
        if leaves is not None:
            self.changes.append(f"-{leaves}")
            self.voting.remove(leaves)


def rules_of(ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch, deadline: float = 5) -> EnsembleSafety:
    """The safety rules of an ensemble."""
    monkeypatch.setattr(client, "member_state", ensemble.member_state)
    monkeypatch.setattr(safety_module, "voters", ensemble.voters)
    monkeypatch.setattr(safety_module, "change_voters", ensemble.change_voters)
    addresses = {address.partition(":")[0]: address for address in ensemble.states}
    logs: Mapping[str, str] = {name: f"logs of {name}" for name in addresses}
    return EnsembleSafety(Members(addresses=addresses, logs=logs, deadline=deadline, login={"password": "secret"}))


def rules(monkeypatch: pytest.MonkeyPatch, *states: MemberState) -> EnsembleSafety:
    """The safety rules of an ensemble with members in these states, which all have a vote."""
    return rules_of(Ensemble(*states), monkeypatch)


def ignored(_line: str) -> None:
    """Show no progress."""


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
    behind = MemberState(listens=True, mode="leader", synced_followers=1, voters=3)
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
    safety = rules(monkeypatch, MemberState(listens=True, mode="leader", synced_followers=0, voters=1))
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


# --------------------------------------------------------------------------------------------- members with a vote

ALONE = MemberState(listens=True, mode="leader", synced_followers=0, voters=1)


def test_a_member_without_a_vote_may_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It joins, or has left: no quorum needs it."""
    ensemble = Ensemble(ALONE, OBSERVER, SERVES_NOTHING, voting=[0])
    for name in names(1, 2):
        assert rules_of(ensemble, monkeypatch).stop_findings(name, names(0, 1, 2)) == []
        assert rules_of(ensemble, monkeypatch).stop_findings(name, names(0)) == []


def test_members_without_a_vote_keep_nobody_from_being_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted growth left one that has not joined yet; an interrupted shrinking one that still follows."""
    ensemble = Ensemble(FOLLOWER, LEADER, FOLLOWER, OBSERVER, FOLLOWER, voting=[0, 1, 2])
    assert rules_of(ensemble, monkeypatch).stop_findings("zookeeper-0", names(0, 1, 2, 3, 4)) == []


def test_only_members_with_a_vote_count_towards_a_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(SILENT, LEADER, SILENT, OBSERVER, OBSERVER, voting=[0, 1, 2])
    assert rules_of(ensemble, monkeypatch).stop_findings("zookeeper-0", names(1, 3, 4)) == [
        "zookeeper-0: only 1 of the other members serve; expected a quorum without it\nlook at: logs of zookeeper-0"
    ]


def test_a_vote_of_a_member_that_is_not_known_keeps_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(LEADER, FOLLOWER, voting=[0, 1, 2])
    assert rules_of(ensemble, monkeypatch).stop_findings("zookeeper-1", names(0, 1))


def test_an_ensemble_that_cannot_be_asked_keeps_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    safety = rules_of(Ensemble(FOLLOWER, LEADER, FOLLOWER), monkeypatch)

    def silent(_addresses: Sequence[str], *, route: Route) -> dict[int, str]:
        raise MembershipError("Connection time-out")

    monkeypatch.setattr(safety_module, "voters", silent)
    assert safety.stop_findings("zookeeper-0", names(0, 1, 2)) == [
        "ZooKeeper: which members have a vote is unknown: Connection time-out"
    ]


# ------------------------------------------------------------------------------------------------ joining and leaving


def test_members_join_one_at_a_time_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(ALONE, OBSERVER, OBSERVER, voting=[0])
    lines: list[str] = []
    rules_of(ensemble, monkeypatch).join(names(2, 1, 0), lines.append)
    assert ensemble.changes == ["+2", "+3"]
    assert lines == ["zookeeper-1 joins the ensemble", "zookeeper-2 joins the ensemble"]
    assert ensemble.asked[0] == ["zookeeper-0:2181"], "the leader knows best"


def test_an_interrupted_growth_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(ALONE, FOLLOWER, OBSERVER, voting=[0, 1])
    rules_of(ensemble, monkeypatch).join(names(0, 1, 2), ignored)
    rules_of(ensemble, monkeypatch).join(names(0, 1, 2), ignored)
    assert ensemble.changes == ["+3"]


def test_a_member_that_copies_the_data_gets_no_vote_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(ALONE, SERVES_NOTHING, OBSERVER, voting=[0])
    with pytest.raises(UnhealthyError, match="zookeeper-1: it has not copied the data yet"):
        rules_of(ensemble, monkeypatch, deadline=0.1).join(names(0, 1, 2), ignored)
    assert ensemble.changes == [], "nor do those after it"


def test_a_change_that_fails_is_tried_again_after_the_ensemble_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(ALONE, OBSERVER, OBSERVER, voting=[0], errors=["NewConfigNoQuorum", None])
    rules_of(ensemble, monkeypatch).join(names(0, 1, 2), ignored)
    assert ensemble.changes == ["+2", "+3"]
    assert len(ensemble.asked) == 4, "whether a failed change was made is read, never assumed"


def test_a_join_waits_while_no_member_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A majority listens, so this is no first start: what it does not say is unknown."""
    for states in ([SERVES_NOTHING, SERVES_NOTHING, SILENT], [SERVES_NOTHING, SERVES_NOTHING, SERVES_NOTHING]):
        ensemble = Ensemble(*states)
        with pytest.raises(UnhealthyError, match="no member serves"):
            rules_of(ensemble, monkeypatch, deadline=0.1).join(names(1), ignored)


def test_early_in_a_first_start_nobody_waits_for_a_quorum_but_the_last_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ensemble = Ensemble(SERVES_NOTHING, SILENT, SILENT)
    rules_of(ensemble, monkeypatch).join(names(0), ignored)
    with pytest.raises(UnhealthyError):
        rules_of(ensemble, monkeypatch, deadline=0.1).join(names(0, 1, 2), ignored)


def test_members_leave_from_the_last_one_and_the_leader_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(FOLLOWER, LEADER, FOLLOWER, FOLLOWER, FOLLOWER)
    rules_of(ensemble, monkeypatch).leave(names(1, 2, 3, 4), ignored)
    assert ensemble.changes == ["-5", "-4", "-3", "-2"]
    first = Ensemble(FOLLOWER, FOLLOWER, LEADER)
    rules_of(first, monkeypatch).leave(names(1, 2), ignored)
    assert first.changes == ["-2", "-3"]


def test_members_that_serve_without_a_vote_are_outsiders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shrinking that was interrupted and then taken back leaves them."""
    ensemble = Ensemble(LEADER, FOLLOWER, FOLLOWER, OBSERVER, SERVES_NOTHING, voting=[0, 1])
    safety = rules_of(ensemble, monkeypatch)
    assert safety.outsiders() == names(2, 3)
    safety.join(names(2, 3), ignored)
    assert (ensemble.changes, safety.outsiders()) == (["+3", "+4"], [])


def test_who_is_outside_is_unknown_while_no_member_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_of(Ensemble(SILENT, SERVES_NOTHING, SILENT, voting=[]), monkeypatch).outsiders() == []


def test_an_interrupted_shrinking_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(LEADER, FOLLOWER, FOLLOWER, voting=[0, 1], errors=["ConnectionLoss"])
    release(rules_of(ensemble, monkeypatch), names(1, 2), "a shell", ignored)
    assert ensemble.changes == ["-2"]


def test_members_stay_while_they_have_a_vote_or_that_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = Ensemble(LEADER, FOLLOWER, FOLLOWER)
    assert rules_of(ensemble, monkeypatch).removal_findings(names(2)) == [
        "zookeeper-2: it has a vote; expected a member that left the ensemble\nlook at: logs of zookeeper-2"
    ]
    silent = Ensemble(SILENT, SILENT, SILENT)
    assert rules_of(silent, monkeypatch).removal_findings(names(2)) == [
        "ZooKeeper: whether zookeeper-2 may go is unknown: no member serves"
    ]
    with pytest.raises(UnhealthyError, match="no member serves"):
        release(rules_of(silent, monkeypatch, deadline=0.1), names(2), "a shell", ignored)
