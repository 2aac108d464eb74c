"""zoo.cfg and the ensemble's start script.

Source: components/zookeeper/files.py.
Proof limit: the integration tests show that a member accepts the files.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import javaproperties
import pytest

from components.zookeeper.files import admin_cfg, start_script, zoo_cfg
from tests.unit.stack_files import loaded


def test_the_file_does_not_depend_on_the_number_of_members() -> None:
    """A change of it would restart everybody: each member keeps its own list of members, as part of the data."""
    one, three = (zoo_cfg(loaded({"zookeeper": {"replicas": number}}).zookeeper) for number in (1, 3))
    assert one == three
    assert not [key for key in one if key.startswith("server.")]
    assert (one["reconfigEnabled"], one["standaloneEnabled"]) == ("true", "false")
    assert one["db.autocreate"] == "false", "a member without data must not vote as if it knew that there is none"


def test_zookeeper_settings_and_config_keys_are_in_the_file() -> None:
    section = {"tickTime": "1s", "initLimit": 20, "syncLimit": 7, "config": {"maxSessionTimeout": 60000}}
    entries = zoo_cfg(loaded({"zookeeper": section}).zookeeper)
    assert {key: entries[key] for key in ("tickTime", "initLimit", "syncLimit", "maxSessionTimeout")} == {
        "tickTime": "1000",
        "initLimit": "20",
        "syncLimit": "7",
        "maxSessionTimeout": "60000",
    }
    assert "dataDir" not in entries, "each member adds its own value"


def test_members_know_a_digest_of_the_password_only() -> None:
    """The digest of ZooKeeper's own documentation for super:admin."""
    assert admin_cfg("admin") == {"DigestAuthenticationProvider.superDigest": "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="}


def test_the_start_script_is_strict_and_replaces_itself_with_the_server() -> None:
    script = start_script("/etc/millrace/zoo.cfg", "/etc/millrace/admin.cfg", "/var/lib/kafka/data")
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "set -eu" in lines
    assert "data=/var/lib/kafka/data/zookeeper-$ordinal" in lines
    assert lines[-1] == 'exec /opt/kafka/bin/zookeeper-server-start.sh "$data/zoo.cfg"', "signals must reach the server"


