"""The provider of users, called as the engine calls it.

Source: components/access/provider.py.
Proof limit: the cluster is a fake.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError, SaslAuthenticationFailedError

from components.access import provider as module
from components.access.provider import AccessSetProvider
from components.access.rules import AppSpec, Quota, Right
from components.access.safety import inputs_of, user_specs
from components.access.scram import salted_password
from components.dynamic import Props
from components.kafka.security import Security
from tests.unit.access.cluster import FakeAccess
from tests.unit.access.test_client import binding
from tests.unit.dynamic import VIA, from_engine, shown, take_detour, unknown

pytestmark = pytest.mark.usefixtures("_traceback_limit")

PROVIDER = AccessSetProvider()
LOGIN = {"user": "millrace", "password": "super-0123", "authorities": "CA"}
BILLING = AppSpec(name="billing", produces=["orders"], quota=Quota(produce=1000))
SHOP = AppSpec(name="shop", consumes=["orders"], groups=["shop"])


def inputs(*apps: AppSpec, **changed: Any) -> Props:
    users = [user for app in apps for user in app.users]
    return from_engine(
        {
            "setName": "access",
            "bootstrap": "127.0.0.1:19092",
            "brokers": {"kafka-0": "127.0.0.1:19092"},
            "security": LOGIN,
            "users": inputs_of(user_specs(apps)),
            "passwords": {user: f"pass-{user}" for user in users},
            "ownCluster": False,
            "adopt": False,
            "deadline": 5,
            "logs": {},
            "trigger": {},
            "route": None,
            **changed,
        }
    )


class Cluster(FakeAccess):
    """A cluster whose connections can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []
        self.listens = True
        self.routes: list[Any] = []

    @contextmanager
    def connected(self, bootstrap: str, *, route: Any, security: Security | None) -> Iterator[FakeAccess]:
        assert bootstrap == "127.0.0.1:19092"
        assert security == Security(**LOGIN)
        self.routes.append(route)
        if self.failures:
            raise self.failures.pop(0)
        yield self


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster()
    monkeypatch.setattr(module, "admin_client", fake.connected)
    monkeypatch.setattr(module, "any_listens", lambda _bootstrap, route: fake.listens)
    monkeypatch.setattr(module, "unreachable", lambda *_args, **_options: ["kafka-0: no broker answers"])
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return fake


def has_password(cluster: FakeAccess, user: str, password: str) -> bool:
    """Whether a user was given a password; the fake keeps what it was sent."""
    sent = cluster.users.get(user)
    return sent is not None and any(salted_password(password, salt) == sent for salt in cluster.salts.get(user, []))


# ------------------------------------------------------------------------------------------------------------- applying


def test_users_are_created_with_their_passwords_rights_and_limits(cluster: Cluster) -> None:
    result = PROVIDER.create(inputs(BILLING, SHOP))
    assert result.id == "127.0.0.1:19092/access"
    assert result.outs == inputs(BILLING, SHOP)
    assert has_password(cluster, "billing", "pass-billing")
    assert has_password(cluster, "shop", "pass-shop")
    assert len(cluster.bindings) == 3
    assert cluster.quotas == {"billing": {"producer_byte_rate": 1000.0}}


def test_an_update_changes_only_what_differs(cluster: Cluster) -> None:
    PROVIDER.create(inputs(BILLING, SHOP))
    before = dict(cluster.users)
    cluster.requests.clear()
    more = AppSpec(name="billing", produces=["orders", "bills"], quota=Quota(produce=1000))
    PROVIDER.update("id", inputs(BILLING, SHOP), inputs(more, SHOP))
    assert cluster.requests == ["create 1 rights"]
    assert cluster.users == before


def test_a_changed_password_is_set(cluster: Cluster) -> None:
    PROVIDER.create(inputs(BILLING))
    PROVIDER.update("id", inputs(BILLING), inputs(BILLING, passwords={"billing": "new"}))
    assert has_password(cluster, "billing", "new")


def test_a_new_generation_comes_beside_the_user_before_and_then_replaces_it(cluster: Cluster) -> None:
    second = AppSpec(name="billing", produces=["orders"], generation=2)
    alone = AppSpec(name="billing", produces=["orders"], generation=2, keep_previous=False)
    first = AppSpec(name="billing", produces=["orders"])
    PROVIDER.create(inputs(first))
    kept = cluster.users["billing"]
    PROVIDER.update("id", inputs(first), inputs(second))
    assert sorted(cluster.users) == ["billing", "billing-2"]
    assert cluster.users["billing"] == kept, "the old password works while clients move"
    PROVIDER.update("id", inputs(second), inputs(alone))
    assert list(cluster.users) == ["billing-2"]
    assert {item.principal for item in cluster.bindings} == {"User:billing-2"}


def test_a_user_that_left_and_the_whole_set_are_removed(cluster: Cluster) -> None:
    PROVIDER.create(inputs(BILLING, SHOP))
    PROVIDER.update("id", inputs(BILLING, SHOP), inputs(BILLING))
    assert list(cluster.users) == ["billing"]
    PROVIDER.delete("id", inputs(BILLING))
    assert (cluster.users, cluster.bindings, cluster.quotas) == ({}, [], {})
    PROVIDER.delete("id", inputs(BILLING))


