"""Users beside what is declared, and what brokers decide from their ACLs.

Source: ops/access/users.py, ops/access/decision.py, ops/access/declared.py, ops/commands/access.py.
Proof limit: a cluster in memory stands for brokers; their own authorizer decides in tests/integration/test_access.py.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest

from components.access.rules import OWN_RIGHTS, PLATFORM_USER, AppSpec, Quota, Right
from components.access.safety import ObservedUser
from components.kafka.security import Security
from ops import app
from ops.access import declared as declarations
from ops.access.decision import Asked, acl_text, decide
from ops.access.users import Kind, User, judge_users, limit_lines, right_lines
from ops.backup import acls
from ops.backup.archive.model import Acl
from ops.commands import options
from ops.errors import ExitCode
from ops.platform import Platform
from tests.unit.access.cluster import FakeAccess

BILLING = AppSpec(name="billing", produces=["orders", "invoices-*"], groups=["billing*"], quota=Quota(produce=5242880))
SHOP = AppSpec(name="shop", consumes=["orders"], groups=["shop"], generation=2)
APPS = [BILLING, SHOP]
SECURITY = Security(user="millrace", password="super-4f1c2a9e7b", authorities="PEM")


def acl(**changed: str) -> Acl:
    rule = {
        "resource": "TOPIC",
        "name": "orders",
        "pattern": "LITERAL",
        "principal": "User:billing",
        "host": "*",
        "operation": "WRITE",
        "permission": "ALLOW",
    }
    return Acl(**(rule | changed))


def as_declared(spec: AppSpec, **changed: Any) -> ObservedUser:
    return ObservedUser(**{"exists": True, "rights": frozenset(spec.rights()), "quota": spec.quota.by_key(), **changed})


ALL_RIGHT = {
    "millrace": ObservedUser(exists=True),
    **{name: ObservedUser(exists=True, rights=frozenset(rights)) for name, rights in OWN_RIGHTS.items()},
    "billing": as_declared(BILLING),
    "shop": as_declared(SHOP),
    "shop-2": as_declared(SHOP),
}

# --------------------------------------------------------------------------------------------------------------- users


def judged(observed: Mapping[str, ObservedUser], name: str) -> User:
    return next(user for user in judge_users(observed, APPS) if user.name == name)


def test_every_declared_user_and_the_platforms_own_are_listed() -> None:
    users = judge_users(ALL_RIGHT, APPS)
    assert [(user.name, user.kind, user.app) for user in users] == [
        ("millrace", Kind.PLATFORM, None),
        ("millrace-platform", Kind.PLATFORM, None),
        ("millrace-exporter", Kind.PLATFORM, None),
        ("billing", Kind.APP, "billing"),
        ("shop-2", Kind.APP, "shop"),
        ("shop", Kind.APP, "shop"),
    ]
    assert [user.problem for user in users] == [None] * 6


def test_drift_is_said_in_the_words_of_the_stack_file() -> None:
    given = frozenset(BILLING.rights()) - {Right("write", "topic", "orders")} | {Right("read", "topic", "secret")}
    found = as_declared(BILLING, rights=given, quota={"producer_byte_rate": 1000.0, "consumer_byte_rate": 5.0})
    user = judged({**ALL_RIGHT, "billing": found}, "billing")
    assert user.beyond == ["consumes secret", "consume 5B/s", "produce 1000B/s"]
    assert user.missing == ["produces orders", "produce 5.0MiB/s"]
    assert user.problem == (
        "user billing has, and does not declare: consumes secret, consume 5B/s, produce 1000B/s; "
        "declares, and lacks: produces orders, produce 5.0MiB/s"
    )


def test_a_right_that_the_platform_lost_is_a_problem() -> None:
    left = frozenset(OWN_RIGHTS[PLATFORM_USER][1:])
    user = judged({**ALL_RIGHT, PLATFORM_USER: ObservedUser(exists=True, rights=left)}, PLATFORM_USER)
    assert user.problem == f"user {PLATFORM_USER} declares, and lacks: {OWN_RIGHTS[PLATFORM_USER][0]}"


def test_a_user_that_no_broker_knows_is_a_problem() -> None:
    observed = {name: user for name, user in ALL_RIGHT.items() if name != "billing"}
    user = judged(observed, "billing")
    assert user.problem == "user billing is declared, and no broker knows it"
    assert user.to_json()["exists"] is False


def test_a_user_that_nobody_declared_is_shown_and_no_problem() -> None:
    right = Right("create", "topic", "x", prefixed=True)
    users = judge_users({**ALL_RIGHT, "stranger": ObservedUser(exists=True, rights=frozenset([right]))}, APPS)
    assert (users[-1].name, users[-1].kind, users[-1].problem) == ("stranger", Kind.UNDECLARED, None)
    assert users[-1].to_json()["otherRights"] == ["create topic x*"]


def test_rights_and_limits_in_lines() -> None:
    assert right_lines(frozenset(BILLING.rights())) == ["produces invoices-*, orders", "groups billing*"]
    assert limit_lines(
        {"producer_byte_rate": 5242880.0, "request_percentage": 50.0, "controller_mutation_rate": 1.0}
    ) == [
        "controller_mutation_rate 1",
        "produce 5.0MiB/s",
        "requestPercent 50",
    ]


# ------------------------------------------------------------------------------------------------------------ decisions


@pytest.mark.parametrize(
    ("rules", "asked", "allowed"),
    [
        ([], ("write", "topic", "orders"), False),
        ([acl()], ("write", "topic", "orders"), True),
        ([acl()], ("describe", "topic", "orders"), True),
        ([acl()], ("read", "topic", "orders"), False),
        ([acl()], ("write", "topic", "orders-2"), False),
        ([acl()], ("write", "group", "orders"), False),
        ([acl(principal="User:shop")], ("write", "topic", "orders"), False),
        ([acl(principal="User:*")], ("write", "topic", "orders"), True),
        ([acl(name="*")], ("write", "topic", "anything"), True),
        ([acl(operation="ALL")], ("delete", "topic", "orders"), True),
        ([acl(pattern="PREFIXED", name="ord")], ("write", "topic", "orders"), True),
        ([acl(pattern="PREFIXED", name="bill")], ("write", "topic", "orders"), False),
        ([acl(host="10.0.0.1")], ("write", "topic", "orders"), False),
        ([acl(), acl(permission="DENY")], ("write", "topic", "orders"), False),
        ([acl(), acl(permission="DENY", operation="ALL", name="*")], ("write", "topic", "orders"), False),
        # A refusal to write is none to describe.
        ([acl(), acl(permission="DENY")], ("describe", "topic", "orders"), True),
        ([acl(resource="CLUSTER", name="kafka-cluster", operation="CREATE")], ("create", "topic", "new"), True),
        ([acl(resource="TRANSACTIONAL_ID", name="tx")], ("write", "transactional-id", "tx"), True),
    ],
)
def test_what_brokers_decide(rules: Sequence[Acl], asked: tuple[str, str, str], allowed: bool) -> None:
    operation, resource, name = asked
    assert decide("billing", Asked(operation=operation, resource=resource, name=name), rules).allowed is allowed


def test_an_acl_in_one_line() -> None:
    assert (
        acl_text(acl(pattern="PREFIXED", host="10.0.0.1")) == "allow write topic orders* for User:billing from 10.0.0.1"
    )
    assert acl_text(acl(name="*", permission="DENY")) == "deny write topic of any name for User:billing from any host"


# ------------------------------------------------------------------------------------------------------- the commands


class Cluster(FakeAccess):
    """A cluster that shows all its ACLs, too."""

    held: Sequence[Acl] = ()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A platform with access whose brokers have what is declared."""
    made = Cluster()
    made.users = dict.fromkeys(ALL_RIGHT, b"")

    @contextmanager
    def admin(_platform: Platform, **_options: Any) -> Iterator[Cluster]:
        yield made

    monkeypatch.setattr(Platform, "admin", admin)
    monkeypatch.setattr(declarations, "declared_apps", lambda _platform: APPS)
    monkeypatch.setattr(acls, "read", lambda client: list(cast(Cluster, client).held))
    given(monkeypatch, SECURITY)
    return made


