"""What a stack file may say about access and applications.

Source: components/access/settings.py.
"""

from datetime import timedelta
from typing import Any

import pytest

from components.access.rules import AppSpec, Quota
from components.access.settings import AccessSettings, AppSettings
from components.report import validated
from tests.unit.stack_files import loaded, problems

MIB = 1024**2
APP = {"name": "billing", "produces": ["orders"]}


def app_mistakes(**declared: Any) -> list[str]:
    section, problems = validated(AppSettings, {**APP, **declared})
    assert (section is None) == bool(problems)
    return problems


def access_mistakes(**declared: Any) -> list[str]:
    return validated(AccessSettings, declared)[1]


def test_access_is_off_by_default() -> None:
    found = AccessSettings.of()
    assert (found.enabled, found.tls.sign, found.tls.trust) == (False, 1, [1])
    assert found.tls.lifetime == timedelta(days=365)


@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        ({"lifetime": "30m"}, 'tls.lifetime is "30m": must be at least 1h'),
        ({"lifetime": "900d"}, 'tls.lifetime is "900d": must be at most 825d'),
        ({"sign": 2}, "tls: sign is 2, which trust does not have; members would not trust each other"),
        ({"sign": 0}, "tls.sign is 0: must be at least 1"),
        ({"trust": []}, "tls.trust is a list: must not be empty"),
        ({"trust": [1, 2, 3, 4]}, "tls.trust is a list: must have at most 3 entries"),
    ],
)
def test_mistakes_of_certificates(tls: dict[str, Any], problem: str) -> None:
    assert access_mistakes(tls=tls) == [problem]


def test_the_whole_declaration_of_the_documentation() -> None:
    section, problems = validated(
        AppSettings,
        {
            "name": "billing",
            "produces": ["orders"],
            "consumes": ["payments"],
            "groups": ["billing*"],
            "redis": "billing:*",
            "quota": {"produce": "5MiB/s", "consume": "10MiB/s", "requestPercent": 50},
        },
    )
    assert problems == []
    assert section is not None
    assert section.spec() == AppSpec(
        name="billing",
        produces=["orders"],
        consumes=["payments"],
        groups=["billing*"],
        transactions=[],
        redis=["billing:*"],
        quota=Quota(produce=5 * MIB, consume=10 * MIB, request_percent=50),
    )


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"name": "Billing"}, 'name is "Billing": must start with a letter and have lower-case letters, digits and'),
        ({"name": "default"}, 'name is "default": "default" is a user of the platform; choose a different name'),
        ({"produces": ["*"]}, 'produces[0] is "*": names nothing; "*" alone would be all of them.'),
        ({"consumes": ["orders"]}, "consumes without groups"),
        ({"redis": ["*"]}, 'redis[0] is "*": starts with a wildcard'),
        ({"quota": {"produce": "5 parsecs"}}, 'quota.produce is "5 parsecs": must be a size'),
        ({"quota": {"produce": 0}}, "quota.produce is 0: must be at least 1 byte per second"),
        ({"quota": {"requestPercent": 0}}, "quota.requestPercent is 0: must be at least 1"),
        ({"generation": 0}, "generation is 0: must be at least 1"),
        ({"produce": ["orders"]}, 'produce: unknown key. Did you mean "produces"?'),
        ({"produces": []}, "declares nothing"),
    ],
)
def test_mistakes_of_an_application(declared: dict[str, Any], problem: str) -> None:
    (found,) = app_mistakes(**declared)
    assert found.startswith(problem)


def test_an_application_with_keys_needs_a_redis_that_asks_who_its_clients_are() -> None:
    declared = {"access": {"enabled": True}, "apps": [{"name": "billing", "redis": "billing:*"}]}
    assert problems(declared) == [
        "apps[0] (billing) has redis keys, but redis.authentication is false, so everyone may use all keys; "
        "set redis.authentication to true"
    ]
    assert loaded({**declared, "redis": {"authentication": True}}).apps[0].redis == ["billing:*"]


def test_users_of_redis_are_declared_in_one_place() -> None:
    redis = {"authentication": True, "config": {"User": "shop on nopass ~* +@all"}}
    assert problems({"access": {"enabled": True}, "redis": redis}) == [
        "redis.config has User, but with access.enabled Redis keeps its users in a file; declare apps with redis"
    ]
    assert loaded({"redis": redis}).redis.config
