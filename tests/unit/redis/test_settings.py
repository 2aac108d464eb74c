"""Settings of Redis in a stack file; no message shows its password.

Source: components/redis/settings.py.
"""

import traceback
from typing import Any

import pytest
from pydantic import ValidationError

from components.errors import SettingsError
from components.redis.settings import RedisSettings
from components.stack_file.profiles import with_profile
from tests.unit.stack_files import NO_SIZE, loaded, problems, unknown

PLAIN_PASSWORD = (
    "redis.password is in plain text; remove it and set it encrypted with\n"
    "pulumi config set --secret --path 'millrace:redis.password'"
)


@pytest.mark.parametrize(
    ("save", "line"),
    [
        (["60"], r'redis.save[0] is "60": must match ^[0-9]{1,9} [0-9]{1,9}$'),
        ([""], r'redis.save[0] is "": must match ^[0-9]{1,9} [0-9]{1,9}$'),
        (["60 1000", "1 2 3"], r'redis.save[1] is "1 2 3": must match ^[0-9]{1,9} [0-9]{1,9}$'),
        (["60 1000\n"], 'redis.save[0] is "60 1000\n": must match ^[0-9]{1,9} [0-9]{1,9}$'),
        ([60], "redis.save[0] is 60: must be text"),
        ("60 1000", 'redis.save is "60 1000": must be a list'),
    ],
)
def test_an_invalid_snapshot_rule_is_reported(save: object, line: str) -> None:
    assert problems({"redis": {"save": save}}) == [line]


@pytest.mark.parametrize(
    ("key", "cure"),
    [
        ("Port", "set redis.port"),
        ("SAVE", "set redis.save"),
        ("requirePass", "set redis.password"),
        ("MaxMemory", "set redis.maxMemory"),
    ],
)
def test_a_redis_directive_is_protected_in_any_case(key: str, cure: str) -> None:
    """Names of directives are case-insensitive in Redis."""
    assert problems({"redis": {"config": {key: "x"}}}) == [f'redis.config: "{key}" is rendered by the platform; {cure}']


@pytest.mark.parametrize("key", [" port", "requirepass ", "hz 10\nport", '"port"', ""])
def test_a_redis_directive_name_is_one_plain_word(key: str) -> None:
    """Names are written unescaped: with blanks or line ends, a protected directive would pass the check."""
    (line,) = problems({"redis": {"config": {key: "7000"}}})
    assert line.startswith("redis.config")


# The password


def test_an_encrypted_password_is_accepted_and_never_shown() -> None:
    settings = loaded({"redis": {"authentication": True, "password": "hunter2"}}, secrets=("redis",))
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("redis", "secrets", "lines"),
    [
        ({"authentication": True, "password": "hunter2"}, (), [PLAIN_PASSWORD]),
        ({"authentication": True, "password": "hunter2"}, ("kafka",), [PLAIN_PASSWORD]),
        (
            {"password": "hunter2"},
            ("redis",),
            ["redis: password is set but authentication is false; set authentication to true"],
        ),
        (
            {"password": "hunter2"},
            (),
            [PLAIN_PASSWORD, "redis: password is set but authentication is false; set authentication to true"],
        ),
        (
            {"authentication": True, "password": ["hunter2"]},
            (),
            [PLAIN_PASSWORD, "redis.password is (a secret): must be text"],
        ),
        (
            {"authentication": True, "password": {"value": "hunter2"}},
            ("redis",),
            ["redis.password is (a secret): must be text"],
        ),
        (
            {"authentication": True, "password": "hunter2", "maxMemory": "much"},
            ("redis",),
            [f'redis.maxMemory is "much": {NO_SIZE}'],
        ),
        (
            {"authentication": True, "pasword": "hunter2"},
            ("redis",),
            [unknown("redis.pasword", RedisSettings, ' Did you mean "password"?')],
        ),
        (
            {"config": {"requirepass": "hunter2"}},
            (),
            ['redis.config: "requirepass" is rendered by the platform; set redis.password'],
        ),
    ],
)
def test_a_message_about_the_password_does_not_contain_it(
    redis: dict[str, Any], secrets: tuple[str, ...], lines: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded({"redis": redis}, secrets=secrets)
    assert list(caught.value.problems) == lines
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "hunter2" not in shown, "nor is it in a traceback"


def test_the_underlying_error_does_not_contain_the_password_either() -> None:
    """It would be shown if the report itself crashed."""
    redis = with_profile({"redis": {"authentication": True, "password": ["hunter2"]}}, "light")["redis"]
    with pytest.raises(ValidationError) as caught:
        RedisSettings.model_validate(redis)
    assert "password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_encrypted_value_of_the_wrong_type_is_not_repeated_in_plain_text() -> None:
    """``pulumi config set --secret millrace:redis …`` without ``--path`` is an easy mistake."""
    assert problems({"redis": "hunter2"}, secrets=("redis",)) == [
        "redis is (a secret): must be a mapping of keys to values"
    ]


def test_an_empty_password_is_refused() -> None:
    """Redis treats an empty ``requirepass`` as none, so the server would be open although a password is required."""
    assert problems({"redis": {"authentication": True, "password": ""}}, secrets=("redis",)) == [
        "redis.password is (a secret): must not be empty"
    ]


def test_authentication_without_a_password_is_valid_since_one_is_generated() -> None:
    redis = loaded({"redis": {"authentication": True}}).redis
    assert (redis.authentication, redis.password) == (True, None)
    assert loaded({"redis": {"authentication": True, "password": None}}).redis.password is None
