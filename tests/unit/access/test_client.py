"""Users, rights and limits are read and changed.

Source: components/access/client.py.
Proof limit: the cluster is a fake with kafka-python's own classes; Redis is a list of commands.
"""

from typing import Any, cast

import pytest
from hypothesis import given, settings
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import ClusterAuthorizationFailedError, NotControllerError, SecurityDisabledError, UnknownError

from components.access import client
from components.access.client import apply_users, observe_redis_users, observe_users, set_redis_users
from components.access.rules import AppSpec, Quota, Right
from components.access.safety import AccessPlan, ObservedUser, UserSpec, plan_access, user_specs
from components.errors import AccessError
from tests.unit.access.cluster import FakeAccess
from tests.unit.access.test_safety import USERS, seen, user

BILLING = user_specs(
    [
        AppSpec(
            name="billing",
            produces=["orders-*"],
            consumes=["payments"],
            groups=["billing*"],
            transactions=["tx"],
            quota=Quota(produce=1000, request_percent=50),
        )
    ]
)


def binding(
    principal: str = "User:billing",
    host: str = "*",
    permission: ACLPermissionType = ACLPermissionType.ALLOW,
    operation: ACLOperation = ACLOperation.READ,
    kind: ResourceType = ResourceType.TOPIC,
    name: str = "orders",
) -> ACL:
    return ACL(principal, host, operation, permission, ResourcePattern(kind, name, ACLResourcePatternType.LITERAL))


def apply(cluster: Any, declared: dict[str, UserSpec], leaving: tuple[str, ...] = ()) -> AccessPlan:
    observed = observe_users(cluster, {*declared, *leaving})
    plan = plan_access(declared, observed, leaving=leaving)
    apply_users(cluster, plan, {name: f"pass-{name}" for name in declared})
    return plan


@given(USERS)
@settings(max_examples=30, deadline=None)  # passwords are salted with 8192 rounds
def test_what_is_applied_is_read_back(users: dict[str, UserSpec]) -> None:
    cluster = FakeAccess()
    apply(cluster, users)
    assert observe_users(cluster, users) == {
        name: ObservedUser(exists=True, rights=spec.rights, quota=spec.quota) for name, spec in users.items()
    }
    assert apply(cluster, users).is_empty


def test_kafka_sees_these_bindings() -> None:
    cluster = FakeAccess()
    apply(cluster, BILLING)
    assert all((item.principal, item.host) == ("User:billing", "*") for item in cluster.bindings)
    assert sorted(
        f"{item.operation.name} {pattern.resource_type.name} {pattern.resource_name} {pattern.pattern_type.name}"
        for item in cluster.bindings
        for pattern in [item.resource_pattern]
    ) == [
        "READ GROUP billing PREFIXED",
        "READ TOPIC payments LITERAL",
        "WRITE TOPIC orders- PREFIXED",
        "WRITE TRANSACTIONAL_ID tx LITERAL",
    ]
    assert cluster.quotas == {"billing": {"producer_byte_rate": 1000.0, "request_percentage": 50.0}}
    assert list(cluster.users) == ["billing"]


def test_a_user_that_left_is_gone_and_all_others_stay() -> None:
    cluster = FakeAccess()
    apply(cluster, BILLING)
    cluster.users["other"], cluster.quotas["other"] = b"", {"producer_byte_rate": 1.0}
    cluster.quotas[None] = {"producer_byte_rate": 2.0}
    others = [binding("User:other"), binding(host="10.0.0.1"), binding(permission=ACLPermissionType.DENY)]
    cluster.bindings += others
    apply(cluster, {}, leaving=("billing",))
    assert list(cluster.users) == ["other"]
    assert cluster.bindings == others
    assert cluster.quotas == {"other": {"producer_byte_rate": 1.0}, None: {"producer_byte_rate": 2.0}}


@pytest.mark.parametrize(
    "foreign",
    [
        binding(host="10.0.0.1"),
        binding(permission=ACLPermissionType.DENY),
        binding("Group:billing"),
        binding(kind=ResourceType.DELEGATION_TOKEN),
        binding(kind=ResourceType.GROUP, name="a*"),
    ],
)
def test_what_no_declaration_can_say_is_others_work(foreign: ACL) -> None:
    cluster = FakeAccess()
    cluster.bindings.append(foreign)
    assert observe_users(cluster, ["billing"]) == {"billing": seen(exists=False)}


def test_a_user_that_cannot_be_read_is_not_taken_for_absent() -> None:
    cluster = FakeAccess()
    cluster.unreadable["billing"] = UnknownError.errno
    with pytest.raises(UnknownError):
        observe_users(cluster, ["billing"])


def test_a_right_to_everything_is_seen_and_can_be_taken_back() -> None:
    cluster = FakeAccess()
    cluster.bindings.append(binding(operation=ACLOperation.ALL))
    (right,) = observe_users(cluster, ["billing"])["billing"].rights
    assert right.allows("delete", "topic", "orders")
    apply(cluster, {}, leaving=("billing",))
    assert cluster.bindings == []


