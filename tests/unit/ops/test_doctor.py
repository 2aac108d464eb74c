"""The doctor's checks on broken stacks, as far as possible without a real one.

Source: ops/doctor/.
"""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.doctor import machine, stack, tools
from ops.doctor.checks import Check, run_checks
from ops.doctor.local_stack import LocalStack
from ops.doctor.outcome import State, ok, warning
from ops.platform import Platform

PROJECT = {"name": "millrace", "backend": {"url": "file://."}, "requiredPulumiVersion": ">=3.200.0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump(PROJECT))
    return tmp_path


def case(folder: Path, **config: Any) -> LocalStack:
    """A stack with these settings."""
    values = {f"millrace:{key}": value for key, value in config.items()}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": values}))
    return LocalStack("dev", folder)


def cli(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A pulumi CLI that does what the script says."""
    (folder / "bin").mkdir()
    tool = folder / "bin" / "pulumi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")


def test_a_check_that_raises_is_reported_and_does_not_stop_the_others(folder: Path) -> None:
    def breaks(_: LocalStack) -> Any:
        raise ZeroDivisionError("by nought")

    results = run_checks([Check("first", breaks), Check("second", lambda _: ok("fine"))], case(folder))

    assert [(result.name, result.outcome.state) for result in results] == [
        ("first", State.UNCHECKED),
        ("second", State.OK),
    ]
    assert results[0].outcome.seen == "could not be checked: ZeroDivisionError: by nought"
    assert results[0].is_wrong


def test_a_dead_engine_is_one_finding_and_dependent_checks_are_unchecked(folder: Path, no_engine: None) -> None:
    checks = [Check("engine", machine.engine), Check("ports", machine.ports), Check("containers", stack.containers)]
    local = case(folder)
    local.__dict__["deployment"] = {}

    engine, ports, containers = run_checks(checks, local)

    assert engine.outcome.state is State.WRONG
    assert "make engine" in engine.outcome.fix
    assert ports.outcome.state is containers.outcome.state is State.UNCHECKED


def test_mistakes_of_the_stack_file_are_all_listed(folder: Path) -> None:
    outcome = stack.stack_file(case(folder, profil="light", kafka={"replicas": 0}))

    assert outcome.state is State.WRONG
    assert "profil" in outcome.seen
    assert "kafka.replicas" in outcome.seen


def test_a_secret_in_the_stack_file_needs_no_passphrase(folder: Path) -> None:
    with_secret = case(folder, redis={"authentication": True, "password": {"secure": "v1:abc"}})

    assert stack.stack_file(with_secret).state is State.OK


def test_a_missing_stack_file_says_how_to_make_one(folder: Path) -> None:
    assert stack.stack_file(LocalStack("nope", folder)).fix == "pulumi stack init nope"


def test_a_wrong_passphrase_is_distinguished_from_other_failures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli(folder, monkeypatch, "echo 'error: failed to decrypt: incorrect passphrase' >&2; exit 255")

    outcome = stack.passphrase(case(folder))

    assert outcome.state is State.WRONG
    assert "PULUMI_CONFIG_PASSPHRASE" in outcome.fix


def test_a_lock_of_a_dead_process_is_found(folder: Path) -> None:
    locks = folder / ".pulumi" / "locks" / "organization" / "millrace" / "dev"
    locks.mkdir(parents=True)
    local = case(folder)
    local.__dict__["deployment"] = {}
    assert stack.lock(local).state is State.OK

    lock = {"pid": os.getpid(), "username": "me", "hostname": socket.gethostname(), "timestamp": "now"}
    (locks / "1.json").write_text(json.dumps(lock))
    assert "is running" in stack.lock(local).seen

    (locks / "1.json").write_text(json.dumps({**lock, "pid": 2**22 + 1}))
    outcome = stack.lock(local)
    assert outcome.state is State.WRONG
    assert outcome.fix == "python -m ops -s dev heal"


def test_an_interrupted_update_is_found(folder: Path) -> None:
    local = case(folder)
    pending = {"type": "creating", "resource": {"urn": "urn:pulumi:dev::m::t::kafka-0"}}
    local.__dict__["deployment"] = {"pending_operations": [pending]}

    outcome = stack.lock(local)

    assert "kafka-0" in outcome.seen
    assert outcome.fix == "python -m ops -s dev heal"


def test_missing_stopped_and_foreign_containers_are_distinguished() -> None:
    outcome = stack.judge_containers(
        {"1": "p-kafka-0", "2": "p-kafka-1", "3": "p-kafka-2"},
        {"1": ("p-kafka-0", True), "2": ("p-kafka-1", False), "9": ("p-left", True)},
        "dev",
    )

    assert outcome.seen == "in the state but gone: p-kafka-2; stopped: p-kafka-1; not in the state: p-left"
    assert outcome.fix == "docker rm -f p-left, then pulumi up -s dev --refresh"
    assert stack.judge_containers({"1": "a"}, {"1": ("a", True)}, "dev").state is State.OK


def test_a_context_that_the_kubeconfig_lacks_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({"contexts": [{"name": "other"}]}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    outcome = machine.kubernetes(case(folder, target="kubernetes", kubernetes={"context": "production"}))

    assert outcome.state is State.WRONG
    assert '"production"; it has other' in outcome.seen


def test_a_cluster_that_does_not_answer_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "production", "context": {"cluster": "c", "user": "u"}}
    content = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {"token": "t"}}]}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    outcome = machine.kubernetes(case(folder, target="kubernetes", kubernetes={"context": "production"}))

    assert outcome.state is State.WRONG
    assert "127.0.0.1:1" in outcome.seen


def test_docker_s_checks_do_not_apply_to_a_stack_on_kubernetes(folder: Path, no_engine: None) -> None:
    local = case(folder, target="kubernetes", kubernetes={"context": "production"})

    for check in (machine.engine, machine.disk, machine.memory, machine.images, machine.ports, stack.containers):
        assert check(local).state is State.SKIPPED


def test_clocks_that_differ_are_named() -> None:
    assert machine.judge_clocks({"the engine": 0.3, "redis-0": -1.9}).state is State.OK
    outcome = machine.judge_clocks({"the engine": 0.3, "redis-0": -90.0})
    assert outcome.state is State.WRONG
    assert "redis-0 -90.0 s" in outcome.seen


def test_packages_that_differ_from_their_pins_are_named() -> None:
    assert tools.differing({"no-such-package": "1.0", "typer": "0.0.1"}) == [
        "no-such-package is missing",
        f"typer is {__import__('typer').__version__}, not 0.0.1",
    ]


def test_the_python_and_packages_of_this_checkout_are_right(folder: Path) -> None:
    assert tools.python(case(folder)).state is State.OK
    assert tools.packages(case(folder)).state is State.OK


def test_an_old_pulumi_cli_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli(folder, monkeypatch, "echo v3.100.1")

    outcome = tools.pulumi(case(folder))

    assert outcome.state is State.WRONG
    assert ">=3.200.0" in outcome.seen


def test_a_missing_pulumi_cli_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))

    assert "activate" in tools.pulumi(case(folder)).fix


def test_without_access_certificates_are_not_checked(folder: Path) -> None:
    local = case(folder)
    local.__dict__["deployment"] = {}
    assert "nothing is up" in stack.certificates(local).seen
    local.__dict__["deployment"] = {"resources": [{"type": "docker:index/container:Container"}]}
    local.__dict__["platform"] = Platform(
        stack="dev", name="millrace-dev", target="docker", brokers={}, zookeeper={}, redis={}
    )
    outcome = stack.certificates(local)
    assert (outcome.state, outcome.seen) == (State.SKIPPED, "access is off, so there are none")


def test_a_warning_is_no_error(folder: Path) -> None:
    (result,) = run_checks([Check("soon", lambda _: warning("soon", "do it"))], case(folder))
    assert not result.is_wrong
    assert result.to_json()["state"] == "warning"
