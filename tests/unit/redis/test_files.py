"""redis.conf. Oracle: a reader after Redis's ``sdssplitargs``.

Proof limit: that a server accepts the file is shown by the integration tests.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.redis.files import password_conf, redis_conf
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
def test_the_reader_of_these_tests_reads_as_redis_does(line: str, arguments: list[str]) -> None:
    assert split_arguments(line) == arguments


@pytest.mark.parametrize("line", ['a "b', "a 'b", 'a "b"c'])
def test_the_reader_of_these_tests_refuses_what_redis_refuses(line: str) -> None:
    with pytest.raises(ValueError, match="quotes"):
        split_arguments(line)


@given(password=st.text())
@example(password='"; \\" # \\x41 \\')
@example(password="two\nlines\r\n\x00 and 'quotes' und größe 😀")
@example(password=" ")
def test_redis_reads_back_any_password(password: str) -> None:
    text = password_conf(password)
    assert directives(text) == [["requirepass", password]]
    assert text.isascii()
    assert text.count("\n") == 1, "no password can smuggle in a second directive"


@given(value=st.text())
@example(value="normal 0 0 0")
@example(value='with "quotes"')
@example(value="#comment")
@example(value="")
@example(value="a\nrequirepass b")
def test_a_free_directives_value_never_becomes_another_directive(value: str) -> None:
    plain = redis_conf(loaded().redis, data_path="/data", password_file=None)
    text = redis_conf(loaded({"redis": {"config": {"zz": value}}}).redis, data_path="/data", password_file=None)
    added = [line for line in directives(text) if line not in directives(plain)]
    assert added in ([["zz", value]], [["zz", *value.split()]]), "one value, or several words as several arguments"
    assert len(directives(text)) == len(directives(plain)) + 1


def test_words_of_a_free_directive_stay_apart() -> None:
    config = {
        "client-output-buffer-limit": "normal 0 0 0",
        "notify-keyspace-events": "",
        "lazyfree-lazy-eviction": "yes",
    }
    lines = directives(redis_conf(loaded({"redis": {"config": config}}).redis, data_path="/data", password_file=None))
    assert ["client-output-buffer-limit", "normal", "0", "0", "0"] in lines
    assert ["notify-keyspace-events", ""] in lines
    assert ["lazyfree-lazy-eviction", "yes"] in lines


def test_a_free_directive_may_replace_a_rendered_default() -> None:
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
def test_snapshot_rules_are_written_in_order_and_none_switches_snapshots_off(
    save: list[str], lines: list[list[str]]
) -> None:
    text = redis_conf(loaded({"redis": {"save": save}}).redis, data_path="/data", password_file=None)
    assert [line for line in directives(text) if line[0] == "save"] == lines


def test_the_password_is_included_and_never_in_the_file_itself() -> None:
    section = load_settings(
        {"redis": {"authentication": True, "password": "hunter2"}}, source="x", secret_keys=["redis"]
    ).redis
    text = redis_conf(section, data_path="/data", password_file="/etc/millrace/redis-password.conf")
    assert directives(text)[-1] == ["include", "/etc/millrace/redis-password.conf"]
    assert "hunter2" not in text
    assert "include" not in redis_conf(section, data_path="/data", password_file=None)
