"""The member set of a workload on Docker: no member that is still needed is removed.

Source: components/targets/docker/provider.py.
Proof limit: the tests on a real engine show that containers are deleted only after these resources say so.
"""

from collections.abc import Collection, Sequence
from typing import ClassVar

import pytest

from components.dynamic import Props
from components.kafka.client import ClusterState, Partition
from components.kafka.safety import BrokerSafety
from components.safety import Report, Safety, reference
from components.targets.docker.provider import MemberExitProvider, MemberSetProvider
from tests.unit.dynamic import from_engine, shown, unknown
from tests.unit.health.servers import Servers


class Needed(Safety):
    """Safety rules that need every member, or none."""

    reasons: ClassVar[list[str]] = []
    asked: ClassVar[list[Sequence[str]]] = []
    rights: ClassVar[list[tuple[str, float]]] = []
    outside: ClassVar[list[str]] = []
    joined: ClassVar[list[str]] = []

    def outsiders(self) -> list[str]:
        return self.outside

    def join(self, names: Collection[str], report: Report) -> None:
        self.joined.extend(names)

    def removal_findings(self, names: Sequence[str]) -> list[str]:
        self.asked.append((tuple(names), tuple(self.members.addresses)))
        self.rights.append((self.members.login, self.members.deadline))
        return self.reasons


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Needed, "reasons", [])
    monkeypatch.setattr(Needed, "asked", [])
    for name in ("rights", "outside", "joined"):
        monkeypatch.setattr(Needed, name, [])


def members(count: int, safety: type[Safety] = Needed) -> Props:
    names = [f"kafka-{number}" for number in range(count)]
    return {
        "workload": "kafka",
        "safety": reference(safety),
        "members": {name: f"127.0.0.1:{number}" for number, name in enumerate(names, start=1)},
        "logs": {name: f"docker logs {name}" for name in names},
    }


def update(old: Props, new: Props) -> object:
    return MemberSetProvider().update("kafka", from_engine(old), from_engine(new)).outs


def test_a_first_update_checks_nothing() -> None:
    assert MemberSetProvider().create(from_engine(members(3))).outs["members"] == members(3)["members"]
    assert Needed.asked == []


def test_a_refresh_keeps_a_set_whose_members_are_part_of_their_group() -> None:
    found = MemberSetProvider().read("kafka", {**members(3), "__provider": "code"})
    assert (found.id, found.outs, found.inputs) == ("kafka", members(3), members(3))


def test_members_that_a_removal_left_outside_join_again(capsys: pytest.CaptureFixture[str]) -> None:
    Needed.outside.append("kafka-2")
    assert MemberSetProvider().read("kafka", members(3)).id is None, "the next `up` creates the set again"
    assert capsys.readouterr().err == "kafka: kafka-2 is not part of its group\n"
    assert Needed.joined == [], "a refresh changes nothing"
    MemberSetProvider().create(from_engine(members(3)))
    assert Needed.joined == ["kafka-2"]


def test_members_leave_with_what_is_declared_now_and_at_the_last_look_with_what_was_recorded() -> None:
    rights = {"login": {"password": "secret"}, "deadline": 7}
    update(members(5), {**members(3), **rights})
    MemberExitProvider().delete("kafka-3", from_engine({**exit_of(3), **rights}))
    assert Needed.rights == [({"password": "secret"}, 7.0)] * 2


def test_unneeded_members_are_removed_after_all_were_checked() -> None:
    assert update(members(5), members(3)) == members(3)
    assert Needed.asked == [(("kafka-3", "kafka-4"), tuple(members(5)["members"]))]


def test_added_members_are_not_checked() -> None:
    assert update(members(3), members(5)) == members(5)
    assert Needed.asked == []


def test_a_member_that_is_needed_fails_the_update_with_the_reasons() -> None:
    Needed.reasons.append("3 partitions would lose a replica")
    assert shown(lambda: update(members(3), members(2))) == (
        "Error: kafka-2 cannot be removed\n"
        "  - 3 partitions would lose a replica\n"
        "  - a shell on a member: docker exec -it CONTAINER bash\n"
        "  - then run `pulumi up` again; nothing was changed\n"
    )


def test_a_broker_is_not_removed_while_its_partitions_are_unknown(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.listens = False
    monkeypatch.setattr("components.kafka.safety.any_listens", lambda _bootstrap, *, route: False)
    monkeypatch.setattr("components.kafka.safety.ANSWER_SECONDS", 0.0)
    text = shown(lambda: update(members(3, BrokerSafety), members(2, BrokerSafety)))
    assert "kafka-2 cannot be removed" in text
    assert "no broker answers" in text


def test_a_broker_that_got_partitions_after_it_left_is_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = ClusterState({0: "a:1", 1: "a:2", 2: "a:3"}, 1, [Partition("t", 0, 1, (1, 2), (1, 2))])
    monkeypatch.setattr(BrokerSafety, "leave", lambda self, names, report: None)
    monkeypatch.setattr(BrokerSafety, "_metadata", lambda self: (metadata, {"t": 1}))
    text = shown(lambda: update(members(3, BrokerSafety), members(2, BrokerSafety)))
    assert "1 partition would lose a replica (t-0)" in text
    assert "`python -m ops brokers drain 2`" in text


def test_a_preview_shows_the_members_that_leave(capsys: pytest.CaptureFixture[str]) -> None:
    MemberSetProvider().check(from_engine(members(5)), from_engine(members(3)))
    assert capsys.readouterr().err == "kafka: removes kafka-3, kafka-4\n"
    MemberSetProvider().check({}, from_engine(members(3)))
    MemberSetProvider().check(from_engine(members(3)), {**members(3), "members": unknown()})
    assert capsys.readouterr().err == ""


def test_only_a_different_declaration_is_a_change() -> None:
    diff = MemberSetProvider().diff
    assert not diff("kafka", {**members(3), "__provider": "a"}, {**members(3), "__provider": "b"}).changes
    assert diff("kafka", members(3), members(5)).changes


# The last look at a member that leaves


def exit_of(ordinal: int) -> Props:
    return {**members(ordinal + 1), "member": f"kafka-{ordinal}"}


def test_a_member_is_released_again_just_before_its_container_is_deleted() -> None:
    MemberExitProvider().delete("kafka-3", from_engine(exit_of(3)))
    assert Needed.asked == [(("kafka-3",), ("kafka-0", "kafka-1", "kafka-2", "kafka-3"))]


def test_a_member_that_became_needed_keeps_its_container() -> None:
    Needed.reasons.append("1 partition would lose a replica")
    text = shown(lambda: MemberExitProvider().delete("kafka-3", from_engine(exit_of(3))))
    assert text.startswith("Error: kafka-3 cannot be removed\n  - 1 partition would lose a replica\n")


def test_added_members_do_not_change_the_exits_of_the_others() -> None:
    diff = MemberExitProvider().diff
    assert not diff("kafka-1", {**exit_of(1), "__provider": "a"}, {**exit_of(1), "__provider": "b"}).changes
    moved = {**exit_of(1), "members": {"kafka-0": "127.0.0.1:5", "kafka-1": "127.0.0.1:6"}}
    assert diff("kafka-1", exit_of(1), moved).changes
