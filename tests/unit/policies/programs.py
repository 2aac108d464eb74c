"""Programs and compose files as stacks, and the rules' reports on them.

Usage: python -m tests.unit.policies.programs
That rewrites the golden report; read ``git diff`` afterwards.
"""

import re
import runpy
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from policies.rules import RULES
from policies.view.resources import Resource
from policies.view.sizes import java_size
from policies.view.stack import Stack
from policies.view.values import Object
from tests.unit.mocks import ROOT, RecordingMocks, RecordingMonitor, _values, run_program, unmasked
from tests.unit.policies.samples import Plain, plain, stack

FOLDER = Path(__file__).parent / "stacks"
GOLDEN = Path(__file__).parent / "policy_report.txt"
_MIB = 2**20


def stack_of(monitor: RecordingMonitor, name: str) -> Stack:
    """The resources that a program declared, as a stack."""
    return Stack([_resource(monitor, request) for request in monitor.declared()], name)


def fixture(provider: str) -> Path:
    """The third-party program whose recordings the stand-in for a provider is compared with."""
    return ROOT / "tests" / "fixtures" / provider / "program" / "__main__.py"


def program(path: Path, name: str) -> Stack:
    """A Pulumi program, run on mocks."""
    monitor = RecordingMonitor(RecordingMocks())
    run_program(lambda: runpy.run_path(str(path)) and None, monitor)
    return stack_of(monitor, name)


def compose(path: Path, name: str) -> Stack:
    """A compose file, as the containers that it creates."""
    services = yaml.safe_load(path.read_text())["services"]
    return stack([_container(key, service) for key, service in services.items()], name)


def report(checked: Stack) -> list[str]:
    """The results of all rules, one line each."""
    found: list[str] = []
    for rule in RULES:
        result = rule.evaluate(checked)
        level = "mandatory" if rule.mandatory else "advisory"
        found += [f"{level} {rule.name}: {finding.message}" for finding in result.findings]
        found += [f"undecided {rule.name}: {what}" for what in result.undecided]
    return found


def golden_report() -> str:
    """The report on all programs and compose files, each as production and as dev."""
    stacks = {
        "compose.yaml": lambda name: compose(FOLDER / "compose.yaml", name),
        "k8s_program.py": lambda name: program(fixture("kubernetes"), name),
        "docker_program.py": lambda name: program(fixture("docker"), name),
    }
    parts: list[str] = []
    for title, made in stacks.items():
        for name in ("production", "dev"):
            parts += [f"== {title} as {name}", *report(made(name)), ""]
    return "\n".join(parts)


def _resource(monitor: RecordingMonitor, request: Any) -> Resource:
    inputs: Any = unmasked(_values(request.object))
    return Resource(
        type=request.type,
        name=request.name,
        urn=monitor.make_urn(request.parent, request.type, request.name),
        props=Object(inputs),
        protect=request.protect,
        sources={key: list(found.urns) for key, found in request.propertyDependencies.items()},
    )


def _container(name: str, service: Mapping[str, Any]) -> Plain:
    """A service as a docker.Container."""
    props: Plain = {
        "image": service["image"],
        "envs": [f"{key}={value}" for key, value in service.get("environment", {}).items()],
        "command": _arguments(service.get("command", [])),
        "entrypoints": _arguments(service.get("entrypoint", [])),
        "ports": [_port(text) for text in service.get("ports", [])],
        "volumes": [
            {"hostPath": text.split(":")[0], "containerPath": text.split(":")[1]} for text in service.get("volumes", [])
        ],
        "mustRun": service.get("restart") != "no",
    }
    if "mem_limit" in service:
        props["memory"] = (java_size(service["mem_limit"]) or 0) // _MIB
    if "stop_grace_period" in service:
        props["stopTimeout"] = int(re.sub(r"\D", "", service["stop_grace_period"]))
    if "healthcheck" in service:
        test = service["healthcheck"]["test"]
        props["healthcheck"] = {"tests": ["CMD-SHELL", test] if isinstance(test, str) else test}
    return plain("docker:index/container:Container", name, props)


def _arguments(command: str | Sequence[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)


def _port(text: str) -> Plain:
    *address, external, internal = text.split(":")
    return {"internal": int(internal), "external": int(external), **({"ip": address[0]} if address else {})}


if __name__ == "__main__":
    GOLDEN.write_text(golden_report())
