"""What an application may do: rights, quotas, Redis' rules, and the mistakes of a declaration.

Source: components/access/rules.py.
Proof limit: whether these rights are enough, and no more than that, only brokers with an authorizer show.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.access.rules import (
    AppSpec,
    Quota,
    Right,
    app_name_problem,
    app_problems,
    as_declared,
    gives,
    key_problem,
    missing_right,
    pattern_problem,
    redis_rights,
    redis_rules,
    set_problems,
    undeclared_topics,
)


def app(name: str = "billing", **parts: Any) -> AppSpec:
    return AppSpec(name=name, **parts)


# -------------------------------------------------------------------------------------------------------------- rights


def test_a_declaration_becomes_these_rights_and_no_others() -> None:
    declared = app(
        produces=["orders", "invoices-*"],
        consumes=["payments", "orders"],
        groups=["billing*"],
        transactions=["billing-tx-*"],
    )
    assert [str(right) for right in declared.rights()] == [
        "read group billing*",
        "read topic orders",
        "read topic payments",
        "write topic invoices-*",
        "write topic orders",
        "write transactional-id billing-tx-*",
    ]


def test_an_application_of_redis_alone_has_no_rights_in_kafka() -> None:
    assert app(redis=["billing:*"]).rights() == []


NAMES = st.text("abz09._-", min_size=1, max_size=10)
RIGHTS = st.builds(
    Right,
    st.sampled_from(["read", "write", "describe", "idempotent-write"]),
    st.sampled_from(["topic", "group", "transactional-id", "cluster"]),
    NAMES,
    st.booleans(),
)


@given(RIGHTS)
def test_a_right_survives_as_text(right: Right) -> None:
    assert Right.parse(str(right)) == right


@pytest.mark.parametrize("text", ["", "read", "read topic", "read topic ", "eat topic orders", "read table orders"])
def test_what_is_no_right_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no right"):
        Right.parse(text)


@pytest.mark.parametrize(
    ("right", "operation", "name", "allowed"),
    [
        ("write topic orders", "write", "orders", True),
        ("write topic orders", "describe", "orders", True),
        ("write topic orders", "read", "orders", False),
        ("write topic orders", "write", "orders-2", False),
        ("write topic orders*", "write", "orders-2", True),
        ("describe topic orders", "write", "orders", False),
        ("alter-configs topic orders", "describe-configs", "orders", True),
        ("alter-configs topic orders", "describe", "orders", False),
    ],
)
def test_what_a_right_allows(right: str, operation: str, name: str, allowed: bool) -> None:
    assert Right.parse(right).allows(operation, "topic", name) is allowed
    assert not Right.parse(right).allows(operation, "group", name)


def test_limits_have_kafkas_keys() -> None:
    assert Quota().by_key() == {}
    assert Quota(produce=5, consume=6, request_percent=50).by_key() == {
        "producer_byte_rate": 5.0,
        "consumer_byte_rate": 6.0,
        "request_percentage": 50.0,
    }


# --------------------------------------------------------------------------------------------------------------- users


@pytest.mark.parametrize(
    ("generation", "keep", "users"),
    [
        (1, True, ["billing"]),
        (2, True, ["billing-2", "billing"]),
        (3, True, ["billing-3", "billing-2"]),
        (3, False, ["billing-3"]),
    ],
)
def test_a_new_generation_is_a_new_user_beside_the_one_before(generation: int, keep: bool, users: list[str]) -> None:
    declared = app(generation=generation, keep_previous=keep)
    assert declared.users == users
    assert declared.user == users[0]


def test_redis_gets_a_hash_and_no_command_that_reaches_beyond_its_keys() -> None:
    rules = redis_rules(redis_rights(["orders:*", "billing:*"]), "pass")
    assert rules == [
        "reset",
        "on",
        "#d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1",
        "~billing:*",
        "~orders:*",
        "&billing:*",
        "&orders:*",
        "+@all",
        "-@admin",
        "-@dangerous",
        "-scan",
        "-randomkey",
        "-function",
        "-script|flush",
        "-script|kill",
    ]


# ------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("name", ["billing", "b", "billing-2-eu", "a" * 50])
def test_legal_names_of_applications(name: str) -> None:
    assert app_name_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "Billing", "2billing", "billing-", "a" * 51, "a_b", "a b", "a,b", "a=b", 'a"b', "ä"]
)
def test_illegal_names_of_applications(name: str) -> None:
    assert "must start with a letter" in str(app_name_problem(name))


@pytest.mark.parametrize("name", ["millrace", "default"])
def test_names_of_the_platforms_users_are_taken(name: str) -> None:
    assert "is a user of the platform" in str(app_name_problem(name))


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("orders", None),
        ("orders-*", None),
        ("*", 'names nothing; "*" alone would be all of them. Name a prefix, as in "orders-*"'),
        ("", 'names nothing; "*" alone would be all of them. Name a prefix, as in "orders-*"'),
        ("a*b", 'has "*" before its end; Kafka knows names and prefixes only'),
        ("a**", 'has "*" before its end; Kafka knows names and prefixes only'),
        ("a b", 'has characters other than letters, digits, ".", "_" and "-"'),
        ("x" * 250, "has 250 characters; at most 249 are allowed"),
        ("__consumer_offsets", 'covers names that start with "__", which are kept for internal topics'),
        ("_*", 'covers names that start with "__", which are kept for internal topics'),
        ("_x*", None),
        ("_", None),
    ],
)
def test_patterns_of_topics(pattern: str, problem: str | None) -> None:
    assert pattern_problem(pattern, topic=True) == problem


def test_groups_may_start_with_underscores() -> None:
    assert pattern_problem("__group") is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("billing:*", None),
        ("billing", None),
        ("{billing}:*", None),
        ("*", 'starts with a wildcard, which would be all keys; start with a name, as in "billing:*"'),
        ("?illing", 'starts with a wildcard, which would be all keys; start with a name, as in "billing:*"'),
        ("[a-z]*", 'starts with a wildcard, which would be all keys; start with a name, as in "billing:*"'),
        ("", 'starts with a wildcard, which would be all keys; start with a name, as in "billing:*"'),
        ("a b", "has spaces or characters that are not printable ASCII"),
        ("a\nuser x on", "has spaces or characters that are not printable ASCII"),
        ("ä:*", "has spaces or characters that are not printable ASCII"),
    ],
)
def test_patterns_of_keys(pattern: str, problem: str | None) -> None:
    assert key_problem(pattern) == problem


@pytest.mark.parametrize(
    ("parts", "problems"),
    [
        ({"produces": ["a"]}, []),
        ({"consumes": ["a"], "groups": ["g"]}, []),
        ({"consumes": ["a"]}, ['consumes without groups: name those that it is in, such as groups: ["billing*"]']),
        ({"redis": ["a"], "transactions": ["t"]}, ["transactions without produces: a transaction writes to topics"]),
        ({}, ["declares nothing: set produces, consumes, groups or redis"]),
    ],
)
def test_parts_of_a_declaration_fit_together(parts: dict[str, Any], problems: list[str]) -> None:
    assert app_problems(app(**parts)) == problems


def test_two_applications_share_neither_name_nor_user() -> None:
    assert set_problems([app("a"), app("b"), app("a-2")]) == []
    assert set_problems([app("a"), app("b"), app("a")]) == ['application "a" is declared twice']
    assert set_problems([app("a", generation=2), app("a-2")]) == [
        'applications "a" and "a-2" would both have the user "a-2"'
    ]


def test_a_slip_in_a_topics_name_is_found() -> None:
    apps = [app(produces=["ordres", "invoices-*"], consumes=["payments"])]
    assert undeclared_topics(apps, ["orders", "payments"]) == [
        'billing: topic "ordres" is not declared in this stack. Did you mean "orders"?'
    ]


# ------------------------------------------------------------------------------------------------------- missing rights

APPS = [app("shop"), app("billing", generation=2)]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (
            ("billing-2", "write", "topic", "orders"),
            'User:billing-2 may not write topic orders; to allow it, add "orders" to apps[1].produces (application '
            "billing)",
        ),
        (
            ("billing", "read", "group", "g"),
            'User:billing may not read group g; to allow it, add "g" to apps[1].groups (application billing)',
        ),
        (
            ("shop", "write", "transactional-id", "t"),
            'User:shop may not write transactional-id t; to allow it, add "t" to apps[0].transactions '
            "(application shop)",
        ),
        (
            ("shop", "alter", "topic", "orders"),
            "User:shop may not alter topic orders: no application may; only the platform's own user does that",
        ),
        (
            ("shp", "read", "topic", "orders"),
            "User:shp may not read topic orders: no application of this stack file has the user shp. "
            'Did you mean "shop"?',
        ),
    ],
)
def test_a_missing_right_is_said_with_the_line_that_gives_it(asked: tuple[str, str, str, str], line: str) -> None:
    assert missing_right(*asked, APPS) == line


# ------------------------------------------------------------------------------------------------ rights as declared


def test_rights_are_said_as_an_application_declares_them() -> None:
    declared = {
        "produces": ["invoices-*", "orders"],
        "consumes": ["payments"],
        "groups": ["billing*"],
        "transactions": ["tx"],
    }
    assert as_declared(app(**declared).rights()) == (declared, [])


def test_a_right_that_no_declaration_gives_is_left_over() -> None:
    foreign = Right("create", "topic", "x", prefixed=True)
    parts, others = as_declared([foreign])
    assert others == [foreign]
    assert not any(parts.values())


def test_who_may_read_may_describe_and_not_the_other_way_round() -> None:
    assert gives("read", "describe")
    assert gives("read", "read")
    assert not gives("describe", "read")
    assert not gives("all", "read"), "a refusal or permission of everything is the caller's to know"
