"""The policy pack in the real Pulumi engine: this project's stacks pass, a violation stops the preview."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.stacks import PROJECT, Checkout, Result, Stack, ports_of
from tests.unit.policies.programs import fixture

PACK = ("--policy-pack", "policies")
NO_CLUSTER = {"KUBECONFIG": "/nonexistent"}
MOST_SECONDS = 2.0
"""How many seconds the pack may add to a preview of production."""

TOKEN = "hunter2-canary"
LATE = """
import pulumi, pulumi_docker as docker
from late import Late
late = Late("late")
given = {"name": "millrace-test-job", "memory": 64, "must_run": False, "start": False}
docker.Container("job", image="millrace/redis:7.0", envs=[late.entry], **given)
"""
LATE_RESOURCE = f"""
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("late", {{"entry": "A_TOKEN={TOKEN}"}})

class Late(Resource):
    entry: pulumi.Output[str]

    def __init__(self, name):
        super().__init__(Provider(), name, {{"entry": None}})
"""


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A copy of the prod stack file; nothing is ever created from it."""
    return _with_pack(Stack(tmp_path_factory.mktemp("prod") / "project", "test-prod", "Pulumi.prod.yaml"))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Checkout]:
    """A project with the pack and an empty program, which a test fills."""
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / "Pulumi.yaml").write_text(
        "name: other\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\nbackend: {url: 'file://.'}\n"
    )
    (tmp_path / "__main__.py").write_text("")
    made = _with_pack(Checkout(tmp_path, "blue", {}))
    yield made
    made.change("destroy", check=False)


def _with_pack(checkout: Any) -> Any:
    (checkout.folder / "policies").symlink_to(PROJECT / "policies")
    return checkout


def _preview(checkout: Checkout, *flags: str) -> Result:
    return checkout.run("preview", "--stack", checkout.name, *flags, environment=NO_CLUSTER)


@pytest.mark.parametrize("name", ["dev", "staging"])
def test_docker_stacks_pass(tmp_path: Path, name: str) -> None:
    ports = ports_of("policies").overrides(monitored=name == "staging")
    stack = _with_pack(Stack(tmp_path / "project", f"test-{name}", f"Pulumi.{name}.yaml", ports))
    done = _preview(stack, *PACK)
    assert done.code == 0, done.output
    assert "millrace@v" in done.output, "the pack ran"
    assert "[mandatory]" not in done.output
    assert "[advisory]" not in done.output


def test_production_passes_and_the_preview_names_unchecked_rules(prod: Stack) -> None:
    done = _preview(prod, *PACK)
    assert done.code == 0, done.output
    assert "[mandatory]" not in done.output
    assert "redis-password is not checked yet" in done.output
    assert "Secret redis-files" in done.output
    assert "make policy" in done.output


BREAKS = {
    "zookeeper.replicas": (1, "odd-ensemble"),
    "kafka.stopGrace": ("30s", "grace-period"),
    "kafka.retention": ("500d", "retention-bounds"),
    "kafka.autoCreateTopics": (True, "no-auto-create"),
    "kafka.uncleanLeaderElection": (True, "no-unclean-election"),
    "kafka.image": ("bitnami/kafka:3.9.0", "image-not-banned"),
    "redis.evictionPolicy": ("noeviction", "redis-bounded-memory"),
    "redis.authentication": (False, "redis-password"),
    "protect": ("false", "volumes-protected"),
}
"""Settings that break production rules, each with its value and the rule."""


def test_settings_that_break_production_rules_stop_the_preview(tmp_path: Path) -> None:
    broken = {path: value for path, (value, _) in BREAKS.items()}
    done = _preview(_with_pack(Stack(tmp_path / "project", "test-prod", "Pulumi.prod.yaml", broken)), *PACK)
    assert done.code != 0
    found = set(re.findall(r"\[mandatory\] \[severity: \w+\]  ([a-z-]+)  ", done.output))
    assert found == {rule for _, rule in BREAKS.values()}, done.output


def test_an_update_stops_before_anything_is_created(prod: Stack) -> None:
    broken = prod.config["millrace:redis"] = {"authentication": False}
    try:
        done = prod.run("up", "--stack", prod.name, "--yes", *PACK, environment=NO_CLUSTER)
    finally:
        del prod.config["millrace:redis"]
    assert broken
    assert done.code != 0
    assert "redis-password" in done.output
    assert '"resources"' not in prod.state() or "StatefulSet" not in prod.state()


def test_a_limit_can_be_configured(prod: Stack) -> None:
    (prod.folder / "limits.json").write_text(json.dumps({"partition-budget": {"partitionsPerBroker": 5}}))
    done = _preview(prod, *PACK, "--policy-pack-config", "limits.json")
    assert done.code != 0
    assert "more than 5 each" in done.output


@pytest.mark.parametrize(
    ("provider", "rules"),
    [
        ("kubernetes", ["pod-security-restricted", "requests-and-limits", "image-pinned", "redis-password"]),
        ("docker", ["image-pinned", "redis-bounded-memory"]),
    ],
)
def test_any_program_can_use_the_pack(program: Checkout, provider: str, rules: list[str]) -> None:
    (program.folder / "__main__.py").write_text(fixture(provider).read_text())
    done = _preview(program, *PACK)
    assert done.code != 0
    assert [rule for rule in rules if f"  {rule}  " not in done.output] == []
    assert "s3cret" not in done.output


def test_values_unknown_in_a_preview_are_checked_after_the_update(program: Checkout, prod: Stack) -> None:
    (program.folder / "late.py").write_text(LATE_RESOURCE)
    (program.folder / "__main__.py").write_text(LATE)
    before = _preview(program, *PACK)
    assert before.code == 0, before.output
    assert "no-plain-secret is not checked yet" in before.output
    program.up()
    after = program.run("policy", "analyze", "--stack", program.name, *PACK)
    assert after.code != 0
    assert "  no-plain-secret  " in after.output
    assert "in the variable A_TOKEN" in after.output
    assert TOKEN not in before.output + after.output


@pytest.mark.timing
def test_the_pack_adds_less_than_two_seconds_to_a_preview_of_production(prod: Stack) -> None:
    def seconds(*flags: str) -> float:
        start = time.monotonic()
        assert _preview(prod, *flags).code == 0
        return time.monotonic() - start

    plain = min(seconds() for _ in range(2))
    checked = min(seconds(*PACK) for _ in range(2))
    assert checked - plain < MOST_SECONDS, f"{checked:.2f} s with the pack, {plain:.2f} s without"
