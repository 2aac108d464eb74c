"""Configuration files from settings.

Oracles: javaproperties for ``java.util.Properties``; for redis.conf a reader of its own, after Redis's
``sdssplitargs``. Proof limit: that the servers accept the files is shown by the integration tests.
"""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import javaproperties
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.errors import SettingsError
from components.kafka.files import log4j_properties, server_properties
from components.properties import render_properties
from components.redis.files import password_conf, redis_conf
from components.stack_file.settings import load_settings
from components.zookeeper.files import start_script, zoo_cfg
from tests.unit.regenerate_golden import GOLDEN, MANIFESTS, MONITORED, STACKS, monitored, rendered, settings_of

REGENERATE = "if the change is wanted: python -m tests.unit.regenerate_golden, then read the difference"
FILES = ("zoo.cfg", "server.properties", "redis.conf")


def settings(**declared: Any) -> Any:
    """Settings of the light profile with some values set."""
    return load_settings(declared, source="Pulumi.test.yaml")


# Properties files


@given(entries=st.dictionaries(st.text(), st.text()))
@example(entries={"": ""})
@example(entries={" a key:with=all#of!it\\": "\\ and\na\tvalue\r\f "})
@example(entries={"#": "#", "!": "!"})
@example(entries={"größe": "naïve 😀 \x00 \x7f \x85 \u2028"})
@example(entries={"a": "  two spaces", "b": "\\u0041"})
def test_java_reads_back_what_was_rendered(entries: dict[str, str]) -> None:
    text = render_properties(entries)
    assert javaproperties.loads(text) == entries
    assert text.isascii(), "Java reads these files as ISO 8859-1"
    assert text.count("\n") == len(entries), "a line an entry"
    assert list(javaproperties.loads(text)) == sorted(entries), "sorted by key, so that only real changes change it"


def test_the_order_of_entries_changes_nothing() -> None:
    assert render_properties({"b": "1", "a": "2"}) == render_properties({"a": "2", "b": "1"}) == "a=2\nb=1\n"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("listeners", "INTERNAL://:29092", "listeners=INTERNAL://:29092"),
        ("a b", "c d", r"a\ b=c d"),
        ("a", " b", r"a=\ b"),
        ("a", "b\nc=d", r"a=b\nc=d"),
        ("a", "ü", r"a=\u00fc"),
        ("a", "😀", r"a=\ud83d\ude00"),
        ("a", "", "a="),
    ],
)
def test_a_line_is_escaped_no_more_than_needed(key: str, value: str, line: str) -> None:
    assert render_properties({key: value}) == f"{line}\n"


# ZooKeeper


def test_a_single_member_is_no_ensemble() -> None:
    entries = zoo_cfg(settings().zookeeper, ["zookeeper-0"])
    assert not [key for key in entries if key.startswith("server.")], "a lone member runs standalone"
    assert "quorumListenOnAllIPs" not in entries


def test_members_of_an_ensemble_know_each_other_by_ids_from_one() -> None:
    entries = zoo_cfg(settings(zookeeper={"replicas": 3}).zookeeper, ["a", "b", "c"])
    servers = {key: value for key, value in entries.items() if key.startswith("server.")}
    assert servers == {"server.1": "a:2888:3888", "server.2": "b:2888:3888", "server.3": "c:2888:3888"}
    assert entries["quorumListenOnAllIPs"] == "true"


def test_zookeeper_settings_and_free_keys_land_in_the_file() -> None:
    section = {"tickTime": "1s", "initLimit": 20, "syncLimit": 7, "config": {"maxSessionTimeout": 60000}}
    entries = zoo_cfg(settings(zookeeper=section).zookeeper, ["zookeeper-0"])
    assert {key: entries[key] for key in ("tickTime", "initLimit", "syncLimit", "maxSessionTimeout")} == {
        "tickTime": "1000",
        "initLimit": "20",
        "syncLimit": "7",
        "maxSessionTimeout": "60000",
    }
    assert "dataDir" not in entries, "each member adds its own"


