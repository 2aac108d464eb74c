"""Certificates, users and applications, in a program without a platform, and Redis' users in one.

Source: components/access/component.py.
Proof limit: mocks replace the engine.
"""

from typing import Any

import pytest

from components.access.component import (
    AccessSet,
    AccessSetArgs,
    Application,
    ApplicationArgs,
    Certificates,
    CertificatesArgs,
    KafkaLogin,
)
from components.access.rules import AppSpec, Quota, redis_rights
from components.access.settings import AppSettings
from components.errors import AccessError
from components.redis.component import RedisLogin
from tests.unit.mocks import (
    ACCESS_SET,
    CERTIFICATES,
    CREDENTIALS,
    GENERATED_PASSWORD,
    REDIS_USERS,
    SECRET_MARK,
    Run,
    declared_by,
    masked,
    run_platform,
    settings_of,
    unmasked,
)

LOGIN = KafkaLogin(user="millrace", password="super-0123", authorities="CA")


def test_keys_are_secret_outputs_and_nothing_else_is() -> None:
    hosts = {"kafka": ["kafka-0", "127.0.0.1"]}

    def program() -> dict[str, object]:
        made = Certificates("tls", CertificatesArgs(platform="millrace-test", hosts=hosts, trust=(2, 1)))
        return {"trusted": made.trusted, "expires": made.expires}

    run = declared_by(program)
    assert run.secret_outputs == set()
    made = run.one(CERTIFICATES, "tls")
    assert sorted(made.secret_outputs) == ["authorities", "members"]
    assert masked(made.inputs) == {
        "__provider": SECRET_MARK,
        "platform": "millrace-test",
        "hosts": hosts,
        "sign": 1,
        "trust": [1, 2],
        "lifetime": 365 * 24 * 3600,
    }


def test_a_set_of_users_keeps_every_password_secret() -> None:
    app = AppSpec(name="billing", produces=["orders"], quota=Quota(produce=5), generation=2)

    def program() -> dict[str, object]:
        made = AccessSet(
            "access",
            AccessSetArgs(
                bootstrap="a:1", login=LOGIN, applications=[app], passwords={"billing": "one", "billing-2": "two"}
            ),
        )
        return {"users": made.users}

    run = declared_by(program)
    user = {"rights": ["write topic orders"], "quota": {"producer_byte_rate": 5}}
    assert run.outputs == {"users": {"billing": user, "billing-2": user}}
    assert run.secret_outputs == set()
    assert masked(run.one(ACCESS_SET, "access").inputs) == {
        "__provider": SECRET_MARK,
        "setName": "access",
        "bootstrap": "a:1",
        "brokers": {},
        "security": SECRET_MARK,
        "users": {"billing": user, "billing-2": user},
        "passwords": SECRET_MARK,
        "ownCluster": False,
        "adopt": False,
        "deadline": 180,
        "logs": {},
        "trigger": {},
    }


def test_an_application_hands_over_secrets_only() -> None:
    settings = AppSettings.of(name="billing", consumes=["orders"], groups=["billing"], generation=2)

    def program() -> dict[str, object]:
        args = ApplicationArgs(
            application=settings, bootstrap="127.0.0.1:1", login=LOGIN, client_bootstrap="kafka-0.kafka:1"
        )
        made = Application("billing", args)
        return {
            "password": made.password,
            "properties": made.client_properties,
            "librdkafka": made.librdkafka,
            "spring": made.spring,
            "dotenv": made.dotenv,
        }

    run = declared_by(program)
    assert run.secret_outputs == run.outputs.keys()
    for name in ("properties", "librdkafka", "spring", "dotenv"):
        text = str(run.outputs[name])
        assert "kafka-0.kafka:1" in text
        assert "127.0.0.1:1" not in text
        assert "billing-2" in text
        assert GENERATED_PASSWORD in text
        assert "super-0123" not in text
    made = [item.name for item in run.of(CREDENTIALS)]
    assert sorted(made) == ["billing-billing", "billing-billing-2"]
    assert sorted(run.one(ACCESS_SET, "billing-access").inputs["users"]) == ["billing", "billing-2"]


def redis_app(**args: Any) -> Run:
    """An application with keys, and what a program sees of it."""
    settings = AppSettings.of(name="billing", redis="billing:*")

    def program() -> dict[str, object]:
        made = Application(
            "billing", ApplicationArgs(application=settings, bootstrap="127.0.0.1:1", login=LOGIN, **args)
        )
        return {"dotenv": made.dotenv}

    return declared_by(program)


def test_an_application_with_keys_gets_a_user_of_redis_with_the_same_password() -> None:
    login = RedisLogin(address="127.0.0.1:2", password="own-0123")
    run = redis_app(redis=login, client_redis="redis-0.redis:6379")
    assert f"REDIS_URL=redis://billing:{GENERATED_PASSWORD}@redis-0.redis:6379/0" in str(run.outputs["dotenv"])
    assert run.secret_outputs == {"dotenv"}
    (made,) = run.of(REDIS_USERS)
    assert (made.name, made.parent) == ("billing-redis", "billing")
    assert masked(made.inputs) == {
        "__provider": SECRET_MARK,
        "setName": "billing-redis",
        "address": "127.0.0.1:2",
        "password": SECRET_MARK,
        "users": {"billing": redis_rights(["billing:*"])},
        "passwords": SECRET_MARK,
        "ownServer": False,
        "adopt": False,
        "deadline": 180,
        "trigger": {},
    }


def test_an_application_with_keys_needs_a_server() -> None:
    with pytest.raises(AccessError, match=r"billing declares redis keys, but ApplicationArgs\.redis is not set"):
        redis_app()


def with_access(*apps: dict[str, Any], authentication: bool = True) -> Run:
    """The dev stack with access and applications."""
    redis = {"authentication": authentication}
    return run_platform(settings_of("dev", access={"enabled": True}, apps=[*apps], redis=redis), "millrace-dev")


def test_a_platform_gives_applications_their_keys_when_its_redis_serves() -> None:
    billing = {"name": "billing", "produces": ["tda_jobs"], "redis": "billing:*", "generation": 2}
    run = with_access(billing, {"name": "shop", "produces": ["tda_jobs"]})
    made = run.one(REDIS_USERS, "redis-users")
    assert sorted(made.inputs["users"]) == ["billing", "billing-2"]
    assert made.retain_on_delete
    assert "redis-0" in made.dependencies
    assert unmasked(made.inputs["trigger"]).keys() == {"redis-0"}
    apps = run.outputs["apps"]
    assert f"REDIS_URL=redis://billing-2:{GENERATED_PASSWORD}@127.0.0.1:6379/0" in apps["billing"]["dotenv"]
    assert "REDIS_URL" not in apps["shop"]["dotenv"]
    assert "apps" in run.secret_outputs


def test_a_platform_whose_redis_asks_for_no_password_has_no_users_there() -> None:
    assert with_access({"name": "shop", "produces": ["tda_jobs"]}, authentication=False).of(REDIS_USERS) == []
    assert with_access().one(REDIS_USERS, "redis-users").inputs["users"] == {}
