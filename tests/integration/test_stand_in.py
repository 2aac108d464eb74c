"""The stand-in for the Docker resource plugin, compared with recordings of the official one."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from components.images import SETS
from tests.integration.stacks import PROJECT, Checkout

RECORDED = PROJECT / "tests" / "fixtures" / "docker"
CONTAINER, VOLUME, NETWORK = "fixture-redis", "fixture-redis-data", "fixture"
CONTAINER_TYPE = "docker:index/container:Container"

# Values that differ between machines or runs, and the official plugin's internal data.
VARYING = {
    *("id", "image", "imageId", "repoDigest", "networkDatas", "ipamConfigs", "mountpoint"),
    *("__meta", "__pulumi_raw_state_delta"),
}


def remove_fixture() -> None:
    engine = docker.from_env()
    for items, name in ((engine.containers, CONTAINER), (engine.volumes, VOLUME), (engine.networks, NETWORK)):
        try:
            found = items.get(name)
        except NotFound:
            continue
        found.remove(force=True) if items is engine.containers else found.remove()


def checkout(folder: Path, **config: str) -> Checkout:
    shutil.copytree(RECORDED / "program", folder)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    image = {"fixture:image": SETS["local"]["redis"]}
    return Checkout(folder, "official", image | {f"fixture:{key}": value for key, value in config.items()})


@pytest.fixture
def fixture(tmp_path: Path) -> Iterator[Checkout]:
    remove_fixture()
    made = checkout(tmp_path / "project")
    try:
        yield made
        made.change("destroy")
    finally:
        remove_fixture()


def by_type(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {resource["type"]: resource for resource in state["deployment"]["resources"]}


def comparable(values: dict[str, Any]) -> dict[str, Any]:
    """Values without the varying ones; the image's name is unified, as the recording used the public image."""
    kept = {key: value for key, value in values.items() if key not in VARYING and value is not None}
    if kept.get("name") in ("redis:7", SETS["local"]["redis"]):
        kept["name"] = "image"
    return kept


def test_inputs_defaults_and_outputs_equal_the_official_ones(fixture: Checkout) -> None:
    fixture.up()
    recorded = by_type(json.loads((RECORDED / "state.json").read_text()))
    made = by_type(json.loads(fixture.run("stack", "export", check=True).output))
    types = [kind for kind in recorded if kind.startswith("docker:")]
    assert len(types) == 4
    for kind in types:
        assert comparable(made[kind]["inputs"]) == comparable(recorded[kind]["inputs"]), f"inputs of {kind}"
        outputs, official = comparable(made[kind]["outputs"]), comparable(recorded[kind]["outputs"])
        assert outputs, f"{kind} has outputs"
        assert {key: official.get(key) for key in outputs} == outputs, f"outputs of {kind}"
        assert made[kind]["id"], f"id of {kind}"
    container = made[CONTAINER_TYPE]
    assert container["outputs"]["image"] == made["docker:index/remoteImage:RemoteImage"]["outputs"]["imageId"]
    assert container["propertyDependencies"].keys() == recorded[CONTAINER_TYPE]["propertyDependencies"].keys()


def test_the_engine_gets_the_same_container_configuration(fixture: Checkout) -> None:
    fixture.up()
    recorded = json.loads((RECORDED / "inspect.json").read_text())[0]
    made = docker.from_env().api.inspect_container(CONTAINER)
    assert made["HostConfig"].keys() >= {"Binds", "Memory"}
    differing = {
        key for key, value in recorded["HostConfig"].items() if (made["HostConfig"].get(key) or None) != (value or None)
    }
    assert differing <= {"CgroupnsMode"}, "host configuration"
    for key in ("Hostname", "User", "Cmd", "Healthcheck", "Labels", "StopTimeout", "ExposedPorts"):
        expected = recorded["Config"][key]
        actual = made["Config"][key]
        if key == "Labels":
            actual = {label: value for label, value in actual.items() if label != "millrace.sources"}
        assert actual == expected, key
    assert set(recorded["Config"]["Env"]) <= set(made["Config"]["Env"])
    assert [mount["Destination"] for mount in made["Mounts"]] == ["/data"]
    networks = made["NetworkSettings"]["Networks"]
    assert list(networks) == ["fixture"], "not on the default bridge"
    assert networks["fixture"]["Aliases"][:2] == ["redis", "redis-1"]


def test_a_second_up_changes_nothing_and_an_env_change_replaces_the_container(fixture: Checkout) -> None:
    fixture.up()
    assert fixture.up().changed() == {}
    fixture.config["fixture:level"] = "warning"
    preview = fixture.run("preview", "--json", "--stack", "official", check=True)
    steps = json.loads(preview.output[preview.output.index("{") :])
    recorded = json.loads((RECORDED / "preview-env-change.json").read_text())
    assert steps["changeSummary"] == recorded["changeSummary"]

    def replaced(document: dict[str, Any]) -> list[tuple[str, list[str]]]:
        return [
            (step["urn"].rpartition("::")[2], step["replaceReasons"])
            for step in document["steps"]
            if step["op"] == "replace"
        ]

    assert replaced(steps) == replaced(recorded) == [("redis", ["envs"])]


def test_refresh_detects_a_manually_removed_container(fixture: Checkout) -> None:
    fixture.up()
    docker.from_env().containers.get(CONTAINER).remove(force=True)
    assert fixture.change("refresh").changed() == {"delete": ["redis"]}
    assert fixture.up().changed() == {"create": ["redis"]}


def test_refresh_shows_a_manually_changed_limit_and_up_resets_it_in_place(fixture: Checkout) -> None:
    fixture.up()
    container = docker.from_env().containers.get(CONTAINER)
    container.update(mem_limit=300 * 1024**2, memswap_limit=512 * 1024**2)
    assert fixture.change("refresh").changed() == {"update": ["redis"]}
    assert fixture.up().changed() == {"update": ["redis"]}
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 256 * 1024**2


def test_a_taken_port_leaves_a_failed_container_that_the_next_up_replaces(fixture: Checkout) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        fixture.config["fixture:port"] = str(holder.getsockname()[1])
        failed = fixture.up(check=False)
    assert failed.code != 0
    assert "Unable to start container: Error response from daemon: driver failed programming" in failed.output
    assert docker.from_env().containers.get(CONTAINER).status == "created"
    fixture.config["fixture:port"] = "16379"
    assert "redis" in fixture.up().changed()["replace"]
    assert docker.from_env().containers.get(CONTAINER).status == "running"


def test_an_image_that_cannot_be_pulled_is_named(fixture: Checkout) -> None:
    fixture.config["fixture:image"] = "localhost:1/nothing:1"
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert "unable to pull image localhost:1/nothing:1: error pulling image localhost:1/nothing:1" in failed.output


def test_waiting_for_an_unhealthy_container_fails_with_its_last_log_lines(fixture: Checkout) -> None:
    fixture.config |= {"fixture:check": "false", "fixture:wait": "3"}
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert "container failed to be in healthy state" in failed.output
    assert "Ready to accept connections" in failed.output


def test_an_unsupported_type_is_refused_by_name(fixture: Checkout) -> None:
    program = fixture.folder / "__main__.py"
    program.write_text(program.read_text() + 'docker.Secret("secret", data="eA==")\n')
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert "not docker:index/secret:Secret" in failed.output


def test_an_unsupported_input_is_refused_by_name(fixture: Checkout) -> None:
    program = fixture.folder / "__main__.py"
    program.write_text(program.read_text().replace('user="0",', 'user="0", privileged=True,'))
    failed = fixture.up(check=False)
    assert failed.code != 0
    assert 'does not implement "privileged"' in failed.output