def given(monkeypatch: pytest.MonkeyPatch, security: Security | None) -> None:
    found = Platform(
        stack="dev",
        name="millrace-dev",
        target="docker",
        brokers={"kafka-0": "127.0.0.1:9092"},
        zookeeper={},
        redis={},
        security=security,
    )
    monkeypatch.setattr(options, "read_platform", lambda _stack: found)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ending:
        app.run(["-s", "dev", "access", *arguments])
    return int(cast(int, ending.value.code))


def answer(capsys: pytest.CaptureFixture[str]) -> Mapping[str, Any]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", [["list"], ["check", "billing"]])
def test_without_access_the_answer_says_so(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, None)
    assert run(*command) == ExitCode.REFUSED
    assert "error: access is off for stack dev" in capsys.readouterr().err


def test_drift_ends_the_list_with_1_and_names_the_command(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == ExitCode.FOUND_WRONG
    told = capsys.readouterr()
    assert (
        "billing\tbilling\tyes\tnone\tnone\t- groups billing*; - produces invoices-*; - produces orders; - produce"
        in told.out
    )
    assert "millrace\t(the platform)\tyes\teverything" in told.out
    assert "`pulumi up -s dev --refresh`" in told.err
    assert SECURITY.password not in told.out + told.err


def test_a_right_that_exists_is_shown_with_its_acl(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.held = [acl()]
    assert run("check", "billing", "--topic", "orders", "--operation", "write") == ExitCode.OK
    assert capsys.readouterr().out == (
        "User:billing may write topic orders: allow write topic orders for User:billing from any host\n"
    )


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (
            ("shop-2", "--topic", "orders", "--operation", "write"),
            'User:shop-2 may not write topic orders; to allow it, add "orders" to apps[1].produces (application shop)',
        ),
        (
            ("shop", "--group", "other"),
            'User:shop may not read group other; to allow it, add "other" to apps[1].groups (application shop)',
        ),
        (
            ("billing", "--transaction", "tx"),
            'User:billing may not write transactional-id tx; to allow it, add "tx" to apps[0].transactions '
            "(application billing)",
        ),
        (
            ("billing", "--topic", "orders", "--operation", "delete"),
            "User:billing may not delete topic orders: no application may; only the platform's own user does that",
        ),
        (
            ("billing", "--topic", "orders", "--operation", "write"),
            "User:billing may not write topic orders yet: the stack file allows it; `pulumi up -s dev --refresh` makes "
            "it so",
        ),
    ],
)
def test_a_missing_right_is_said_with_what_would_give_it(
    cluster: Cluster, arguments: tuple[str, ...], fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", *arguments, "--json") == ExitCode.FOUND_WRONG
    found = answer(capsys)
    assert (found["allowed"], found["fix"]) == (False, fix)
    assert run("check", *arguments) == ExitCode.FOUND_WRONG
    assert capsys.readouterr().out == f"{fix}\n"


def test_a_refusal_that_somebody_made_is_said(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.held = [acl(), acl(permission="DENY")]
    assert run("check", "billing", "--topic", "orders", "--operation", "write") == ExitCode.FOUND_WRONG
    assert "whatever is declared: deny write topic orders for User:billing" in capsys.readouterr().out


def test_everything_that_a_user_may_do_is_listed(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.held = [acl(), acl(principal="User:shop"), acl(principal="User:*", pattern="PREFIXED", name="public-")]
    assert run("check", "billing", "--json") == ExitCode.OK
    assert [(rule["name"], rule["prefixed"], rule["principal"]) for rule in answer(capsys)["acls"]] == [
        ("orders", False, "User:billing"),
        ("public-", True, "User:*"),
    ]


def test_the_platforms_own_user_may_do_everything(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "millrace", "--topic", "orders", "--operation", "delete") == ExitCode.OK
    assert "may do everything" in capsys.readouterr().out


def test_an_unknown_user_is_refused_with_the_nearest_one(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "biling", "--group", "g") == ExitCode.REFUSED
    assert 'there is no user "biling". Did you mean "billing"?' in capsys.readouterr().err
