"""Checks of the tools on this machine: Python, its packages, the Pulumi CLI."""

import re
import shutil
import sys
import tomllib
from importlib import metadata

from components.errors import count
from ops.doctor.local_stack import LocalStack
from ops.doctor.outcome import Outcome, ok, wrong
from ops.pulumi_cli import PROJECT, pulumi_cli

Version = tuple[int, ...]


def version_of(text: str) -> Version:
    """``v3.258.0`` or ``>=3.11`` as comparable numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def python(local: LocalStack) -> Outcome:
    """The project supports this interpreter."""
    needed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    running = ".".join(map(str, sys.version_info[:3]))
    if version_of(running) >= version_of(needed):
        return ok(running)
    return wrong(f"{running}; {needed} is needed", "make setup, then . ./activate")


def packages(local: LocalStack) -> Outcome:
    """The installed packages are those pinned in requirements.txt."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    found = differing(pins)
    if found:
        return wrong(f"{count(len(found), 'package')} of {sys.executable}: {', '.join(found)}", "make setup")
    return ok(f"{len(pins)} as pinned")


def differing(pins: dict[str, str]) -> list[str]:
    """Packages that are missing or have a different version.

    Args:
        pins: Version by name.
    """
    found: list[str] = []
    for name, pinned in sorted(pins.items()):
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(f"{name} is missing")
            continue
        if installed != pinned.partition("!")[2] and installed != pinned:
            found.append(f"{name} is {installed}, not {pinned}")
    return found


def pulumi(local: LocalStack) -> Outcome:
    """The Pulumi CLI is installed and new enough for the project."""
    where = shutil.which("pulumi")
    if where is None:
        return wrong("the CLI is not on PATH", ". ./activate (or make setup, if it was never built)")
    version = pulumi_cli(local.folder, "version").strip()
    needed = str(local.project.get("requiredPulumiVersion", ">=0"))
    if version_of(version) < version_of(needed):
        return wrong(f"{version} at {where}; {needed} is needed", "make setup, then . ./activate")
    return ok(f"{version} at {where}")
