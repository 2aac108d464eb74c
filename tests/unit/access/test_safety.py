"""Plans of users, rights and quotas.

Source: components/access/safety.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.access.rules import AppSpec, Quota, Right
from components.access.safety import (
    AccessPlan,
    ObservedUser,
    UserSpec,
    change_lines,
    foreign_users,
    inputs_of,
    plan_access,
    refusals,
    user_specs,
    users_of,
)
from tests.unit.access.test_rules import RIGHTS
from tests.unit.dynamic import from_engine

READ, WRITE = Right("read", "topic", "orders"), Right("write", "topic", "orders")
QUOTAS = st.dictionaries(st.sampled_from(["producer_byte_rate", "request_percentage"]), st.floats(1, 1e12))
USERS = st.dictionaries(
    st.text("abc-", min_size=1, max_size=5),
    st.builds(UserSpec, rights=st.frozensets(RIGHTS, max_size=4), quota=QUOTAS),
    max_size=4,
)


def user(*rights: Right, **quota: float) -> UserSpec:
    return UserSpec(rights=frozenset(rights), quota=quota)


def seen(*rights: Right, exists: bool = True, **quota: float) -> ObservedUser:
    return ObservedUser(exists=exists, rights=frozenset(rights), quota=quota)


def applied(plan: AccessPlan, observed: dict[str, ObservedUser]) -> dict[str, ObservedUser]:
    """The users after a plan."""
    names = {*observed, *plan.set_passwords, *plan.set_quota, *(name for name, _ in plan.grant)}
    after: dict[str, ObservedUser] = {}
    for name in names:
        before = observed.get(name, seen(exists=False))
        rights = before.rights | {right for owner, right in plan.grant if owner == name}
        rights -= {right for owner, right in plan.revoke if owner == name}
        quota = {**before.quota, **plan.set_quota.get(name, {})}
        for key in plan.reset_quota.get(name, ()):
            del quota[key]
        exists = (before.exists or name in plan.set_passwords) and name not in plan.remove
        after[name] = ObservedUser(exists=exists, rights=rights, quota=quota)
    return after


OBSERVED = st.dictionaries(
    st.text("abc-", min_size=1, max_size=5),
    st.builds(ObservedUser, exists=st.booleans(), rights=st.frozensets(RIGHTS, max_size=4), quota=QUOTAS),
    max_size=4,
)


@given(USERS, OBSERVED, st.lists(st.text("abc-", min_size=1, max_size=5), max_size=3))
def test_a_plan_makes_the_cluster_as_declared_and_leaves_others_alone(
    declared: dict[str, UserSpec], observed: dict[str, ObservedUser], leaving: list[str]
) -> None:
    after = applied(plan_access(declared, observed, leaving=leaving), observed)
    for name, spec in declared.items():
        assert after[name] == ObservedUser(exists=True, rights=spec.rights, quota=spec.quota)
    for name in set(leaving) - declared.keys():
        assert after.get(name, seen(exists=False)).is_absent
    for name in observed.keys() - declared.keys() - set(leaving):
        assert after[name] == observed[name]
    assert plan_access(declared, after, leaving=leaving).is_empty, "a second run has nothing to do"


def test_a_password_is_set_only_when_it_is_new_or_asked_for() -> None:
    declared, observed = {"a": user(), "b": user()}, {"a": seen()}
    assert plan_access(declared, observed).set_passwords == ("b",)
    assert plan_access(declared, observed, new_passwords=["a"]).set_passwords == ("a", "b")


def test_a_user_that_leaves_loses_everything() -> None:
    plan = plan_access({}, {"a": seen(READ, producer_byte_rate=1.0)}, leaving=["a"])
    assert plan == AccessPlan(
        revoke=(("a", READ),), reset_quota={"a": ("producer_byte_rate",)}, remove=("a",), grant=()
    )


def test_users_of_others_are_not_taken_over() -> None:
    declared = {"a": user(READ)}
    assert foreign_users(declared, {}, [], resumed=False) == []
    assert foreign_users(declared, {"a": seen(exists=False)}, [], resumed=False) == []
    assert foreign_users(declared, {"a": seen()}, ["a"], resumed=False) == []
    assert foreign_users(declared, {"a": seen()}, [], resumed=False) == ["a"]
    assert foreign_users(declared, {"a": seen(READ, exists=False)}, [], resumed=False) == ["a"]


def test_what_a_killed_update_left_is_taken_over_where_nobody_else_makes_users() -> None:
    declared = {"a": UserSpec(rights=frozenset([READ, WRITE]), quota={"producer_byte_rate": 5.0})}
    assert foreign_users(declared, {"a": seen(READ)}, [], resumed=True) == []
    assert foreign_users(declared, {"a": seen(Right("read", "topic", "x"))}, [], resumed=True) == ["a"]
    assert foreign_users(declared, {"a": seen(producer_byte_rate=6.0)}, [], resumed=True) == ["a"]


# -------------------------------------------------------------------------------------------------------------- inputs


@given(USERS)
def test_users_survive_the_conversion_by_the_engine(users: dict[str, UserSpec]) -> None:
    assert users_of(from_engine({"users": inputs_of(users)})) == users


@pytest.mark.parametrize("props", [{}, {"users": None}, {"users": {}}])
def test_a_set_without_users_has_none(props: dict[str, object]) -> None:
    assert users_of(props) == {}


def test_both_users_of_an_application_have_its_rights_and_limits() -> None:
    app = AppSpec(name="billing", produces=["orders"], quota=Quota(produce=7), generation=2)
    spec = UserSpec(rights=frozenset([WRITE]), quota={"producer_byte_rate": 7.0})
    assert user_specs([app]) == {"billing-2": spec, "billing": spec}
    assert inputs_of({"billing": spec}) == {
        "billing": {"rights": ["write topic orders"], "quota": {"producer_byte_rate": 7.0}}
    }


def test_a_user_of_the_platform_and_one_without_password_are_refused() -> None:
    assert refusals({"millrace": user(), "a": user(), "b": user()}, {"a": "x", "millrace": "y"}) == [
        '"millrace" is a user of the platform and cannot be declared',
        'user "b" has no password',
    ]


def test_a_change_is_said_user_by_user() -> None:
    old = {"a": user(READ, producer_byte_rate=1.0), "b": user(), "same": user(READ)}
    new = {"a": user(WRITE), "c": user(), "same": user(READ)}
    assert change_lines(old, new) == [
        "access: creates user c",
        "access: removes user b, which can no longer connect",
        "access: a: + write topic orders; - read topic orders; limits producer_byte_rate 1 -> none",
    ]
