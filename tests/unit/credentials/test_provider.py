"""The provider of generated passwords.

Source: components/credentials/provider.py.
"""

import re

import pytest

from components.credentials.provider import CredentialsProvider
from components.dynamic import Props


def test_a_password_is_long_and_needs_no_escaping() -> None:
    result = CredentialsProvider().create({"account": "redis"})
    assert result.outs is not None
    password = result.outs["password"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", password), "24 random bytes, six bits per character"
    assert result.outs == {"account": "redis", "password": password}
    assert result.id == "redis"


def test_passwords_differ() -> None:
    made = [CredentialsProvider().create({"account": "redis"}).outs for _ in range(20)]
    assert len({outs["password"] for outs in made if outs}) == 20


@pytest.mark.parametrize(
    ("olds", "news", "replaces"),
    [
        ({"account": "redis"}, {"account": "redis"}, []),
        ({"account": "redis", "password": "old", "__provider": "a"}, {"account": "redis", "__provider": "b"}, []),
        ({"account": "redis", "password": "old"}, {"account": "kafka"}, ["account"]),
    ],
)
def test_only_a_different_account_gets_a_new_password(olds: Props, news: Props, replaces: list[str]) -> None:
    result = CredentialsProvider().diff("redis", olds, news)
    assert (result.changes, result.replaces) == (bool(replaces), replaces)
