"""zoo.cfg and the ensemble's start script.

Source: components/zookeeper/files.py.
Proof limit: the integration tests show that a member accepts the files.
"""

import os
import subprocess
from pathlib import Path

import javaproperties
import pytest

from components.zookeeper.files import start_script, zoo_cfg
from tests.unit.stack_files import loaded


def test_a_single_member_has_no_list_of_servers() -> None:
    entries = zoo_cfg(loaded().zookeeper, ["zookeeper-0"])
    assert not [key for key in entries if key.startswith("server.")], "a single member runs standalone"
    assert "quorumListenOnAllIPs" not in entries


def test_the_server_list_of_an_ensemble_starts_with_id_1() -> None:
    entries = zoo_cfg(loaded({"zookeeper": {"replicas": 3}}).zookeeper, ["a", "b", "c"])
    servers = {key: value for key, value in entries.items() if key.startswith("server.")}
    assert servers == {"server.1": "a:2888:3888", "server.2": "b:2888:3888", "server.3": "c:2888:3888"}
    assert entries["quorumListenOnAllIPs"] == "true"


def test_zookeeper_settings_and_config_keys_are_in_the_file() -> None:
    section = {"tickTime": "1s", "initLimit": 20, "syncLimit": 7, "config": {"maxSessionTimeout": 60000}}
    entries = zoo_cfg(loaded({"zookeeper": section}).zookeeper, ["zookeeper-0"])
    assert {key: entries[key] for key in ("tickTime", "initLimit", "syncLimit", "maxSessionTimeout")} == {
        "tickTime": "1000",
        "initLimit": "20",
        "syncLimit": "7",
        "maxSessionTimeout": "60000",
    }
    assert "dataDir" not in entries, "each member adds its own value"


def test_the_start_script_is_strict_and_replaces_itself_with_the_server() -> None:
    script = start_script("/etc/millrace/zoo.cfg", "/var/lib/kafka/data")
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "set -eu" in lines
    assert "data=/var/lib/kafka/data/zookeeper-$1" in lines
    assert lines[-1] == "exec /opt/kafka/bin/zookeeper-server-start.sh /tmp/zoo.cfg", "signals must reach the server"


def start(folder: Path, *arguments: str, getent: str = "true", nslookup: str = "false") -> str:
    """Run the start script with fake commands for DNS and sleep; returns the files that the server would read."""
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
    for _ in range(2):  # a member may start several times
        config = start(tmp_path, str(ordinal), f"zookeeper-{ordinal}")
    folder = tmp_path / "data" / f"zookeeper-{ordinal}"
    assert (folder / "myid").read_text() == f"{ordinal + 1}\n"
    assert javaproperties.loads(config) == {"clientPort": "2181", "dataDir": str(folder)}


def calls(folder: Path, command: str) -> list[str]:
    return [line for line in (folder / "calls").read_text().splitlines() if line.startswith(command)]


@pytest.mark.parametrize(
    ("tool", "asked"), [("getent", "getent -s dns hosts zookeeper-1.a"), ("nslookup", "nslookup zookeeper-1.a")]
)
def test_a_member_starts_as_soon_as_dns_has_its_name(tool: str, asked: str, tmp_path: Path) -> None:
    third = {tool: f"(($(grep -c ^{tool} {tmp_path}/calls) == 3))"}
    assert start(tmp_path, "1", "zookeeper-1.a", **{"getent": "exit 2", **third})
    assert calls(tmp_path, tool) == [asked] * 3
    assert len(calls(tmp_path, "sleep")) == 2


def test_a_member_whose_name_is_never_published_starts_eventually(tmp_path: Path) -> None:
    assert start(tmp_path, "1", "zookeeper-1.a", getent="exit 2")
    assert calls(tmp_path, "sleep") == ["sleep 0.2"] * 50


def test_the_start_script_fails_without_an_ordinal(tmp_path: Path) -> None:
    script = start_script(str(tmp_path / "given.cfg"), str(tmp_path / "data"))
    done = subprocess.run(["bash", "-c", script, "start"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert not list(tmp_path.iterdir()), "nothing is created for a member without an ordinal"