def test_users_of_others_are_refused_before_any_change(cluster: Cluster) -> None:
    cluster.users["shop"] = b"theirs"
    assert shown(lambda: PROVIDER.create(inputs(BILLING, SHOP))).splitlines()[-2:] == [
        "Error: users exist already and are not this stack's: shop; nothing was changed",
        "  - rename the applications, or remove these users and their rights (kafka-configs.sh, kafka-acls.sh, "
        "ACL DELUSER); in a program of your own, `adopt` takes them over",
    ]
    assert cluster.users == {"shop": b"theirs"}
    assert cluster.bindings == []
    PROVIDER.create(inputs(BILLING, SHOP, adopt=True))
    assert has_password(cluster, "shop", "pass-shop")


def test_what_a_killed_update_left_in_the_stacks_own_cluster_is_taken_over(cluster: Cluster) -> None:
    PROVIDER.create(inputs(BILLING, SHOP))
    PROVIDER.create(inputs(BILLING, SHOP, ownCluster=True, passwords={"billing": "other", "shop": "other"}))
    assert has_password(cluster, "billing", "other")


def test_a_killed_update_of_the_stacks_own_cluster_goes_on(cluster: Cluster) -> None:
    """It had made the new user, and the state does not know it."""
    PROVIDER.create(inputs(BILLING, ownCluster=True))
    PROVIDER.update("id", inputs(BILLING, ownCluster=True), inputs(BILLING, SHOP, ownCluster=True))
    again = inputs(BILLING, SHOP, ownCluster=True, passwords={"billing": "pass-billing", "shop": "other"})
    PROVIDER.update("id", inputs(BILLING, ownCluster=True), again)
    assert has_password(cluster, "shop", "other")


def test_without_applications_there_is_nothing_to_do_and_the_last_one_can_leave(cluster: Cluster) -> None:
    PROVIDER.create(inputs())
    assert cluster.users == {}
    PROVIDER.update("id", inputs(), inputs(BILLING))
    PROVIDER.update("id", inputs(BILLING), inputs())
    assert cluster.users == {}
    assert cluster.bindings == []


def test_an_interrupted_change_goes_on(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.failures = [KafkaConnectionError("lost"), KafkaConnectionError("lost")]
    cluster.failing_rights = [ClusterAuthorizationFailedError]
    PROVIDER.create(inputs(BILLING))
    assert has_password(cluster, "billing", "pass-billing")
    assert len(cluster.bindings) == 1
    lines = capsys.readouterr().err
    assert "waiting for Kafka: a change of users was interrupted (KafkaConnectionError: lost)" in lines
    assert "not known yet" not in lines, "the look that confirms a change is no news"


def test_a_cluster_that_does_not_answer_fails_the_update_and_says_why(cluster: Cluster) -> None:
    cluster.failures = [SaslAuthenticationFailedError("refuses the user millrace")] * 2
    text = shown(lambda: PROVIDER.create(inputs(BILLING, deadline=0)))
    assert "refuses the user millrace" in text
    assert "super-0123" not in text
    cluster.listens = False
    assert "no broker answers" in shown(lambda: PROVIDER.create(inputs(BILLING, deadline=0)))


def test_brokers_are_reached_by_the_route(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    route = take_detour(monkeypatch, module)
    PROVIDER.create(inputs(BILLING, route=VIA))
    PROVIDER.read("id", inputs(BILLING, route=VIA))
    assert set(cluster.routes) == {route}


# -------------------------------------------------------------------------------------------------------------- reading


def test_a_refresh_shows_drift(cluster: Cluster) -> None:
    state = inputs(BILLING, SHOP)
    PROVIDER.create(state)
    assert PROVIDER.read("id", {**state, "__provider": "x"}).outs == state
    cluster.bindings.append(binding())
    del cluster.users["shop"], cluster.quotas["billing"]
    read = PROVIDER.read("id", state)
    assert read.inputs == read.outs
    assert (read.outs or {})["users"] == {
        "billing": {"rights": ["read topic orders", "write topic orders"], "quota": {}}
    }
    PROVIDER.update("id", read.outs or {}, state)
    assert (PROVIDER.read("id", state).outs or {})["users"] == state["users"]
    assert Right("read", "topic", "orders") not in user_specs([BILLING])["billing"].rights
    assert has_password(cluster, "shop", "pass-shop")


def test_a_refresh_without_an_answer_keeps_everything(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.failures = [KafkaConnectionError("lost")] * 1000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "READ_SECONDS", 0.0)
        assert PROVIDER.read("id", inputs(BILLING)).outs == inputs(BILLING)
    assert "users were not read: KafkaConnectionError: lost; they are kept as last known" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- checking


def check(olds: Props, news: Props) -> list[str]:
    return [failure.reason for failure in PROVIDER.check(olds, news).failures or []]


def test_a_preview_refuses_and_says_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check({}, inputs(BILLING)) == []
    assert check(inputs(BILLING), inputs(SHOP)) == []
    assert capsys.readouterr().err.splitlines() == [
        "access: creates user shop",
        "access: removes user billing, which can no longer connect",
    ]
    assert check({}, inputs(BILLING, passwords={})) == ['user "billing" has no password']


def test_what_is_unknown_is_no_mistake() -> None:
    news = inputs(BILLING)
    assert check({}, {**news, "passwords": unknown()}) == []
    assert check({}, {**news, "users": unknown()}) == []