def start(
    folder: Path, ordinal: int, host: str = "", *, founders: int = 0, getent: str = "true", nslookup: str = "false"
) -> dict[str, str]:
    """Run the start script with fake commands for DNS and sleep; returns what the server would read."""
    config, admin, commands = folder / "given.cfg", folder / "admin.cfg", folder / "bin"
    config.write_text("clientPort=2181\n")
    admin.write_text("DigestAuthenticationProvider.superDigest=super:digest\n")
    commands.mkdir(exist_ok=True)
    for name, body in {"getent": getent, "nslookup": nslookup, "sleep": "true"}.items():
        (commands / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {folder}/calls\n{body}\n')
        (commands / name).chmod(0o755)
    script = start_script(str(config), str(admin), str(folder / "data"))
    script = script.replace("/opt/kafka/bin/zookeeper-server-start.sh", "true")
    variables = {"PATH": f"{commands}:{os.environ['PATH']}", **({"FOUNDERS": str(founders)} if founders else {})}
    command = ["bash", "-c", script, "start", str(ordinal), host or f"zookeeper-{ordinal}"]
    subprocess.run(command, env=variables, capture_output=True, check=True)
    return javaproperties.loads((folder / "data" / f"zookeeper-{ordinal}" / "zoo.cfg").read_text())


def members(config: dict[str, str]) -> dict[str, str]:
    """The list of members that a started server would read."""
    return javaproperties.loads(Path(config["dynamicConfigFile"]).read_text())


def entry(ordinal: int, role: str = "participant", domain: str = "") -> str:
    return f"zookeeper-{ordinal}{domain}:2888:3888:{role};2181"


def has_data(folder: Path, ordinal: int, lists: Mapping[str, Sequence[int]] | None = None) -> Path:
    """Let a member have data, and lists of members that ZooKeeper wrote; returns its folder."""
    data = folder / "data" / f"zookeeper-{ordinal}"
    (data / "version-2").mkdir(parents=True)
    (data / "version-2" / "snapshot.0").touch()
    for version, ordinals in (lists or {}).items():
        lines = [f"server.{number + 1}={entry(number)}\n" for number in ordinals]
        (data / f"zoo.cfg.dynamic.{version}").write_text("".join(lines))
    return data


@pytest.mark.parametrize("ordinal", [0, 1, 2, 9])
def test_the_start_script_gives_each_member_its_id_and_folder(ordinal: int, tmp_path: Path) -> None:
    for _ in range(2):  # a member may start several times
        config = start(tmp_path, ordinal)
    folder = tmp_path / "data" / f"zookeeper-{ordinal}"
    assert (folder / "myid").read_text() == f"{ordinal + 1}\n"
    assert config.pop("dynamicConfigFile").startswith(f"{folder}/")
    assert config == {
        "clientPort": "2181",
        "dataDir": str(folder),
        "DigestAuthenticationProvider.superDigest": "super:digest",
    }
    assert (folder / "zoo.cfg").stat().st_mode & 0o077 == 0, "others need not read the digest"


@pytest.mark.parametrize("founders", [1, 3])
def test_founders_start_with_a_vote_each_and_may_begin_without_data(founders: int, tmp_path: Path) -> None:
    for ordinal in range(founders):
        found = members(start(tmp_path, ordinal, founders=founders))
        assert found == {f"server.{number + 1}": entry(number) for number in range(founders)}
        assert (tmp_path / "data" / f"zookeeper-{ordinal}" / "initialize").exists()


def test_names_in_a_cluster_differ_in_the_first_label_only(tmp_path: Path) -> None:
    domain = ".zookeeper.streaming.svc.cluster.local"
    found = members(start(tmp_path, 1, f"zookeeper-1{domain}", founders=2))
    assert found == {"server.1": entry(0, domain=domain), "server.2": entry(1, domain=domain)}


@pytest.mark.parametrize(
    ("ordinal", "others"),
    [(0, [1, 2]), (1, [0]), (2, [0, 1]), (4, [0, 1, 2, 3])],
    ids=["first", "second", "third", "5th"],
)
def test_a_member_that_founds_nothing_has_no_vote_and_asks_the_others(
    ordinal: int, others: list[int], tmp_path: Path
) -> None:
    found = members(start(tmp_path, ordinal))
    voting = {f"server.{number + 1}": entry(number) for number in others}
    assert found == voting | {f"server.{ordinal + 1}": entry(ordinal, "observer")}
    assert not (tmp_path / "data" / f"zookeeper-{ordinal}" / "initialize").exists(), "it must not begin without data"


def test_a_founder_without_data_has_no_vote_where_others_have_data(tmp_path: Path) -> None:
    """It lost its own folder of a volume that all share: the others are the ensemble."""
    has_data(tmp_path, 1, {"100000000": [0, 1, 2]})
    assert members(start(tmp_path, 0, founders=1))["server.1"] == entry(0, "observer")


def test_a_member_has_the_role_of_the_newest_list_that_it_knows(tmp_path: Path) -> None:
    data = has_data(tmp_path, 0, {"9": [0], "100000000": [0, 1], "ff": [0, 1, 2]})
    config = start(tmp_path, 0, founders=1)
    assert config["dynamicConfigFile"] == str(data / "zoo.cfg.dynamic.100000000"), "versions are hexadecimal numbers"


def test_a_member_that_left_has_no_vote_and_asks_those_that_it_knows(tmp_path: Path) -> None:
    data = has_data(tmp_path, 2, {"100": [0, 1, 2], "200": [0, 1]})
    (data / "zoo.cfg.dynamic.next").touch()
    found = members(start(tmp_path, 2))
    assert found == {"server.1": entry(0), "server.2": entry(1), "server.3": entry(2, "observer")}
    assert not (data / "zoo.cfg.dynamic.next").exists(), "a proposal that it saw before must not give it a vote"


def calls(folder: Path, command: str) -> list[str]:
    return [line for line in (folder / "calls").read_text().splitlines() if line.startswith(command)]


@pytest.mark.parametrize(
    ("tool", "asked"), [("getent", "getent -s dns hosts zookeeper-1.a"), ("nslookup", "nslookup zookeeper-1.a")]
)
def test_a_member_starts_as_soon_as_dns_has_its_name(tool: str, asked: str, tmp_path: Path) -> None:
    third = {tool: f"(($(grep -c ^{tool} {tmp_path}/calls) == 3))"}
    assert start(tmp_path, 1, "zookeeper-1.a", **{"getent": "exit 2", **third})
    assert calls(tmp_path, tool) == [asked] * 3
    assert len(calls(tmp_path, "sleep")) == 2


def test_a_member_whose_name_is_never_published_starts_eventually(tmp_path: Path) -> None:
    assert start(tmp_path, 1, "zookeeper-1.a", getent="exit 2")
    assert calls(tmp_path, "sleep") == ["sleep 0.2"] * 50


def test_the_start_script_fails_without_an_ordinal(tmp_path: Path) -> None:
    script = start_script(*(str(tmp_path / name) for name in ("given.cfg", "admin.cfg", "data")))
    done = subprocess.run(["bash", "-c", script, "start"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert not list(tmp_path.iterdir()), "nothing is created for a member without an ordinal"
