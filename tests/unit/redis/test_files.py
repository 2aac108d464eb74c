"""redis.conf. Oracle: a parser that follows Redis's ``sdssplitargs``.

Source: components/redis/files.py.
Proof limit: the integration tests show that a server accepts the file.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.redis.files import default_user, password_conf, password_rule, redis_conf
from components.stack_file.settings import load_settings
from tests.unit.redis.conf import directives, split_arguments
from tests.unit.stack_files import loaded


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("save 60 1000", ["save", "60", "1000"]),
        ('save ""', ["save", ""]),
        (r'a "b \"c\" \\ \x41\n"', ["a", 'b "c" \\ A\n']),
        (r"a 'b \' \n'", ["a", r"b ' \n"]),
        (r"a b\n", ["a", r"b\n"]),
    ],
)
def test_the_parser_of_these_tests_splits_lines_like_redis(line: str, arguments: list[str]) -> None:
    assert split_arguments(line) == arguments


@pytest.mark.parametrize("line", ['a "b', "a 'b", 'a "b"c'])
def test_the_parser_of_these_tests_refuses_what_redis_refuses(line: str) -> None:
    with pytest.raises(ValueError, match="quotes"):
        split_arguments(line)


@given(password=st.text())
@example(password='"; \\" # \\x41 \\')
@example(password="two\nlines\r\n\x00 and 'quotes' und größe 😀")
@example(password=" ")
def test_redis_reads_any_password_unchanged(password: str) -> None:
    text = password_conf([password])
    assert directives(text) == [["requirepass", password]]
    assert text.isascii()
    assert text.count("\n") == 1, "no password can inject a second directive"


@given(value=st.text())
@example(value="normal 0 0 0")
@example(value='with "quotes"')
@example(value="#comment")
@example(value="")
@example(value="a\nrequirepass b")
def test_the_value_of_a_config_directive_never_becomes_a_second_directive(value: str) -> None:
    plain = redis_conf(loaded().redis, data_path="/data", password_file=None)
    text = redis_conf(loaded({"redis": {"config": {"zz": value}}}).redis, data_path="/data", password_file=None)
    added = [line for line in directives(text) if line not in directives(plain)]
    assert added in ([["zz", value]], [["zz", *value.split()]]), "one value, or several words as several arguments"
    assert len(directives(text)) == len(directives(plain)) + 1


def test_several_words_of_a_config_directive_stay_separate_arguments() -> None:
    config = {
        "client-output-buffer-limit": "normal 0 0 0",
        "notify-keyspace-events": "",
        "lazyfree-lazy-eviction": "yes",
    }
    lines = directives(redis_conf(loaded({"redis": {"config": config}}).redis, data_path="/data", password_file=None))
    assert ["client-output-buffer-limit", "normal", "0", "0", "0"] in lines
    assert ["notify-keyspace-events", ""] in lines
    assert ["lazyfree-lazy-eviction", "yes"] in lines


def test_a_config_directive_may_replace_a_rendered_default() -> None:
    section = loaded({"redis": {"config": {"appendfsync": "always"}}}).redis
    lines = directives(redis_conf(section, data_path="/data", password_file=None))
    assert [line for line in lines if line[0] == "appendfsync"] == [["appendfsync", "always"]]


@pytest.mark.parametrize(
    ("save", "lines"),
    [
        ([], [["save", ""]]),
        (["60 1000"], [["save", "60", "1000"]]),
        (["3600 1", "60 1000"], [["save", "3600", "1"], ["save", "60", "1000"]]),
    ],
    ids=["none", "one", "two"],
)
def test_snapshot_rules_are_written_in_order_and_an_empty_list_disables_snapshots(
    save: list[str], lines: list[list[str]]
) -> None:
    text = redis_conf(loaded({"redis": {"save": save}}).redis, data_path="/data", password_file=None)
    assert [line for line in directives(text) if line[0] == "save"] == lines


def test_the_password_is_in_an_included_file_and_never_in_redis_conf() -> None:
    section = load_settings(
        {"redis": {"authentication": True, "password": "hunter2"}}, source="x", secret_keys=["redis"]
    ).redis
    text = redis_conf(section, data_path="/data", password_file="/etc/millrace/redis-password.conf")
    assert directives(text)[-1] == ["include", "/etc/millrace/redis-password.conf"]
    assert "hunter2" not in text
    assert "include" not in redis_conf(section, data_path="/data", password_file=None)


def test_a_file_of_users_replaces_the_password_in_redis_conf() -> None:
    """Redis ignores ``requirepass`` beside a file of users, and does not start with a ``user`` line."""
    text = redis_conf(loaded().redis, data_path="/data", password_file="/x.conf", users_file="/data/users.acl")
    assert directives(text)[-1] == ["aclfile", "/data/users.acl"]
    assert "include" not in text


def test_the_platforms_own_user_accepts_each_password_as_a_hash() -> None:
    (line,) = directives(default_user(["a b", "c"]).replace("#", "hash-"))
    assert line[:-2] == ["user", "default", "on", "~*", "&*", "+@all"]
    assert line[-2:] == [password_rule(item).replace("#", "hash-") for item in ("a b", "c")]