def test_the_start_script_is_strict_and_replaces_itself_with_the_server() -> None:
    script = start_script("/etc/millrace/zoo.cfg", "/var/lib/kafka/data")
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "set -eu" in lines
    assert "data=/var/lib/kafka/data/zookeeper-$1" in lines
    assert lines[-1] == "exec /opt/kafka/bin/zookeeper-server-start.sh /tmp/zoo.cfg", "signals must reach the server"


def start(folder: Path, *arguments: str, getent: str = "true", nslookup: str = "false") -> str:
    """Run the start script with commands of its own for DNS and none to sleep; what the server would read."""
    config, made, commands = folder / "given.cfg", folder / "made.cfg", folder / "bin"
    config.write_text("clientPort=2181\n")
    commands.mkdir(exist_ok=True)
    for name, body in {"getent": getent, "nslookup": nslookup, "sleep": "true"}.items():
        (commands / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {folder}/calls\n{body}\n')
        (commands / name).chmod(0o755)
    script = start_script(str(config), str(folder / "data"))
    server, scratch = script.split()[-2:]
    script = script.replace(server, "cat").replace(scratch, str(made))
    path = {"PATH": f"{commands}:{os.environ['PATH']}"}
    command = ["bash", "-c", script, "start", *arguments]
    return subprocess.run(command, env=path, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("ordinal", [0, 1, 2, 9])
def test_the_start_script_gives_each_member_its_id_and_folder(ordinal: int, tmp_path: Path) -> None:
    for _ in range(2):  # a member starts more than once
        config = start(tmp_path, str(ordinal), f"zookeeper-{ordinal}")
    folder = tmp_path / "data" / f"zookeeper-{ordinal}"
    assert (folder / "myid").read_text() == f"{ordinal + 1}\n"
    assert javaproperties.loads(config) == {"clientPort": "2181", "dataDir": str(folder)}


def calls(folder: Path, command: str) -> list[str]:
    return [line for line in (folder / "calls").read_text().splitlines() if line.startswith(command)]


@pytest.mark.parametrize(
    ("tool", "asked"), [("getent", "getent -s dns hosts zookeeper-1.a"), ("nslookup", "nslookup zookeeper-1.a")]
)
def test_a_member_starts_once_dns_has_its_name(tool: str, asked: str, tmp_path: Path) -> None:
    third = {tool: f"(($(grep -c ^{tool} {tmp_path}/calls) == 3))"}
    assert start(tmp_path, "1", "zookeeper-1.a", **{"getent": "exit 2", **third})
    assert calls(tmp_path, tool) == [asked] * 3
    assert len(calls(tmp_path, "sleep")) == 2


def test_a_member_whose_name_is_never_published_starts_in_the_end(tmp_path: Path) -> None:
    assert start(tmp_path, "1", "zookeeper-1.a", getent="exit 2")
    assert calls(tmp_path, "sleep") == ["sleep 0.2"] * 50


def test_the_start_script_fails_without_an_ordinal(tmp_path: Path) -> None:
    script = start_script(str(tmp_path / "given.cfg"), str(tmp_path / "data"))
    done = subprocess.run(["bash", "-c", script, "start"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert not list(tmp_path.iterdir()), "nothing is made for a member without a number"


# Kafka


def test_broker_settings_land_under_kafkas_keys() -> None:
    section = {
        "replicas": 3,
        "replicationFactor": 3,
        "minInSyncReplicas": 2,
        "internalPort": 30000,
        "retention": "36h",
        "retentionBytes": "1GiB",
        "segmentBytes": "16MiB",
        "numPartitions": 7,
        "autoCreateTopics": False,
        "uncleanLeaderElection": True,
        "compression": "zstd",
        "config": {"message.max.bytes": 2097152, "log.cleaner.enable": True},
    }
    entries = server_properties(settings(kafka=section).kafka, ["a", "b"], exposed=True)
    assert entries == {
        "auto.create.topics.enable": "false",
        "compression.type": "zstd",
        "controlled.shutdown.enable": "true",
        "default.replication.factor": "3",
        "delete.topic.enable": "true",
        "group.initial.rebalance.delay.ms": "0",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
        "listeners": "INTERNAL://:30000,EXTERNAL://:9092",
        "log.cleaner.enable": "true",
        "log.retention.bytes": "1073741824",
        "log.retention.ms": "129600000",
        "log.segment.bytes": "16777216",
        "message.max.bytes": "2097152",
        "min.insync.replicas": "2",
        "num.partitions": "7",
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
        "transaction.state.log.replication.factor": "3",
        "unclean.leader.election.enable": "true",
        "zookeeper.connect": "a:2181,b:2181",
        "zookeeper.connection.timeout.ms": "60000",
        "zookeeper.session.timeout.ms": "6000",
    }


def test_a_broker_that_no_client_outside_reaches_has_one_listener() -> None:
    section = settings(kafka={"internalPort": 30000}).kafka
    inside = server_properties(section, ["a"], exposed=False)
    outside = server_properties(section, ["a"], exposed=True)
    assert inside["listeners"] == "INTERNAL://:30000"
    assert inside["listener.security.protocol.map"] == "INTERNAL:PLAINTEXT"
    assert {key for key in outside if inside[key] != outside[key]} == {"listeners", "listener.security.protocol.map"}
    assert inside.keys() == outside.keys()


@pytest.mark.parametrize("stack", STACKS)
def test_what_differs_from_broker_to_broker_is_not_in_the_shared_file(stack: str) -> None:
    entries = javaproperties.loads(rendered(stack)["server.properties"])
    own = {"broker.id", "node.id", "log.dirs", "log.dir", "advertised.listeners", "broker.rack"}
    assert not own & set(entries), "the start script gives each broker these"


def test_logs_go_to_standard_output_alone() -> None:
    entries = log4j_properties()
    level, *appenders = [part.strip() for part in entries["log4j.rootLogger"].split(",")]
    assert (level, appenders) == ("INFO", ["stdout"])
    assert entries["log4j.appender.stdout"] == "org.apache.log4j.ConsoleAppender"
    assert javaproperties.loads(render_properties(entries)) == entries


# Redis


def split_arguments(line: str) -> list[str]:
    """A line's arguments as Redis's ``sdssplitargs`` reads them; raises where Redis would refuse the file."""
    data, position, arguments = line.encode().partition(b"\0")[0], 0, []  # a C string ends at its first zero
    spaces, escapes = b" \n\r\t\v\f", {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
    while True:
        while data[position : position + 1] and data[position] in spaces:
            position += 1
        if position == len(data):
            return arguments
        word, quote = b"", b""
        while True:
            rest = data[position:]
            char = rest[:1]
            if not char:
                if quote:
                    raise ValueError("unterminated quotes")
                break
            if quote == b'"' and re.match(rb"\\x[0-9a-fA-F]{2}", rest):
                word += bytes([int(rest[2:4], 16)])
                position += 4
            elif quote == b'"' and char == b"\\" and len(rest) > 1:
                word += escapes.get(rest[1:2], rest[1:2])
                position += 2
            elif quote == b"'" and rest[:2] == b"\\'":
                word += b"'"
                position += 2
            elif quote and char == quote:
                if rest[1:2] and rest[1] not in spaces:
                    raise ValueError("closing quotes in the middle of a word")
                quote = b""
                position += 1
                break
            elif not quote and char in (b'"', b"'"):
                quote = char
                position += 1
            elif not quote and char[0] in spaces:
                break
            else:
                word += char
                position += 1
        arguments.append(word.decode())


def directives(text: str) -> list[list[str]]:
    """The directives of a redis.conf as Redis reads them: lines are trimmed, comments and empty ones dropped."""
    lines = [line.strip(" \t\r\n") for line in text.split("\n")]
    return [split_arguments(line) for line in lines if line and not line.startswith("#")]


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
    plain = redis_conf(settings().redis, data_path="/data", password_file=None)
    text = redis_conf(settings(redis={"config": {"zz": value}}).redis, data_path="/data", password_file=None)
    added = [line for line in directives(text) if line not in directives(plain)]
    assert added in ([["zz", value]], [["zz", *value.split()]]), "one value, or several words as several arguments"
    assert len(directives(text)) == len(directives(plain)) + 1


def test_words_of_a_free_directive_stay_apart() -> None:
    config = {
        "client-output-buffer-limit": "normal 0 0 0",
        "notify-keyspace-events": "",
        "lazyfree-lazy-eviction": "yes",
    }
    lines = directives(redis_conf(settings(redis={"config": config}).redis, data_path="/data", password_file=None))
    assert ["client-output-buffer-limit", "normal", "0", "0", "0"] in lines
    assert ["notify-keyspace-events", ""] in lines
    assert ["lazyfree-lazy-eviction", "yes"] in lines


def test_a_free_directive_may_replace_a_rendered_default() -> None:
    section = settings(redis={"config": {"appendfsync": "always"}}).redis
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
    text = redis_conf(settings(redis={"save": save}).redis, data_path="/data", password_file=None)
    assert [line for line in directives(text) if line[0] == "save"] == lines


def test_the_password_is_included_and_never_in_the_file_itself() -> None:
    section = load_settings(
        {"redis": {"authentication": True, "password": "hunter2"}}, source="x", secret_keys=["redis"]
    ).redis
    text = redis_conf(section, data_path="/data", password_file="/etc/millrace/redis-password.conf")
    assert directives(text)[-1] == ["include", "/etc/millrace/redis-password.conf"]
    assert "hunter2" not in text
    assert "include" not in redis_conf(section, data_path="/data", password_file=None)


# Whole files of the real stacks


def parsed(name: str, text: str) -> Any:
    """A file as the server understands it: a mapping, or for redis.conf its lines in any order."""
    return Counter(text.splitlines()) if name == "redis.conf" else javaproperties.loads(text)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("stack", STACKS)
def test_a_stacks_file_is_the_golden_one(stack: str, name: str) -> None:
    golden = GOLDEN / stack / name
    assert golden.exists(), f"no {golden.relative_to(GOLDEN.parents[1])}; {REGENERATE}"
    assert parsed(name, rendered(stack)[name]) == parsed(name, golden.read_text()), f"{stack}/{name}: {REGENERATE}"


@pytest.mark.parametrize("stack", MONITORED)
def test_a_stacks_alerts_and_dashboard_are_the_golden_ones(stack: str) -> None:
    for name, text in monitored(stack).items():
        assert text == (GOLDEN / stack / name).read_text(), f"{stack}/{name}: {REGENERATE}"


def test_the_golden_folder_holds_these_files_and_no_others() -> None:
    kept = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.is_file()}
    files = {f"{stack}/{name}" for stack in STACKS for name in FILES}
    files |= {f"{stack}/{name}" for stack in MONITORED for name in monitored(stack)}
    assert kept == {*files, f"prod/{MANIFESTS}"}, REGENERATE
    assert {stack: tuple(rendered(stack)) for stack in STACKS} == dict.fromkeys(STACKS, FILES)


@pytest.mark.parametrize(
    ("name", "section"), [("zoo.cfg", "zookeeper"), ("server.properties", "kafka"), ("redis.conf", "redis")]
)
def test_a_key_that_settings_decide_cannot_be_set_freely(name: str, section: str) -> None:
    """Keys whose values differ from stack to stack come from settings; ``config`` must not override them."""
    entries = []
    for stack in STACKS:
        free = getattr(settings_of(stack), section).config
        text = rendered(stack)[name]
        lines = directives(text) if name == "redis.conf" else javaproperties.loads(text).items()
        entries.append({tuple(line) for line in lines if line[0] not in free})
    differing = set.union(*entries) - set.intersection(*entries)
    decided = {line[0] for line in differing} - {"quorumListenOnAllIPs"}  # a free choice all the same
    assert decided, "the profiles differ"
    accepted = []
    for key in sorted(decided):
        try:
            settings(**{section: {"config": {key: "1"}}})
        except SettingsError:
            continue
        accepted.append(key)
    assert accepted == [], "these would silently replace what the platform derives"
