"""The order in which members restart, on every target.

Source: components/safety.py.
Proof limit: pure; the tests of the targets apply it.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.safety import in_restart_order


@pytest.mark.parametrize(
    ("outdated", "last", "expected"),
    [
        pytest.param({"k-0": True}, None, "k-0", id="the-only-one"),
        pytest.param({"k-0": True}, "k-0", "k-0", id="the-only-one-is-the-controller"),
        pytest.param({"k-0": True, "k-1": True, "k-2": True}, None, "k-0", id="by-name"),
        pytest.param({"k-2": True, "k-1": True}, None, "k-1", id="by-name-whatever-the-order"),
        pytest.param({"k-0": True, "k-1": True, "k-2": True}, "k-0", "k-1", id="the-controller-is-last"),
        pytest.param({"k-0": True, "k-1": True, "k-2": True}, "k-2", "k-0", id="the-controller-is-already-last"),
        pytest.param({"k-0": True, "k-1": True, "k-2": False}, None, "k-2", id="a-member-that-does-not-serve-is-first"),
        pytest.param({"k-0": True, "k-1": False, "k-2": False}, None, "k-1", id="the-first-of-those-that-do-not-serve"),
        pytest.param({"k-0": False, "k-1": False}, "k-0", "k-1", id="the-controller-is-last-among-those-too"),
        pytest.param({"k-0": False, "k-1": True}, "k-0", "k-0", id="a-controller-that-does-not-serve-is-first"),
        pytest.param({"k-1": True}, "k-0", "k-1", id="the-controller-is-up-to-date"),
        pytest.param({"k-1": True, "k-0": True}, "elsewhere", "k-0", id="a-controller-that-is-no-member"),
    ],
)
def test_the_first_member_is_the_one_whose_restart_costs_least(
    outdated: dict[str, bool], last: str | None, expected: str
) -> None:
    assert in_restart_order(outdated, last)[0] == expected


@given(
    st.dictionaries(st.sampled_from([f"k-{number}" for number in range(5)]), st.booleans(), min_size=1),
    st.none() | st.sampled_from([f"k-{number}" for number in range(5)]),
)
def test_every_member_restarts_once_and_the_controller_is_last_of_its_kind(
    outdated: dict[str, bool], last: str | None
) -> None:
    order = in_restart_order(outdated, last)
    assert sorted(order) == sorted(outdated)
    assert [outdated[name] for name in order] == sorted(outdated[name] for name in order), "unready ones first"
    if last in order:
        assert not [name for name in order[order.index(last) + 1 :] if outdated[name] == outdated[last]]


def test_members_are_ordered_by_number() -> None:
    assert in_restart_order({"k-10": True, "k-9": True}, None) == ["k-9", "k-10"]
