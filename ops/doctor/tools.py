"""Checks of what this machine needs to drive a stack: Python, its packages, the Pulumi CLI."""

import re
import shutil
import sys
import tomllib
from importlib import metadata

from components.errors import count
from ops.doctor.case import Case
from ops.doctor.report import Outcome, well, wrong
from ops.pulumi_cli import PROJECT, pulumi_cli

Version = tuple[int, ...]


def version_of(text: str) -> Version:
    """``v3.258.0`` or ``>=3.11`` as numbers that compare."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def python(case: Case) -> Outcome:
    """The interpreter is one that the project supports."""
    needed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    running = ".".join(map(str, sys.version_info[:3]))
    if version_of(running) >= version_of(needed):
        return well(running)
    return wrong(f"{running}; {needed} is needed", "make setup, then . ./activate")


def packages(case: Case) -> Outcome:
    """The packages that run are those that requirements.txt pins."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    found = differing(pins)
    if found:
        return wrong(f"{count(len(found), 'package')} of {sys.executable}: {', '.join(found)}", "make setup")
    return well(f"{len(pins)} as pinned")


def differing(pins: dict[str, str]) -> list[str]:
    """Packages that are missing or of another version.

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


def pulumi(case: Case) -> Outcome:
    """The Pulumi CLI is there, and new enough for the project file."""
    where = shutil.which("pulumi")
    if where is None:
        return wrong("the CLI is not on PATH", ". ./activate (or make setup, where it was never built)")
    version = pulumi_cli(case.folder, "version").strip()
    needed = str(case.project.get("requiredPulumiVersion", ">=0"))
    if version_of(version) < version_of(needed):
        return wrong(f"{version} at {where}; {needed} is needed", "make setup, then . ./activate")
    return well(f"{version} at {where}")