@pytest.mark.parametrize("name", ["orders", "*"])
def test_a_right_that_was_added_by_hand_is_seen_and_can_be_taken_back(name: str) -> None:
    cluster = FakeAccess()
    cluster.bindings.append(binding(name=name))
    assert observe_users(cluster, ["billing"])["billing"].rights == {Right("read", "topic", name)}
    apply(cluster, {}, leaving=("billing",))
    assert cluster.bindings == []


def test_changes_are_made_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeAccess()
    many = {f"app{number}": user(Right("read", "topic", "a")) for number in range(450)}
    plan = plan_access(many, {})
    monkeypatch.setattr(client, "salted_password", lambda _password, _salt: b"salted")
    apply_users(cast(Any, cluster), plan, dict.fromkeys(many, "p"))
    sizes = (200, 200, 50)
    assert cluster.requests == [
        *(f"alter {size} users" for size in sizes),
        *(f"create {size} rights" for size in sizes),
    ]


def test_a_controller_that_moved_is_an_error_of_kafka_and_no_success() -> None:
    cluster = FakeAccess()
    cluster.controller = 2
    with pytest.raises(NotControllerError):
        observe_users(cast(Any, cluster), ["billing"])
    with pytest.raises(NotControllerError):
        apply_users(cast(Any, cluster), AccessPlan(set_passwords=("billing",)), {"billing": "pass"})
    assert cluster.users == {}


def test_a_user_that_is_gone_already_is_no_error() -> None:
    cluster: Any = FakeAccess()
    apply_users(cluster, AccessPlan(remove=("gone",)), {})


def test_what_the_cluster_refuses_is_said_by_user() -> None:
    cluster = FakeAccess()
    cluster.refused = {"billing": "Unacceptable credential"}
    with pytest.raises(AccessError) as caught:
        apply(cluster, BILLING)
    assert str(caught.value).splitlines() == [
        "the cluster refused the passwords of 1 user",
        "  - billing: Unacceptable credential",
    ]
    assert "pass-billing" not in str(caught.value)


def test_refused_limits_are_said_by_user() -> None:
    cluster = FakeAccess()
    cluster.users["billing"] = b""
    cluster.refused = {"billing": "Bad quota"}
    with pytest.raises(AccessError, match="limits of 1 user"):
        apply(cluster, BILLING)


@pytest.mark.parametrize("leaving", [False, True])
def test_rights_that_the_cluster_does_not_take_are_errors_of_kafka(leaving: bool) -> None:
    cluster = FakeAccess()
    if leaving:
        apply(cluster, BILLING)
    cluster.failing_rights = [ClusterAuthorizationFailedError]
    with pytest.raises(ClusterAuthorizationFailedError, match="billing"):
        apply(cluster, {} if leaving else BILLING, leaving=("billing",))


def test_a_cluster_without_authorizer_is_an_error_of_kafka() -> None:
    cluster = FakeAccess()
    cluster.failing_rights = [SecurityDisabledError]
    with pytest.raises(SecurityDisabledError):
        apply(cluster, BILLING)


# --------------------------------------------------------------------------------------------------------------- Redis


class FakeRedis:
    """A server that answers ``ACL LIST``, and records other commands."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []

    def execute_command(self, *command: str) -> Any:
        if command == ("ACL", "LIST"):
            return ["user billing on #0a ~billing:* &* +@all", "user default on #ff ~* &* +@all"]
        self.commands.append(command)
        return b"OK"


def test_users_of_redis_are_read_by_name() -> None:
    server: Any = FakeRedis()
    assert observe_redis_users(server) == {
        "billing": "user billing on #0a ~billing:* &* +@all",
        "default": "user default on #ff ~* &* +@all",
    }


def test_users_of_redis_are_set_removed_and_saved() -> None:
    server: Any = FakeRedis()
    set_redis_users(server, {"b": ["reset", "on"], "a": ["reset"]}, remove=["d", "c"])
    assert server.commands == [
        ("ACL", "SETUSER", "a", "reset"),
        ("ACL", "SETUSER", "b", "reset", "on"),
        ("ACL", "DELUSER", "c", "d"),
        ("ACL", "SAVE"),
    ]


def test_users_of_redis_are_saved_without_any_that_leave() -> None:
    server: Any = FakeRedis()
    set_redis_users(server, {})
    assert server.commands == [("ACL", "SAVE")]


def test_all_users_are_read_whoever_made_them() -> None:
    cluster = FakeAccess()
    apply(cluster, BILLING)
    cluster.users["stranger"] = b""
    cluster.quotas["limited"] = {"producer_byte_rate": 1.0}
    cluster.bindings.append(binding("User:allowed"))
    found = observe_users(cast(Any, cluster), None)
    assert {name: user.exists for name, user in found.items()} == {
        "allowed": False,
        "billing": True,
        "limited": False,
        "stranger": True,
    }
